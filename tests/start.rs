//! What keeps a server from starting: one clear line each, exit code 2, and nothing changed.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use crate::support::process::{ServeProcess, Site};
use crate::support::program::Run;
use crate::support::{DEADLINE, person};

/// Runs a command that must not go on to serve.
fn run(command: &mut Command) -> Run {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let deadline = Instant::now() + DEADLINE;
    while child.try_wait().expect("a child").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("a running program");
            panic!("it serves");
        }
        thread::sleep(Duration::from_millis(2));
    }
    Run::of(&child.wait_with_output().expect("its output"))
}

/// Starts the server, which must refuse; what it said.
fn refused(site: &Site) -> String {
    let run = run(&mut site.command(&["serve"]));
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run:?}");
    run.stderr
}

#[tokio::test]
async fn a_database_in_use_names_who_uses_it() {
    let site = Site::new().await;
    let server = site.serve().await;
    let mut ada = site.connect(&server, person(1)).await;
    ada.post("before").await;
    let holder = format!("coms serve on {}, process {}", server.address, server.id());
    let expected = format!(
        "error: the database `messages.db` is in use by {holder}\nhint: stop that process, or set DB_PATH to another file\n"
    );
    assert_eq!(refused(&site), expected);
    ada.post("after").await;
}

/// Of the port it would hear first, and that would not help: whoever started it may not know of the other server.
#[tokio::test]
async fn a_second_server_in_one_place_hears_of_the_first_and_not_of_its_port() {
    let mut site = Site::new().await;
    let server = site.serve().await;
    site.set("PORT", server.address.rsplit(':').next().expect("a port"));
    let stderr = refused(&site);
    let expected = format!("error: the database `messages.db` is in use by coms serve on {}", server.address);
    assert!(stderr.starts_with(&expected), "{stderr}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_second_name_of_a_database_in_use_does_not_lead_past_its_lock() {
    let mut site = Site::new().await;
    let server = site.serve().await;
    let mut ada = site.connect(&server, person(1)).await;
    ada.post("before").await;
    fs::create_dir(site.home.join("other")).expect("a folder");
    fs::hard_link(site.database(), site.home.join("other/messages.db")).expect("a second name");
    site.set("DB_PATH", "other/messages.db");
    let stderr = refused(&site);
    let expected =
        format!("error: the database `other/messages.db` is in use by process {}, under another name", server.id());
    assert!(stderr.starts_with(&expected), "{stderr}");
    assert_eq!(fs::read_dir(site.home.join("other")).expect("a folder").count(), 2, "only a lock is beside it");
    ada.post("after").await;
}

#[tokio::test]
async fn a_database_whose_schema_somebody_changed_is_not_served() {
    let site = Site::new().await;
    let mut server = site.serve().await;
    site.connect(&server, person(1)).await.post("kept").await;
    server.terminate();
    assert_eq!(server.wait().await, Some(0));
    let trigger = "CREATE TRIGGER gone AFTER INSERT ON message BEGIN DELETE FROM message WHERE key = new.key; END";
    let theirs = connect(&site.database(), OpenFlags::empty());
    theirs.execute_batch(trigger).expect("a trigger");
    assert_eq!(
        refused(&site),
        "error: the schema of `messages.db` is not the one that coms makes: trigger `gone` was added\n\
         hint: undo that change, or restore a backup: `coms restore`\n"
    );
    theirs.execute_batch("DROP TRIGGER gone").expect("no trigger");
    drop(theirs);
    let server = site.serve().await;
    site.connect(&server, person(1)).await.post("after").await;
}

#[tokio::test]
async fn a_command_beside_the_server_does_not_bring_a_database_up_to_date() {
    let site = Site::new().await;
    let mut server = site.serve().await;
    server.terminate();
    assert_eq!(server.wait().await, Some(0));
    let older = connect(&site.database(), OpenFlags::empty());
    older.pragma_update(None, "user_version", 0).expect("a pragma");
    drop(older);
    let before = fs::read(site.database()).expect("the database");
    let run = run(&mut site.command(&["token", "auditor", "add", "--name", "Vera"]));
    assert_eq!((run.code, run.stdout.as_str()), (Some(3), ""), "{run:?}");
    assert!(run.stderr.starts_with("error: `messages.db` has schema 0; "), "{run:?}");
    assert!(run.stderr.contains("hint: start the server on it once: `coms serve`"), "{run:?}");
    assert!(fs::read(site.database()).expect("the database") == before, "it was changed");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let mut site = Site::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    site.set("PORT", &port.to_string());
    let expected = format!(
        "error: port {port} is in use by another program\nhint: stop that program, or set PORT to a free port\n"
    );
    assert_eq!(refused(&site), expected);
    assert!(!site.database().exists(), "nothing was made for a server that did not start");
}

#[tokio::test]
async fn a_file_that_is_no_database_of_ours_stays_as_it_is() {
    let mut site = Site::new().await;
    let text = "no database, but long enough to have a header of one. ".repeat(100);
    site.home.write("messages.db", &text);
    assert_eq!(refused(&site), "error: `messages.db` is not a database of coms\nhint: set DB_PATH to another file\n");
    assert_eq!(site.home.read("messages.db"), text);

    let other = connect(&site.home.join("other.db"), OpenFlags::SQLITE_OPEN_CREATE);
    other.execute_batch("CREATE TABLE recipe (name TEXT); INSERT INTO recipe VALUES ('soup')").expect("SQL");
    drop(other);
    let before = fs::read(site.home.join("other.db")).expect("a file");
    site.set("DB_PATH", "other.db");
    assert_eq!(refused(&site), "error: `other.db` is not a database of coms\nhint: set DB_PATH to another file\n");
    let table = connect(&site.home.join("other.db"), OpenFlags::empty());
    let name: String = table.query_row("SELECT name FROM recipe", [], |row| row.get(0)).expect("a row");
    assert_eq!(name, "soup");
    drop(table);
    assert!(fs::read(site.home.join("other.db")).expect("a file") == before, "it was changed");
}

#[tokio::test]
async fn a_database_of_a_newer_program_or_of_another_server_is_left_alone() {
    let mut site = Site::new().await;
    let mut server = site.serve().await;
    site.connect(&server, person(1)).await.post("kept").await;
    server.terminate();
    assert_eq!(server.wait().await, Some(0));

    site.set("SERVER_ID", "00000000-0000-4000-8000-000000000001");
    let stderr = refused(&site);
    let owner = crate::support::server::SERVER_ID;
    assert_eq!(
        stderr,
        format!("error: `messages.db` is the database of the server {owner}\nhint: check SERVER_ID and DB_PATH\n")
    );
    site.set("SERVER_ID", owner);
    let newer = connect(&site.database(), OpenFlags::empty());
    newer.pragma_update(None, "user_version", 1000).expect("a pragma");
    drop(newer);
    let stderr = refused(&site);
    assert!(
        stderr.starts_with("error: `messages.db` has schema 1000, and this coms knows schemas up to ")
            && stderr.ends_with("\nhint: run the newer coms, or restore a backup made before it\n"),
        "{stderr}"
    );
}

#[tokio::test]
async fn a_database_that_cannot_be_made_is_named() {
    let mut site = Site::new().await;
    site.home.write("file", "in the way");
    fs::create_dir(site.home.join("folder")).expect("a directory");
    for (path, expected) in [
        ("file/messages.db", "error: cannot make the directory `file` for the database: "),
        ("folder", "error: cannot open the database `folder`: "),
    ] {
        site.set("DB_PATH", path);
        let stderr = refused(&site);
        assert!(stderr.starts_with(expected), "{stderr}");
        assert!(stderr.ends_with("\nhint: check DB_PATH, and that this user may write there\n"), "{stderr}");
        assert_eq!(stderr.lines().count(), 2, "{stderr}");
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new().await;
    let path = site.home.write("locked.env", "PORT=1\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("its mode");
    if fs::read(&path).is_ok() {
        // The privileged read everything; there is nothing to refuse.
        return;
    }
    let run = run(&mut site.command(&["serve", "-e", "locked.env"]));
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.starts_with("error: the configuration file "), "{run:?}");
}

#[tokio::test]
async fn what_a_server_makes_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut site = Site::new().await;
    site.set("DB_PATH", "new/data/messages.db");
    site.set("LOG_DIR", "new/more/logs");
    let mut command = Command::new("sh");
    command.args(["-c", "umask 022; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_coms"), "serve"]);
    command.current_dir(site.home.path()).env_clear();
    let server = ServeProcess::start(site.configured(command)).await;
    site.connect(&server, person(1)).await.post("private").await;
    let (mut folders, mut seen) = (vec![site.home.join("new")], Vec::new());
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        for path in entries.chain([folder.clone()]) {
            let metadata = fs::metadata(&path).expect("its metadata");
            let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
            let mode = metadata.permissions().mode() & 0o777;
            assert_eq!(mode, expected, "{}: {mode:o}", path.display());
            if metadata.is_dir() && path != folder {
                folders.push(path);
            } else if metadata.is_file() {
                seen.push(path.file_name().expect("a name").to_string_lossy().into_owned());
            }
        }
    }
    for name in ["messages.db", "messages.db-wal", "messages.db-shm", "messages.db.lock"] {
        assert!(seen.iter().any(|seen| seen == name), "{name}: {seen:?}");
    }
    assert!(seen.iter().any(|name| name.starts_with("coms.")), "{seen:?}");
}

#[tokio::test]
async fn log_lines_go_into_no_other_file() {
    let mut site = Site::new().await;
    site.set("LOG_DIR", "logs");
    fs::create_dir(site.home.join("logs")).expect("a folder");
    site.home.write("other.db", "mine");
    // Of today, or of a day to come.
    let link = site.home.join("logs/coms.2999-01-01.log");
    for make in [
        |from: &Path, to: &Path| std::os::unix::fs::symlink(from, to),
        |from: &Path, to: &Path| fs::hard_link(from, to),
    ] {
        make(&site.home.join("other.db"), &link).expect("a link");
        let stderr = refused(&site);
        assert!(
            stderr.starts_with("error: cannot write log files in `logs`: `coms.2999-01-01.log` there is a link"),
            "{stderr}"
        );
        fs::remove_file(&link).expect("the link");
    }
}

#[tokio::test]
async fn a_log_directory_that_is_none_is_named_in_one_line() {
    let mut site = Site::new().await;
    site.home.write("file", "in the way");
    site.set("LOG_DIR", "file");
    let run = run(&mut site.command(&["serve"]));
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run:?}");
    let hint = "hint: check LOG_DIR, and that this user may write there";
    assert!(run.stderr.starts_with("error: cannot write log files in `file`: Not a directory"), "{run:?}");
    assert_eq!(run.stderr.lines().skip(1).collect::<Vec<_>>(), [hint], "{run:?}");
}

#[expect(clippy::disallowed_methods, reason = "another program's database, or another program at ours")]
fn connect(path: &Path, create: OpenFlags) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    Connection::open_with_flags(path, flags).expect("a database")
}

#[tokio::test]
async fn a_database_at_the_working_directory_is_not_forgotten_for_a_new_one_beside_the_env_file() {
    let site = Site::new().await;
    let mut server = site.serve().await;
    site.connect(&server, person(1)).await.post("hello").await;
    server.terminate();
    server.wait().await;
    // As an earlier version left it: a relative path in a `.env` elsewhere, the database at the working directory.
    fs::create_dir(site.home.join("etc")).expect("a directory");
    let keep = |name: &str| !matches!(name, "DB_PATH" | "PORT");
    let kept = site.variables.iter().filter(|(name, _)| keep(name));
    let lines = kept.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(
        "
",
    );
    site.home.write("etc/coms.env", &format!("{lines}\nPORT=0\nDB_PATH=messages.db\n"));
    for arguments in [&["serve", "-e", "etc/coms.env"][..], &["search", "-e", "etc/coms.env", "hello"]] {
        let run = run(&mut site.home.command(arguments));
        assert_eq!(run.code, Some(2), "{run:?}");
        let (beside, here) = (site.home.join("etc/messages.db"), site.database());
        assert!(run.stderr.contains(&beside.display().to_string()), "{run:?}");
        assert!(run.stderr.contains(&here.display().to_string()), "{run:?}");
        assert!(run.stderr.contains(&format!("set DB_PATH={}", here.display())), "{run:?}");
        assert!(!beside.exists());
    }
    fs::rename(site.database(), site.home.join("etc/messages.db")).expect("a move");
    let found = run(&mut site.home.command(&["search", "-e", "etc/coms.env", "hello"]));
    assert_eq!(found.code, Some(0), "{found:?}");
}
