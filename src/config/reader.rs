//! Reads typed values and gathers the faults, so that all of them are reported at once.

use std::path::PathBuf;

use super::fault::{Fault, Faults};
use super::settings::{Found, Settings, starting_at};
use super::table::{DefaultValue, Kind, Setting};
use super::value::{self, Wrong};
use super::words::Word;

/// Variables that are used together, as one value.
pub trait Group: Sized {
    /// Reads every variable of the group, the faulty ones too; `None` if there is a fault, which `reader` then has.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

impl<A: Group, B: Group> Group for (A, B) {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (first, second) = (A::read(reader), B::read(reader));
        Some((first?, second?))
    }
}

/// Reads one variable after the other, and keeps what is wrong.
pub struct Reader<'a> {
    settings: &'a Settings,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self { settings, faults: Vec::new() }
    }

    pub(super) fn read<G: Group>(mut self) -> Result<G, Faults> {
        match G::read(&mut self) {
            Some(group) if self.faults.is_empty() => Ok(group),
            _ => {
                // Two groups may share a variable.
                let mut faults: Vec<Fault> = Vec::new();
                for fault in self.faults {
                    if !faults.contains(&fault) {
                        faults.push(fault);
                    }
                }
                Err(Faults::new(faults))
            }
        }
    }

    /// The settings that are read.
    pub(super) fn settings(&self) -> &'a Settings {
        self.settings
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// The value of a variable that is required or has a default.
    pub(super) fn value<T>(&mut self, setting: &Setting, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        match (self.found(setting)?, setting.default) {
            (Some(found), _) => self.parsed(setting, &found, parse),
            (None, DefaultValue::Is(default)) => parse(default).ok(),
            (None, _) => {
                self.fault(Fault::Missing { name: setting.name });
                None
            }
        }
    }

    /// The value of a variable that may be absent, whatever its default; the outer `None` is a fault.
    #[expect(clippy::option_option, reason = "a fault and an absent value are different things")]
    pub(super) fn optional<T>(
        &mut self,
        setting: &Setting,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<Option<T>> {
        match self.found(setting)? {
            Some(found) => self.parsed(setting, &found, parse).map(Some),
            None => Some(None),
        }
    }

    /// Where a variable leads that holds a path, or its default.
    pub(super) fn path(&mut self, setting: &Setting) -> Option<PathBuf> {
        let found = self.found(setting)?;
        let base = found.map_or_else(|| self.settings.folder().to_owned(), |found| found.base);
        self.value(setting, value::path).map(|path| starting_at(&base, &path))
    }

    /// Where a variable leads that holds a path, if it is set; the outer `None` is a fault.
    #[expect(clippy::option_option, reason = "a fault and an absent value are different things")]
    pub(super) fn optional_path(&mut self, setting: &Setting) -> Option<Option<PathBuf>> {
        let base = self.found(setting)?.map(|found| found.base).unwrap_or_default();
        let path = self.optional(setting, value::path)?;
        Some(path.map(|path| starting_at(&base, &path)))
    }

    /// A whole number within the range that the table gives.
    pub(super) fn whole<T: TryFrom<u64>>(&mut self, setting: &Setting) -> Option<T> {
        let Kind::Whole { min, max } = setting.kind else { return None };
        let number = self.value(setting, |text| value::whole(text, min, max))?;
        T::try_from(number).ok()
    }

    pub(super) fn word<W: Word>(&mut self, setting: &Setting) -> Option<W> {
        self.value(setting, value::word)
    }

    pub(super) fn switch(&mut self, setting: &Setting) -> Option<bool> {
        self.value(setting, value::switch)
    }

    #[expect(clippy::option_option, reason = "a fault and an absent value are different things")]
    fn found(&mut self, setting: &Setting) -> Option<Option<Found>> {
        self.settings.find(setting).map_err(|fault| self.fault(fault)).ok()
    }

    fn parsed<T>(&mut self, setting: &Setting, found: &Found, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let invalid =
            |wrong| Fault::Invalid { place: found.place.clone(), wrong, value: setting.repeatable(&found.text) };
        parse(&found.text).map_err(|wrong| self.fault(invalid(wrong))).ok()
    }
}
