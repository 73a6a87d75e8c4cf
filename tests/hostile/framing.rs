//! Frames that no WebSocket library would send, and those that few do.

use serde_json::{Value, json};

use crate::support::client::CREATE;
use crate::support::person;
use crate::support::raw::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RawClient, TEXT, masked};
use crate::support::server::TestServer;

/// The longest message that a client may send.
const MAX_BYTES: usize = 64 * 1024;

/// A create as a client sends it, padded to `bytes` with a member that nobody knows.
fn padded_create(content: &str, bytes: usize) -> String {
    let frame =
        |pad: &str| json!({ "t": CREATE, "id": "x", "d": { "channel_id": "general", "content": content }, "pad": pad });
    let bare = frame("").to_string().len();
    frame(&"x".repeat(bytes - bare)).to_string()
}

/// The text frames that `client` gets up to the answer to its request `x`, parsed.
async fn until_answer(client: &mut RawClient) -> Vec<Value> {
    let mut frames = Vec::new();
    loop {
        let (first, payload) = client.frame().await.expect("a frame");
        if first != FIN | TEXT {
            continue;
        }
        let frame: Value = serde_json::from_slice(&payload).expect("JSON");
        let is_answer = frame["ref"] == "x";
        frames.push(frame);
        if is_answer {
            return frames;
        }
    }
}

#[tokio::test]
async fn a_frame_that_breaks_the_rules_ends_its_connection_and_no_other() {
    let server = TestServer::start().await;
    let mut witness = server.connect(person(1)).await;
    let declared = |length: u64| [&[FIN | TEXT, 0x80 | 0x7f][..], &length.to_be_bytes(), &[0; 4]].concat();
    let fragments = |parts: &[(u8, usize)]| {
        parts.iter().flat_map(|(first, bytes)| masked(*first, &vec![b' '; *bytes])).collect::<Vec<u8>>()
    };
    let cases: &[(&str, Vec<u8>, u16)] = &[
        ("unmasked", vec![FIN | TEXT, 2, b'{', b'}'], 1002),
        ("first reserved bit, as compression has it", masked(FIN | 0x40 | TEXT, b"{}"), 1002),
        ("second reserved bit", masked(FIN | 0x20 | TEXT, b"{}"), 1002),
        ("third reserved bit", masked(FIN | 0x10 | PING, b""), 1002),
        ("reserved opcode", masked(FIN | 0x3, b"{}"), 1002),
        ("reserved control opcode", masked(FIN | 0xb, b""), 1002),
        ("ping in fragments", masked(PING, b"x"), 1002),
        ("ping that is too long", masked(FIN | PING, &[b'x'; 126]), 1002),
        ("end of nothing", masked(FIN | CONTINUATION, b"{}"), 1002),
        ("message within a message", fragments(&[(TEXT, 1), (FIN | TEXT, 1)]), 1002),
        ("one byte too many", masked(FIN | TEXT, &vec![b' '; MAX_BYTES + 1]), 1009),
        ("one byte too many, in fragments", fragments(&[(TEXT, MAX_BYTES), (FIN | CONTINUATION, 1)]), 1009),
        ("declared 2^63", declared(1 << 63), 1009),
        ("declared the most", declared(u64::MAX), 1009),
        ("declared one too many", declared(MAX_BYTES as u64 + 1), 1009),
        ("text that is not UTF-8", masked(FIN | TEXT, b"{\"t\":\"\xff\"}"), 1007),
        ("surrogates in UTF-8", masked(FIN | TEXT, b"\"\xed\xa0\x80\""), 1007),
        ("a character cut off at the end", masked(FIN | TEXT, "é".as_bytes().split_at(1).0), 1007),
        ("length in eight bytes", [declared(5), b"xxxxx".to_vec()].concat(), 1002),
        ("length in two bytes", vec![FIN | TEXT, 0x80 | 0x7e, 0, 2, 0, 0, 0, 0, b'{', b'}'], 1002),
        ("goodbye of one byte", masked(FIN | CLOSE, &[3]), 1002),
        ("goodbye that is not UTF-8", masked(FIN | CLOSE, &[3, 232, 0xff]), 1007),
        ("goodbye with a reason", masked(FIN | CLOSE, &[&4999_u16.to_be_bytes()[..], b"bye"].concat()), 4999),
        ("pieces without end", [masked(TEXT, b""), masked(CONTINUATION, b"").repeat(70_000)].concat(), 1008),
        ("goodbye", masked(FIN | CLOSE, &1000_u16.to_be_bytes()), 1000),
        ("goodbye of a page that is left", masked(FIN | CLOSE, &1001_u16.to_be_bytes()), 1001),
        ("goodbye because of an error", masked(FIN | CLOSE, &1011_u16.to_be_bytes()), 1011),
        ("goodbye with a code of its own", masked(FIN | CLOSE, &3000_u16.to_be_bytes()), 3000),
        ("goodbye without a word", masked(FIN | CLOSE, b""), 1000),
    ];
    for (what, bytes, code) in cases {
        let mut client = RawClient::connect(&server.address(), &server.sudden_token(person(2))).await;
        client.send(bytes).await;
        assert_eq!(client.close_code().await, Some(*code), "{what}");
        witness.post(what).await;
    }
    assert_eq!(server.check_chain().messages.len(), cases.len(), "the witness's and no others");
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535_u16] {
        let mut client = RawClient::connect(&server.address(), &server.sudden_token(person(2))).await;
        client.send(&masked(FIN | CLOSE, &code.to_be_bytes())).await;
        assert_eq!(client.close_code().await, Some(1002), "goodbye with code {code}");
    }
}

#[tokio::test]
async fn a_message_may_come_in_any_pieces() {
    let server = TestServer::start().await;
    let mut client = RawClient::connect(&server.address(), &server.sudden_token(person(1))).await;
    let text = padded_create("in pieces: 😀 é", 300);
    // Two bytes at a time: through the middle of characters, with pings between, and with pieces of nothing.
    let mut frames = Vec::new();
    for (number, piece) in text.as_bytes().chunks(2).enumerate() {
        let opcode = if number == 0 { TEXT } else { CONTINUATION };
        frames.extend(masked(opcode, piece));
        frames.extend(masked(FIN | PING, number.to_string().as_bytes()));
        frames.extend(masked(CONTINUATION, b""));
        frames.extend(masked(FIN | PONG, b"unasked"));
    }
    frames.extend(masked(FIN | CONTINUATION, b""));
    client.send(&frames).await;
    for number in 0..text.len().div_ceil(2) {
        assert_eq!(client.frame().await, Some((FIN | PONG, number.to_string().into_bytes())));
    }
    let seen = until_answer(&mut client).await;
    assert_eq!(seen[0]["d"]["content"], "in pieces: 😀 é");

    // Byte for byte on the wire, in a binary frame.
    for byte in masked(FIN | BINARY, padded_create("byte for byte", 200).as_bytes()) {
        client.send(&[byte]).await;
    }
    assert_eq!(until_answer(&mut client).await[0]["d"]["content"], "byte for byte");
    assert_eq!(server.check_chain().messages.len(), 2);
}

#[tokio::test]
async fn a_message_may_be_as_long_as_the_limit() {
    let server = TestServer::start().await;
    let mut client = RawClient::connect(&server.address(), &server.sudden_token(person(1))).await;
    let text = padded_create("whole", MAX_BYTES);
    client.send(&masked(FIN | TEXT, text.as_bytes())).await;
    assert_eq!(until_answer(&mut client).await.len(), 2);
    let (start, end) = text.as_bytes().split_at(40_000);
    client.send(&[masked(TEXT, start), masked(FIN | CONTINUATION, end)].concat()).await;
    assert_eq!(until_answer(&mut client).await.len(), 2);
    // Control frames within do not count.
    let pings = masked(FIN | PING, &[b'x'; 125]).repeat(8);
    client.send(&[masked(TEXT, start), pings, masked(FIN | CONTINUATION, end)].concat()).await;
    assert_eq!(until_answer(&mut client).await.len(), 2);
}

#[tokio::test]
async fn no_payload_of_any_shape_ends_a_connection_or_stores_anything() {
    let server = TestServer::start().await;
    let mut ada = server.connect(person(1)).await;
    let shapes = [
        r#"{"channel_id":"general","content":1e999}"#.to_owned(),
        r#"{"channel_id":"general","content":123456789012345678901234567890}"#.to_owned(),
        r#"{"channel_id":{"channel_id":"general"},"content":"x"}"#.to_owned(),
        r#"{"channel_id":"general","content":"x","content":"y"}"#.to_owned(),
        r#"{"channel_id":"general","cont\u0065nt":"x","content":"y"}"#.to_owned(),
        r#"{"channel_id":"general","content":"\ud83d"}"#.to_owned(),
        r#"{"channel_id":"general","content":"x","more":"\udc00"}"#.to_owned(),
        r#"{"channel_id":"general\u0000","content":"x"}"#.to_owned(),
        r#"{"channel_id":"GENERAL","content":"x"}"#.to_owned(),
        r#"{"Channel_id":"general","content":"x"}"#.to_owned(),
        r#"{"channel_id":"general","content":true}"#.to_owned(),
        format!(r#"{{"channel_id":"general","content":{}"x"{}}}"#, "[".repeat(1000), "]".repeat(1000)),
        format!(r#"{{"channel_id":"general","content":{}1{}}}"#, r#"{"a":"#.repeat(1000), "}".repeat(1000)),
        "-0".to_owned(),
        "01".to_owned(),
        "nul".to_owned(),
        "\"\t\"".to_owned(),
    ];
    for d in shapes {
        ada.send_text(&format!(r#"{{"t":"{CREATE}","id":"x","d":{d}}}"#)).await;
        ada.expect("zync.core.error").await;
    }
    // What the server sets, nobody else does: it is passed over like any unknown member.
    let claims = json!({ "channel_id": "general", "content": "mine", "user_id": person(9), "id": person(9),
        "created_at": "2001-01-01T00:00:00Z", "chain_index": 99, "metadata": "{\"a\":1}", "deleted_at": 1 });
    let created = ada.get(CREATE, claims).await;
    let shown = ada.history(1).await.remove(0);
    assert_eq!((&shown["id"], &shown["chain_index"]), (&created["id"], &json!(0)));
    assert_eq!((&shown["user_id"], &shown["metadata"]), (&json!(person(1)), &json!("{}")));
    assert!(shown["created_at"].as_str().is_some_and(|time| !time.starts_with("2001")), "{shown}");
    assert_eq!(server.check_chain().messages.len(), 1);
}

#[tokio::test]
async fn pings_are_answered_up_to_a_thousand_a_second() {
    let server = TestServer::start().await;
    let mut client = RawClient::connect(&server.address(), &server.sudden_token(person(1))).await;
    client.send(&masked(FIN | PING, b"x").repeat(1000)).await;
    for _ in 0..1000 {
        assert_eq!(client.frame().await, Some((FIN | PONG, b"x".to_vec())));
    }
    for frame in [masked(FIN | PING, b""), masked(FIN | PONG, b"")] {
        let mut client = RawClient::connect(&server.address(), &server.sudden_token(person(2))).await;
        // At least one thousand and one of them come within the same second.
        client.send(&frame.repeat(20_000)).await;
        assert_eq!(client.close_code().await, Some(1008));
    }
}

/// Whoever goes on sending is told all the same, and is not read for long.
#[tokio::test]
async fn a_flood_without_end_is_closed_and_no_longer_read() {
    let server = TestServer::start().await;
    let mut client = RawClient::connect(&server.address(), &server.sudden_token(person(1))).await;
    let pings = masked(FIN | PING, b"").repeat(10_000);
    let most = 64 * 1024 * 1024 / pings.len();
    assert!(client.flood(&pings, most).await < most, "all was read");
    assert_eq!(client.close_code().await, Some(1008));
}
