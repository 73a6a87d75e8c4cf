//! How long searches, pages of history and exports take with a database of a million messages: `cargo bench --bench search`.
//!
//! The database is made at the first run, in `target/tmp`, of words whose frequencies follow Zipf's law as those of
//! languages do: the word of rank r is said about 1/r as often as the most common one. `COMS_BENCH_MESSAGES` is how many
//! messages it has.

#![expect(clippy::expect_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a measurement, run by hand")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use coms::channels::parse_query;
use coms::ids::{ChainIndex, MessageId, UserId};
use coms::storage::{
    Access, Change, ChannelKey, Database, DatabaseLock, EntryRow, NewChannel, SearchOrder, SearchRequest, Span,
    WriteStore,
};
use coms::time::Timestamp;

/// How many different words there are.
const WORDS: usize = 30_000;
/// Ranks of ordinary words: not those that are in every sentence, not those that hardly anyone uses.
const ORDINARY: std::ops::Range<usize> = 50..2_000;
const QUERIES: usize = 200;
/// How many messages a page of history has.
const PAGE: u32 = 100;
const CHANNELS: [&str; 3] = ["general", "random", "rare"];

#[expect(clippy::disallowed_methods, reason = "a setting of the measurement, not of the program")]
fn main() {
    let messages = std::env::var("COMS_BENCH_MESSAGES").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("search-{messages}.db"));
    if !path.exists() {
        generate(&path, messages);
    }
    let database = Database::open(&path, Access::ReadOnly).expect("the database");
    println!(
        "\n{messages} messages, {QUERIES} different queries each\n\n| | median | 95% | longest |\n|---|---|---|---|"
    );
    let mut random = Random(1);
    let mut ordinary = || word(ORDINARY.start + random.below(ORDINARY.len()));
    measure(&database, "two ordinary words", SearchOrder::Newest, || format!("{} {}", ordinary(), ordinary()));
    measure(&database, "two ordinary words, --sort relevance", SearchOrder::Relevance, || {
        format!("{} {}", ordinary(), ordinary())
    });
    measure(&database, "two ordinary words in the channel of 1 in 1,000", SearchOrder::Newest, || {
        format!("{} {} in:rare", ordinary(), ordinary())
    });
    measure(&database, "a common word and an ordinary one", SearchOrder::Newest, || {
        format!("{} {}", word(1), ordinary())
    });
    measure(&database, "the most common word in the channel of 1 in 1,000", SearchOrder::Newest, || {
        format!("{} in:rare", word(0))
    });
    measure(&database, "an ordinary word, without another", SearchOrder::Newest, || {
        format!("{} -{}", ordinary(), ordinary())
    });
    measure(&database, "a prefix of two letters", SearchOrder::Newest, || format!("{}*", &ordinary()[..2]));
    measure(&database, "nothing but a word that must not be there", SearchOrder::Newest, || format!("-{}", ordinary()));
    history(&database);
    export(&path);
}

fn measure(database: &Database, what: &str, order: SearchOrder, mut query: impl FnMut() -> String) {
    let mut timed_out = 0;
    let mut times: Vec<_> = (0..QUERIES)
        .map(|_| {
            let query = parse_query(&query(), Timestamp::MAX).expect("a query").query;
            let request = SearchRequest {
                query: &query,
                channels: None,
                limit: 20,
                order,
                time_limit: Duration::from_millis(250),
            };
            let start = Instant::now();
            let found = database.search(&request).expect("an answer");
            timed_out += usize::from(found.timed_out);
            start.elapsed()
        })
        .collect();
    let note = if timed_out > 0 { format!(" ({timed_out} of them ended after 250 ms)") } else { String::new() };
    report(&format!("{what}{note}"), &mut times);
}

fn history(database: &Database) {
    let general = database.channels().expect("the channels")[0].key;
    let mut keys = Vec::new();
    database
        .history(general, Span::Latest, u32::MAX, |row| {
            keys.push(row.key);
            ControlFlow::Continue(())
        })
        .expect("history");
    let page = |what: &str, spans: &mut dyn FnMut() -> Span| {
        let mut times: Vec<_> = (0..QUERIES)
            .map(|_| {
                let span = spans();
                let start = Instant::now();
                database.history(general, span, PAGE, |_| ControlFlow::Continue(())).expect("a page");
                start.elapsed()
            })
            .collect();
        report(&format!("a page of {PAGE} of a channel of {}: {what}", keys.len()), &mut times);
    };
    let mut random = Random(2);
    page("the latest", &mut || Span::Latest);
    page("in the middle", &mut || Span::Before(keys[keys.len() / 2]));
    page("the earliest", &mut || Span::Before(keys[keys.len() - PAGE as usize]));
    page("anywhere", &mut || Span::Before(keys[random.below(keys.len())]));
}

/// Has the program export everything in each format, three times each.
fn export(database: &Path) {
    println!("\n| format | seconds | written |\n|---|---|---|");
    for format in ["jsonl", "csv", "html"] {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let mut seconds: Vec<_> = (0..3)
            .map(|run| {
                let start = Instant::now();
                let mut program = Command::new(env!("CARGO_BIN_EXE_coms"));
                program.args(["export", "-q", "--format", format, "--db"]).arg(database);
                program.arg("-o").arg(folder.path().join(run.to_string())).stdin(Stdio::null());
                assert!(program.status().expect("it starts").success(), "no export");
                start.elapsed().as_secs_f64()
            })
            .collect();
        seconds.sort_by(f64::total_cmp);
        println!("| {format} | {:.1} | {} MB |", seconds[1], bytes(&folder.path().join("0")) / 1_000_000);
    }
}

/// How big a file is, or all files of a folder together.
fn bytes(path: &Path) -> u64 {
    if path.is_file() {
        return path.metadata().expect("a file").len();
    }
    std::fs::read_dir(path).expect("a folder").map(|entry| bytes(&entry.expect("an entry").path())).sum()
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!("| {what} | {:.2} ms | {:.2} ms | {:.2} ms |", at(50), at(95), at(100));
}

fn generate(path: &Path, messages: usize) {
    println!("making {} with {messages} messages", path.display());
    let unfinished = path.with_extension("unfinished");
    std::fs::remove_file(&unfinished).ok();
    let mut store =
        WriteStore::open(&DatabaseLock::take(&unfinished, "coms bench").expect("the lock")).expect("a new database");
    for (position, id) in (0..).zip(CHANNELS) {
        let channel = NewChannel { id, kind: "text", is_read_only: false, position };
        store.insert_channel(channel, Timestamp::from_unix_ms(0)).expect("a channel");
    }
    let channels: Vec<_> = store.database().channels().expect("the channels").iter().map(|row| row.key).collect();
    let frequencies = Zipf::new();
    let mut random = Random(0);
    for batch in (0..messages).collect::<Vec<_>>().chunks(4096) {
        store.begin().expect("a transaction");
        for &number in batch {
            post(&mut store, number as u64, &channels, &frequencies, &mut random);
        }
        store.commit().expect("stored");
    }
    store.empty_log().expect("copied into the file");
    drop(store);
    std::fs::rename(unfinished, path).expect("its name");
}

fn post(store: &mut WriteStore, number: u64, channels: &[ChannelKey], frequencies: &Zipf, random: &mut Random) {
    let channel = channels[if random.below(1000) == 0 { 2 } else { random.below(2) }];
    let words = 3 + random.below(16);
    let content = (0..words).map(|_| word(frequencies.pick(random))).collect::<Vec<_>>().join(" ");
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let user_id = UserId::from_bytes([u8::try_from(random.below(200)).expect("below 200"); 16]);
    let change = Change::Created { message_id: MessageId::from_bytes(id), channel, user_id, content, client_id: None };
    let entry = EntryRow {
        index: ChainIndex(number),
        timestamp: Timestamp::from_unix_ms(1_700_000_000_000 + number * 1000),
        content_hash: [0; 32],
        hash: [0; 32],
        signature: [0; 64],
    };
    store.apply(&change, &entry).expect("stored");
}

/// The word of this rank: pronounceable, and the shorter the more common.
fn word(rank: usize) -> String {
    const SYLLABLES: [&str; 24] = [
        "ka", "lo", "mi", "ru", "te", "na", "si", "do", "pe", "vu", "ha", "jo", "ble", "tri", "gon", "sta", "fer",
        "wik", "zal", "mun", "cor", "lei", "pra", "ost",
    ];
    let mut text = String::new();
    let mut rest = rank + SYLLABLES.len();
    while rest > 0 {
        text.push_str(SYLLABLES[rest % SYLLABLES.len()]);
        rest /= SYLLABLES.len();
    }
    text
}

struct Zipf(Vec<f64>);

impl Zipf {
    #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
    fn new() -> Self {
        let mut sum = 0.0;
        Self(
            (0..WORDS)
                .map(|rank| {
                    sum += 1.0 / (rank as f64 + 2.7);
                    sum
                })
                .collect(),
        )
    }

    #[expect(clippy::cast_precision_loss, reason = "a fraction needs no more")]
    fn pick(&self, random: &mut Random) -> usize {
        let total = self.0.last().copied().unwrap_or_default();
        let point = total * random.below(1 << 32) as f64 / f64::from(u32::MAX);
        self.0.partition_point(|&sum| sum < point).min(WORDS - 1)
    }
}

/// Numbers that are the same in every run: splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap_or_default()
    }
}
