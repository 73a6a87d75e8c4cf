//! `coms chat`: a terminal client, to try a server, to watch one, and for scripts that post or listen.

mod access;
mod address;
mod command;
pub(super) mod connection;
mod conversation;
mod cursor;
mod input;
mod requests;
mod screen;
mod session;
mod transcript;
mod wire;

use clap::Args;
use url::Url;

use self::access::{Access, Membership};
use self::conversation::{Conversation, View};
use self::input::Console;
use self::session::{Dialer, Session, Talk};
use super::{CliError, Exit, Globals, SecretArgument};
use crate::ids::{ServerId, UserId};
use crate::time::Clock;

/// Where the token is looked for when no argument names one.
const TOKEN_VARIABLE: &str = "COMS_TOKEN";

/// Talk on a server, from a terminal or a script
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(super) struct Chat {
    /// The server: its URL (http, https, ws or wss), or that of its /connect route
    url: String,
    /// The token: `-` reads it from standard input, `@FILE` from a file [env: COMS_TOKEN]
    #[arg(long, value_name = "-|@FILE", conflicts_with = "join")]
    token: Option<SecretArgument>,
    /// Ask this Central for the token, and for new ones in time
    #[arg(long, value_name = "CENTRAL_URL", requires = "server")]
    join: Option<Url>,
    /// With --join: the server's id
    #[arg(long, value_name = "ID", requires = "join")]
    server: Option<ServerId>,
    /// With --join: who to be; somebody new if left out
    #[arg(long, value_name = "ID", requires = "join")]
    user: Option<UserId>,
    /// The channel to follow and to speak in
    #[arg(long, value_name = "ID", default_value = "general", value_parser = channel)]
    channel: String,
    /// How many recent messages to begin with
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=100))]
    history: u16,
    /// Without a terminal: stay and listen when the input has ended
    #[arg(long)]
    follow: bool,
    /// Write what the server sends as JSON Lines
    #[arg(long)]
    json: bool,
}

/// The longest channel id that is taken, in bytes: a request with it fits into a frame however its JSON escapes it.
const MAX_CHANNEL_BYTES: usize = 1024;

fn channel(text: &str) -> Result<String, String> {
    if text.len() > MAX_CHANNEL_BYTES {
        return Err(format!("a channel's id has at most {MAX_CHANNEL_BYTES} bytes"));
    }
    Ok(text.to_owned())
}

const HELP: &str = "\
What is typed is said; /edit N TEXT, /delete N, /search QUERY, /channels and /quit do what they say, and /help lists \
them. N is the number beside a message, or its id. Times are UTC. A lost connection is opened again: nothing is missed \
and nothing said twice.

Without a terminal the same lines are read from standard input, and messages are named by their ids alone. When it ends, the command waits until everything is \
answered, and stays only with --follow. With --json each line of output is one frame of the Zync protocol, as \
{\"t\":TYPE,\"d\":PAYLOAD,\"ref\":ID}; notes go to standard error.

The token is taken from --token, else from the variable COMS_TOKEN.

Exit codes: 0 all was done; 1 the server refused something that a script asked; 2 bad usage; 3 no connection, or no \
way to go on; 130 interrupted.";

impl Chat {
    pub(super) fn run(self, globals: &Globals) -> Result<Exit, CliError> {
        let url = address::connect_url(&self.url)?;
        let access = self.access()?;
        let console = Console::open(self.json, globals.quiet);
        let view =
            View { channel: self.channel, history: self.history, json: self.json, has_numbers: console.is_terminal() };
        let clock = Clock::system();
        let conversation = Conversation::new(view, clock.clone());
        let talk = Talk::new(conversation, console, self.follow, clock);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(Session { dialer: Dialer { url, access }, talk }.run())
    }

    fn access(&self) -> Result<Access, CliError> {
        if let (Some(central_url), Some(server_id)) = (&self.join, &self.server) {
            return Ok(Access::Central(Membership::new(central_url.clone(), server_id.clone(), self.user)?));
        }
        let argument = self.token.clone().or_else(|| SecretArgument::from_environment(TOKEN_VARIABLE));
        let argument = argument.ok_or_else(|| {
            CliError::usage("no token given")
                .hint("give `--token @FILE` or `--token -`, set COMS_TOKEN, or have `--join` ask Central for one")
        })?;
        Ok(Access::Token(argument.read("token")?))
    }
}
