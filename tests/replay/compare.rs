//! Comparing a frame with the recorded one, member by member.

use std::collections::{BTreeSet, HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use coms::time::Timestamp;
use serde_json::{Map, Value};

/// A member that the reference does not send.
pub(super) struct Added {
    /// The frame's type; empty for every answer.
    pub(super) t: &'static str,
    /// Where in the frame, list positions left out.
    pub(super) path: &'static str,
    /// Whether a value is what it must be.
    pub(super) is_good: fn(&Value) -> bool,
}

/// Marked *added* in the protocol.
pub(super) const ADDED: &[Added] = &[
    Added { t: "", path: "ref", is_good: Value::is_string },
    Added { t: "zync.core.error", path: "d.reason", is_good: is_word },
    Added { t: "zync.core.hello", path: "d.chain_head", is_good: Value::is_u64 },
    Added { t: "zync.core.hello", path: "d.chain_head_hash", is_good: is_hash },
    Added { t: "zync.channels.message.edit", path: "d.chain_index", is_good: Value::is_u64 },
    Added { t: "zync.channels.message.delete", path: "d.chain_index", is_good: Value::is_u64 },
    Added { t: "zync.channels.message.history", path: "d.messages[].latest_chain_index", is_good: Value::is_u64 },
    Added { t: "zync.channels.search.results", path: "d.messages[].latest_chain_index", is_good: Value::is_u64 },
];

/// A difference of values that is meant.
pub(super) struct Unlike {
    pub(super) name: &'static str,
    pub(super) why: &'static str,
}

/// Marked *unlike the reference* in the protocol, or described as varying in it.
pub(super) const UNLIKE: &[Unlike] = &[
    Unlike { name: "ts", why: "the reference sends 0 on channel broadcasts; send the time" },
    Unlike { name: "empty lists", why: "empty lists are [] (the reference sends null)" },
    Unlike { name: "edit_history", why: "a delete empties the edit history (the reference goes on serving it)" },
    Unlike { name: "milliseconds", why: "times have milliseconds (the reference varies between none and nine digits)" },
    Unlike { name: "chain_index", why: "edits and deletes are chain entries of their own" },
    Unlike { name: "order of history", why: "history is by key (the reference skips messages of one millisecond)" },
];

/// What is known of how our identifiers go with the recorded ones.
#[derive(Default)]
pub(super) struct Comparison {
    /// Recorded message ids, and ours.
    ids: HashMap<String, String>,
    hashes: HashMap<String, String>,
    /// Recorded chain indices of creations, and ours.
    indices: HashMap<String, u64>,
    /// Recorded messages as they were shown last, by our ids.
    shown: HashMap<String, Value>,
    frame_ids: HashSet<String>,
    added_used: BTreeSet<usize>,
    unlike_used: BTreeSet<&'static str>,
}

type Compared = Result<(), String>;

impl Comparison {
    /// `text` with our message ids in place of the recorded ones.
    pub(super) fn translate(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_owned(), |text, (recorded, ours)| text.replace(recorded, ours))
    }

    /// Compares a whole frame.
    pub(super) fn frame(&mut self, recorded: &Value, ours: &Value) -> Compared {
        let t = recorded["t"].as_str().unwrap_or_default().to_owned();
        let mut recorded = recorded.clone();
        if t.ends_with(".history") || t.ends_with(".results") {
            self.pair_messages(&mut recorded, ours)?;
        }
        self.value(&t, "", &recorded, ours)?;
        let id = ours["id"].as_str().unwrap_or_default();
        // Two clients are sent the very same broadcast, so its id may come twice; an answer's must not.
        if !self.frame_ids.insert(id.to_owned()) && ours.get("ref").is_some() {
            return Err(format!("the frame id {id} was used before"));
        }
        Ok(())
    }

    pub(super) fn assert_all_used(&self) {
        for (at, row) in ADDED.iter().enumerate() {
            assert!(self.added_used.contains(&at), "no frame had {} in {}", row.path, row.t);
        }
        for row in UNLIKE {
            assert!(self.unlike_used.contains(row.name), "nothing was unlike: {}", row.name);
        }
    }

    /// Puts the recorded messages of a page into the order of ours, which is that of the chain, newest first.
    fn pair_messages(&mut self, recorded: &mut Value, ours: &Value) -> Compared {
        let theirs = recorded["d"]["messages"].as_array().cloned().unwrap_or_default();
        for message in &theirs {
            let id = self.translate(message["id"].as_str().unwrap_or_default());
            self.shown.insert(id, message.clone());
        }
        let messages = ours["d"]["messages"].as_array().ok_or("`messages` is no list")?;
        let indices: Vec<_> = messages.iter().map(|message| message["chain_index"].as_u64()).collect();
        if !indices.is_sorted_by(|newer, older| newer > older) {
            return Err(format!("not newest first: {indices:?}"));
        }
        let same =
            |(theirs, ours): (&Value, &Value)| self.translate(theirs["id"].as_str().unwrap_or_default()) == ours["id"];
        if theirs.len() == messages.len() && theirs.iter().zip(messages).all(same) {
            return Ok(());
        }
        if theirs.len() > messages.len() || theirs.is_empty() {
            return Err(format!("{} messages, and the reference shows {}", messages.len(), theirs.len()));
        }
        self.unlike_used.insert("order of history");
        let known = messages.iter().map(|message| self.shown.get(message["id"].as_str().unwrap_or_default()).cloned());
        let known: Option<Vec<_>> = known.collect();
        recorded["d"]["messages"] = known.ok_or("a message that the reference never showed")?.into();
        if theirs.len() < messages.len() {
            recorded["d"]["has_more"] = ours["d"]["has_more"].clone();
        }
        Ok(())
    }

    fn value(&mut self, t: &str, path: &str, recorded: &Value, ours: &Value) -> Compared {
        match (recorded, ours) {
            (Value::Object(recorded), Value::Object(ours)) => self.object(t, path, recorded, ours),
            (Value::Array(recorded), Value::Array(ours)) => {
                if recorded.len() != ours.len() {
                    return Err(format!("{path} has {} values, recorded {}", ours.len(), recorded.len()));
                }
                let mut pairs = recorded.iter().zip(ours);
                pairs.try_for_each(|(recorded, ours)| self.value(t, &format!("{path}[]"), recorded, ours))
            }
            (Value::Null, Value::Array(ours)) if ours.is_empty() && path == "d.messages" => {
                self.unlike_used.insert("empty lists");
                Ok(())
            }
            _ => self.scalar(path, recorded, ours),
        }
    }

    fn object(&mut self, t: &str, path: &str, recorded: &Map<String, Value>, ours: &Map<String, Value>) -> Compared {
        for (name, recorded) in recorded {
            let path = joined(path, name);
            match ours.get(name) {
                Some(ours) => self.value(t, &path, recorded, ours)?,
                None if name == "edit_history" && ours.contains_key("deleted_at") => {
                    self.unlike_used.insert("edit_history");
                }
                None => return Err(format!("{path} is missing")),
            }
        }
        for (name, value) in ours.iter().filter(|(name, _)| !recorded.contains_key(*name)) {
            let path = joined(path, name);
            let is_answer =
                ["ok", "pong", "error", "results", "history"].iter().any(|last| t.rsplit('.').next() == Some(last));
            let fits = |row: &Added| row.path == path && (row.t == t || (row.t.is_empty() && is_answer));
            let at = ADDED.iter().position(fits).ok_or(format!("{path} is no member that {t} has"))?;
            if !(ADDED[at].is_good)(value) {
                return Err(format!("{path} is not what it should be: {value}"));
            }
            self.added_used.insert(at);
        }
        Ok(())
    }

    fn scalar(&mut self, path: &str, recorded: &Value, ours: &Value) -> Compared {
        let name = path.rsplit('.').next().unwrap_or_default();
        let wrong = |what: &str| Err(format!("{path} is {ours}, {what}"));
        match (path, name) {
            ("id", _) => {
                if is_uuid_v7(ours) {
                    Ok(())
                } else {
                    wrong("no UUIDv7")
                }
            }
            ("d.channels[].id", _) => {
                if recorded == ours {
                    Ok(())
                } else {
                    wrong("another channel")
                }
            }
            (_, "id" | "message_id") if path.starts_with("d.") => {
                if !is_uuid_v7(ours) {
                    return wrong("no UUIDv7");
                }
                bind(&mut self.ids, path, recorded, ours)
            }
            (_, "chain_hash") => {
                if !is_hash(ours) {
                    return wrong("not 32 bytes in base64");
                }
                bind(&mut self.hashes, path, recorded, ours)
            }
            (_, "chain_index") => self.index(path, recorded, ours),
            ("ts", _) => {
                if recorded == 0 {
                    self.unlike_used.insert("ts");
                }
                if ours.as_u64().is_some_and(|ms| ms > 1_500_000_000_000) { Ok(()) } else { wrong("no time of now") }
            }
            (_, name) if name.ends_with("_at") => {
                let recorded = recorded.as_str().unwrap_or_default();
                if Timestamp::parse_rfc3339(recorded).is_some_and(|time| time.to_string() != recorded) {
                    self.unlike_used.insert("milliseconds");
                }
                if is_time(ours) { Ok(()) } else { wrong("not RFC 3339 in UTC with milliseconds") }
            }
            _ => {
                if recorded == ours {
                    Ok(())
                } else {
                    wrong(&format!("recorded {recorded}"))
                }
            }
        }
    }

    fn index(&mut self, path: &str, recorded: &Value, ours: &Value) -> Compared {
        let (Some(theirs), Some(index)) = (recorded.as_u64(), ours.as_u64()) else {
            return Err(format!("{path} is {ours}, no index"));
        };
        if index < theirs {
            return Err(format!("{path} is {index}, and the reference, which counts less, is at {theirs}"));
        }
        if index > theirs {
            self.unlike_used.insert("chain_index");
        }
        match self.indices.insert(theirs.to_string(), index) {
            Some(before) if before != index => Err(format!("{path} is {index}, and was {before}")),
            _ => Ok(()),
        }
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Learns that `recorded` is `ours`, or checks what was learned.
fn bind(known: &mut HashMap<String, String>, path: &str, recorded: &Value, ours: &Value) -> Compared {
    let (Some(recorded), Some(ours)) = (recorded.as_str(), ours.as_str()) else {
        return Err(format!("{path} is {ours}, no text"));
    };
    let before = known.entry(recorded.to_owned()).or_insert_with(|| ours.to_owned());
    if before == ours { Ok(()) } else { Err(format!("{path} is {ours}, and was {before}")) }
}

fn is_uuid_v7(value: &Value) -> bool {
    let uuid = value.as_str().and_then(|text| uuid::Uuid::try_parse(text).ok().map(|uuid| (text, uuid)));
    uuid.is_some_and(|(text, uuid)| uuid.get_version_num() == 7 && uuid.as_hyphenated().to_string() == text)
}

fn is_hash(value: &Value) -> bool {
    value.as_str().is_some_and(|text| BASE64.decode(text).is_ok_and(|hash| hash.len() == 32))
}

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| Timestamp::parse_rfc3339(text).is_some_and(|time| time.to_string() == text))
}

fn is_word(value: &Value) -> bool {
    value.as_str().is_some_and(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
}
