//! Every refusal: its message, code, reason and reference.

use serde_json::{Value, json};

use crate::support::client::{CREATE, DELETE, EDIT, ERROR, HISTORY, SEARCH, SYNC};
use crate::support::person;
use crate::support::server::TestServer;

const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

#[tokio::test]
async fn every_refusal_has_its_words_and_its_reason() {
    let server = TestServer::start().await;
    let (mut ada, mut ben) = (server.connect(person(1)).await, server.connect(person(2)).await);
    let bens = ben.post("Ben's").await;
    let long = "x".repeat(4001);
    let not_found = ("message not found or not owned by user", "message_not_found");
    let invalid = ("invalid payload", "invalid_payload");
    let cases = [
        (CREATE, json!("text"), invalid),
        (CREATE, json!([]), invalid),
        (CREATE, json!({ "channel_id": 5, "content": "x" }), invalid),
        (CREATE, json!({ "channel_id": "general", "content": ["x"] }), invalid),
        (CREATE, json!(null), ("channel_id is required", "missing_field")),
        (CREATE, json!({ "channel_id": null, "content": "x" }), ("channel_id is required", "missing_field")),
        (CREATE, json!({ "channel_id": "", "content": "" }), ("channel_id is required", "missing_field")),
        (CREATE, json!({ "channel_id": "nope" }), ("content is required", "missing_field")),
        (
            CREATE,
            json!({ "channel_id": "nope", "content": long }),
            ("message too long (max 4000 characters)", "too_long"),
        ),
        (CREATE, json!({ "channel_id": "nope", "content": "x" }), ("channel \"nope\" not found", "channel_not_found")),
        (
            CREATE,
            json!({ "channel_id": "General", "content": "x" }),
            ("channel \"General\" not found", "channel_not_found"),
        ),
        (CREATE, json!({ "channel_id": "announcements", "content": "x" }), ("this channel is read-only", "read_only")),
        (EDIT, json!({ "message_id": "zzz" }), ("message_id and content are required", "missing_field")),
        (EDIT, json!({ "content": "x" }), ("message_id and content are required", "missing_field")),
        (EDIT, json!({ "message_id": "zzz", "content": long }), ("invalid message_id", "invalid_message_id")),
        (
            EDIT,
            json!({ "message_id": NOBODY, "content": long }),
            ("message too long (max 4000 characters)", "too_long"),
        ),
        (EDIT, json!({ "message_id": NOBODY, "content": "x" }), not_found),
        (EDIT, json!({ "message_id": bens["id"], "content": "x" }), not_found),
        (DELETE, json!({}), ("invalid message_id", "invalid_message_id")),
        (DELETE, json!({ "message_id": "zzz" }), ("invalid message_id", "invalid_message_id")),
        (DELETE, json!({ "message_id": 7 }), invalid),
        (DELETE, json!({ "message_id": NOBODY }), not_found),
        (DELETE, json!({ "message_id": bens["id"] }), not_found),
        (HISTORY, json!({}), ("channel_id is required", "missing_field")),
        (HISTORY, json!({ "channel_id": "general", "limit": 1.5 }), invalid),
        (HISTORY, json!({ "channel_id": "general", "limit": "5" }), invalid),
        (HISTORY, json!({ "channel_id": "general", "before": "" }), ("invalid before cursor", "invalid_cursor")),
        (HISTORY, json!({ "channel_id": "general", "after": "" }), ("invalid after cursor", "invalid_cursor")),
        (
            SYNC,
            json!({ "after": 0, "after_hash": "" }),
            ("this server's log is not the one you saw: fetch anew", "cursor_unknown"),
        ),
        (HISTORY, json!({ "channel_id": "general", "before": "zzz" }), ("invalid before cursor", "invalid_cursor")),
        (HISTORY, json!({ "channel_id": "general", "after": "zzz" }), ("invalid after cursor", "invalid_cursor")),
        (SEARCH, json!({ "channel_id": "general" }), ("query is required", "missing_field")),
        (SEARCH, json!({ "query": 5 }), invalid),
        (SYNC, json!({ "after": "0" }), invalid),
        (SYNC, json!({ "after": 99 }), ("this server's log is not the one you saw: fetch anew", "cursor_unknown")),
        ("zync.channels.typing.start", json!("x"), invalid),
        ("zync.core.renew", json!({}), ("token is required", "missing_field")),
        ("zync.core.renew", json!({ "token": "x" }), ("invalid token", "invalid_token")),
        ("zync.core.subscribe", json!({ "events": [5] }), invalid),
    ];
    for (t, d, (message, reason)) in cases {
        let id = ada.send(t, d.clone()).await;
        let answer = ada.answer_to(&id).await;
        let error = json!({ "code": "handler_error", "message": message, "ref": id, "reason": reason });
        assert_eq!((&answer["t"], &answer["d"]), (&json!(ERROR), &error), "{t} {d}");
    }
    assert_eq!(server.check_chain().entries, 1, "nothing of it was stored");
}

#[tokio::test]
async fn what_is_no_envelope_is_refused_and_the_connection_goes_on() {
    let server = TestServer::start().await;
    let mut ada = server.connect(person(1)).await;
    let unknown = |name: &str| json!({ "code": "unknown_message_type", "message": format!("Unknown message type: {name}"), "ref": "", "reason": "unknown_message_type" });
    let invalid = json!({ "code": "invalid_json", "message": "Invalid JSON", "reason": "invalid_json" });
    let deep = format!(r#"{{"t":"zync.core.ping","d":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    let cases = [
        ("", &invalid),
        ("{", &invalid),
        ("[]", &invalid),
        ("true", &invalid),
        (r#"{"t":5}"#, &invalid),
        (r#"{"t":"zync.core.ping","id":5}"#, &invalid),
        (r#"{"t":"zync.core.ping","ts":1.5}"#, &invalid),
        (r#"{"t":"zync.core.ping","ts":"1"}"#, &invalid),
        (r#"{"t":"zync.core.ping"} {}"#, &invalid),
        (r#"{"t":"zync.core.ping","t":"zync.core.ping"}"#, &invalid),
        (r#"{"t":"zync.core.ping","d":{"a":{"b":1,"b":2}}}"#, &invalid),
        (r#"{"t":"zync.core.ping","\u0074":"x"}"#, &invalid),
        (r#"{"t":"zync.core.ping","d":"\ud800"}"#, &invalid),
        (r#"{"t":"zync.core.ping","id":"\udc00\ud800"}"#, &invalid),
        (r#"{"t":"zync.core.ping","ts":1e400}"#, &invalid),
        (r#"{"t":"zync.core.ping","ts":99999999999999999999}"#, &invalid),
        (deep.as_str(), &invalid),
        ("null", &unknown("")),
        ("{}", &unknown("")),
        (r#"{"t":null}"#, &unknown("")),
        (r#"{"t":""}"#, &unknown("")),
        (r#"{"t":"com.example.chess"}"#, &unknown("com.example.chess")),
        (r#"{"t":"zync.core.hello","d":{"a":123456789012345678901234567890}}"#, &unknown("zync.core.hello")),
    ];
    for (text, error) in cases {
        ada.send_text(text).await;
        assert_eq!(ada.expect(ERROR).await, *error, "{text:.60}");
    }
    ada.send_binary(b"{\"t\":\"zync.core.ping\",\"id\":\"\xff\"}").await;
    assert_eq!(ada.expect(ERROR).await, invalid);
    ada.send_binary(br#"{"t":"zync.core.ping","ts":-5,"d":{"deep":[[[1e9,"\u0000"]]]},"more":true}"#).await;
    assert_eq!(ada.next().await["t"], "zync.core.pong");
}

#[tokio::test]
async fn content_is_counted_in_characters_and_stored_as_sent() {
    let server = TestServer::start().await;
    let mut ada = server.connect(person(1)).await;
    let contents = [
        "😀".repeat(4000),
        " \t\n".to_owned(),
        "\0".to_owned(),
        "\u{202e}x\u{7}".to_owned(),
        "\"\\/\u{2028}".to_owned(),
    ];
    for content in &contents {
        ada.post(content).await;
        assert_eq!(ada.expect(CREATE).await["content"], *content);
    }
    let escaped = format!(
        r#"{{"t":"{CREATE}","id":"e","d":{{"channel_id":"general","content":"{}"}}}}"#,
        r"\ud83d\ude00".repeat(4000)
    );
    ada.send_text(&escaped).await;
    assert_eq!(ada.expect(CREATE).await["content"], contents[0]);
    ada.next().await;
    let error = ada.refused(CREATE, json!({ "channel_id": "general", "content": "😀".repeat(4001) })).await;
    assert_eq!(error["reason"], "too_long");
    let shown: Vec<Value> = ada.history(50).await.into_iter().map(|message| message["content"].clone()).collect();
    assert_eq!(shown[1..], [4, 3, 2, 1, 0].map(|at: usize| json!(contents[at])));
    let stored = server.check_chain().messages;
    assert_eq!(
        stored.iter().map(|(_, content)| content).take(5).collect::<Vec<_>>(),
        contents.iter().collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn what_is_switched_off_is_neither_listed_nor_usable_nor_shown() {
    let mut server = TestServer::start().await;
    let mut ada = server.connect(person(1)).await;
    let message = ada.post("now you see me").await;
    drop(ada);
    server.stop().await;
    server.set("FEATURE_TEXT_CHANNELS", "false");
    server.resume().await;
    let mut ada = server.connect(person(1)).await;
    let channels = ada.get("zync.channels.list", Value::Null).await["channels"].clone();
    assert_eq!(channels.as_array().map(Vec::len), Some(1), "{channels}");
    assert_eq!(
        ada.refused(CREATE, json!({ "channel_id": "general", "content": "x" })).await["reason"],
        "channel_not_found"
    );
    assert_eq!(
        ada.refused(EDIT, json!({ "message_id": message["id"], "content": "x" })).await["reason"],
        "message_not_found"
    );
    assert_eq!(ada.refused(DELETE, json!({ "message_id": message["id"] })).await["reason"], "message_not_found");
    assert_eq!(ada.history(50).await, [] as [Value; 0]);
    assert_eq!(ada.get(SEARCH, json!({ "query": "see" })).await["messages"], json!([]));
    assert_eq!(ada.get(SYNC, json!({})).await["events"], json!([]));
}
