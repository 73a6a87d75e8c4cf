//! The HTTP routes: what the reference answers, and what is added to it.

use std::time::Duration;

use coms::ids::UserId;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::raw::{HttpAnswer, RawClient, UPGRADE, http};
use super::support::server::{PUBLIC_KEY, SERVER_ID, TestServer};
use super::support::{in_time, person};

/// The answers in `reference-http.txt`, by what is written above them.
fn recorded() -> Vec<(String, HttpAnswer)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reference-http.txt");
    let text = String::from_utf8_lossy(&std::fs::read(path).expect("a recording")).replace("\r\n", "\n");
    let answers = text.split("##### ").skip(1).map(|part| {
        let (title, answer) = part.split_once('\n').expect("a title");
        (title.to_owned(), HttpAnswer::parse(&answer.trim_end().replace('\n', "\r\n")))
    });
    answers.collect()
}

/// A token with these members added to, or replaced in, a good one; null takes one away.
fn token(server: &TestServer, changes: &serde_json::Value) -> String {
    let now = coms::time::Clock::system().now();
    let mut claims = json!({
        "type": "scoped_server", "server_id": SERVER_ID, "sub": person(1), "iat": now, "nbf": now,
        "exp": now.plus(Duration::from_hours(1)),
    });
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    let claims: serde_json::Map<_, _> =
        claims.as_object().expect("an object").clone().into_iter().filter(|(_, value)| !value.is_null()).collect();
    server.sandbox.sign(&json!(claims).to_string(), None)
}

/// The request that a title of the recording stands for.
fn request(server: &TestServer, title: &str) -> (String, Vec<&'static str>) {
    let past = coms::time::Clock::system().now().minus(Duration::from_mins(1));
    let later = past.plus(Duration::from_hours(1));
    let foreign = {
        let good = token(server, &json!({}));
        format!("{}AAAA{}", &good[..good.len() - 8], &good[good.len() - 4..])
    };
    let connect = |token: &str| format!("GET /connect?token={token}");
    let upgrade = UPGRADE.to_vec();
    match title {
        "GET /connect (no token, plain)" => ("GET /connect".into(), vec![]),
        "GET /connect (no token, upgrade)" => ("GET /connect".into(), upgrade),
        "GET /connect?token= (empty)" => (connect(""), upgrade),
        "GET /connect?token=garbage" => (connect("garbage"), upgrade),
        "GET /connect token signed by other key" => (connect(&foreign), upgrade),
        "GET /connect expired token (ttl -60)" => (connect(&token(server, &json!({ "exp": past }))), upgrade),
        "GET /connect token for other server id" => {
            (connect(&token(server, &json!({ "server_id": person(9) }))), upgrade)
        }
        "GET /connect wrong type claim (type=session)" => {
            (connect(&token(server, &json!({ "type": "session" }))), upgrade)
        }
        "GET /connect token without exp" => (connect(&token(server, &json!({ "exp": null }))), upgrade),
        "GET /connect valid token but sub not a uuid" => (connect(&token(server, &json!({ "sub": "zoe" }))), upgrade),
        "GET /connect valid token, not an upgrade" => (connect(&token(server, &json!({}))), vec![]),
        "GET /connect valid token, upgrade with Sec-WebSocket-Version 12" => {
            let twelve =
                upgrade.into_iter().map(|line| if line.ends_with(": 13") { "Sec-WebSocket-Version: 12" } else { line });
            (connect(&token(server, &json!({}))), twelve.collect())
        }
        "GET /connect token with nbf one hour in the future (upgrade; first bytes)" => {
            (connect(&token(server, &json!({ "nbf": later }))), upgrade)
        }
        "GET /connect valid token, upgrade (first bytes)" => (connect(&token(server, &json!({}))), upgrade),
        "POST /api/v1/servers/<own>/heartbeat" => {
            (format!("POST /api/v1/servers/{SERVER_ID}/heartbeat"), vec!["Content-Length: 0"])
        }
        "POST /api/v1/servers/<other>/heartbeat" => {
            (format!("POST /api/v1/servers/{}/heartbeat", person(9)), vec!["Content-Length: 0"])
        }
        "GET /health after" => ("GET /health".into(), vec![]),
        plain => (plain.to_owned(), if plain.starts_with("POST") { vec!["Content-Length: 0"] } else { vec![] }),
    }
}

/// Where this server answers otherwise, marked so in the protocol: the status, and the body's member `error`.
const UNLIKE: &[(&str, u16, &str)] = &[
    ("HEAD /health", 200, ""),
    ("GET /connect valid token, not an upgrade", 426, "upgrade_required"),
    ("GET /connect token with nbf one hour in the future (upgrade; first bytes)", 401, "invalid_token"),
];

#[tokio::test]
async fn the_routes_answer_as_the_reference_did() {
    let server = TestServer::start().await;
    for (title, theirs) in recorded() {
        if title.contains("token in Authorization header only") {
            // Taken here: see below.
            continue;
        }
        if title == "GET /connect valid token, upgrade (first bytes)" {
            // Read to its end this would last; that it is upgraded and greeted is what `connect` checks.
            RawClient::connect(&server.address(), &token(&server, &json!({}))).await;
            continue;
        }
        let (head, headers) = request(&server, &title);
        let ours = http(&server.address(), &head, &headers).await;
        if let Some((_, status, error)) = UNLIKE.iter().find(|(name, ..)| *name == title) {
            let body = if error.is_empty() { String::new() } else { json!({ "error": error }).to_string() };
            assert_eq!((ours.status, ours.body), (*status, body), "{title}");
            continue;
        }
        assert_eq!(ours.status, theirs.status, "{title}");
        for name in ["cache-control", "sec-websocket-version"] {
            assert_eq!(ours.header(name), theirs.header(name), "{name} of {title}");
        }
        if let Some(allowed) = theirs.header("allow") {
            assert!(ours.header("allow").is_some_and(|ours| ours.starts_with(allowed)), "{title}");
        }
        if theirs.header("content-type") == Some("application/json") && title != "GET /manifest" {
            assert_eq!(ours.body, theirs.body, "{title}");
        } else if theirs.body.starts_with('{') && title != "GET /manifest" {
            assert_eq!(ours.json(), serde_json::from_str::<serde_json::Value>(&theirs.body).expect("JSON"), "{title}");
        }
        if !ours.body.is_empty() {
            assert_eq!(ours.header("content-type"), Some("application/json"), "{title}");
        }
    }
}

#[tokio::test]
async fn the_manifest_has_the_reference_s_members_first_and_says_what_is_added() {
    let server = TestServer::start().await;
    let (_, theirs) = recorded().into_iter().find(|(title, _)| title == "GET /manifest").expect("it is recorded");
    let (theirs, ours) = (theirs.json(), http(&server.address(), "GET /manifest", &[]).await.json());
    for name in ["protocol_version", "software_version", "server_id", "server_name", "extensions", "public_key"] {
        assert_eq!(ours[name], theirs[name], "{name}");
    }
    assert_eq!(ours["public_key"], PUBLIC_KEY);
    let (fixed, ours_all) =
        (theirs["capabilities"].as_array().expect("a list"), ours["capabilities"].as_array().expect("a list"));
    assert_eq!(&ours_all[..fixed.len()], fixed.as_slice(), "added names come after the fixed ones");
    let added = [
        "reply_refs",
        "error_reasons",
        "idempotent_create",
        "history_after",
        "sync",
        "chained_edits",
        "session_renew",
        "event_subscription",
    ];
    assert_eq!(ours_all[fixed.len()..][..added.len()], added.map(|name| json!(name)));
    let generated = ours["generated_at"].as_str().and_then(coms::time::Timestamp::parse_rfc3339);
    assert!(generated.is_some(), "{ours}");
    let chain = json!({ "entries_url": "/log-chain/entries", "head_url": "/log-chain/head", "access": "members" });
    assert_eq!(ours["log_chain"], chain);
}

#[tokio::test]
async fn what_is_switched_off_is_not_in_the_manifest() {
    let off = TestServer::setup().set("FEATURE_TEXT_CHANNELS", "false").set("FEATURE_ANNOUNCEMENT_CHANNELS", "F");
    let server = off.set("FEATURE_LOG_CHAIN", "0").start().await;
    let manifest = http(&server.address(), "GET /manifest", &[]).await.json();
    assert_eq!(manifest["capabilities"][0], "typing_indicators");
    assert!(manifest.get("log_chain").is_none(), "{manifest}");
}

#[tokio::test]
async fn a_token_in_the_header_is_taken_when_the_query_has_none() {
    let server = TestServer::start().await;
    let token = server.token(person(1)).await;
    let header = format!("Authorization: Bearer {token}");
    let with = |query: &str| (format!("GET /connect{query}"), header.clone());
    for (query, status) in [("", 426), ("?token=", 426), ("?token=garbage", 401)] {
        let (head, header) = with(query);
        assert_eq!(http(&server.address(), &head, &[&header]).await.status, status, "{query}");
    }
    let answer = http(&server.address(), "GET /connect", &[&header]).await;
    assert_eq!(answer.header("upgrade"), Some("websocket"));
}

/// A whole request to `server`, as it is written, and the answer.
async fn answer_to(server: &TestServer, lines: &[&str]) -> HttpAnswer {
    let mut stream = TcpStream::connect(server.address()).await.expect("a connection");
    stream.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes()).await.expect("a reader");
    let mut answer = Vec::new();
    in_time("an answer", async {
        while !answer.ends_with(b"}") {
            assert!(stream.read_buf(&mut answer).await.expect("an answer") > 0, "it ended early");
        }
    })
    .await;
    HttpAnswer::parse(&String::from_utf8(answer).expect("text"))
}

#[tokio::test]
async fn a_request_that_is_no_http_or_no_handshake_is_refused() {
    let server = TestServer::start().await;
    let plain = "GET /health HTTP/1.1";
    for hosts in [&[][..], &["Host: x", "Host: x"], &["Host: a/b"], &["Host: u@x"]] {
        let answer = answer_to(&server, &[&[plain], hosts].concat()).await;
        assert_eq!((answer.status, answer.json()), (400, json!({ "error": "bad_request" })), "{hosts:?}");
    }
    for hosts in [&["Host: x"][..], &["Host: "], &["Host: [::1]:3000"]] {
        assert_eq!(answer_to(&server, &[&[plain], hosts].concat()).await.status, 200, "{hosts:?}");
    }
    assert_eq!(answer_to(&server, &["GET /health HTTP/1.0"]).await.status, 200, "HTTP/1.0 needs no host");
    assert_eq!(answer_to(&server, &["GET /health HTTP/1.0", "Host: x", "Host: y"]).await.status, 400);

    let connect = format!("GET /connect?token={} HTTP/1.1", server.sudden_token(person(1)));
    let refused = |answer: HttpAnswer| (answer.status, answer.json()["error"].as_str().expect("a word").to_owned());
    let bad = (400, "bad_handshake".to_owned());
    for more in [
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
    ] {
        let answer = answer_to(&server, &[&[connect.as_str(), "Host: x"], &UPGRADE[..], &[more]].concat()).await;
        assert_eq!(refused(answer), bad, "{more}");
    }
    let answer = answer_to(&server, &[&[connect.as_str(), "Host: "], &UPGRADE[..]].concat()).await;
    assert_eq!(refused(answer), bad, "a handshake needs a host");
    // Neither HTTP/1.0 nor another method can be upgraded.
    let old = connect.replace("HTTP/1.1", "HTTP/1.0");
    let answer = answer_to(&server, &[&[old.as_str(), "Host: x"], &UPGRADE[..]].concat()).await;
    assert_eq!(refused(answer), (426, "upgrade_required".to_owned()));
    let head = connect.replace(" HTTP/1.1", "").replace("GET", "HEAD");
    let answer = http(&server.address(), &head, &UPGRADE).await;
    assert_eq!((answer.status, answer.header("upgrade"), answer.body.as_str()), (426, Some("websocket"), ""));
    let answer = answer_to(&server, &[&connect, "Host: x"]).await;
    let headers = (answer.header("upgrade"), answer.header("connection"));
    assert_eq!((answer.status, headers), (426, (Some("websocket"), Some("upgrade"))));
    // A body of no length is none.
    RawClient::connect_with(&server.address(), &server.sudden_token(person(1)), &["Content-Length: 0"]).await;
}

#[tokio::test]
async fn a_path_that_is_no_text_is_refused_like_everything_else() {
    let server = TestServer::start().await;
    let answer = http(&server.address(), "POST /api/v1/servers/%ff/heartbeat", &["Content-Length: 0"]).await;
    assert_eq!((answer.status, answer.json()), (400, json!({ "error": "server_id_mismatch" })));
}

#[tokio::test]
async fn head_is_answered_as_get_is_without_the_body_and_other_methods_are_not() {
    let server = TestServer::start().await;
    let address = server.address();
    let connect = format!("/connect?token={}", server.sudden_token(person(1)));
    let routes = [
        "/health",
        "/manifest",
        "/log-chain/head",
        "/log-chain/entries",
        "/log-chain/entries?from=x",
        "/connect",
        &connect,
        "/nope",
    ];
    for route in routes {
        let (get, head) =
            (http(&address, &format!("GET {route}"), &[]).await, http(&address, &format!("HEAD {route}"), &[]).await);
        let shown = |answer: &HttpAnswer| {
            let headers =
                answer.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "date" | "transfer-encoding"));
            (answer.status, headers.cloned().collect::<Vec<_>>())
        };
        assert_eq!(shown(&head), shown(&get), "{route}");
        assert_eq!(head.body, "", "{route}");
    }
    for route in ["/health", "/manifest", "/log-chain/head", "/log-chain/entries", "/connect"] {
        for method in ["POST", "PUT", "DELETE", "TRACE"] {
            let answer = http(&address, &format!("{method} {route}"), &["Content-Length: 0"]).await;
            let refusal = (answer.status, answer.header("allow"), answer.json());
            assert_eq!(refusal, (405, Some("GET, HEAD, OPTIONS"), json!({ "error": "method_not_allowed" })), "{route}");
        }
    }
    let heartbeat = format!("/api/v1/servers/{SERVER_ID}/heartbeat");
    for method in ["GET", "HEAD", "OPTIONS"] {
        let answer = http(&address, &format!("{method} {heartbeat}"), &[]).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
    }
}

#[tokio::test]
async fn the_limit_counts_connections_and_a_place_is_free_again_when_one_ends() {
    let server = TestServer::setup().set("MAX_CONNECTIONS", "2").start().await;
    let (first, second) = (server.connect(person(1)).await, server.connect(person(1)).await);
    let head = format!("GET /connect?token={}", server.sudden_token(person(2)));
    let full = http(&server.address(), &head, &UPGRADE).await;
    assert_eq!((full.status, full.json()), (503, json!({ "error": "server_full" })));
    let bad = http(&server.address(), "GET /connect?token=x", &UPGRADE).await;
    assert_eq!(bad.status, 401, "the token is looked at first");
    second.close().await;
    server.connect(person(2)).await;
    drop(first);
}

#[tokio::test]
async fn origins_that_are_not_listed_are_refused_and_no_origin_is_fine() {
    let server = TestServer::setup().set("ALLOWED_ORIGINS", "https://chat.example.org").start().await;
    let head = format!("GET /connect?token={}", server.sudden_token(person(1)));
    let own = format!("http://{}", server.address());
    for (origin, status) in [
        ("https://chat.example.org", 426),
        ("https://CHAT.example.org:443", 426),
        (own.as_str(), 426),
        ("https://evil.example", 403),
        ("null", 403),
    ] {
        let answer = http(&server.address(), &head, &[&format!("Origin: {origin}")]).await;
        assert_eq!(answer.status, status, "{origin}");
    }
    assert_eq!(http(&server.address(), &head, &[]).await.status, 426);
    let two = ["Origin: https://chat.example.org", "Origin: https://evil.example"];
    assert_eq!(http(&server.address(), &head, &two).await.status, 403);
    let open = TestServer::start().await;
    let head = format!("GET /connect?token={}", open.sudden_token(person(1)));
    assert_eq!(http(&open.address(), &head, &["Origin: https://evil.example"]).await.status, 426);
}

/// What a browser asks for before a request with a token from a page.
const PREFLIGHT: [&str; 2] =
    ["Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization, content-type"];

#[tokio::test]
async fn pages_of_other_origins_may_read_all_but_the_heartbeat() {
    let server = TestServer::start().await;
    let address = server.address();
    let routes = [
        "/health",
        "/manifest",
        "/log-chain/head",
        "/log-chain/entries",
        "/log-chain/entries?from=x",
        "/connect",
        "/connect?token=x",
        "/nope",
    ];
    for route in routes {
        let answer = http(&address, &format!("GET {route}"), &["Origin: https://chat.example.org"]).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{route}");
        assert_eq!(answer.header("access-control-expose-headers"), Some("retry-after, www-authenticate"), "{route}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{route}");
    }
    for route in ["/health", "/manifest", "/log-chain/head", "/log-chain/entries", "/connect"] {
        let headers = [&PREFLIGHT[..], &["Origin: https://chat.example.org"]].concat();
        let answer = http(&address, &format!("OPTIONS {route}"), &headers).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{route}");
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
            ("access-control-allow-headers", "authorization, content-type"),
            ("access-control-max-age", "600"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name} of {route}");
        }
    }
    let heartbeat = format!("POST /api/v1/servers/{SERVER_ID}/heartbeat");
    let answer = http(&address, &heartbeat, &["Content-Length: 0", "Origin: https://chat.example.org"]).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
}

#[tokio::test]
async fn pages_of_origins_that_are_not_listed_read_nothing() {
    let listed = TestServer::setup().set("ALLOWED_ORIGINS", "https://chat.example.org, https://b.example");
    let server = listed.set("PUBLIC_URL", "https://home.example/zync/").start().await;
    let own = format!("http://{}", server.address());
    for (origin, may_read) in [
        (Some("https://chat.example.org"), true),
        (Some("https://home.example"), true),
        // With `PUBLIC_URL`, a name that was made to point here is no reason.
        (Some(own.as_str()), false),
        (Some("https://evil.example"), false),
        (Some("null"), false),
        (None, false),
    ] {
        for request in ["GET /manifest", "GET /connect?token=x", "OPTIONS /log-chain/entries"] {
            let header = origin.map(|origin| format!("Origin: {origin}"));
            let headers = [header.as_deref().unwrap_or("X-None: x")];
            let answer = http(&server.address(), request, &headers).await;
            let allowed = answer.header("access-control-allow-origin");
            assert_eq!(allowed, origin.filter(|_| may_read), "{request} from {origin:?}");
            let vary = answer.headers.iter().any(|(name, value)| name == "vary" && value.contains("origin"));
            assert!(vary, "{request} from {origin:?}");
        }
    }
}

#[tokio::test]
async fn health_counts_people_and_not_connections() {
    let server = TestServer::start().await;
    let one: UserId = person(1);
    let held = (server.connect(one).await, server.connect(one).await, server.connect(person(2)).await);
    assert_eq!(http(&server.address(), "GET /health", &[]).await.json()["online"], 2);
    held.0.close().await;
    assert_eq!(http(&server.address(), "GET /health", &[]).await.json()["online"], 2);
}
