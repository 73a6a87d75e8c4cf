//! The examples in `docs/protocol.md` are what the server says: they are played against one, from top to bottom.
//!
//! A UUID, time, hash or signature in an example stands for any other of its form, and for the same one wherever the page
//! shows it again.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::support::client::{Client, Heard};
use super::support::raw::http;
use super::support::server::TestServer;
use super::support::{in_time, person};

/// The examples of one kind on the page: the line at which each step begins, and the step with its continuation lines.
fn steps(page: &str) -> Vec<(usize, String)> {
    let (mut steps, mut is_inside) = (Vec::<(usize, String)>::new(), false);
    for (number, line) in page.lines().enumerate() {
        match line {
            "```zync" | "```http" => is_inside = true,
            "```" => is_inside = false,
            _ if !is_inside => {}
            line => match (line.strip_prefix("  "), steps.last_mut()) {
                (Some(rest), Some((_, step))) => step.push_str(rest),
                _ => steps.push((number + 1, line.to_owned())),
            },
        }
    }
    steps
}

/// What stands for something else of its form.
#[derive(Debug, PartialEq, Eq)]
enum Form {
    Uuid,
    Time,
    Base64Hash,
    /// Meant as it is.
    Literal,
}

fn form(text: &str) -> Form {
    let is_time = || text.len() == 24 && coms::time::Timestamp::parse_rfc3339(text).is_some();
    let is_hash = || text.len() == 44 && text.ends_with('=') && text.chars().filter(|c| *c == '=').count() == 1;
    match text {
        text if text.len() == 36 && uuid::Uuid::try_parse(text).is_ok() => Form::Uuid,
        _ if is_time() => Form::Time,
        _ if is_hash() => Form::Base64Hash,
        _ => Form::Literal,
    }
}

/// Plays the page against a server.
struct Play {
    server: TestServer,
    /// Each person's connection, with the greeting as long as the page has not shown it.
    people: HashMap<String, (Client, Option<Value>)>,
    /// What stands in the page for what the server said.
    bound: HashMap<String, String>,
    last_request: String,
}

impl Play {
    /// Fails unless `said` is what `shown` stands for.
    fn compare(&mut self, shown: &Value, said: &Value, at: &str) {
        match (shown, said) {
            (Value::Object(shown), Value::Object(said)) => {
                assert_eq!(shown.keys().collect::<Vec<_>>(), said.keys().collect::<Vec<_>>(), "{at}");
                for (name, value) in shown {
                    if name == "ts" {
                        assert!(said[name].is_u64(), "{at}.ts");
                    } else {
                        self.compare(value, &said[name], &format!("{at}.{name}"));
                    }
                }
            }
            (Value::Array(shown), Value::Array(said)) => {
                assert_eq!(shown.len(), said.len(), "{at}: {said:?}");
                for (number, (shown, said)) in shown.iter().zip(said).enumerate() {
                    self.compare(shown, said, &format!("{at}[{number}]"));
                }
            }
            (Value::String(shown), Value::String(said)) if form(shown) != Form::Literal => {
                assert_eq!(form(shown), form(said), "{at}: {said}");
                // Times may repeat by chance, so that one in the page may stand for several.
                let known = self.bound.entry(shown.clone()).or_insert_with(|| said.clone());
                assert!(form(shown) == Form::Time || known == said, "{at}: `{shown}` stands for {known}, here {said}");
            }
            (shown, said) => assert_eq!(shown, said, "{at}"),
        }
    }

    /// `text` with what the server said in place of what stands for it.
    fn filled(&self, text: &str) -> String {
        self.bound.iter().fold(text.to_owned(), |text, (shown, said)| text.replace(shown, said))
    }

    async fn play(&mut self, step: &str, at: &str) {
        if let Some(name) = step.strip_suffix(" connects") {
            let number = u8::try_from(self.people.len() + 1).expect("few people");
            let client = self.server.connect(person(number)).await;
            let hello = Some(client.hello.clone());
            self.people.insert(name.to_owned(), (client, hello));
        } else if let Some((name, text)) = step.split_once(" > ") {
            let number = if name == "Ada" { 1 } else { 2 };
            let text = text.replace("TOKEN", &self.server.sudden_token(person(number)));
            let text = self.filled(&text);
            self.people.get_mut(name).expect(at).0.send_text(&text).await;
        } else if let Some((name, text)) = step.split_once(" < ") {
            let (client, hello) = self.people.get_mut(name).expect(at);
            let said = match hello.take() {
                Some(hello) => hello,
                None => next_frame(client, at).await,
            };
            let shown: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{at}: {error}"));
            self.compare(&shown, &said, at);
        } else if step.starts_with("GET ") {
            step.clone_into(&mut self.last_request);
        } else {
            let (status, body) = step.split_once(' ').unwrap_or_else(|| panic!("{at}: not a step: {step}"));
            let answer = in_time("an answer", http(&self.server.address(), &self.last_request, &[])).await;
            assert_eq!(answer.status.to_string(), status, "{at}");
            let shown: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{at}: {error}"));
            self.compare(&shown, &serde_json::from_str(&answer.body).expect("JSON"), at);
        }
    }
}

async fn next_frame(client: &mut Client, at: &str) -> Value {
    let Heard::Text(text) = client.hear().await else { panic!("{at}: the connection was closed") };
    assert!(text.starts_with(r#"{"t":""#), "{at}: `t` comes first: {text}");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn the_examples_of_the_protocol_are_what_the_server_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/protocol.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let steps = steps(&page);
    assert!(steps.len() > 50, "the page has examples");
    let server = TestServer::start().await;
    let mut play = Play { server, people: HashMap::new(), bound: HashMap::new(), last_request: String::new() };
    for (line, step) in steps {
        play.play(&step, &format!("docs/protocol.md:{line}")).await;
    }
}
