//! What people do in channels, and may do: decisions, without SQL and without sockets.
//!
//! Whatever changes something goes through the one [`Writer`]; [`Reading`] answers from what is committed.

mod adopt;
pub mod audit;
mod auditor_token;
mod decide;
mod directory;
pub mod export_format;
mod log_page;
mod moment;
mod policy;
mod query;
mod reading;
mod search_turns;
mod stored_chain;
mod writer;

pub use adopt::{AdoptError, Adopter, Adoption};
pub use auditor_token::{AUDITOR_TOKEN_PREFIX, auditor_token_hash, new_auditor_token};
pub use directory::Directory;
pub use log_page::{LogPage, Sealing};
pub use moment::moment;
pub use query::{MAX_TERM_CHARS, MAX_TERMS, ParsedQuery, QueryError, parse_query};
pub use reading::{Reading, shown_message};
pub use stored_chain::{entry_of, head_of, row_of};
pub use writer::{
    Command, CommandQueue, NotQueued, Outcome, Outlet, QueueSlot, WeakCommandQueue, Writer, WriterOptions, WriterState,
};
