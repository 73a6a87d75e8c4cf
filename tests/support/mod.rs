//! What the integration tests share.

pub(crate) mod corpus;
pub(crate) mod program;
