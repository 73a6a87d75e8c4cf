//! The integration tests, one binary so that they link once: real servers, real files, the real program.

#![expect(
    clippy::expect_used,
    reason = "clippy lets only the test functions themselves fail this way, not what they share"
)]

mod central;
mod generated;
mod layers;
