//! Backups with the keys in them.

use std::fs;

use age::secrecy::ExposeSecret as _;

use super::{carry, good, home, names};
use crate::support::corpus::signing_key;
use crate::support::program::Home;

#[test]
fn on_an_empty_machine_an_encrypted_backup_brings_back_the_server_with_its_key() {
    let home = home();
    home.write("passphrase", "correct horse battery staple\n");
    let arguments = ["backup", "-o", "b.age", "--include-secrets", "--passphrase-file", "passphrase"];
    assert!(good(&home, &arguments).stdout.contains(", encrypted, "));
    let empty = Home::new();
    carry(&home, "b.age", &empty);
    carry(&home, "passphrase", &empty);
    empty.write("wrong", "correct horse");

    let asked = empty.run(&["restore", "b.age"]);
    assert_eq!((asked.code, asked.stderr.contains("is encrypted with a passphrase")), (Some(2), true), "{asked:?}");
    let wrong = empty.run(&["restore", "b.age", "--passphrase-file", "wrong"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert_eq!(wrong.stderr, "error: this is not the passphrase of `b.age`\n");
    assert_eq!(names(&empty, "m.db"), [""; 0]);

    let run = good(&empty, &["restore", "b.age", "--passphrase-file", "passphrase"]);
    // Where the database goes, the configuration that came with it says.
    assert!(run.stdout.contains("config    written to .env\nresult    restored as m.db\n"), "{run:?}");
    assert_eq!(empty.read(".env"), home.read(".env"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(empty.join(".env")).expect("it").permissions().mode() & 0o777, 0o600);
    }
    good(&empty, &["verify-chain", "--no-state"]);
}

#[test]
fn a_recipient_s_key_opens_it_and_what_is_there_stays() {
    let home = home();
    let (mine, other) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
    home.write("mine.key", &format!("# created: today\n{}\n", mine.to_string().expose_secret()));
    home.write("other.key", other.to_string().expose_secret());
    let recipient = mine.to_public().to_string();
    good(&home, &["backup", "-o", "b.age", "--include-secrets", "--recipient", &recipient]);
    let bytes = fs::read(home.join("b.age")).expect("the backup");
    let secret = signing_key().to_hex();
    assert!(!bytes.windows(20).any(|window| window == &secret.reveal().as_bytes()[..20]));
    for (arguments, said) in [
        (
            &["restore", "b.age"][..],
            "is encrypted for an age recipient\nhint: give its key with `--identity-file FILE`",
        ),
        (&["restore", "b.age", "--identity-file", "other.key"], "no key that was given opens `b.age`"),
        (&["restore", "b.age", "--identity-file", ".env"], "cannot read the identity file `.env`"),
        (&["restore", "b.age", "--passphrase-file", "mine.key"], "but for an age recipient"),
    ] {
        let run = home.run(arguments);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(said) && !run.stderr.contains(secret.reveal()), "{run:?}");
    }
    let with_key = |more: &[&str]| home.run(&[&["restore", "b.age", "--identity-file", "mine.key"], more].concat());
    let same = with_key(&["--dry-run"]);
    assert!(same.stdout.contains("config    .env is the one in the backup"), "{same:?}");
    let old = home.read(".env");
    home.write(".env", &format!("{old}PORT=4000\n"));
    let kept = with_key(&["--force"]);
    assert!(kept.stdout.contains("stays; `--only-env -e FILE` writes that one to a file"), "{kept:?}");
    assert!(home.read(".env").ends_with("PORT=4000\n"));
    assert_eq!(with_key(&["--only-env"]).code, Some(2));
    assert_eq!(with_key(&["--only-env", "-e", "old.env"]).code, Some(0));
    assert_eq!(home.read("old.env"), old);
    let output = format!("{same:?}{kept:?}");
    assert!(!output.contains(secret.reveal()));
}

#[test]
fn without_secrets_there_is_no_configuration_in_it() {
    let home = home();
    let mine = age::x25519::Identity::generate();
    home.write("mine.key", mine.to_string().expose_secret());
    good(&home, &["backup", "-o", "b.age", "--recipient", &mine.to_public().to_string()]);
    let run = home.run(&["restore", "b.age", "--identity-file", "mine.key", "--only-env", "-e", "x.env"]);
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.stderr.contains("the backup holds no configuration"), "{run:?}");
    let empty = Home::new();
    carry(&home, "b.age", &empty);
    carry(&home, "mine.key", &empty);
    let run = good(&empty, &["restore", "b.age", "--identity-file", "mine.key"]);
    assert!(run.stderr.contains("`coms serve` needs the server's old id and keys"), "{run:?}");
    assert!(empty.join("data/messages.db").exists());
}

#[test]
fn a_file_that_asks_for_too_much_memory_is_refused() {
    let home = home();
    let header = "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 26\n\
                  AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
    home.write("b.age", &format!("{header}{}", "x".repeat(100)));
    home.write("passphrase", "x");
    let run = home.run(&["restore", "b.age", "--passphrase-file", "passphrase"]);
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.stderr.contains("asks for 2^26 steps"), "{run:?}");
}
