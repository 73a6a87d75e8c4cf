//! What people do in channels, and may do: decisions, without SQL and without sockets.
//!
//! Whatever changes something goes through the one [`Writer`]; [`Reading`] answers from what is committed.

mod decide;
mod directory;
pub mod export_format;
mod policy;
mod reading;
mod writer;

pub use directory::Directory;
pub use reading::Reading;
pub use writer::{Command, Outcome, Outlet, Writer, WriterOptions, WriterState};
