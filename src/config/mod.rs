//! The configuration: environment variables, from the process and from a `.env` file.
//!
//! [`table`] holds every variable once: its name, type, default, unit and description. Help, `.env.example`,
//! `docs/configuration.md`, the wizard and the warnings about unknown names all come from it.
//!
//! [`Settings::load`] gathers the texts. What a command uses of them it asks for as a typed group ([`ServerConfig`],
//! [`DatabaseConfig`], …), and gets either a value that can be relied on or *all* that is wrong, each fault naming the
//! variable, its value unless that is secret, and what is allowed. Nothing is ever replaced by a default silently.

mod document;
mod env_file;
mod fault;
mod groups;
mod reader;
mod secret_file;
mod settings;
pub mod table;
mod template;
mod value;
mod words;

pub use document::{Assignment, Document, SyntaxFault};
pub use env_file::{DEFAULT_ENV_FILE, EnvFile, WriteError, write};
pub use fault::{Fault, Faults};
pub use groups::{Bounds, CentralConfig, DatabaseConfig, Features, Identity, LogConfig, PublicIdentity, ServerConfig};
pub use reader::{Group, Reader};
pub use settings::{ProcessEnvironment, Settings, Warning, cut, nearest};
pub use template::{env_example, markdown};
pub use value::{Origins, Wrong};
pub use words::{ChainAccess, Deployment, LogFormat, LogLevel, SessionExpiry};

#[cfg(test)]
mod tests;
