//! A Zync community server, and everything its operator, its members and its auditors need.
//!
//! The modules are layers, and imports point down only (`tests/layers.rs` checks it):
//!
//! ```text
//! cli                                     one file a command; the only place that prints or asks
//! server                                  HTTP, WebSocket, fan-out to connections
//! channels                                what people do and may do; the writer
//! storage  logchain  central  protocol    SQL | hashes and signatures | Central | wire types
//! config  ids  keys  time  secret  telemetry  printable   what everyone may use, with
//! private_file  staged_file  file_identity                how files are opened, written and told apart
//! ```
//!
//! `storage`, `logchain` and `protocol` do not know each other: `channels` brings them together.

pub mod central;
pub mod channels;
pub mod cli;
pub mod config;
pub mod file_identity;
pub mod ids;
pub mod keys;
pub mod logchain;
pub mod printable;
pub mod private_file;
pub mod protocol;
pub mod secret;
pub mod server;
pub mod staged_file;
pub mod storage;
pub mod strict_json;
pub mod telemetry;
pub mod time;
