//! `coms verify-chain`: on good logs, on logs broken on purpose, and against servers that lie.

mod broken;
#[cfg(unix)]
mod contents;
mod flips;
mod from;
#[cfg(unix)]
mod interrupted;
mod liar;
mod live;
pub(crate) mod log;
mod lying;
mod memory;
mod python;
mod reference;
#[cfg(unix)]
mod served;
mod tls;
