//! What the server bears: the rows of `docs/performance.md`, measured from outside with the protocol's load generator.
//!
//! `cargo bench --bench load -- --load PROGRAM` starts a server of this release for each run, on a new database on the
//! disk, and prints the first table of that page. The generator shares the processor with it. `--runs N` measures each row
//! N times (3 if not told) and prints the median run; `--only WORD` measures the rows with WORD in them.

use std::error::Error;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

type Outcome<T> = Result<T, Box<dyn Error>>;

const SERVER_ID: &str = "3b9c8f3e-54b1-4c6a-9d5e-0f6f0d8a1c22";

/// One row: what the generator is told, by which figure its runs are ordered, and which figures are shown.
struct Row {
    work: &'static str,
    order: &'static str,
    shown: &'static [Figure],
}

/// A figure of the generator's: its JSON pointer, how many decimals, and what it counts.
type Figure = (&'static str, usize, &'static str);

const INGEST: &[Figure] = &[
    ("/acks_per_s", 0, "acks/s"),
    ("/server_cpu_us_per_ack", 1, "µs of CPU per ack"),
    ("/latency/p99_ms", 1, "ms p99"),
];
const SERIAL: &[Figure] = &[("/latency/p50_ms", 2, "ms p50"), ("/latency/p99_ms", 2, "ms p99")];
const FANOUT: &[Figure] = &[
    ("/server_cpu_us_per_delivery", 2, "µs of CPU per delivery"),
    ("/latency/p99_ms", 1, "ms p99"),
    ("/lost", 0, "lost"),
    ("/dropped_connections", 0, "dropped"),
];
const IDLE: &[Figure] = &[
    ("/kib_per_conn", 2, "KiB per connection"),
    ("/cpu_us_per_connect", 0, "µs of CPU per connection"),
    ("/frames_received", 0, "frames"),
    ("/dropped_connections", 0, "dropped"),
];

const ROWS: [Row; 8] = [
    Row { work: "ingest --senders 16 --inflight 8", order: "/acks_per_s", shown: INGEST },
    Row { work: "ingest --senders 16 --inflight 64", order: "/acks_per_s", shown: INGEST },
    Row { work: "ingest --senders 64 --inflight 2", order: "/acks_per_s", shown: INGEST },
    Row { work: "ingest --senders 1 --inflight 1", order: "/latency/p50_ms", shown: SERIAL },
    Row { work: "fanout --listeners 500 --rate 100", order: "/server_cpu_us_per_delivery", shown: FANOUT },
    Row { work: "fanout --listeners 500 --rate 1000", order: "/server_cpu_us_per_delivery", shown: FANOUT },
    Row { work: "fanout --listeners 2000 --rate 20", order: "/latency/p99_ms", shown: FANOUT },
    Row { work: "idle --conns 3000", order: "/cpu_us_per_connect", shown: IDLE },
];

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1);
    let runs = option("--runs").map_or(Ok(3), |text| text.parse())?;
    let only = option("--only").map_or("", String::as_str);
    let Some(load) = option("--load").map(PathBuf::from) else {
        return Err("say which load generator: cargo bench --bench load -- --load PROGRAM".into());
    };
    say(&machine())?;
    say("| load | measured |\n|---|---|")?;
    for row in ROWS.iter().filter(|row| row.work.contains(only)) {
        let measured = (0..runs).map(|_| Server::start(&load)?.load(row.work)).collect::<Outcome<Vec<_>>>()?;
        say(&format!("| `{}` | {} |", row.work, shown(median(measured, row.order)?, row.shown)))?;
    }
    if "disk".contains(only) {
        say(&format!("| disk, messages of 60 characters | {} bytes a message |", bytes_a_message(&load)?))?;
    }
    if "million".contains(only) {
        million(&load, runs)?;
    }
    say(&machine())
}

/// What measures, and what else it has to do: a busy machine needs more processor time for the same work.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let (cpus, waiting) = (read("/proc/cpuinfo"), read("/proc/loadavg"));
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let waiting = waiting.split(' ').next().unwrap_or_default();
    format!("\n{cores} cores, {}, load average {waiting}\n", model.trim_start_matches(['\t', ' ', ':']))
}

/// What a message takes on the disk, with its entry, its index, and all else that the server keeps.
fn bytes_a_message(load: &Path) -> Outcome<u64> {
    let server = Server::start(load)?;
    let result = server.load("ingest --senders 16 --inflight 64 --bytes 60")?;
    let folder = server.stop()?;
    let bytes: u64 = ["coms.db", "coms.db-wal"]
        .iter()
        .filter_map(|name| folder.path().join(name).metadata().ok())
        .map(|file| file.len())
        .sum();
    Ok(bytes / acks(&result)?)
}

/// The first row on a new database and on one with a million messages.
fn million(load: &Path, runs: usize) -> Outcome<()> {
    let (server, mut stored) = (Server::start(load)?, 0);
    while stored < 1_000_000 {
        let filled = server.load("ingest --senders 16 --inflight 64 --secs 20")?;
        stored += acks(&filled)?;
    }
    let row = &ROWS[0];
    let measured = (0..runs).map(|_| server.load(row.work)).collect::<Outcome<Vec<_>>>()?;
    say(&format!("| `{}`, {stored} messages stored | {} |", row.work, shown(median(measured, row.order)?, row.shown)))
}

fn acks(result: &Value) -> Outcome<u64> {
    Ok(result.pointer("/acks").and_then(Value::as_u64).ok_or("no count of acks")?)
}

fn median(mut measured: Vec<Value>, order: &str) -> Outcome<Value> {
    let key = |run: &Value| run.pointer(order).and_then(Value::as_f64).unwrap_or_default();
    measured.sort_by(|one, other| key(one).total_cmp(&key(other)));
    let middle = measured.len() / 2;
    measured.into_iter().nth(middle).ok_or_else(|| "`--runs` must be at least 1".into())
}

#[expect(clippy::needless_pass_by_value, reason = "the run is of no use afterwards")]
fn shown(run: Value, figures: &[Figure]) -> String {
    let figure = |(pointer, decimals, unit): &Figure| {
        let number = run.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
        format!("{number:.decimals$} {unit}")
    };
    figures.iter().map(figure).collect::<Vec<_>>().join(", ")
}

fn say(line: &str) -> Outcome<()> {
    Ok(writeln!(io::stdout().lock(), "{line}")?)
}

/// A server of its own folder, with keys that the generator knows.
struct Server {
    load: PathBuf,
    process: Child,
    port: u16,
    central_secret: String,
    folder: tempfile::TempDir,
}

impl Server {
    fn start(load: &Path) -> Outcome<Self> {
        // Not in the system's folder for temporary files, which may be in memory.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let central: Value = output_of(Command::new(load).arg("keys"))?;
        let own: Value = output_of(Command::new(env!("CARGO_BIN_EXE_coms")).args(["keygen", "--json", "-q"]))?;
        let text = |keys: &Value, name: &str| {
            keys.get(name).and_then(Value::as_str).map(str::to_owned).ok_or("a key is missing")
        };
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = Command::new(env!("CARGO_BIN_EXE_coms"))
            .arg("serve")
            .current_dir(folder.path())
            .env("SERVER_ID", SERVER_ID)
            .env("SERVER_NAME", "Under load")
            .env("SERVER_SECRET_KEY", text(&own, "secret_key")?)
            .env("SERVER_PUBLIC_KEY", text(&own, "public_key")?)
            .env("CENTRAL_URL", "http://127.0.0.1:9")
            .env("CENTRAL_API_KEY", "none")
            .env("CENTRAL_PUBLIC_KEY", text(&central, "public")?)
            .env("HOST", "127.0.0.1")
            .env("PORT", port.to_string())
            .env("DB_PATH", "coms.db")
            .env("LOG_LEVEL", "error")
            .stdin(Stdio::null())
            .spawn()?;
        let server = Self { load: load.to_owned(), process, port, central_secret: text(&central, "secret")?, folder };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    fn wait_until_it_listens(&self) -> Outcome<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if Instant::now() > deadline {
                return Err("the server did not start within 10 s".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Has the generator do `work`, and returns what it measured.
    fn load(&self, work: &str) -> Outcome<Value> {
        let mut generator = Command::new(&self.load);
        generator.args(work.split(' ')).args(["--addr", &format!("127.0.0.1:{}", self.port)]);
        generator.args(["--server-id", SERVER_ID, "--central-secret", &self.central_secret]);
        output_of(generator.args(["--pid", &self.process.id().to_string()]))
    }

    /// Ends the server as an operator does, and returns its folder.
    fn stop(mut self) -> Outcome<tempfile::TempDir> {
        let stopped = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status()?.success();
        if !stopped || !self.process.wait()?.success() {
            return Err("the server did not stop as it should".into());
        }
        let elsewhere = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        Ok(std::mem::replace(&mut self.folder, elsewhere))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, or is not worth waiting for.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn output_of(command: &mut Command) -> Outcome<Value> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{} failed", command.get_program().display()).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
