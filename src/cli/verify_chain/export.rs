//! An export as the source, read in one pass: `channels::export_format` says in which order its lines come.

mod check;
mod due;
mod lines;
mod message;
mod spelling;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

use check::ExportCheck;
use lines::Lines;

use super::judge::Presented;
use super::judgement::Source;
use super::report::Report;
use super::{Request, memory, progress};
use crate::channels::export_format::{EXPORT_VERSION, ExportHeader, ExportLine};
use crate::cli::CliError;
use crate::cli::input_file::open_data;
use crate::keys::PublicKey;
use crate::logchain::VerifyOptions;

/// Verifies the export in `path`; `-` is standard input.
pub(super) async fn verify(request: &Request<'_>, path: &Path) -> Result<Report, CliError> {
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Err(CliError::interrupted()),
        report = async { verify_file(request, path).await } => report,
    }
}

async fn verify_file(request: &Request<'_>, path: &Path) -> Result<Report, CliError> {
    let source = path.display().to_string();
    let mut lines = open(path).map_err(|error| CliError::failed(format!("cannot read `{source}`: {error}")))?;
    let header = read_header(&mut lines).await?;
    let judge = request.judge()?;
    let key = header_key(&header)?;
    let memory_key = match (&header.server_id, request.args.public_key.or(key)) {
        (Some(id), _) => memory::of_database(id),
        (None, Some(key)) => format!("database signed by {key}"),
        (None, None) => "export".to_owned(),
    };
    let presented = Presented {
        kind: Source::Export,
        source,
        memory_key,
        origin: None,
        server_id: header.server_id.clone(),
        key,
        head: header.head.clone(),
    };
    let trusted = judge.trust(&presented)?;
    let (is_whole, length) = (header.filter.is_none(), header.chain_length);
    let options = VerifyOptions { contiguous: is_whole, ..judge.options(&presented, &trusted, Some(length))? };
    let bar = progress::bar(request.globals, is_whole.then_some(length));
    let checked = ExportCheck::new(options, header, &lines)?.run(&mut lines, &bar).await?;
    bar.finish_and_clear();
    let (mut report, evidence) = judge.conclude(&presented, &trusted, checked)?;
    if let Some(evidence) = evidence {
        // The entries are in the export itself, which may have come through a pipe; the heads are what proves it.
        judge.keep_evidence(&evidence, &[], &mut report);
    }
    Ok(report)
}

fn open(path: &Path) -> io::Result<Lines> {
    if path == Path::new("-") { Lines::of(io::stdin()) } else { Lines::of(open_data(path)?) }
}

async fn read_header(lines: &mut Lines) -> Result<ExportHeader, CliError> {
    let foreign = || CliError::failed("this is no export of coms in JSON Lines").hint("`coms export` writes one");
    if !lines.advance().await? {
        return Err(CliError::failed("the export is empty").hint("a pipe is empty if nothing writes to it yet"));
    }
    match serde_json::from_slice(&lines.line) {
        Ok(ExportLine::Header(header)) if header.format == EXPORT_VERSION => Ok(header),
        Ok(ExportLine::Header(header)) => Err(CliError::failed(format!(
            "the export has format {}, and this coms reads format {EXPORT_VERSION}",
            header.format
        ))),
        _ => Err(foreign()),
    }
}

/// The key that the header names, which must be one.
fn header_key(header: &ExportHeader) -> Result<Option<PublicKey>, CliError> {
    let Some(hex) = &header.public_key else { return Ok(None) };
    let key = PublicKey::from_hex(hex).ok().filter(|key| key.to_string() == *hex);
    let damaged = || CliError::failed("the `public_key` in the export's header is not a key").hint("export it again");
    key.map(Some).ok_or_else(damaged)
}

fn cut_off(problem: &str) -> CliError {
    CliError::failed(format!("the export was cut off: {problem}")).hint("export it again")
}
