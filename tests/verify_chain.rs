//! `coms verify-chain`: on good logs, on logs broken on purpose, and against servers that lie.

mod broken;
#[cfg(unix)]
mod contents;
mod flips;
mod from;
mod liar;
mod live;
pub(crate) mod log;
mod lying;
mod memory;
mod python;
mod reference;
