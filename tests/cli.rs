//! The command line: exit codes, what goes where, and one clear line for each mistake.

use crate::support::program::Home;

const SERVER_ID: &str = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e";

/// A public key, and the variables that `init` can't do without.
fn public_key() -> String {
    let run = Home::new().run(&["keygen", "--quiet"]);
    let line = run.stdout.lines().find_map(|line| line.strip_prefix("SERVER_PUBLIC_KEY=")).expect("a public key");
    line.to_owned()
}

fn value<'a>(env_file: &'a str, name: &str) -> &'a str {
    env_file.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).expect("the variable is set")
}

/// Writes a complete configuration to `.env`.
fn set_up(home: &Home) {
    home.write("api.key", "zk_test\n");
    let central = format!("CENTRAL_PUBLIC_KEY={}", public_key());
    let server_id = format!("SERVER_ID={SERVER_ID}");
    let run = home.run(&["init", "--yes", "--set", &server_id, "--set", "CENTRAL_API_KEY=@api.key", "--set", &central]);
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[test]
fn a_wrong_argument_is_exit_code_2_and_help_is_none() {
    let home = Home::new();
    for arguments in [&["--nonsense"][..], &["nonsense"], &["keygen", "--from-secret", "abc"], &["-q", "-v", "keygen"]]
    {
        let run = home.run(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(run.stderr.starts_with("error: "), "{run:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["init", "--help"], &["help", "keygen"]] {
        let run = home.run(arguments);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(!run.stdout.is_empty());
    }
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask() {
    let home = Home::new();
    let plain = home.run(&["-e", "missing.env"]);
    assert!(!plain.stderr.contains('\u{1b}'), "{plain:?}");
    let coloured = home.run(&["--color", "always", "-e", "missing.env"]);
    assert!(coloured.stderr.contains('\u{1b}'), "{coloured:?}");
}

#[test]
fn keygen_prints_keys_on_stdout_and_advice_on_stderr() {
    let home = Home::new();
    let run = home.run(&["keygen"]);
    assert_eq!(run.code, Some(0));
    assert!(run.stderr.contains("keep a copy"), "{run:?}");
    let (secret, public) = (value(&run.stdout, "SERVER_SECRET_KEY"), value(&run.stdout, "SERVER_PUBLIC_KEY"));
    assert_eq!((secret.len(), public.len(), run.stdout.lines().count()), (128, 64, 2));
    assert_eq!(&secret[64..], public);
    assert_ne!(home.run(&["keygen"]).stdout, run.stdout);
    assert_eq!(home.run(&["keygen", "-q"]).stderr, "");
}

#[test]
fn keygen_derives_the_public_key_from_a_secret_one() {
    let home = Home::new();
    let json: serde_json::Value = serde_json::from_str(&home.run(&["keygen", "--json"]).stdout).expect("an object");
    let (secret, public) = (json["secret_key"].as_str().expect("text"), json["public_key"].as_str().expect("text"));
    for input in [format!("{secret}\n"), format!("SERVER_SECRET_KEY={secret}\r\n")] {
        let run = home.run_with_input(&["keygen", "--from-secret", "-"], &input);
        assert_eq!((run.code, run.stdout), (Some(0), format!("SERVER_PUBLIC_KEY={public}\n")));
        assert!(!run.stderr.contains(secret));
    }
    for input in ["", "abc", &secret[..127], &format!("{}{}", &secret[..64], public_key())] {
        let run = home.run_with_input(&["keygen", "--from-secret", "-"], input);
        assert_eq!((run.code, run.stdout.as_str(), run.stderr.lines().count()), (Some(2), "", 1), "{run:?}");
    }
}

#[test]
fn completions_and_manual_pages_are_printed() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let run = home.run(&["completions", shell]);
        assert_eq!(run.code, Some(0));
        assert!(run.stdout.contains("keygen"), "{shell}");
    }
    assert!(home.run(&["man"]).stdout.contains(".TH coms 1"));
    assert!(home.run(&["man", "init"]).stdout.contains(".TH coms-init 1"));
    assert_eq!(home.run(&["man", "nonsense"]).code, Some(2));
}

#[test]
fn a_file_that_was_named_has_to_be_there_and_readable() {
    let home = Home::new();
    let faults = [
        ("missing.env", "the configuration file does not exist: missing.env"),
        (".", "the configuration file is a directory: ."),
    ];
    for (file, expected) in faults {
        let run = home.run(&["-e", file]);
        assert_eq!((run.code, run.stderr), (Some(2), format!("error: {expected}\n")));
    }
    let misplaced = home.run(&["-e", "x.env", "keygen"]);
    assert_eq!((misplaced.code, misplaced.stdout.as_str()), (Some(2), ""));
}

#[test]
fn without_a_configuration_coms_prepares_one_and_opens_nothing_without_a_terminal() {
    let home = Home::new();
    let mut first = home.command(&[]);
    // Would leave a trace if it were started; and no configuration, since much else reads such variables.
    first
        .env("HOST", "myhost")
        .env("EDITOR", "touch opened")
        .env("PATH", "/usr/bin:/bin")
        .stdin(std::process::Stdio::null());
    let first = crate::support::program::Run::of(&first.output().expect("the program ends"));
    assert_eq!(first.code, Some(0), "{first:?}");
    let written = home.read(".env");
    assert_eq!(first.stdout, format!("SERVER_PUBLIC_KEY={}\n", value(&written, "SERVER_PUBLIC_KEY")));
    assert!(!first.stderr.contains(value(&written, "SERVER_SECRET_KEY")));
    assert!(!home.join("opened").exists());
    assert_private(&home);

    let again = home.run(&[]);
    assert_eq!(again.code, Some(2));
    for name in ["SERVER_ID", "CENTRAL_API_KEY", "CENTRAL_PUBLIC_KEY"] {
        assert!(again.stderr.contains(&format!("error: `{name}` is required, and is not set\n")), "{again:?}");
    }
    assert_eq!(home.read(".env"), written);
}

#[cfg(unix)]
fn assert_private(home: &Home) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(home.join(".env")).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[cfg(not(unix))]
fn assert_private(_: &Home) {}

#[test]
fn every_fault_of_a_configuration_is_one_line() {
    let home = Home::new();
    let other = public_key();
    home.write(
        ".env",
        &format!("PORT=99999\nFEATURE_LOG_CHAIN=maybe\nSERVER_ID=x\nSERVER_SECRET_KEY=12\nSERVER_PUBLIC_KEY={other}\n"),
    );
    let run = home.run(&[]);
    let errors: Vec<_> = run.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!((run.code, errors.len()), (Some(2), 6), "{run:?}");
    assert!(
        errors.contains(&"error: `PORT` in line 1 of `.env` must be a whole number from 0 to 65535: 99999"),
        "{run:?}"
    );
    assert!(
        errors.contains(
            &"error: `SERVER_SECRET_KEY` in line 4 of `.env` must be 128 hexadecimal digits, and has 2 characters"
        ),
        "{run:?}"
    );
}

#[test]
fn init_without_a_terminal_says_what_it_needs() {
    let home = Home::new();
    let run = home.run(&["init"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.starts_with("error: there is no terminal to ask on\n"), "{run:?}");
    let run = home.run(&["init", "--yes", "--set", "PORT=99999", "--set", "SERVER_ID=x"]);
    assert_eq!(run.code, Some(2));
    for expected in [
        "`PORT` in `--set` must be a whole number from 0 to 65535: 99999",
        "`SERVER_ID` in `--set` must be a UUID",
        "`CENTRAL_API_KEY` is required, and is not set",
        "`CENTRAL_PUBLIC_KEY` is required, and is not set",
    ] {
        assert!(run.stderr.contains(&format!("error: {expected}\n")), "{expected}: {run:?}");
    }
    assert!(!run.stderr.contains("`SERVER_ID` is required"), "{run:?}");
    let run = home.run(&["init", "--yes", "--set", "PROT=1"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("did you mean `PORT`?"), "{run:?}");
    assert!(!home.join(".env").exists());
}

#[test]
fn init_with_yes_writes_a_whole_configuration() {
    let home = Home::new();
    set_up(&home);
    let written = home.read(".env");
    assert_eq!(value(&written, "SERVER_ID"), SERVER_ID);
    assert_eq!(value(&written, "CENTRAL_API_KEY"), "zk_test");
    assert_eq!(value(&written, "SERVER_SECRET_KEY").len(), 128);
    assert_private(&home);
    assert_eq!(std::fs::read_dir(home.path()).expect("the directory").count(), 2, "a temporary file was left");
}

#[test]
fn init_changes_what_it_is_told_and_keeps_the_rest() {
    let home = Home::new();
    set_up(&home);
    let before = format!("{}\n# mine\nWHATEVER='x'\n", home.read(".env"));
    home.write(".env", &before);
    let run = home.run(&["init", "--yes", "--set", "PORT=4000", "--set", "CENTRAL_API_KEY=@api.key"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("+ PORT=4000\n") && !run.stderr.contains("CENTRAL_API_KEY"), "{run:?}");
    assert!(
        run.stderr.contains("changes to `.env`:\n") && !run.stderr.contains("\\n"),
        "each on a line of its own: {run:?}"
    );
    assert_eq!(home.read(".env"), before.replace("# PORT=3000", "PORT=4000"));
    let again = home.run(&["init", "--yes"]);
    assert!(again.stderr.contains("nothing to write"), "{again:?}");
}

#[test]
fn init_replaces_a_secret_key_only_when_told() {
    let home = Home::new();
    set_up(&home);
    let before = home.read(".env");
    let keys = home.run(&["keygen", "-q"]).stdout;
    home.write("new.key", value(&keys, "SERVER_SECRET_KEY"));
    let refused = home.run(&["init", "--yes", "--set", "SERVER_SECRET_KEY=@new.key"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.starts_with("error: the file has another `SERVER_SECRET_KEY`\nhint: "), "{refused:?}");
    assert_eq!(home.read(".env"), before);
    let replaced = home.run(&["init", "--yes", "--replace-key", "--set", "SERVER_SECRET_KEY=@new.key"]);
    assert_eq!(replaced.code, Some(0), "{replaced:?}");
    assert_eq!(value(&home.read(".env"), "SERVER_PUBLIC_KEY"), value(&keys, "SERVER_PUBLIC_KEY"));
    for secret in [value(&before, "SERVER_SECRET_KEY"), value(&keys, "SERVER_SECRET_KEY"), "zk_test"] {
        assert!(!replaced.stderr.contains(secret) && !replaced.stdout.contains(secret));
    }
}

#[test]
fn init_refuses_a_file_that_it_could_not_keep() {
    let home = Home::new();
    home.write(".env", "this is no assignment\n");
    let run = home.run(&["init", "--yes"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(2), "error: line 1 of `.env` is not `NAME=value`\n"));
    home.write("other.env", "SERVER_PUBLIC_KEY=00\n");
    let run = home.run(&["init", "--yes", "-e", "other.env"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("has a `SERVER_PUBLIC_KEY` and no `SERVER_SECRET_KEY`"), "{run:?}");
    let run = home.run(&["init", "--yes", "-e", "no/such/folder/.env", "--set", "PORT=1"]);
    assert!(matches!(run.code, Some(2 | 3)), "{run:?}");
}

#[cfg(unix)]
#[test]
fn secrets_that_others_can_read_stop_a_server_in_production() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    set_up(&home);
    std::fs::set_permissions(home.join(".env"), std::fs::Permissions::from_mode(0o644)).expect("its mode");
    let output = home.command(&["serve"]).env("ENV", "prod").output().expect("the program ends");
    let run = crate::support::program::Run::of(&output);
    assert_eq!(run.code, Some(2));
    assert_eq!(run.stderr, "error: others can read the secrets in `.env` (mode 0644)\nhint: chmod 600 .env\n");
}

#[cfg(unix)]
#[test]
fn coms_alone_serves_with_a_valid_configuration() {
    use std::io::BufRead as _;
    let home = Home::new();
    set_up(&home);
    let mut command = home.command(&[]);
    command
        .env("PORT", "0")
        .env("HOST", "127.0.0.1")
        .env("CENTRAL_URL", "http://127.0.0.1:9")
        .env("LOG_FORMAT", "json");
    let mut server = command.stderr(std::process::Stdio::piped()).spawn().expect("the program starts");
    let mut lines = std::io::BufReader::new(server.stderr.take().expect("its log")).lines().map_while(Result::ok);
    let listening = lines.find(|line| line.contains("server is listening")).expect("it listens");
    let event: serde_json::Value = serde_json::from_str(&listening).expect("an object");
    assert!(event["address"].as_str().expect("text").starts_with("127.0.0.1:"), "{listening}");
    let pid = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the signal");
    assert_eq!(server.wait().expect("the program ends").code(), Some(0));
    let rest: Vec<_> = lines.collect();
    assert!(rest.iter().all(|line| !line.contains("zk_test")), "{rest:?}");
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_refused_and_never_waited_for() {
    let home = Home::new();
    set_up(&home);
    let made = std::process::Command::new("mkfifo").arg(home.join("pipe")).status();
    assert!(made.expect("mkfifo runs").success());
    let _listener = std::os::unix::net::UnixListener::bind(home.join("socket")).expect("a socket");
    std::fs::create_dir(home.join("folder")).expect("a folder");
    let commands: [&[&str]; 10] = [
        &["verify-chain", "--no-state", "--db"],
        &["verify-chain", "--no-state", "--export"],
        &["verify-chain", "--db", "missing.db", "--state"],
        &["search", "x", "--db"],
        &["export", "--db"],
        &["backup", "-o", "b.zst", "--db"],
        &["restore", "--dry-run"],
        &["restore", "missing.zst", "--passphrase-file"],
        &["adopt"],
        &["adopt", "-o", "new.db"],
    ];
    for command in commands {
        for kind in ["pipe", "socket", "folder", "/dev/null"] {
            // What waits would hang here, and be ended by whoever runs the tests.
            let run = home.run(&[command, &[kind]].concat());
            assert!(matches!(run.code, Some(2 | 3)), "{command:?} {kind}: {run:?}");
            assert!(run.stderr.contains("error: "), "{command:?} {kind}: {run:?}");
        }
    }
    home.write(".env", &home.read(".env").replace("DB_PATH=", "#"));
    let text = home.read(".env") + "DB_PATH=pipe\n";
    home.write(".env", &text);
    for command in [&["serve"][..], &["verify-chain", "--no-state"], &["token", "auditor", "list"]] {
        let run = home.run(command);
        assert!(matches!(run.code, Some(2 | 3)) && run.stderr.contains("not a file"), "{command:?}: {run:?}");
    }
}

#[test]
fn a_secret_in_a_wrong_place_is_not_repeated() {
    let home = Home::new();
    let key = "5ec2e7".repeat(12);
    let age = format!("AGE-SECRET-KEY-1{}", key.to_uppercase());
    let url = "http://127.0.0.1:9";
    let api_key = format!("CENTRAL_API_KEY={key}");
    for arguments in [
        &["backup", "--recipient", &age][..],
        &["verify-chain", "--public-key", &format!("{key}{key}")],
        &["verify-chain", "--manifest", url, "--token", &key],
        &["chat", url, "--token", &key],
        &["chat", url, &key],
        &["search", "--limit", &key, "x"],
        &["search", &format!("--{key}")],
        &[&key],
        &["init", "--yes", "--set", &api_key],
        &["init", "--yes", "--set", &key],
        &["init", "--yes", "--set", &format!("{key}=1")],
        &["export", "--format", &key],
    ] {
        let run = home.run(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{arguments:?}: {run:?}");
        assert!(!run.stderr.to_lowercase().contains("5ec2e75"), "{arguments:?}: {run:?}");
    }
    // What is short enough to be what belongs there is shown.
    assert!(home.run(&["search", "--limit", "many", "x"]).stderr.contains("'many'"));
    assert!(home.run(&["serch"]).stderr.contains("'search'"));
}

/// What `coms init --yes` needs to be told.
fn complete_init<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let required = [
        "SERVER_ID=ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e",
        "CENTRAL_API_KEY=@api.key",
        "CENTRAL_PUBLIC_KEY=b9ea7e43812cf1ae6c9fd26296373ff70590b22b7c08394f80dbe305a582757d",
        "CENTRAL_URL=http://127.0.0.1:9",
    ];
    let set = required.into_iter().flat_map(|answer| ["--set", answer]);
    ["init", "--yes"].into_iter().chain(set).chain(more.iter().copied()).collect()
}

#[cfg(unix)]
#[tokio::test]
async fn init_looks_at_the_database_the_port_and_central() {
    use crate::support::process::Site;

    let site = Site::new().await;
    let mut server = site.serve().await;
    server.terminate();
    server.wait().await;
    let home = &site.home;
    home.write("api.key", "zk_test_0123456789");
    let run = home.run(&complete_init(&["--set", "DB_PATH=messages.db"]));
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("`messages.db` is signed by another key"), "{run:?}");
    assert!(!home.join(".env").exists());
    let run = home.run(&complete_init(&["--set", "DB_PATH=messages.db", "--replace-key"]));
    assert!(run.code == Some(0) && run.stderr.contains("signed by another key"), "{run:?}");

    home.write("file", "in the way");
    let run = home.run(&complete_init(&["-e", "other.env", "--set", "DB_PATH=file/messages.db"]));
    assert!(run.code == Some(2) && run.stderr.contains("can't be made: `file` is not a directory"), "{run:?}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = format!("PORT={}", taken.local_addr().expect("an address").port());
    let arguments = complete_init(&["-e", "third.env", "--set", &port, "--set", "HOST=127.0.0.1", "--check-central"]);
    let run = home.run(&arguments);
    assert!(run.stderr.contains("could not listen on port"), "{run:?}");
    // The file is written, and that Central is not there is not success.
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(home.join("third.env").exists());
}
