//! A Zync community server, and everything its operator, its members and its auditors need.
//!
//! The modules are layers, and imports point down only (`tests/layers.rs` checks it):
//!
//! ```text
//! cli                                     one file a command; the only place that prints or asks
//! server                                  HTTP, WebSocket, fan-out to connections
//! channels                                what people do and may do; the writer
//! storage  logchain  central  protocol    SQL | hashes and signatures | Central | wire types
//! config  ids  keys  time  secret  telemetry  printable  private_file  staged_file   what everyone may use
//! ```
//!
//! `storage`, `logchain` and `protocol` do not know each other: `channels` brings them together.

pub mod central;
pub mod channels;
pub mod cli;
pub mod config;
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
