//! What the documents point to is there: the files and headings of this repository that they link to, and the figures that
//! they take from `docs/performance.md`.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every document that people read.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files =
        |folder: PathBuf| fs::read_dir(folder).expect("a directory").map(|entry| entry.expect("an entry").path());
    let is_document = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    files(root.to_owned()).chain(files(root.join("docs"))).filter(is_document).collect()
}

/// The lines outside code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// A line without what stands between backticks in it.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// Where the links of a document lead: `[text](target)`, `[text](target "title")` and `[name]: target`.
fn targets(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for line in prose(text).map(without_code) {
        let inline = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        targets.extend(inline.map(str::to_owned));
        if let Some((_, target)) = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            targets.extend(target.split_whitespace().next().map(str::to_owned));
        }
    }
    targets
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> HashSet<String> {
    let mut anchors = HashSet::new();
    let headings = prose(text).filter(|line| line.trim_start_matches('#').starts_with(' ') && line.starts_with('#'));
    for heading in headings {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let free = std::iter::once(anchor.clone()).chain(numbered).find(|anchor| !anchors.contains(anchor));
        anchors.extend(free);
    }
    anchors
}

/// Why a link of the document at `path` leads nowhere.
fn fault(path: &Path, text: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let linked = path.parent().expect("a folder").join(file);
    let linked_text = match file {
        "" => text.to_owned(),
        _ if !linked.exists() => return Some("no such file".to_owned()),
        _ if anchor.is_none() => return None,
        _ => fs::read_to_string(&linked).unwrap_or_default(),
    };
    let anchor = anchor.filter(|anchor| !anchors(&linked_text).contains(*anchor))?;
    Some(format!("no heading `{anchor}`"))
}

#[test]
fn relative_links_lead_somewhere() {
    let documents = documents();
    let mut followed = 0;
    let mut faults = Vec::new();
    for path in &documents {
        let text = fs::read_to_string(path).expect("a document");
        for target in targets(&text) {
            followed += 1;
            faults.extend(fault(path, &text, &target).map(|fault| format!("{}: {target}: {fault}", path.display())));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(documents.len() > 10 && followed > 30, "only {followed} links in {} documents", documents.len());
}

#[test]
fn a_link_that_leads_nowhere_is_noticed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = "# One `two`, three\n## Again\n## Again\n[a](#one-two-three) `[code](nowhere.md)`\n```\n[b](nowhere.md)\n```\n\
                [c](LICENSE) [d](docs/nowhere.md) [e](#nowhere), [f](docs/search.md#nowhere \"title\")\n[g]: nowhere.md\n\
                [h](#again-1) <https://example.com> [i](https://example.com/nowhere)";
    let faults: Vec<_> = targets(text).iter().filter(|target| fault(&path, text, target).is_some()).cloned().collect();
    assert_eq!(faults, ["docs/nowhere.md", "#nowhere", "docs/search.md#nowhere", "nowhere.md"]);
}

/// The numbers in a text, with their thousands separators: `20,000`, `8.8`.
fn numbers(text: &str) -> HashSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_digit() || c == ',' || c == '.'));
    words.map(|word| word.trim_matches([',', '.'])).filter(|word| !word.is_empty()).collect()
}

#[test]
fn the_readme_has_no_figure_that_was_not_measured() {
    let read = |name: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("a document");
    let (readme, page) = (read("README.md"), read("docs/performance.md"));
    let paragraph =
        readme.split("\n- ").find(|item| item.contains("(docs/performance.md)")).expect("a link to the figures");
    let claimed = numbers(paragraph);
    assert!(!claimed.is_empty(), "no figures in: {paragraph}");
    let unmeasured: Vec<_> = claimed.difference(&numbers(&page)).copied().collect();
    assert!(unmeasured.is_empty(), "not in docs/performance.md: {unmeasured:?}");
}
