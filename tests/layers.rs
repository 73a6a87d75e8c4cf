//! The arrows between the modules point down only.

use std::fs;
use std::path::{Path, PathBuf};

/// From the top down; the modules of one layer do not know each other.
const LAYERS: [&[&str]; 5] = [
    &["cli"],
    &["server"],
    &["channels"],
    &["storage", "logchain", "central", "protocol"],
    &[
        "config",
        "ids",
        "keys",
        "time",
        "secret",
        "strict_json",
        "telemetry",
        "printable",
        "private_file",
        "staged_file",
        "file_identity",
    ],
];

/// The lowest layer is one family: its modules may know each other.
const LOWEST: usize = LAYERS.len() - 1;

#[test]
fn imports_point_down_only() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    for (layer, modules) in LAYERS.iter().enumerate() {
        for module in *modules {
            for file in files_of(&source, module) {
                let text = fs::read_to_string(&file).expect("a source file is text");
                for target in crate_paths(&text) {
                    let Some(target_layer) = LAYERS.iter().position(|names| names.contains(&target)) else { continue };
                    let sideways = target_layer == layer && target != *module && layer != LOWEST;
                    if target_layer < layer || sideways {
                        faults.push(format!("{} names crate::{target}", file.display()));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_module_has_its_layer() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let map = fs::read_to_string(source.join("lib.rs")).expect("the library's map");
    for line in map.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let module = line.trim_end_matches(';');
        assert!(LAYERS.iter().any(|names| names.contains(&module)), "`{module}` stands in no layer");
    }
}

/// The module names that follow `crate::` in `text`, comments included: a comment should not point up either. Of
/// `crate::{one, other::Thing}` these are both.
fn crate_paths(text: &str) -> impl Iterator<Item = &str> {
    text.split("crate::").skip(1).flat_map(|rest| match rest.strip_prefix('{') {
        Some(group) => group.split('}').next().unwrap_or_default().split(',').map(str::trim).map(first_name).collect(),
        None => vec![first_name(rest)],
    })
}

fn first_name(path: &str) -> &str {
    path.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
}

#[test]
fn every_way_to_name_a_module_is_seen() {
    let text =
        "use crate::cli::Exit; use crate::{server, storage::Database}; pub(crate) fn f() -> crate::ids::UserId {}";
    assert_eq!(crate_paths(text).collect::<Vec<_>>(), ["cli", "server", "storage", "ids"]);
}

fn files_of(source: &Path, module: &str) -> Vec<PathBuf> {
    let mut files = vec![source.join(format!("{module}.rs"))];
    let mut folders = vec![source.join(module)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let Ok(entry) = entry else { continue };
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.retain(|path| path.extension().is_some_and(|e| e == "rs") && path.exists());
    files
}
