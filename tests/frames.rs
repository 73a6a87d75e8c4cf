//! Frames in the shapes of the protocol, and what it promises for each of them.

#[cfg(unix)]
mod closing;
mod live;
mod reading;
mod refusals;
mod session;
mod typing;
