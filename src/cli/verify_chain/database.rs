//! A database as the source.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::judge::{Checked, Judge, Presented};
use super::judgement::Source;
use super::report::{Level, Report};
use super::{Request, memory, progress};
use crate::channels::audit::{AuditError, AuditWatch, DatabaseAudit};
use crate::cli::CliError;
use crate::keys::PublicKey;
use crate::storage::StorageError;

/// How often the bar is brought up to date.
const TICK: Duration = Duration::from_millis(100);

/// How long a verification that was told to stop may take to clear up.
const STOPPING: Duration = Duration::from_secs(5);

/// Verifies the database at `path`.
pub(super) async fn verify(request: &Request<'_>, path: PathBuf) -> Result<Report, CliError> {
    let audit = DatabaseAudit::open(&path).map_err(|error| cannot_read(&error))?;
    let judge = request.judge()?;
    let presented = presented(request, &judge, &audit, &path)?;
    let trusted = judge.trust(&presented)?;
    let options = judge.options(&presented, &trusted, audit.length().map_err(|error| cannot_read(&error))?)?;

    let watch = Arc::new(AuditWatch::default());
    let watched = watch.clone();
    let mut work = tokio::task::spawn_blocking(move || {
        let findings = audit.run(options, &watched);
        (audit, findings)
    });
    let bar = progress::bar(request.globals, None);
    let (audit, findings) = loop {
        tokio::select! {
            done = &mut work => break done.map_err(|error| CliError::failed(error.to_string()))?,
            () = tokio::time::sleep(TICK) => bar.set_position(watch.entries()),
            _ = tokio::signal::ctrl_c() => {
                tokio::time::timeout(STOPPING, stop(&watch, &mut work)).await.ok();
                return Err(CliError::interrupted());
            }
        }
    };
    bar.finish_and_clear();
    let findings = findings.map_err(|error| cannot_verify(&error))?;
    let checked = Checked {
        verified: findings.verified,
        notes: findings.notes,
        chain_time: findings.chain_time,
        level: Level::FullAndContents,
        is_whole: true,
        caveat: None,
    };
    let (mut report, evidence) = judge.conclude(&presented, &trusted, checked)?;
    if let Some(evidence) = evidence {
        let mut entries = Vec::new();
        // The heads prove it alone, if the entries can't be read.
        audit.entries(evidence.first_entry(), evidence.count(), |entry| entries.push(entry)).ok();
        judge.keep_evidence(&evidence, &entries, &mut report);
    }
    Ok(report)
}

/// Stops the verification, and again until it has stopped.
async fn stop<T>(watch: &AuditWatch, work: &mut JoinHandle<T>) {
    while !work.is_finished() {
        watch.stop();
        tokio::time::sleep(TICK).await;
    }
}

fn presented(
    request: &Request<'_>,
    judge: &Judge<'_>,
    audit: &DatabaseAudit,
    path: &Path,
) -> Result<Presented, CliError> {
    let (named_id, named_key) = match audit.identity() {
        Err(error) if error.is_damage() => (None, None),
        read => read.map_err(|error| cannot_read(&error))?,
    };
    let key = named_key.and_then(|bytes| PublicKey::from_bytes(&bytes).ok());
    let configured = request.configured.server_id.as_ref().map(|id| id.as_str().to_owned());
    let server_id = named_id.or(configured);
    let memory_key = match (&server_id, request.args.public_key.or(key).or(request.configured.public_key)) {
        (Some(id), _) => memory::of_database(id),
        (None, Some(key)) => format!("database signed by {key}"),
        (None, None) => "database".to_owned(),
    };
    let origin = canonical(path).display().to_string();
    let known = judge.known(&memory_key).and_then(|known| known.path.as_deref());
    let is_own = match &request.configured_path {
        Some(configured) => canonical(configured) == canonical(path),
        // Without a configuration it is the one that was seen first.
        None => known.is_none_or(|known| known == origin),
    };
    Ok(Presented {
        kind: if is_own { Source::OwnDatabase } else { Source::CopiedDatabase },
        source: path.display().to_string(),
        memory_key,
        origin: Some(origin),
        server_id,
        key,
        head: None,
    })
}

/// The file itself, whatever links lead to it.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn cannot_read(error: &StorageError) -> CliError {
    let cli = CliError::failed(error.to_string());
    match error {
        StorageError::Foreign { .. } => cli.hint("an encrypted or truncated file looks like this as well"),
        _ => cli,
    }
}

fn cannot_verify(error: &AuditError) -> CliError {
    match error {
        AuditError::Storage(error) => cannot_read(error),
        AuditError::Stopped => CliError::interrupted(),
        AuditError::Changed => CliError::failed("the database changed while it was read: a server started on it")
            .hint("verify it again; while a server runs that is no obstacle"),
    }
}
