//! What an edit changes, for a person to see: values, but never those of secrets.

use crate::cli::printable;
use crate::config::{Document, table};

/// One line a value that goes or comes.
pub(super) fn between(before: &Document, after: &Document) -> Vec<String> {
    let mut lines = Vec::new();
    for assignment in after.assignments() {
        let name = assignment.name.as_str();
        let (old, new) = (before.value(name), assignment.value.as_str());
        if old == Some(new) || after.value(name) != Some(new) {
            continue;
        }
        if let Some(old) = old.filter(|old| !old.is_empty()) {
            lines.push(format!("- {name}={}", shown(name, old)));
        }
        lines.push(format!("+ {name}={}", shown(name, new)));
    }
    lines
}

fn shown(name: &str, value: &str) -> String {
    match table::find(name) {
        Some(setting) if setting.secret && !value.is_empty() => "[secret]".into(),
        _ => printable(value).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_shown_and_secrets_are_not() {
        let before = Document::parse("PORT=3000\nCENTRAL_API_KEY=old\nSERVER_SECRET_KEY=\nMINE=1\n").expect("a file");
        let after = before.with("PORT", "4000").with("CENTRAL_API_KEY", "new").with("SERVER_SECRET_KEY", "s");
        assert_eq!(
            between(&before, &after.with("HOST", "::1")),
            [
                "- PORT=3000",
                "+ PORT=4000",
                "- CENTRAL_API_KEY=[secret]",
                "+ CENTRAL_API_KEY=[secret]",
                "+ SERVER_SECRET_KEY=[secret]",
                "+ HOST=::1",
            ]
        );
        assert_eq!(between(&before, &before), [""; 0]);
    }
}
