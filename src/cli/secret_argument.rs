//! A secret on the command line: not the secret itself, which every process on the machine could read there, but where
//! it is.

use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::CliError;
use super::input_file::open_without_waiting;
use crate::config::ProcessEnvironment;
use crate::secret::Secret;

/// The longest secret that is read, in bytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// `-` for standard input (asked for without an echo on a terminal), `@FILE` for a file. The secret itself is no argument.
#[derive(Debug, Clone)]
pub enum SecretArgument {
    /// The first line of standard input; the rest of it stays to be read.
    Stdin,
    /// What a file holds, without a new line at its end.
    File(PathBuf),
    /// The text itself, from the environment.
    Environment(Secret),
}

impl FromStr for SecretArgument {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix('@') {
            _ if text == "-" => Ok(Self::Stdin),
            Some(path) => Ok(Self::File(path.into())),
            None => {
                Err("a secret does not belong on the command line, where others can read it: give `-` for standard \
                         input, or `@FILE`")
            }
        }
    }
}

impl SecretArgument {
    /// The secret that the file at `path` holds; `-` is standard input.
    pub(super) fn in_file(path: &Path) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::File(path.to_owned()) }
    }

    /// The secret that the environment variable `name` holds, if it is set and not empty.
    pub fn from_environment(name: &str) -> Option<Self> {
        let value = ProcessEnvironment::current().value(name)?.clone().into_string().ok()?;
        (!value.is_empty()).then(|| Self::Environment(Secret::new(value)))
    }

    /// The secret, called `name` in questions and errors.
    pub fn read(&self, name: &str) -> Result<Secret, CliError> {
        let secret = match self {
            Self::Environment(secret) => Ok(secret.clone()),
            Self::Stdin if io::stdin().is_terminal() => ask(name),
            Self::Stdin => first_line(&mut io::stdin().lock()),
            // A pipe as shells make them for `@<(command)` is as good as a file.
            Self::File(path) => open_without_waiting(path).and_then(whole),
        };
        let secret = secret.map_err(|error| self.unreadable(name, &error))?;
        if secret.reveal().is_empty() {
            return Err(CliError::usage(format!("no {name} given: it is empty")));
        }
        Ok(secret)
    }

    fn unreadable(&self, name: &str, error: &io::Error) -> CliError {
        let place = match self {
            Self::File(path) => format!("`{}`", path.display()),
            Self::Stdin | Self::Environment(_) => "standard input".to_owned(),
        };
        CliError::usage(format!("could not read the {name} from {place}: {error}"))
    }
}

fn ask(name: &str) -> io::Result<Secret> {
    let prompt = dialoguer::Password::new().with_prompt(name).allow_empty_password(true);
    prompt.interact().map(Secret::new).map_err(|dialoguer::Error::IO(error)| error)
}

/// Takes no byte beyond the line's end from `input`, which may hold what comes after the secret.
fn first_line(input: &mut impl io::BufRead) -> io::Result<Secret> {
    let mut line = String::new();
    let mut bounded = input.take(MAX_SECRET_BYTES);
    io::BufRead::read_line(&mut bounded, &mut line)?;
    Ok(without_line_end(line))
}

fn whole(input: impl Read) -> io::Result<Secret> {
    let mut text = String::new();
    input.take(MAX_SECRET_BYTES).read_to_string(&mut text)?;
    Ok(without_line_end(text))
}

fn without_line_end(mut text: String) -> Secret {
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(argument: &str) -> Result<String, CliError> {
        let argument = argument.parse::<SecretArgument>().map_err(CliError::usage)?;
        argument.read("token").map(|secret| secret.reveal().to_owned())
    }

    #[test]
    fn a_file_is_read_without_the_end_of_its_line() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "v4.public.x\r\n").expect("a file");
        assert_eq!(read(&format!("@{}", file.path().display())).expect("a secret"), "v4.public.x");
        assert!(read("v4.public.y").is_err());
        assert!(read("@/nowhere/at/all").is_err() && read("").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_read_and_one_without_a_writer_is_empty() {
        use std::io::Write as _;
        use std::os::fd::AsRawFd as _;

        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
        let error = read(&format!("@{}", path.display())).expect_err("nobody writes");
        assert_eq!(error.describe(), "no token given: it is empty");

        // As a shell hands over what a command prints.
        let (reader, mut writer) = io::pipe().expect("a pipe");
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        let flags = rustix::fs::fcntl_getfl(open_without_waiting(path.as_ref()).expect("the pipe")).expect("its flags");
        assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK), "what is written later is waited for");
        writer.write_all(b"v4.public.x\n").expect("the pipe");
        drop(writer);
        assert_eq!(read(&format!("@{path}")).expect("a secret"), "v4.public.x");
    }

    #[test]
    fn what_follows_the_first_line_stays() {
        let mut input = io::Cursor::new("secret\nhello\n");
        assert_eq!(first_line(&mut input).expect("a secret").reveal(), "secret");
        assert_eq!(without_line_end(io::read_to_string(input).expect("the rest")).reveal(), "hello");
    }

    #[test]
    fn an_argument_does_not_print_its_secret() {
        let argument = SecretArgument::Environment(Secret::new("v4.public.x".to_owned()));
        assert!(!format!("{argument:?}").contains("public"));
    }
}
