//! The texts that are made of the table: the template of a `.env` file, and the documentation.

use super::table::{DefaultValue, SETTINGS, Setting, Topic};

/// The lines of comments are no longer than this.
const WIDTH: usize = 100;

/// A `.env` file with every variable: those that are required empty, the others as comments with their defaults.
pub fn env_example() -> String {
    let mut text = comment(
        "Configuration of a Zync community server. `coms init` asks for what is needed and writes this file; \
         `coms serve` reads it. The environment of the process wins over it. A value with spaces, quotes, `#` or `$` \
         stands in single quotes. An empty value is the default. Keep this file to yourself (mode 0600): it has keys.",
    );
    for topic in Topic::ALL {
        text.extend(["\n\n# --- ", topic.title(), " ---\n"]);
        for setting in SETTINGS.iter().filter(|setting| setting.group == topic) {
            text.push('\n');
            text.push_str(&comment(&about(setting)));
            text.push('\n');
            text.push_str(&assignment(setting));
            text.push('\n');
        }
        text.truncate(text.trim_end().len());
    }
    text.push('\n');
    text
}

fn assignment(setting: &Setting) -> String {
    match setting.default {
        DefaultValue::Required => format!("{}=", setting.name),
        DefaultValue::Is(default) if default.contains(' ') => format!("# {}='{default}'", setting.name),
        DefaultValue::Is(default) => format!("# {}={default}", setting.name),
        DefaultValue::Means(_) => format!("# {}=", setting.name),
    }
}

/// What the variable is for, what it has to be, and what holds without it.
fn about(setting: &Setting) -> String {
    let mut text = format!("{} {}", setting.about, sentence(&kind(setting)));
    match setting.default {
        DefaultValue::Required => text.push_str(" Required."),
        DefaultValue::Is(_) => {}
        DefaultValue::Means(meaning) => text.extend([" Default: ", meaning, "."]),
    }
    if let Some(file_name) = setting.file_name() {
        text.extend([" `", &file_name, "` may name a file with it instead."]);
    }
    text
}

fn kind(setting: &Setting) -> String {
    match setting.unit {
        Some(unit) => format!("{} {unit}", setting.kind.describe()),
        None => setting.kind.describe(),
    }
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first: String = characters.next().map(char::to_uppercase).into_iter().flatten().collect();
    format!("{first}{}.", characters.as_str())
}

/// `text` as comment lines.
fn comment(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut().filter(|line| line.len() + 1 + word.len() <= WIDTH) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(format!("# {word}")),
        }
    }
    lines.join("\n")
}

/// `docs/configuration.md`: the rules, then a table a topic.
pub fn markdown() -> String {
    let mut text = String::from(include_str!("configuration.md"));
    for topic in Topic::ALL {
        text.extend(["\n### ", topic.title(), "\n\n| variable | allowed | default | |\n|---|---|---|---|\n"]);
        for setting in SETTINGS.iter().filter(|setting| setting.group == topic) {
            let default = match setting.default {
                DefaultValue::Required => "required".to_owned(),
                DefaultValue::Is(default) => format!("`{default}`"),
                DefaultValue::Means(meaning) => meaning.to_owned(),
            };
            let secret = if setting.secret { " *Secret.*" } else { "" };
            let (kind, about) = (kind(setting), setting.about);
            text.extend(["| `", setting.name, "` | ", &kind, " | ", &default, " | ", about, secret, " |\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::*;

    #[test]
    fn the_template_sets_what_is_required_and_shows_the_rest() {
        let template = Document::parse(&env_example()).expect("a readable file");
        for setting in SETTINGS {
            let required = setting.default == DefaultValue::Required;
            assert_eq!(template.value(setting.name), required.then_some(""), "{}", setting.name);
            let filled = template.with(setting.name, "x");
            assert_eq!(filled.text().lines().count(), template.text().lines().count(), "{}", setting.name);
        }
    }

    #[test]
    fn the_defaults_that_the_template_shows_are_those_that_hold() {
        let uncommented = env_example().lines().map(uncomment).collect::<Vec<_>>().join("\n");
        let template = Document::parse(&uncommented).expect("a readable file");
        for setting in SETTINGS {
            if let DefaultValue::Is(default) = setting.default {
                assert_eq!(template.value(setting.name), Some(default), "{}", setting.name);
            }
        }
    }

    fn uncomment(line: &str) -> &str {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        let is_assignment = bare.split_once('=').is_some_and(|(name, _)| SETTINGS.iter().any(|s| s.name == name));
        if is_assignment { bare } else { line }
    }
}
