//! Every variable, once. A new one is added here and is then known everywhere.

use super::value::{self, Wrong};
use super::words::{ChainAccess, Deployment, LogFormat, LogLevel, SessionExpiry};

/// One variable of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name, in the process's environment and in a `.env` file.
    pub name: &'static str,
    /// What its text has to be.
    pub kind: Kind,
    /// What holds when it is not set, or empty.
    pub default: DefaultValue,
    /// What a number counts.
    pub unit: Option<&'static str>,
    /// Whether its value must never be shown. A secret is also read from the file that `NAME_FILE` names.
    pub secret: bool,
    /// With which others it belongs.
    pub group: Topic,
    /// What it is for, in one or two sentences.
    pub about: &'static str,
}

/// What holds when a variable is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    /// Nothing can: it has to be set.
    Required,
    /// This value.
    Is(&'static str),
    /// No value, which has a meaning of its own.
    Means(&'static str),
}

/// What the text of a variable has to be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Text of one line for people.
    Name,
    /// A UUID in any spelling.
    ServerId,
    /// A whole number.
    Whole {
        /// The smallest allowed.
        min: u64,
        /// The largest allowed.
        max: u64,
    },
    /// `true` or `false`, and the other words of the reference.
    Switch,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// An `http` or `https` URL.
    Url,
    /// An IP address.
    Address,
    /// Origins of web pages, separated by commas.
    Origins,
    /// A path of the file system.
    Path,
    /// A bearer token.
    ApiKey,
    /// 128 hexadecimal digits: an Ed25519 seed, then its public key.
    SecretKey,
    /// 64 hexadecimal digits: an Ed25519 public key.
    PublicKey,
    /// Up to four public keys, separated by commas.
    PublicKeys,
}

impl Kind {
    /// Whether `text` is of this kind; it must not be empty.
    pub fn check(&self, text: &str) -> Result<(), Wrong> {
        match self {
            Self::Name => value::name(text).map(drop),
            Self::ServerId => value::server_id(text).map(drop),
            Self::Whole { min, max } => value::whole(text, *min, *max).map(drop),
            Self::Switch => value::switch(text).map(drop),
            Self::OneOf(words) if words.contains(&text) => Ok(()),
            Self::OneOf(words) => Err(value::not_one_of(words.iter().copied())),
            Self::Url => value::http_url(text).map(drop),
            Self::Address => value::address(text).map(drop),
            Self::Origins => value::origins(text).map(drop),
            Self::Path => value::path(text).map(drop),
            Self::ApiKey => value::api_key(text).map(drop),
            Self::SecretKey => value::secret_key(text).map(drop),
            Self::PublicKey => value::public_key(text).map(drop),
            Self::PublicKeys => value::public_keys(text).map(drop),
        }
    }

    /// The kind in words, for documentation.
    pub fn describe(&self) -> String {
        match self {
            Self::Name => "text".into(),
            Self::ServerId => "UUID".into(),
            Self::Whole { min, max } => format!("{min} to {max}"),
            Self::Switch => "`true` or `false`".into(),
            Self::OneOf(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Self::Url => "URL".into(),
            Self::Address => "IP address".into(),
            Self::Origins => "origins, separated by commas".into(),
            Self::Path => "path".into(),
            Self::ApiKey => "printable ASCII".into(),
            Self::SecretKey => "128 hexadecimal digits".into(),
            Self::PublicKey => "64 hexadecimal digits".into(),
            Self::PublicKeys => "up to four times 64 hexadecimal digits, separated by commas".into(),
        }
    }
}

/// What a variable is about; the order of the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Who the server is.
    Identity,
    /// The service that vouches for people.
    Central,
    /// Where it listens.
    Listening,
    /// The file with everything.
    Database,
    /// What people can do.
    Features,
    /// What is logged.
    Logs,
    /// How much of everything there may be.
    Bounds,
}

impl Topic {
    /// All topics in order.
    pub const ALL: [Self; 7] =
        [Self::Identity, Self::Central, Self::Listening, Self::Database, Self::Features, Self::Logs, Self::Bounds];

    /// The heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Identity => "The server",
            Self::Central => "Central",
            Self::Listening => "Listening",
            Self::Database => "Database",
            Self::Features => "Features",
            Self::Logs => "Logs",
            Self::Bounds => "Bounds",
        }
    }
}

impl Setting {
    const fn new(name: &'static str, kind: Kind, default: DefaultValue, group: Topic, about: &'static str) -> Self {
        Self { name, kind, default, unit: None, secret: false, group, about }
    }

    const fn unit(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// A faulty `value` as a message may repeat it: only short text in the form of what belongs there. Anything else may be a
    /// secret that got there by mistake, or have one behind a lost line end.
    pub fn repeatable(&self, value: &str) -> Option<String> {
        let has_form = match self.kind {
            Kind::Whole { .. } => value.len() <= 12 && value.chars().all(|c| c.is_ascii_digit() || "+-.,_".contains(c)),
            Kind::Switch | Kind::OneOf(_) => {
                value.len() <= 10
                    && (value.chars().all(|c| c.is_ascii_lowercase()) || value.chars().all(|c| c.is_ascii_uppercase()))
            }
            Kind::Address => value.len() <= 21 && value.chars().all(|c| c.is_ascii_digit() || ".:[]".contains(c)),
            _ => false,
        };
        (has_form && !self.secret).then(|| value.to_owned())
    }

    /// The variable that names a file with this secret's value.
    pub fn file_name(&self) -> Option<String> {
        self.secret.then(|| format!("{}_FILE", self.name))
    }
}

/// The variable with this name.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

macro_rules! settings {
    ($($name:ident: $kind:expr, $default:expr, $topic:ident, $about:literal $(, $extra:ident($($arg:literal)?))*;)+) => {
        $(
            #[doc = $about]
            pub const $name: Setting =
                Setting::new(stringify!($name), $kind, $default, Topic::$topic, $about)$(.$extra($($arg)?))*;
        )+

        /// All variables, those of a topic together, in the order of the documentation.
        pub const SETTINGS: &[Setting] = &[$($name),+];
    };
}

use DefaultValue::{Is, Means, Required};

settings! {
    SERVER_ID: Kind::ServerId, Required, Identity,
        "The server's id, as Central gave it.";
    SERVER_NAME: Kind::Name, Is("My Zync Server"), Identity,
        "The name that clients show.";
    SERVER_SECRET_KEY: Kind::SecretKey, Required, Identity,
        "The key that signs the log chain: seed, then public key, as `coms keygen` prints it. Whoever has it can \
         rewrite history; without it the server can't go on with its chain.", secret();
    SERVER_PUBLIC_KEY: Kind::PublicKey, Required, Identity,
        "The public half of `SERVER_SECRET_KEY`. Register it with Central; auditors check the chain with it.";
    ENV: Kind::OneOf(Deployment::WORDS), Is("dev"), Identity,
        "What the server is run for. With `prod` it refuses to start when others can read the `.env` file, or change a file with a \
         secret.";

    CENTRAL_URL: Kind::Url, Is("http://localhost:8080"), Central,
        "Where Central itself is: the heartbeat goes there, and follows no redirect.";
    CENTRAL_API_KEY: Kind::ApiKey, Required, Central,
        "What the server shows Central to prove that it is itself.", secret();
    CENTRAL_PUBLIC_KEY: Kind::PublicKeys, Required, Central,
        "The keys with which Central signs people's tokens; more than one while they rotate.";
    SESSION_EXPIRY: Kind::OneOf(SessionExpiry::WORDS), Is("enforce"), Central,
        "Whether a session ends when its token expires. While Central is unreachable none does.";

    HOST: Kind::Address, Means("all interfaces, IPv6 and IPv4"), Listening,
        "The address to listen on. `127.0.0.1` behind a proxy on the same machine.";
    PORT: Kind::Whole { min: 0, max: 65_535 }, Is("3000"), Listening,
        "The port to listen on. With 0 the system chooses one, and the log says which.";
    ALLOWED_ORIGINS: Kind::Origins, Means("any origin"), Listening,
        "Which web pages may connect and read, beside those of the server's own origin. Programs that are no browsers send \
         no origin and always may.";
    PUBLIC_URL: Kind::Url, Means("the `Host` of each request"), Listening,
        "Where people reach the server, such as `https://chat.example.org`: its own origin, when a proxy sends another `Host`.";

    DB_PATH: Kind::Path, Is("./data/messages.db"), Database,
        "The database. A relative path starts at the `.env` file; one that the process's environment sets, at the working \
         directory.";

    FEATURE_TEXT_CHANNELS: Kind::Switch, Is("true"), Features,
        "Text channels, where everyone writes.";
    FEATURE_ANNOUNCEMENT_CHANNELS: Kind::Switch, Is("true"), Features,
        "Announcement channels, where members only read.";
    FEATURE_LOG_CHAIN: Kind::Switch, Is("true"), Features,
        "The log chain in the manifest and its routes. The chain itself is always written.";
    CHAIN_ACCESS: Kind::OneOf(ChainAccess::WORDS), Is("members"), Features,
        "Who may read full entries of the log chain; everyone else gets sealed ones.";
    MAX_HISTORY_PER_REQUEST: Kind::Whole { min: 1, max: 10_000 }, Is("100"), Features,
        "How much of a channel's history a client gets at once.", unit("messages");

    LOG_LEVEL: Kind::OneOf(LogLevel::WORDS), Is("info"), Logs,
        "How much is logged. No level shows tokens, keys or what people wrote.";
    LOG_FORMAT: Kind::OneOf(LogFormat::WORDS), Is("human"), Logs,
        "For whom: people, or a collector that reads one JSON object a line.";
    LOG_DIR: Kind::Path, Means("no log files"), Logs,
        "A directory for daily log files, beside what goes to standard error. A relative path is read as that of `DB_PATH`.";
    LOG_KEEP_DAYS: Kind::Whole { min: 1, max: 3_650 }, Is("14"), Logs,
        "How long log files are kept.", unit("days");

    MAX_CONNECTIONS: Kind::Whole { min: 0, max: 1_000_000 }, Is("0"), Bounds,
        "Live connections; further ones get 503. 0 is unlimited.", unit("connections");
    MAX_HANDSHAKES: Kind::Whole { min: 1, max: 65_536 }, Is("512"), Bounds,
        "Connections that wait for their client and have not authenticated; for a further one the oldest is closed.", unit("connections");
    HANDSHAKE_TIMEOUT_SECS: Kind::Whole { min: 1, max: 300 }, Is("5"), Bounds,
        "How long a new connection may take for its request.", unit("seconds");
    KEEP_ALIVE_SECS: Kind::Whole { min: 1, max: 3_600 }, Is("130"), Bounds,
        "How long an HTTP connection is kept open after an answer, but no less than `HANDSHAKE_TIMEOUT_SECS`. Must be longer than a \
         proxy before the server keeps its own.", unit("seconds");
    MAX_FRAME_BYTES: Kind::Whole { min: 4_096, max: 1_048_576 }, Is("65536"), Bounds,
        "The largest message that a client may send; a larger one closes with 1009.", unit("bytes");
    MAX_INFLIGHT: Kind::Whole { min: 1, max: 65_536 }, Is("256"), Bounds,
        "Unanswered requests of one connection; beyond them it is not read.", unit("requests");
    MAX_QUEUE_BYTES: Kind::Whole { min: 65_536, max: 268_435_456 }, Is("524288"), Bounds,
        "What may wait for one connection; a slower one closes with 1013.", unit("bytes");
    MAX_PENDING_COMMANDS: Kind::Whole { min: 1, max: 1_000_000 }, Is("4096"), Bounds,
        "What may wait for the writer of the database, with 4 KiB for each.", unit("commands");
    DRAIN_TIMEOUT_SECS: Kind::Whole { min: 1, max: 600 }, Is("10"), Bounds,
        "How long a server that is told to stop lets connections finish.", unit("seconds");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_that_is_allowed() {
        for setting in SETTINGS {
            if let Is(default) = setting.default {
                assert_eq!(setting.kind.check(default), Ok(()), "{}", setting.name);
            }
        }
    }

    #[test]
    fn names_are_unique_and_topics_are_together() {
        let mut names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        let topics: Vec<_> = SETTINGS.iter().map(|setting| setting.group).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SETTINGS.len());
        let mut order = topics;
        order.dedup();
        assert_eq!(order, Topic::ALL);
    }
}
