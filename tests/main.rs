//! The integration tests, one binary so that they link once: real servers, real files, the real program.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "clippy lets only the test functions themselves fail this way, not what they share"
)]

mod adopt;
mod backup;
#[cfg(unix)]
mod canary;
mod central;
mod chain_vectors;
mod cli;
mod clock;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(unix)]
mod drain;
#[cfg(target_os = "linux")]
mod durability;
mod export;
mod frames;
mod generated;
#[cfg(unix)]
mod gone;
mod hostile;
mod http;
#[cfg(unix)]
mod in_place;
#[cfg(unix)]
mod kill;
#[cfg(unix)]
mod known_heads;
mod layers;
mod links;
#[cfg(target_os = "linux")]
mod liveness;
#[cfg(target_os = "linux")]
mod locks;
mod log_chain;
#[cfg(target_os = "linux")]
mod open_files;
mod presence;
mod properties;
mod protocol_examples;
mod reasons;
mod replay;
mod sandbox;
mod search;
#[cfg(unix)]
mod start;
mod support;
#[cfg(target_os = "linux")]
mod verdicts;
mod verify_chain;
#[cfg(unix)]
mod wizard;
mod writer;
