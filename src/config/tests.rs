//! The configuration as a whole: bad input, where values come from, what is secret.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::keys::SigningKey;

const SERVER_ID: &str = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e";

/// The variables of a server that can start.
fn complete() -> Vec<(String, String)> {
    let key = SigningKey::from_seed(&[1; 32]);
    let central = SigningKey::from_seed(&[2; 32]).public();
    [
        ("SERVER_ID", SERVER_ID),
        ("SERVER_SECRET_KEY", key.to_hex().reveal()),
        ("SERVER_PUBLIC_KEY", &key.public().to_string()),
        ("CENTRAL_API_KEY", "zk_test"),
        ("CENTRAL_PUBLIC_KEY", &central.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn complete_with(changes: &[(&str, &str)]) -> Settings {
    let changes = changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::of(complete().into_iter().chain(changes))
}

fn faults(settings: &Settings) -> Vec<String> {
    match settings.read::<ServerConfig>() {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

/// A `.env` file in a directory of its own.
struct File {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl File {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("test.env");
        fs::write(&path, text).expect("a file");
        set_mode(&path, 0o600);
        Self { _directory: directory, path }
    }

    fn load(&self, process: &[(&str, &str)]) -> Settings {
        Settings::load(Some(&self.path), process.iter().copied().collect()).expect("a readable file")
    }
}

fn complete_file(more: &str) -> File {
    let lines: Vec<_> = complete().into_iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    File::new(&format!("{}{more}", lines.concat()))
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode is set");
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) {}

#[test]
fn the_required_variables_are_enough() {
    let config = complete_with(&[]).read::<ServerConfig>().expect("a complete configuration");
    assert_eq!(config.identity.server_id.as_str(), SERVER_ID);
    assert_eq!(config.name, "My Zync Server");
    assert_eq!((config.host, config.port), (None, 3000));
    assert_eq!(config.deployment, Deployment::Dev);
    assert_eq!(config.database.path, Path::new("./data/messages.db"));
    assert_eq!(config.features.max_history, 100);
    assert_eq!(config.bounds.max_connections, None);
    assert_eq!(config.bounds.max_frame_bytes, 64 * 1024);
    assert!(config.allowed_origins.accept("https://anywhere.example", None));
}

#[test]
fn every_bad_value_is_refused_in_one_line_that_names_it() {
    let cases: &[(&str, &str, &str)] = &[
        ("SERVER_ID", "not-a-uuid", "must be a UUID"),
        ("PORT", "99999", "must be a whole number from 0 to 65535: 99999"),
        ("PORT", "-1", "must be a whole number from 0 to 65535: -1"),
        ("PORT", "http", "must be a whole number from 0 to 65535"),
        ("FEATURE_LOG_CHAIN", "maybe", "must be `true` or `false`: maybe"),
        ("ENV", "production", "must be `dev` or `prod`: production"),
        ("LOG_LEVEL", "verbose", "must be `trace`, `debug`, `info`, `warn` or `error`: verbose"),
        ("LOG_FORMAT", "xml", "must be `human` or `json`: xml"),
        ("CENTRAL_URL", "central", "must be a URL such as `https://central.example.org`"),
        ("CENTRAL_URL", "ftp://central", "must be a URL that starts with `http://` or `https://`"),
        ("CENTRAL_PUBLIC_KEY", "00ff", "must be 64 hexadecimal digits, and has 4 characters"),
        ("SERVER_PUBLIC_KEY", "xyz", "must be 64 hexadecimal digits, and has 3 characters"),
        ("SERVER_SECRET_KEY", "beef", "must be 128 hexadecimal digits, and has 4 characters"),
        ("CENTRAL_API_KEY", "two words", "must be printable ASCII characters without spaces"),
        ("MAX_CONNECTIONS", "-5", "must be a whole number from 0 to 1000000: -5"),
        ("MAX_HISTORY_PER_REQUEST", "0", "must be a whole number from 1 to 10000: 0"),
        ("HOST", "localhost", "must be an IP address such as `127.0.0.1` or `::1`"),
        ("SERVER_NAME", "two\nlines", "must be 1 to 100 characters on one line"),
        ("CHAIN_ACCESS", "all", "must be `members` or `public`: all"),
        ("SESSION_EXPIRY", "never", "must be `enforce` or `ignore`: never"),
    ];
    for (name, value, expected) in cases {
        let found = faults(&complete_with(&[(name, value)]));
        assert_eq!(found, [format!("`{name}` in the environment {expected}")]);
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    let secret = "5".repeat(128);
    for (name, value) in [
        ("SERVER_PUBLIC_KEY", secret.as_str()),
        ("CENTRAL_PUBLIC_KEY", secret.as_str()),
        ("CENTRAL_URL", "https://root:55555@central.example.org"),
    ] {
        let found = faults(&complete_with(&[(name, value)]));
        assert!(found.len() == 1 && !found.concat().contains("55555"), "{found:?}");
    }
}

#[test]
fn a_lost_line_end_or_quote_shows_nothing_of_the_value() {
    let secret = "5ec2e7".repeat(21);
    for text in [
        format!("PORT=3000SERVER_SECRET_KEY={secret}\n"),
        format!("LOG_LEVEL=infoCENTRAL_API_KEY={secret}\n"),
        format!("SERVER_NAME='Mine\nCENTRAL_API_KEY={secret}'\n"),
        format!("MINE='x\nCENTRAL_API_KEY={secret}'\n"),
        format!("{secret}\n"),
        format!("{secret}=\n"),
        format!("PORT={secret}\n"),
        format!("HOST={secret}\nENV={secret}\nMAX_CONNECTIONS={secret}\n"),
        format!("DB_PATH='x\n{secret}'\n"),
        format!("SERVER_SECRET_KEY_FILE={secret}\n"),
    ] {
        let file = File::new(&text);
        let loaded = Settings::load(Some(&file.path), ProcessEnvironment::default());
        let said = match loaded {
            Err(faults) => faults.to_string(),
            Ok(settings) => {
                let faults = settings.read::<ServerConfig>().map(|_| ()).expect_err("incomplete").to_string();
                settings.warnings().iter().fold(faults, |said, warning| format!("{said}\n{warning}"))
            }
        };
        assert!(!said.contains("5ec2e75"), "{text}: {said}");
    }
}

#[test]
fn a_value_that_swallowed_the_next_line_names_it() {
    let file = File::new("PORT=3000SERVER_NAME=Mine\n");
    let found = faults(&file.load(&[])).concat();
    assert!(found.contains("`PORT` in line 1") && found.contains("`SERVER_NAME=`"), "{found}");
}

#[test]
fn a_relative_path_starts_where_it_is_written() {
    let file = File::new("DB_PATH=data/m.db\nLOG_DIR=./logs\n");
    let folder = file.path.parent().expect("a folder");
    let paths = |settings: &Settings| {
        let (database, logs) = settings.read::<(DatabaseConfig, LogConfig)>().expect("good paths");
        (database.path, logs.dir)
    };
    assert_eq!(paths(&file.load(&[])), (folder.join("data/m.db"), Some(folder.join("logs"))));
    // What the process sets starts at the working directory, and the default at the file.
    assert_eq!(paths(&file.load(&[("DB_PATH", "x/m.db")])).0, Path::new("x/m.db"));
    assert_eq!(paths(&File::new("PORT=1\n").load(&[])).0.file_name(), Some("messages.db".as_ref()));
    assert_eq!(paths(&Settings::of([("LOG_DIR", "logs")])), ("./data/messages.db".into(), Some("logs".into())));
    let absolute = File::new("DB_PATH=/var/lib/coms/m.db\n");
    assert_eq!(paths(&absolute.load(&[])).0, Path::new("/var/lib/coms/m.db"));
}

#[test]
fn a_secret_file_is_named_from_where_its_variable_is_written() {
    let file = complete_file("");
    let folder = file.path.parent().expect("a folder").to_owned();
    fs::write(folder.join("key.txt"), "zk_from_file\n").expect("a file");
    let text = fs::read_to_string(&file.path).expect("a file");
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("CENTRAL_API_KEY=")).collect();
    let text = lines.join(
        "
",
    );
    fs::write(&file.path, format!("{text}\nCENTRAL_API_KEY_FILE=key.txt\n")).expect("a file");
    let config = file.load(&[]).read::<ServerConfig>().expect("a complete configuration");
    assert_eq!(config.central.api_key.reveal(), "zk_from_file");
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let settings = Settings::of([("PORT", "99999"), ("SERVER_ID", ""), ("FEATURE_LOG_CHAIN", "maybe")]);
    let found = faults(&settings);
    let missing = ["SERVER_ID", "SERVER_SECRET_KEY", "SERVER_PUBLIC_KEY", "CENTRAL_API_KEY", "CENTRAL_PUBLIC_KEY"];
    for name in missing {
        assert!(found.contains(&format!("`{name}` is required, and is not set")), "{name}: {found:?}");
    }
    assert_eq!(found.len(), missing.len() + 2, "{found:?}");
}

#[test]
fn keys_that_do_not_belong_together_are_refused() {
    let other = SigningKey::from_seed(&[9; 32]).public().to_string();
    let right = SigningKey::from_seed(&[1; 32]).public().to_string();
    let found = faults(&complete_with(&[("SERVER_PUBLIC_KEY", &other)]));
    assert_eq!(found, [format!("`SERVER_PUBLIC_KEY` is not the public key of `SERVER_SECRET_KEY`, which is: {right}")]);
}

#[test]
fn a_command_checks_only_what_it_uses() {
    let settings = Settings::of([("PORT", "99999"), ("DB_PATH", "x.db")]);
    assert_eq!(settings.read::<DatabaseConfig>().map(|config| config.path), Ok(PathBuf::from("x.db")));
}

#[test]
fn two_groups_are_read_with_the_faults_of_both() {
    let settings = Settings::of([("LOG_LEVEL", "loud"), ("SERVER_ID", "x")]);
    let faults = settings.read::<(Identity, LogConfig)>().expect_err("faults in both");
    let text = faults.to_string();
    assert!(text.contains("SERVER_ID") && text.contains("LOG_LEVEL"), "{text}");
}

#[test]
fn the_process_wins_over_the_file_with_an_empty_value_too() {
    let file = complete_file("PORT=4000\nHOST=::1\n");
    let port = |process: &[(&str, &str)]| file.load(process).read::<ServerConfig>().map(|config| config.port);
    assert_eq!(port(&[]), Ok(4000));
    assert_eq!(port(&[("PORT", "5000")]), Ok(5000));
    assert_eq!(port(&[("PORT", "")]), Ok(3000));
}

#[test]
fn a_fault_names_the_line_of_the_file() {
    let file = complete_file("\n# the port\nPORT=x\n");
    let found = faults(&file.load(&[]));
    assert_eq!(
        found,
        [format!("`PORT` in line 8 of `{}` must be a whole number from 0 to 65535", file.path.display())]
    );
}

#[test]
fn a_dollar_that_others_replace_is_refused_where_it_matters() {
    let file = complete_file("DB_PATH=$HOME/messages.db\nMINE=$HOME\n");
    let found = faults(&file.load(&[]));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("has a `$` in `DB_PATH`"), "{found:?}");
}

#[test]
fn a_secret_is_read_from_the_file_that_is_named() {
    let secret = File::new("zk_from_file\n");
    let path = secret.path.to_str().expect("a plain path");
    let settings = complete_with(&[("CENTRAL_API_KEY", ""), ("CENTRAL_API_KEY_FILE", path)]);
    let central = settings.read::<CentralConfig>().expect("a complete configuration");
    assert_eq!(central.api_key.reveal(), "zk_from_file");
}

#[test]
fn a_secret_file_that_is_no_help_is_refused() {
    let (empty, directory) = (File::new("\n"), tempfile::tempdir().expect("a directory"));
    let missing = directory.path().join("missing");
    for (path, problem) in
        [(&empty.path, "is empty"), (&missing, "does not exist"), (&directory.path().to_owned(), "is a directory")]
    {
        let path = path.to_str().expect("a plain path");
        let found = faults(&complete_with(&[("CENTRAL_API_KEY", ""), ("CENTRAL_API_KEY_FILE", path)]));
        assert_eq!(found, [format!("`CENTRAL_API_KEY_FILE` in the environment names a file that {problem}: {path}")]);
    }
}

#[test]
fn a_secret_that_is_given_twice_is_refused() {
    let file = complete_file("");
    let found = faults(&file.load(&[("SERVER_SECRET_KEY_FILE", "/run/secrets/key")]));
    assert_eq!(found, ["`SERVER_SECRET_KEY` and `SERVER_SECRET_KEY_FILE` are both set"]);
    assert_eq!(faults(&file.load(&[("SERVER_SECRET_KEY_FILE", "")])), [""; 0]);
}

#[test]
fn no_fault_and_no_debug_output_shows_a_secret() {
    let secret = "do not show this";
    let settings = complete_with(&[("CENTRAL_API_KEY", secret), ("SERVER_SECRET_KEY", secret)]);
    let error = settings.read::<ServerConfig>().expect_err("two bad secrets");
    for text in [error.to_string(), format!("{error:?}"), format!("{settings:?}")] {
        assert!(!text.contains("do not show"), "{text}");
    }
    let config = complete_with(&[]).read::<ServerConfig>().expect("a complete configuration");
    let seed = &SigningKey::from_seed(&[1; 32]).to_hex().reveal()[..64].to_owned();
    let text = format!("{config:?}");
    assert!(!text.contains("zk_test") && !text.contains(seed), "{text}");
}

#[test]
fn a_file_that_was_named_has_to_be_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = directory.path().join("missing.env");
    let load = |path: &Path| Settings::load(Some(path), ProcessEnvironment::default()).map(|_| ());
    let text = |path: &Path| load(path).expect_err("no file").to_string();
    assert_eq!(text(&missing), format!("the configuration file does not exist: {}", missing.display()));
    assert_eq!(
        text(directory.path()),
        format!("the configuration file is a directory: {}", directory.path().display())
    );
    let binary = directory.path().join("binary");
    fs::write(&binary, [0xff, 0xfe, 0x00]).expect("a file");
    assert!(text(&binary).contains("is not UTF-8 text"));
    let broken = File::new("PORT=1\nzk_secret\n");
    assert_eq!(text(&broken.path), format!("line 2 of `{}` is not `NAME=value`", broken.path.display()));
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_the_file_is_not_followed() {
    let file = complete_file("");
    let link = file.path.with_file_name("link.env");
    std::os::unix::fs::symlink(&file.path, &link).expect("a link");
    let error = Settings::load(Some(&link), ProcessEnvironment::default()).expect_err("a link").to_string();
    assert!(error.contains("is a symbolic link"), "{error}");
}

#[cfg(unix)]
#[test]
fn secrets_that_everyone_can_read_are_a_warning_and_in_production_a_fault() {
    let file = complete_file("");
    assert_eq!(file.load(&[]).warnings(), []);
    set_mode(&file.path, 0o644);
    let exposed = format!("others can read the secrets in `{}` (mode 0644)", file.path.display());
    assert!(matches!(&file.load(&[]).warnings()[..], [Warning::Exposed(fault)] if fault.to_string() == exposed));
    assert_eq!(faults(&file.load(&[])), [""; 0]);
    assert_eq!(faults(&file.load(&[("ENV", "prod")])), [exposed]);
}

/// A file with the API key alone, and settings that name it.
#[cfg(unix)]
fn secret_file(mode: u32, env: &str) -> (File, Settings) {
    let file = File::new("zk_test\n");
    set_mode(&file.path, mode);
    let named = ("CENTRAL_API_KEY_FILE", file.path.to_str().expect("a plain path"));
    let settings = complete_with(&[("CENTRAL_API_KEY", ""), named, ("ENV", env)]);
    (file, settings)
}

#[cfg(unix)]
#[test]
fn a_secret_file_that_others_can_change_is_a_warning_and_in_production_a_fault() {
    for (mode, what, is_fault) in [
        (0o400, "", false),
        (0o640, "", false),
        (0o444, "read the secrets", false),
        (0o602, "change the secret", true),
        (0o666, "change the secret", true),
    ] {
        for env in ["dev", "prod"] {
            let (file, settings) = secret_file(mode, env);
            let said = format!("others can {what} in `{}` (mode {mode:04o})", file.path.display());
            let expected: Vec<_> = (!what.is_empty()).then_some(said).into_iter().collect();
            let warned = settings.warnings().into_iter().map(|warning| match warning {
                Warning::Exposed(fault) => fault.to_string(),
                other => other.to_string(),
            });
            assert_eq!(warned.collect::<Vec<_>>(), expected, "{mode:o} {env}");
            let is_fault = is_fault && env == "prod";
            assert_eq!(faults(&settings), if is_fault { expected } else { Vec::new() }, "{mode:o} {env}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_secret_file_may_be_a_link_and_a_pipe_keeps_nobody_waiting() {
    let (file, _) = secret_file(0o600, "dev");
    let link = file.path.with_file_name("link");
    std::os::unix::fs::symlink(&file.path, &link).expect("a link");
    let pipe = file.path.with_file_name("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
    let named = |path: &Path| {
        complete_with(&[("CENTRAL_API_KEY", ""), ("CENTRAL_API_KEY_FILE", path.to_str().expect("plain"))])
    };
    assert_eq!(faults(&named(&link)), [""; 0]);
    let said = "`CENTRAL_API_KEY_FILE` in the environment names a file that is no regular file: ";
    set_mode(&pipe, 0o666);
    assert_eq!(named(&pipe).warnings(), []);
    assert_eq!(faults(&named(&pipe)), [format!("{said}{}", pipe.display())]);
}

#[cfg(unix)]
#[test]
fn a_file_is_foreign_when_neither_root_nor_who_runs_this_owns_it() {
    let file = complete_file("");
    let read = EnvFile::read(&file.path).expect("a readable file").expect("a file");
    let me = rustix::process::geteuid().as_raw();
    let owned_by = |owner| EnvFile { owner: Some(owner), ..read.clone() };
    assert_eq!(owned_by(me).foreign_owner(), None);
    assert_eq!(owned_by(0).foreign_owner(), None);
    // Root may use what a service's user has, so that only others see somebody else.
    assert_eq!(owned_by(me + 7).foreign_owner(), (me != 0).then_some(me + 7));
}

#[test]
fn a_central_on_another_machine_without_tls_is_a_warning_in_production() {
    let file = complete_file("");
    let warnings = |env, url| file.load(&[("ENV", env), ("CENTRAL_URL", url)]).warnings();
    assert_eq!(warnings("prod", "http://central.example.org"), [Warning::PlainCentral]);
    for (env, url) in [
        ("prod", "https://central.example.org"),
        ("prod", "http://localhost:8080"),
        ("prod", "http://127.0.0.1:8080"),
        ("prod", "http://[::1]:8080"),
        ("dev", "http://central.example.org"),
    ] {
        assert_eq!(warnings(env, url), [], "{env} {url}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_without_secrets_may_be_read_by_everyone() {
    let file = File::new("PORT=4000\nCENTRAL_API_KEY=\n");
    set_mode(&file.path, 0o644);
    assert_eq!(file.load(&[]).warnings(), []);
}

#[test]
fn an_unknown_name_is_a_warning_with_the_nearest_known_one() {
    let file = File::new("PROT=3000\nSERVER_SECRET_KEY_FIEL=x\nWHATEVER=1\nCENTRAL_API_KEY_FILE=x\nport=1\n");
    let nearest: Vec<_> = file
        .load(&[])
        .warnings()
        .into_iter()
        .map(|warning| match warning {
            Warning::Unknown { line, nearest, .. } => (line, nearest),
            other => panic!("another warning: {other}"),
        })
        .collect();
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(nearest, [(1, named("PORT")), (2, named("SERVER_SECRET_KEY_FILE")), (3, None), (5, named("PORT"))]);
}

#[test]
fn a_repeated_name_is_a_warning_and_the_last_one_counts() {
    let file = complete_file("PORT=1\nPORT=2\n");
    let settings = file.load(&[]);
    assert!(matches!(&settings.warnings()[..], [Warning::Repeated { line: 7, .. }]));
    assert_eq!(settings.read::<ServerConfig>().map(|config| config.port), Ok(2));
}
