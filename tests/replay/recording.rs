//! Reading a recording.

use serde::Deserialize;
use serde_json::Value;

/// Who did what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Direction {
    #[serde(rename = "send")]
    Sent,
    #[serde(rename = "recv")]
    Received,
    #[serde(rename = "closed")]
    Closed,
    #[serde(rename = "note")]
    Note,
}

/// One line of a recording.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Line {
    /// Milliseconds since the start; only the recording of two clients has it.
    #[serde(default)]
    pub(super) t_ms: f64,
    #[serde(default)]
    pub(super) client: String,
    #[serde(rename = "dir")]
    pub(super) direction: Direction,
    #[serde(rename = "frame")]
    pub(super) text: String,
}

impl Line {
    /// Two frames of the recording were binary; the file does not say so, the recorder's author did.
    pub(super) fn is_binary(&self) -> bool {
        self.text.contains(r#""id":"binary-frame""#) || self.text.contains("bad \u{ff}\u{fe} utf8")
    }

    fn envelope(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

pub(super) fn load(name: &str) -> Vec<Line> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let text = std::fs::read_to_string(path).expect("a recording");
    text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect()
}

/// The same lines, each after what caused it: a create that raced with others right before its own event, so that the race
/// ends as it did; and somebody's greeting, at which the replay connects them, before the others hear of them.
pub(super) fn in_chain_order(lines: &[Line]) -> Vec<Line> {
    let races = |line: &&Line| line.direction == Direction::Sent && line.text.contains("\"race ");
    let mut sends: Vec<Line> = lines.iter().filter(races).cloned().collect();
    let mut ordered = Vec::new();
    for line in lines.iter().filter(|line| !races(line)) {
        let frame = line.envelope();
        let content = &frame["d"]["content"];
        if frame["t"] == "zync.channels.message.create"
            && let Some(at) = sends.iter().position(|send| send.envelope()["d"]["content"] == *content)
        {
            ordered.push(sends.remove(at));
        }
        let tells_of_them = |last: &Line| {
            let last = last.envelope();
            last["t"] == "zync.core.user.join" && last["d"]["user_id"] == frame["d"]["user_id"]
        };
        if frame["t"] == "zync.core.hello" && ordered.last().is_some_and(tells_of_them) {
            ordered.insert(ordered.len() - 1, line.clone());
        } else {
            ordered.push(line.clone());
        }
    }
    assert!(sends.is_empty(), "sent and never told of: {sends:?}");
    ordered
}
