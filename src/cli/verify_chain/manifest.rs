//! A running server as the source: its manifest, its signed head, its entries, and with `--contents` its messages.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use reqwest::Client;
use serde::Deserialize;
use url::Url;

use super::contents::Contents;
use super::deadline::Deadline;
use super::fetch::fetch;
use super::judge::{Checked, Presented};
use super::judgement::{Caveat, Source};
use super::report::{Level, Report};
use super::stream::{ENDED, EntryStream, Shown, client};
use super::{Request, memory, progress};
use crate::cli::{CliError, printable};
use crate::ids::{ChainIndex, ServerId};
use crate::keys::PublicKey;
use crate::logchain::{Break, BreakKind, Entry, EntryHash, SignedHead, Verifier, VerifyOptions};
use crate::secret::Secret;

/// Where a manifest is, below the server's URL.
pub(super) const MANIFEST: &str = "/manifest";

/// The manifest, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Manifest {
    server_id: String,
    public_key: String,
    log_chain: Option<Routes>,
}

#[derive(Debug, Deserialize)]
struct Routes {
    entries_url: String,
    head_url: String,
}

/// A server and where its log is.
struct Server {
    client: Client,
    /// How long it is waited for.
    patience: Duration,
    manifest_url: Url,
    entries_url: Url,
    head_url: Url,
    id: ServerId,
    key: PublicKey,
    token: Option<Secret>,
}

/// Verifies the log of the server at `url`.
pub(super) async fn verify(request: &Request<'_>, url: &str, token: Option<Secret>) -> Result<Report, CliError> {
    tokio::select! {
        report = verify_server(request, url, token) => report,
        _ = tokio::signal::ctrl_c() => Err(CliError::interrupted()),
    }
}

async fn verify_server(request: &Request<'_>, url: &str, token: Option<Secret>) -> Result<Report, CliError> {
    let deadline = Deadline::new(request.args.deadline.map(Duration::from_secs));
    let found = deadline.keep(0, async {
        let server = Server::find(url, Duration::from_secs(request.args.timeout), token).await?;
        let head = server.head().await?;
        Ok((server, head))
    });
    let (server, head) = found.await?;
    let length = head.head.length;
    let judge = request.judge()?;
    let origin = server.manifest_url.origin().ascii_serialization();
    let presented = Presented {
        kind: Source::Server,
        source: server.manifest_url.to_string(),
        memory_key: memory::of_server(&origin, &server.id),
        origin: Some(origin),
        server_id: Some(server.id.to_string()),
        key: Some(server.key),
        head: Some(head.clone()),
    };
    let trusted = judge.trust(&presented)?;
    let options = judge.options(&presented, &trusted, Some(length))?;
    let checked = deadline.keep(length, Box::pin(server.check(request, options, &head))).await?;
    let (mut report, evidence) = judge.conclude(&presented, &trusted, checked)?;
    if let Some(evidence) = evidence {
        let entries = server.entries(evidence.first_entry(), u64::from(evidence.count()));
        // The heads prove it alone, if the entries don't come.
        let entries = deadline.keep(length, entries).await.unwrap_or_default();
        judge.keep_evidence(&evidence, &entries, &mut report);
    }
    Ok(report)
}

impl Server {
    async fn find(url: &str, patience: Duration, token: Option<Secret>) -> Result<Self, CliError> {
        let manifest_url = manifest_url(url)?;
        let client = client(&manifest_url, patience)?;
        let manifest: Manifest = fetch(&client, &manifest_url, patience, "the manifest").await?;
        let routes = manifest.log_chain.ok_or_else(|| {
            CliError::failed("the server does not offer its log: its manifest has no `log_chain`")
                .hint("its operator can switch it on with FEATURE_LOG_CHAIN; the Go reference server can't")
        })?;
        let key = PublicKey::from_hex(&manifest.public_key)
            .map_err(|error| CliError::failed(format!("the manifest's `public_key` is none: {error}")))?;
        let route = |path: &str| {
            let joined = manifest_url.join(path).ok().filter(|url| url.origin() == manifest_url.origin());
            // Elsewhere the token would be sent to somebody else.
            joined.ok_or_else(|| CliError::failed(format!("the manifest names a log on another server: {path}")))
        };
        let (entries_url, head_url) = (route(&routes.entries_url)?, route(&routes.head_url)?);
        let id = manifest.server_id.parse().map_err(|error| {
            CliError::failed(format!("the manifest's `server_id` is none: {error}: {}", printable(&manifest.server_id)))
        })?;
        Ok(Self { client, patience, manifest_url, entries_url, head_url, id, key, token })
    }

    /// Streams the entries up to the signed head through the verifier. What is appended meanwhile is for the next time.
    async fn check(
        &self,
        request: &Request<'_>,
        options: VerifyOptions,
        head: &SignedHead,
    ) -> Result<Checked, CliError> {
        let (from, key) = (options.from, options.key);
        let before = [options.remembered.map(|(index, _)| index), from.0.checked_sub(1).map(ChainIndex)];
        let before: BTreeSet<_> = before.into_iter().flatten().filter(|index| *index < from).collect();
        let mut verifier = Verifier::new(options, Verifier::all_cores());
        if !self.id.is(&head.server_id) {
            let detail = format!("the signed head is of server {}", head.server_id);
            verifier.note(Break::overall(BreakKind::Forked, detail));
        }
        for index in before {
            verifier.pass_over(index, self.hash_at(index).await?);
        }
        let contents = match &self.token {
            Some(token) if request.args.contents => Some(Contents::open(&self.manifest_url, token, from).await?),
            _ => None,
        };
        let mut stream = self.stream(from, head.head.length);
        if head.head.length <= from.0 && self.token.is_some() {
            // There are no entries to ask for, and a wrong token is to be told all the same.
            stream.probe().await?;
        }
        let bar = progress::bar(request.globals, Some(head.head.length.saturating_sub(from.0)));
        let mut pass = Pass { verifier, contents, is_sealed: false, chain_time: Duration::ZERO };
        pass.run(&mut stream, &bar).await?;
        while stream.is_short() && self.is_worth_asking_again(head, &key, &mut pass).await? {
            stream.ask_again();
            let given = pass.verifier.entries();
            pass.run(&mut stream, &bar).await?;
            if pass.verifier.entries() == given {
                break;
            }
        }
        bar.finish_and_clear();
        pass.finish().await
    }

    async fn head(&self) -> Result<SignedHead, CliError> {
        fetch(&self.client, &self.head_url, self.patience, "the signed head").await
    }

    /// Asks for the head again, after entries that ended before it. A server that stops or starts again looks like that
    /// too: as long as it does not say how long its log is, nothing can be told. Once it has said so, it is there, and
    /// what it still does not give is a gap; one that now says something else is convicted by its two signatures.
    async fn is_worth_asking_again(
        &self,
        head: &SignedHead,
        key: &PublicKey,
        pass: &mut Pass,
    ) -> Result<bool, CliError> {
        let again =
            self.head().await.map_err(|error| CliError::failed(format!("{ENDED}; then: {}", error.describe())))?;
        let fault = contradiction(head, &again, key);
        let is_none = fault.is_none();
        if let Some(fault) = fault {
            pass.verifier.note(fault);
        }
        Ok(is_none)
    }

    fn stream(&self, from: ChainIndex, end: u64) -> EntryStream {
        EntryStream::new(self.client.clone(), self.entries_url.clone(), self.token.clone(), from, end, self.patience)
    }

    /// Up to `count` entries from `from` on, as they are shown.
    async fn shown(&self, from: ChainIndex, count: u64) -> Result<Vec<Shown>, CliError> {
        let end = from.0.saturating_add(count);
        let mut stream = self.stream(from, end);
        let mut entries = Vec::new();
        while stream.next(&mut entries).await? {}
        Ok(entries)
    }

    /// The hash of the entry at `index`, which is before those that are verified.
    async fn hash_at(&self, index: ChainIndex) -> Result<EntryHash, CliError> {
        let shown = self.shown(index, 1).await?.first().filter(|shown| shown.index() == index).map(Shown::hash);
        shown.ok_or_else(|| CliError::failed(format!("the server does not show entry {index}, which its head covers")))
    }

    /// Full entries for evidence.
    async fn entries(&self, from: ChainIndex, count: u64) -> Result<Vec<Entry>, CliError> {
        let full = |shown| match shown {
            Shown::Full(entry) => Some(entry),
            Shown::Sealed(_) => None,
        };
        Ok(self.shown(from, count).await?.into_iter().filter_map(full).collect())
    }
}

/// One pass over the entries.
struct Pass {
    verifier: Verifier,
    contents: Option<Contents>,
    is_sealed: bool,
    /// Without the time that contents take.
    chain_time: Duration,
}

impl Pass {
    async fn run(&mut self, stream: &mut EntryStream, bar: &ProgressBar) -> Result<(), CliError> {
        let mut batch = Vec::new();
        let mut resumed = Instant::now();
        while stream.next(&mut batch).await? {
            batch.drain(..).for_each(|shown| self.take(shown));
            bar.set_position(self.verifier.entries());
            if let Some(contents) = self.contents.as_mut().filter(|contents| contents.is_due()) {
                self.chain_time += resumed.elapsed();
                contents.settle().await?;
                resumed = Instant::now();
            }
        }
        self.chain_time += resumed.elapsed();
        Ok(())
    }

    fn take(&mut self, shown: Shown) {
        match shown {
            Shown::Full(entry) => {
                self.verifier.push(&entry);
                if let Some(contents) = &mut self.contents {
                    contents.expect(&entry);
                }
            }
            Shown::Sealed(entry) => {
                self.is_sealed = true;
                self.verifier.push_sealed(entry);
            }
        }
    }

    async fn finish(self) -> Result<Checked, CliError> {
        let finishing = Instant::now();
        let mut chain = self.verifier.finish();
        let chain_time = self.chain_time + finishing.elapsed();
        let (mut notes, mut level) = (Vec::new(), if self.is_sealed { Level::Sealed } else { Level::Full });
        let mut caveat = None;
        if let Some(contents) = self.contents {
            if self.is_sealed {
                let problem = "the server shows sealed entries only, which contents can't be compared with";
                return Err(CliError::failed(problem));
            }
            let compared = contents.finish().await?;
            chain.breaks.merge(compared.breaks);
            level = Level::FullAndContents;
            if compared.other_times > 0 {
                notes.push(other_times(compared.other_times));
                caveat = Some(Caveat::OtherTimes);
            }
            if compared.unseen > 0 {
                notes.push(unseen(compared.unseen));
                (level, caveat) = (Level::Full, Some(Caveat::NotShown));
            }
        }
        Ok(Checked { verified: chain, notes, chain_time, level, is_whole: true, caveat })
    }
}

/// What is wrong with a head that was signed after another one.
fn contradiction(first: &SignedHead, again: &SignedHead, key: &PublicKey) -> Option<Break> {
    let (then, now) = (first.head, again.head);
    if !again.is_signed_by(key) {
        Some(Break::overall(BreakKind::Signature, "the server's key did not sign the head that is shown"))
    } else if now.length < then.length {
        let detail = format!("the server signed a head of {} entries, and then one of {}", then.length, now.length);
        Some(Break::at(ChainIndex(now.length), BreakKind::RolledBack, detail))
    } else if now.length == then.length && now.hash != then.hash {
        let index = then.last_index().unwrap_or(ChainIndex(0));
        let detail = format!("the server signed two heads of {} entries: {} and {}", then.length, then.hash, now.hash);
        Some(Break::at(index, BreakKind::Forked, detail))
    } else {
        None
    }
}

/// Why they are not shown, nobody but the server can say; so it is no break, and not to be passed over either.
fn unseen(count: u64) -> String {
    format!(
        "contents: the server does not show what {count} of the entries are about, so that these could not be compared: \
         the messages may stand in channels that are switched off, be lost since before an adoption, or be withheld"
    )
}

/// A message that had no entry when its database was adopted got one then. Which those are, only the database knows.
fn other_times(count: u64) -> String {
    format!(
        "contents: messages that show another time of their creation than their entry has: {count}. So do those that had no entry \
         when the database was adopted from the Go reference server; from outside, a time that was changed looks the same"
    )
}

/// The manifest's URL, given that or the server's.
fn manifest_url(text: &str) -> Result<Url, CliError> {
    let invalid = |problem: String| {
        CliError::usage(format!("not the URL of a server: {problem}: {text}")).hint("such as https://chat.example.org")
    };
    let mut url = Url::parse(text).map_err(|error| invalid(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("it is neither http nor https".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(CliError::usage("a password does not belong in the URL of a server, where others can read it")
            .hint("give the URL alone; a token goes to `--token -`, `--token @FILE` or COMS_TOKEN"));
    }
    let path = url.path().trim_end_matches('/');
    if !path.ends_with(MANIFEST) {
        let path = format!("{path}{MANIFEST}");
        url.set_path(&path);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::manifest_url;

    #[test]
    fn the_manifest_is_found_from_the_server_s_url() {
        for (given, meant) in [
            ("http://h:1", "http://h:1/manifest"),
            ("http://h:1/", "http://h:1/manifest"),
            ("http://h:1/manifest", "http://h:1/manifest"),
            ("https://h/zync/", "https://h/zync/manifest"),
        ] {
            assert_eq!(manifest_url(given).expect("a URL").as_str(), meant);
        }
        for bad in ["", "h", "ftp://h", "file:///etc/passwd", "https://ada:secret@h"] {
            assert!(manifest_url(bad).is_err(), "{bad}");
        }
    }
}
