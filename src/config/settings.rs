//! Where the texts of all variables come from: the process's environment, the `.env` file, and files with one secret.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use url::{Host, Url};
use zeroize::Zeroizing;

use super::env_file::{DEFAULT_ENV_FILE, EnvFile};
use super::fault::{Fault, Faults};
use super::reader::{Group, Reader};
use super::secret_file::{self, Exposure};
use super::table::{self, DefaultValue, SETTINGS, Setting};
use super::value;
use super::words::Deployment;

/// The environment of the process, taken once, so that a test can make up its own.
#[derive(Clone, Default)]
pub struct ProcessEnvironment(BTreeMap<String, OsString>);

impl ProcessEnvironment {
    /// That of this process.
    pub fn current() -> Self {
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect()
    }

    /// The value of `name`, whatever it is.
    pub fn value(&self, name: &str) -> Option<&OsString> {
        self.0.get(name)
    }
}

impl<N: Into<String>, V: Into<OsString>> FromIterator<(N, V)> for ProcessEnvironment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// The texts of all variables, and where each comes from.
pub struct Settings {
    process: ProcessEnvironment,
    file: Option<EnvFile>,
}

/// Something odd that stops nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// A variable of the `.env` file that nothing reads.
    #[error("line {line} of `{}` sets `{name}`, which is unknown{}", .path.display(), did_you_mean(.nearest.as_deref()))]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The name, cut where it may be a secret that stands on a line of its own.
        name: String,
        /// A known name that looks like it.
        nearest: Option<String>,
    },
    /// A value of a variable that nothing reads goes on into one that is read.
    #[error("the value in line {line} of `{}` has `{name}=` in it: a line end or a quote is missing before it", .path.display())]
    RunsOn {
        /// The file.
        path: PathBuf,
        /// Where the value begins, counted from 1.
        line: usize,
        /// The name in it.
        name: String,
    },
    /// A variable stands in the `.env` file more than once.
    #[error("`{name}` is set more than once in `{}`; line {line} counts", .path.display())]
    Repeated {
        /// The file.
        path: PathBuf,
        /// The last line that sets it, counted from 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// As [`Fault::Exposed`], [`Fault::Changeable`] or [`Fault::Foreign`], where that is no fault.
    #[error("{0}; hint: {hint}", hint = .0.hint().unwrap_or_default())]
    Exposed(Fault),
    /// A server in production sends its API key to another machine in the clear.
    #[error("`CENTRAL_URL` is `http://`: the API key crosses the network unencrypted; hint: use `https://`")]
    PlainCentral,
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// A text and where it was found.
pub(super) struct Found {
    pub(super) text: Zeroizing<String>,
    /// For messages: ``` `PORT` in line 3 of `.env` ```.
    pub(super) place: String,
    /// Where a relative path in it starts; empty for the working directory.
    pub(super) base: PathBuf,
}

impl Settings {
    /// Reads the file that was named, which then must exist, or else `.env` if there is one, beside `process`.
    pub fn load(env_file: Option<&Path>, process: ProcessEnvironment) -> Result<Self, Faults> {
        let path = env_file.unwrap_or(Path::new(DEFAULT_ENV_FILE));
        let file = EnvFile::read(path)?;
        if file.is_none() && env_file.is_some() {
            return Err(Fault::File { path: path.to_owned(), problem: "does not exist".into() }.into());
        }
        Ok(Self { process, file })
    }

    /// Settings without a file: for a sandbox and for tests. What is not among `variables` has its default.
    pub fn of<N: Into<String>, V: Into<OsString>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        Self { process: variables.into_iter().collect(), file: None }
    }

    /// Settings of this file alone, as it is or as it is going to be.
    pub fn of_file(file: EnvFile) -> Self {
        Self { process: ProcessEnvironment::default(), file: Some(file) }
    }

    /// Settings of this file, if there is one, beside `process`.
    pub fn with_file(file: Option<EnvFile>, process: ProcessEnvironment) -> Self {
        Self { process, file }
    }

    /// Whether the process itself has a configuration: sets any variable that a server can't do without. Others, such as
    /// `PORT` and `HOST`, stand in many environments for other reasons.
    pub fn is_set_by_process(&self) -> bool {
        let required = SETTINGS.iter().filter(|setting| setting.default == DefaultValue::Required);
        required
            .flat_map(|setting| [Some(setting.name.to_owned()), setting.file_name()])
            .flatten()
            .any(|name| self.process_sets(&name))
    }

    /// Whether the process sets the variable `name` to anything.
    pub fn process_sets(&self, name: &str) -> bool {
        self.process.value(name).is_some_and(|value| !value.is_empty())
    }

    /// The file that was read, if there was one.
    pub fn file(&self) -> Option<&EnvFile> {
        self.file.as_ref()
    }

    /// What a command uses, or everything that is wrong with it. A tuple of groups reads both.
    pub fn read<G: Group>(&self) -> Result<G, Faults> {
        Reader::new(self).read()
    }

    /// What is odd about the file, but stops nothing.
    pub fn warnings(&self) -> Vec<Warning> {
        let secret_files = self.secret_files().map(|(Exposure::Changeable(fault) | Exposure::Readable(fault))| fault);
        let mut warnings: Vec<_> = self.exposed().into_iter().chain(secret_files).map(Warning::Exposed).collect();
        if self.is_central_plain() {
            warnings.push(Warning::PlainCentral);
        }
        let Some(file) = &self.file else { return warnings };
        for assignment in file.document.assignments() {
            let (path, line, name) = (file.path.clone(), assignment.line, assignment.name.clone());
            if !is_known(&name) {
                if let Some(name) = swallowed(&assignment.value) {
                    warnings.push(Warning::RunsOn { path: path.clone(), line, name });
                }
                let nearest = nearest(&name);
                warnings.push(Warning::Unknown { path, line, name: cut(&name), nearest });
            } else if file.document.assignments().iter().any(|other| other.name == name && other.line < line) {
                warnings.push(Warning::Repeated { path, line, name });
            }
        }
        warnings
    }

    /// That others can read the file or change it, if they can and it holds a secret.
    fn exposed(&self) -> Option<Fault> {
        let file = self.file.as_ref()?;
        let secret =
            |setting: &&Setting| setting.secret && file.document.value(setting.name).is_some_and(|v| !v.is_empty());
        SETTINGS.iter().find(secret)?;
        if let Some(owner) = file.foreign_owner() {
            return Some(Fault::Foreign { path: file.path.clone(), owner });
        }
        file.is_exposed().then_some(Fault::Exposed { path: file.path.clone(), mode: file.mode? })
    }

    /// Who else can get at the files with one secret each that are named.
    fn secret_files(&self) -> impl Iterator<Item = Exposure> {
        let named = SETTINGS.iter().filter_map(|setting| self.text(&setting.file_name()?).ok().flatten());
        named.filter_map(|named| secret_file::exposure(named.path()))
    }

    /// What a server in production does not put up with: a file with secrets that others can change, or a `.env` file that
    /// they can read.
    pub(super) fn exposures(&self) -> Vec<Fault> {
        let changeable = self.secret_files().filter_map(|exposure| match exposure {
            Exposure::Changeable(fault) => Some(fault),
            Exposure::Readable(_) => None,
        });
        self.exposed().into_iter().chain(changeable).collect()
    }

    /// Whether a server in production talks to a Central on another machine without TLS.
    fn is_central_plain(&self) -> bool {
        let text = |setting| self.find(setting).ok().flatten().map(|found| found.text);
        let prod = text(&table::ENV).and_then(|text| value::word(&text).ok()) == Some(Deployment::Prod);
        let url = text(&table::CENTRAL_URL).and_then(|text| value::http_url(&text).ok());
        prod && url.is_some_and(|url| url.scheme() == "http" && !is_loopback(&url))
    }

    /// The text of `setting`, if it is set and not empty.
    pub(super) fn find(&self, setting: &Setting) -> Result<Option<Found>, Fault> {
        let own = self.text(setting.name)?;
        let Some(file_name) = setting.file_name() else { return Ok(own) };
        match (own, self.text(&file_name)?) {
            (own, None) => Ok(own),
            (None, Some(named)) => secret_from(&named).map(Some),
            (Some(_), Some(_)) => Err(Fault::SecretTwice { name: setting.name }),
        }
    }

    /// The text of the variable `name`. The process wins, even with an empty value, which stands for the default.
    fn text(&self, name: &str) -> Result<Option<Found>, Fault> {
        if let Some(value) = self.process.value(name) {
            let Some(text) = value.to_str() else { return Err(Fault::NotUnicode { name: name.to_owned() }) };
            let place = format!("`{name}` in the environment");
            return Found::of(text, place, Path::new(""));
        }
        let Some(file) = &self.file else { return Ok(None) };
        let Some(assignment) = file.document.assignment(name) else { return Ok(None) };
        if assignment.substitutes {
            let problem =
                format!("has a `$` in `{name}`, which is not replaced; put the value in single quotes if it is meant");
            return Err(Fault::Line { path: file.path.clone(), line: assignment.line, problem });
        }
        let place = format!("`{name}` in line {} of `{}`", assignment.line, file.path.display());
        Found::of(&assignment.value, place, self.folder())
    }

    /// Where relative paths start that the process does not set: at the file, or at the working directory (empty) if there
    /// is none.
    pub(super) fn folder(&self) -> &Path {
        self.file.as_ref().and_then(|file| file.path.parent()).unwrap_or(Path::new(""))
    }
}

impl Found {
    /// A text that is set; `None` if it is empty.
    fn of(text: &str, place: String, base: &Path) -> Result<Option<Self>, Fault> {
        if let Some(other) = swallowed(text) {
            return Err(Fault::RunsOn { place, other });
        }
        let found = || Self { text: Zeroizing::new(text.to_owned()), place, base: base.to_owned() };
        Ok((!text.is_empty()).then(found))
    }

    /// The path that it is.
    fn path(&self) -> PathBuf {
        starting_at(&self.base, Path::new(self.text.as_str()))
    }
}

impl fmt::Debug for Settings {
    /// Names the file only: the values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("file", &self.file.as_ref().map(|file| &file.path)).finish_non_exhaustive()
    }
}

fn secret_from(named: &Found) -> Result<Found, Fault> {
    let path = named.path();
    match secret_file::read(&path) {
        Ok(text) => Ok(Found { text, place: format!("the file that {} names", named.place), base: named.base.clone() }),
        Err(problem) => {
            let earlier = PathBuf::from(named.text.as_str());
            let elsewhere = Some(earlier).filter(|earlier| !path.exists() && earlier.is_file());
            Err(Fault::SecretFile { place: named.place.clone(), path, problem, elsewhere })
        }
    }
}

/// `path` as it is meant from the directory `base`, which is the working directory if it is empty.
pub(super) fn starting_at(base: &Path, path: &Path) -> PathBuf {
    if base.as_os_str().is_empty() || path.is_absolute() {
        return path.to_owned();
    }
    // Without the `.` in the middle of `etc/./data`.
    base.join(path).components().collect()
}

/// The variable of ours that is set within `value`, as when a line end or a closing quote is missing before it.
fn swallowed(value: &str) -> Option<String> {
    let is_set_in = |name: &String| {
        // Shorter ones occur in what is random, before its padding.
        name.len() > 3
            && value.match_indices(name.as_str()).any(|(at, name)| {
                value.get(at + name.len()..).is_some_and(|rest| rest.trim_start_matches([' ', '\t']).starts_with('='))
            })
    };
    known_names().filter(is_set_in).max_by_key(String::len)
}

fn known_names() -> impl Iterator<Item = String> {
    SETTINGS.iter().flat_map(|setting| [Some(setting.name.to_owned()), setting.file_name()]).flatten()
}

/// An unknown name as it may be shown: what is not written like the name of a variable may be a secret before a `=`.
pub fn cut(name: &str) -> String {
    const LONGEST: usize = 24;
    const SHOWN: usize = 4;
    if name.len() <= LONGEST && name.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
        return name.to_owned();
    }
    let shown: String = name.chars().take(SHOWN).filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    format!("{shown}…")
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn is_known(name: &str) -> bool {
    table::find(name).is_some()
        || name.strip_suffix("_FILE").and_then(table::find).is_some_and(|setting| setting.secret)
}

/// The known name that `name` was probably meant to be.
pub fn nearest(name: &str) -> Option<String> {
    let name = name.to_ascii_uppercase();
    known_names()
        .map(|candidate| (strsim::damerau_levenshtein(&name, &candidate), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
