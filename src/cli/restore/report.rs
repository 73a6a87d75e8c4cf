//! What a restore found and did, for people and for programs.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::archive::Manifest;
use super::super::check_copy::Checked;
use super::super::json::json_line;
use super::super::printable;
use super::known::{Known, Relation};
use super::place::EnvState;
use super::shown;

/// How it ended.
pub(super) enum Outcome {
    /// It is not restored, since its log has faults.
    Refused,
    /// It was only checked. Whether a database is there already, and who uses that.
    Checked { is_there: bool, holder: Option<String> },
    /// It is the database now; the old one has another name.
    Restored { kept: Option<PathBuf> },
}

/// What is told of a restore.
pub(super) struct Report<'a> {
    pub(super) file: &'a Path,
    pub(super) manifest: &'a Manifest,
    pub(super) checked: &'a Checked,
    pub(super) known: Vec<Known>,
    /// What could not be compared.
    pub(super) problems: Vec<String>,
    pub(super) target: &'a Path,
    pub(super) env: EnvState,
    pub(super) outcome: Outcome,
}

impl Report<'_> {
    /// Prints it on standard output.
    pub(super) fn print(&self, as_json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if as_json {
            writeln!(out, "{}", json_line(&self.json())?)?;
        } else {
            for (label, text) in self.lines() {
                writeln!(out, "{label:<10}{text}")?;
            }
        }
        out.flush()
    }

    /// What the operator has to tell those who saw more than the backup holds.
    pub(super) fn advice(&self) -> Option<String> {
        let is_lost = |known: &Known| known.relation != Relation::Complete;
        let last = match self.manifest.chain_length.checked_sub(1) {
            Some(last) => format!("up to entry {last} with hash {}", self.manifest.chain_hash),
            None => "of an empty log".to_owned(),
        };
        self.known.iter().any(is_lost).then(|| {
            format!(
                "what came after the backup is gone. Members' clients notice and fetch anew. To whoever verifies the log \
                 it looks as if you had cut it: `coms verify-chain` says `rolled_back` or `forked`, exit code 1. Tell them \
                 before they ask that you restored a backup, {last}; they take it with `coms verify-chain --accept-head`, \
                 once, and so do you"
            )
        })
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let Manifest { created_at, coms, server_id, public_key, counts, chain_length, chain_hash, .. } = self.manifest;
        let last = chain_length.checked_sub(1).map_or_else(|| "empty".to_owned(), |last| format!("entry {last}"));
        let signed = if self.manifest.head.is_some() { "signed" } else { "not signed" };
        let mut lines = vec![
            ("backup", format!("{}, made {created_at} by coms {coms}", shown(self.file))),
            ("server", format!("{server_id}, public key {public_key}")),
            ("holds", counts.to_string()),
            ("log ends", format!("{last}, hash {chain_hash}, {signed}")),
            ("checks", self.checks()),
        ];
        lines.extend(self.known.iter().map(|known| ("known", known_line(known))));
        lines.extend(self.problems.iter().map(|problem| ("unknown", printable(problem).to_string())));
        lines.push(("config", self.env_line()));
        lines.push(("result", self.outcome_line()));
        lines
    }

    fn checks(&self) -> String {
        let adopted = if self.checked.are_adopted { ", all from before the adoption" } else { "" };
        match self.checked.breaks.total() {
            0 => "the checksums, the file, the search index and the whole log are good".to_owned(),
            total => format!("the checksums are good; the log or the file has {total} faults{adopted}"),
        }
    }

    fn env_line(&self) -> String {
        let is_done = matches!(self.outcome, Outcome::Restored { .. });
        match &self.env {
            EnvState::Written(path) if is_done => format!("written to {}", shown(path)),
            EnvState::Written(path) => format!("in the backup; would be written to {}", shown(path)),
            EnvState::Same(path) => format!("{} is the one in the backup", shown(path)),
            EnvState::Kept(path) => format!(
                "{} is another than the one in the backup, and stays; `--only-env -e FILE` writes that one to a file",
                shown(path)
            ),
            EnvState::NotIncluded { .. } => "none in the backup".to_owned(),
        }
    }

    fn outcome_line(&self) -> String {
        let target = shown(self.target);
        match &self.outcome {
            Outcome::Refused => format!("not restored; {target} is as it was"),
            Outcome::Checked { holder: Some(holder), .. } => {
                format!("only checked; {target} is in use by {holder}, which has to stop first")
            }
            Outcome::Checked { is_there: true, .. } => {
                format!("only checked; {target} is there already, and `--force` would replace and keep it")
            }
            Outcome::Checked { .. } => format!("only checked; it would become {target}"),
            Outcome::Restored { kept: None } => format!("restored as {target}"),
            Outcome::Restored { kept: Some(kept) } => {
                format!("restored as {target}; the old database is kept as {}", shown(kept))
            }
        }
    }

    fn json(&self) -> Value {
        let (result, kept) = match &self.outcome {
            Outcome::Refused => ("refused", None),
            Outcome::Checked { .. } => ("checked", None),
            Outcome::Restored { kept } => ("restored", kept.as_ref()),
        };
        json!({
            "result": result,
            "file": self.file.display().to_string(),
            "database": self.target.display().to_string(),
            "kept": kept.map(|path| path.display().to_string()),
            "manifest": self.manifest,
            "breaks": self.checked.breaks.listed(),
            "breaks_total": self.checked.breaks.total(),
            "known": self.known,
            "problems": self.problems,
            "env": self.env,
        })
    }
}

fn known_line(known: &Known) -> String {
    let Known { source, length, relation, .. } = known;
    let source = printable(source);
    match relation {
        Relation::Complete => format!("{source}: {length} entries, all of them in the backup"),
        Relation::Behind(1) => format!("{source}: {length} entries; the backup lacks the last one"),
        Relation::Behind(behind) => format!("{source}: {length} entries; the backup lacks the last {behind}"),
        Relation::Forked => format!("{source}: {length} entries of another history than the backup's"),
    }
}
