//! `coms verify-chain`: on good logs, on logs broken on purpose, and against servers that lie.

mod broken;
mod flips;
mod live;
mod log;
mod lying;
mod memory;
mod python;
mod reference;
