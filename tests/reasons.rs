//! The reasons in `docs/protocol.md` are those that the program has.

use std::path::Path;

use coms::protocol::Reason;

#[test]
fn the_table_of_reasons_is_the_enum() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/protocol.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let table = page.split_once("| `reason` | |\n|---|---|\n").expect("the table").1;
    let documented = table.lines().take_while(|line| line.starts_with('|')).collect::<Vec<_>>();
    let row = |(_, word, meaning): &(Reason, &str, &str)| format!("| `{word}` | {} |", meaning.trim());
    assert_eq!(documented, Reason::ALL.iter().map(row).collect::<Vec<_>>());
}
