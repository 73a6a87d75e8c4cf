//! What is generated is what stands in the repository. `UPDATE_GENERATED=1 cargo test --test main generated` writes it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Fails if `path`, from the top of the repository, does not hold `text`; writes it there when asked to.
fn assert_current(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::vars().any(|(name, value)| name == "UPDATE_GENERATED" && value == "1") {
        fs::create_dir_all(file.parent().expect("a folder")).expect("the folder can be made");
        fs::write(&file, text).expect("the file can be written");
    }
    let current = fs::read_to_string(&file).unwrap_or_default();
    let difference = text.lines().zip(current.lines()).position(|(new, old)| new != old);
    assert!(
        current == text,
        "`{path}` is stale, first in line {}; write it with: UPDATE_GENERATED=1 cargo test --test main generated",
        difference.unwrap_or(text.lines().count().min(current.lines().count())) + 1
    );
}

#[test]
fn the_template_of_the_configuration_is_current() {
    assert_current(".env.example", &coms::config::env_example());
}

#[test]
fn the_documentation_of_the_configuration_is_current() {
    assert_current("docs/configuration.md", &coms::config::markdown());
}

#[test]
fn the_completions_are_current() {
    use clap_complete::Shell::{Bash, Fish, PowerShell, Zsh};
    for (shell, path) in [(Bash, "coms.bash"), (Zsh, "_coms"), (Fish, "coms.fish"), (PowerShell, "_coms.ps1")] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut coms::cli::command(), "coms", &mut text);
        assert_current(&format!("completions/{path}"), &String::from_utf8(text).expect("completions are text"));
    }
}

/// Every option of every command in one file, so that a change of one shows up in review.
#[test]
fn the_help_is_current() {
    let mut text = String::new();
    let mut top = coms::cli::command().term_width(100);
    top.build();
    write_help(&mut text, top);
    assert_current("tests/help.txt", &text);
}

fn write_help(text: &mut String, mut command: clap::Command) {
    let name = command.get_bin_name().unwrap_or("coms").to_owned();
    let help = command.render_long_help().to_string();
    let help: Vec<_> = help.lines().map(str::trim_end).collect();
    write!(text, "$ {name} --help\n{}\n\n", help.join("\n").trim_end()).expect("a string takes all");
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    for subcommand in shown.cloned().collect::<Vec<_>>() {
        write_help(text, subcommand);
    }
}
