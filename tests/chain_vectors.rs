//! The vectors of the chain, which were made independently of this program: entries of every kind, with the bytes that are
//! hashed, texts beside acts, and a signed head.

use coms::ids::{ChainIndex, MessageId};
use coms::keys::{PublicKey, Signature, SigningKey};
use coms::logchain::{
    Act, ContentHash, Disclosure, Entry, EntryHash, EntryLine, Head, Salt, SignedHead, Verifier, VerifyOptions,
    VisibleTo,
};
use coms::time::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

fn vectors() -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/chain-vectors.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the vectors")).expect("JSON")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {value}"))
}

fn entry_of(vector: &Value) -> Entry {
    EntryLine::parse(vector["entry"].to_string().as_bytes()).expect("an entry")
}

/// The content hash that this program gives to what a vector says.
fn content_hash(vector: &Value) -> ContentHash {
    let content = text(vector, "content");
    match vector.get("chain_salt") {
        Some(salt) => {
            ContentHash::of_salted(Salt::from_hex(salt.as_str().expect("hex")).expect("a salt"), content.as_bytes())
        }
        None if vector["kind"] == "act" => ContentHash::of_act(content.as_bytes()),
        None => ContentHash::of(content),
    }
}

#[test]
fn every_entry_is_made_as_the_vectors_have_it() {
    let vectors = vectors();
    let seed = hex::decode(text(&vectors, "secret_key")).expect("hex");
    let key = SigningKey::from_seed(seed[..32].try_into().expect("a seed"));
    let mut prev_hash = EntryHash::ZERO;
    for (index, vector) in vectors["entries"].as_array().expect("entries").iter().enumerate() {
        let expected = entry_of(vector);
        let hash = content_hash(vector);
        let preimage = hex::decode(text(vector, "content_preimage")).expect("hex");
        assert_eq!(hash.0, <[u8; 32]>::from(Sha256::digest(preimage)), "entry {index}");
        let message_id: MessageId = text(&vector["entry"], "message_id").parse().expect("a UUID");
        let made = Entry::sign(&key, ChainIndex(index as u64), message_id, expected.timestamp, prev_hash, hash);
        assert_eq!(made, expected, "entry {index}");
        prev_hash = made.hash;
    }
}

#[test]
fn a_chain_with_acts_and_salted_contents_verifies() {
    let vectors = vectors();
    let key = PublicKey::from_hex(text(&vectors, "public_key")).expect("a key");
    let mut verifier = Verifier::new(VerifyOptions::new(key), 1);
    for vector in vectors["entries"].as_array().expect("entries") {
        verifier.push(&entry_of(vector));
    }
    let result = verifier.finish();
    assert!(result.breaks.is_empty(), "{:?}", result.breaks);
    let lines: Vec<_> = text(&vectors["head"], "text").lines().collect();
    let [_, server_id, length, hash, timestamp] = lines[..] else { panic!("five lines") };
    let head = Head { length: length.parse().expect("a number"), hash: result.head.hash };
    assert_eq!((head, hash), (result.head, result.head.hash.to_string().as_str()));
    let signature = hex::decode(text(&vectors["head"], "signature")).expect("hex").try_into().expect("64 bytes");
    let timestamp = Timestamp::from_unix_ms(timestamp.parse().expect("a number"));
    let signed = SignedHead { server_id: server_id.to_owned(), head, timestamp, signature: Signature(signature) };
    assert!(signed.is_signed_by(&key));
}

#[test]
fn every_act_is_read_and_its_texts_match() {
    let vectors = vectors();
    let acts = vectors["entries"].as_array().expect("entries").iter().filter(|vector| vector["kind"] == "act");
    let mut kinds = Vec::new();
    for vector in acts {
        let act = Act::parse(text(vector, "content")).expect("an act");
        let texts = vector["texts"].as_object().expect("texts");
        for (name, shown) in texts {
            let disclosure: Disclosure = serde_json::from_value(shown.clone()).expect("a disclosure");
            assert_eq!(act.check(name, &disclosure), Ok(()), "{name}");
            let other = Disclosure { text: format!("{}!", disclosure.text), ..disclosure };
            assert!(act.check(name, &other).is_err(), "{name}");
            assert!(act.check("other", &other).is_err());
        }
        assert_eq!(act.visible_to, VisibleTo::Moderator);
        kinds.push(act.kind);
    }
    assert_eq!(kinds, ["channel.add", "channel.add", "channel.edit", "member.ban", "message.delete"]);
}

#[test]
fn a_text_that_is_not_an_act_is_refused() {
    let good = r#"{"act":"x.y","salt":"00000000000000000000000000000000","visible_to":"member","by":{"type":"server"},"new":1}"#;
    assert_eq!(Act::parse(good).expect("an unknown kind").kind, "x.y");
    for (from, to) in [
        (r#""act":"x.y","#, ""),
        (r#""act":"x.y""#, r#""act":7"#),
        ("00000000000000000000000000000000", "00"),
        ("00000000000000000000000000000000", "0000000000000000000000000000000A"),
        (r#""member""#, r#""everyone""#),
        (r#"{"type":"server"}"#, r#""server""#),
        (r#"{"type":"server"}"#, "{}"),
        (r#""new":1"#, r#""act":"z""#),
        (r#""new":1"#, r#""new":{"a":1,"a":2}"#),
        (r#""new":1"#, &format!(r#""new":"{}""#, "a".repeat(4096))),
        ("}", ""),
        ("{", "["),
    ] {
        let text = good.replacen(from, to, 1);
        assert!(Act::parse(&text).is_err(), "{text}");
    }
}
