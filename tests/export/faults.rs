//! `coms export` where something goes wrong, and while others write.

use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{OLD, export, home};
use crate::support::corpus::Corpus;
use crate::support::program::{Home, Run};

/// More than any buffer or pipe on the way holds.
const MANY: u64 = 10_000;

fn big_home() -> Home {
    let home = Home::new();
    Corpus::create(&home.join("m.db")).batch("general", MANY);
    home
}

/// Whether an unfinished export is in the home.
fn has_unfinished(home: &Home) -> bool {
    let files = fs::read_dir(home.path()).expect("the home").filter_map(Result::ok);
    files
        .into_iter()
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .any(|name| name.starts_with(".coms-export-") || name.ends_with(".partial"))
}

#[test]
fn a_reader_that_goes_away_ends_an_export_quietly() {
    let home = big_home();
    for format in ["jsonl", "csv"] {
        let mut command = home.command(&["export", "-q", "--db", "m.db", "--format", format]);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
        drop(child.stdout.take());
        let run = Run::of(&child.wait_with_output().expect("the program ends"));
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{format}: {run:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_to_be_full() {
    let home = home();
    for format in ["jsonl", "csv"] {
        let run = export(&home, &["-q", "--format", format, "-o", "/dev/full"]);
        assert_eq!(run.code, Some(3), "{run:?}");
        let error = "error: cannot write the export to `/dev/full`: No space left on device";
        assert!(run.stderr.starts_with(error) && !run.stderr.contains("hint"), "{run:?}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_export_leaves_the_old_file_and_nothing_else() {
    use rustix::process::{Pid, Signal, kill_process};
    let home = big_home();
    home.write("old.jsonl", OLD);
    for (signal, code) in [(Signal::INT, Some(130)), (Signal::TERM, Some(130)), (Signal::KILL, None)] {
        let mut child =
            home.command(&["export", "-q", "--force", "--db", "m.db", "-o", "old.jsonl"]).spawn().expect("the program");
        let deadline = Instant::now() + Duration::from_secs(20);
        while !has_unfinished(&home) {
            assert!(Instant::now() < deadline, "it does not begin");
            std::thread::yield_now();
        }
        kill_process(Pid::from_child(&child), signal).expect("a running program");
        assert_eq!(child.wait().expect("its end").code(), code, "{signal:?}");
        assert_eq!(home.read("old.jsonl"), OLD, "{signal:?}");
        assert_eq!(has_unfinished(&home), signal == Signal::KILL, "{signal:?}");
    }
}

#[cfg(unix)]
#[test]
fn what_people_wrote_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = home();
    for (format, name, expected) in [("jsonl", "a.jsonl", 0o600), ("csv", "a.csv", 0o600), ("html", "pages", 0o700)] {
        assert_eq!(export(&home, &["-q", "--format", format, "-o", name]).code, Some(0));
        let mode = fs::metadata(home.join(name)).expect("the export").permissions().mode() & 0o777;
        assert_eq!(mode, expected, "{name}: {mode:o}");
    }
}

#[test]
fn an_export_is_of_one_moment_while_a_server_writes() {
    let home = Home::new();
    let mut corpus = Corpus::create(&home.join("m.db"));
    corpus.batch("general", 200);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut count = 0_u64;
            while !is_over.load(Ordering::Relaxed) {
                let message = corpus.post("general", 0xaa, "another one");
                corpus.edit(message, "and another");
                let gone = corpus.post("announcements", 0xbb, "not for long");
                corpus.delete(gone);
                count += 4;
            }
            count
        });
        let runs: Vec<_> = (0..30)
            .map(|number| {
                let file = format!("{number}.jsonl");
                let run = export(&home, &["-q", "-o", &file]);
                (run, home.run(&["verify-chain", "-q", "--no-state", "--export", &file]))
            })
            .collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(writer.join().expect("the writer") > 0);
        for (exported, verified) in runs {
            assert_eq!((exported.code, verified.code), (Some(0), Some(0)), "{exported:?} {verified:?}");
        }
    });
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_to_is_no_obstacle() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    let home = home();
    let mode = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
    };
    mode(&home.join("m.db"), 0o444);
    mode(home.path(), 0o555);
    for arguments in [&["export", "-q", "--db", "m.db"][..], &["search", "--db", "m.db", "quoted"]] {
        let mut command = home.command(arguments);
        if rustix::process::geteuid().is_root() {
            // Modes do not stop root.
            command.uid(65_534).gid(65_534);
        }
        match command.output() {
            Ok(output) => {
                let run = Run::of(&output);
                assert_eq!(run.code, Some(0), "{run:?}");
                assert!(run.stdout.contains("second, "), "{run:?}");
            }
            Err(error) => eprintln!("skipped: nobody else may run the program: {error}"),
        }
    }
    mode(home.path(), 0o755);
}
