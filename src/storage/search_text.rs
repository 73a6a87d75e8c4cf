//! What the search index sees of a message.

/// The words of `content` as they are indexed, separated by spaces.
pub(super) fn search_text(content: &str) -> String {
    content.to_lowercase()
}
