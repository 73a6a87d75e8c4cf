//! What holds for any history, however it came about.

mod paging;
mod visibility;

use proptest::test_runner::Config;

/// As many cases as every run of the tests can afford. With `PROPTEST_CASES` there are more: ten times as many for 2560.
fn cases(few: u32) -> Config {
    let asked = Config::default();
    // A failing case is printed, to become a test of its own; no file beside the tests remembers it.
    Config { cases: (few * asked.cases).div_ceil(256), failure_persistence: None, ..asked }
}
