//! The integration tests, one binary so that they link once: real servers, real files, the real program.

mod layers;
