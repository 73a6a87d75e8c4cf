//! Clients that mean harm or know no better: what they send, how they read, and how many they are.

mod crowds;
mod framing;
#[cfg(unix)]
mod pressure;
mod searching;
