//! The sandbox Central over real HTTP, and the heartbeat against it and against Centrals that misbehave.

use std::time::Duration;

use coms::central::{self, CentralState, Heartbeat, HeartbeatOutcome, Sandbox, SandboxOptions, TokenVerifier};
use coms::ids::ServerId;
use coms::secret::Secret;
use coms::time::{Clock, Timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::server::{TestServer, clock_at, forward};
use crate::support::{in_time, person};

const SERVER: &str = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e";
const USER: &str = "49c07341-06c0-4eb9-8059-e5a0a3729cb6";
const DEADLINE: Duration = Duration::from_secs(20);

fn server_id() -> ServerId {
    SERVER.parse().expect("a UUID")
}

fn key(text: &str) -> Secret {
    Secret::new(text.into())
}

async fn loopback() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

/// A sandbox that knows our server by the API key `good`.
async fn sandbox() -> Sandbox {
    let sandbox = Sandbox::start(loopback().await, SandboxOptions::default()).expect("a sandbox");
    sandbox.register(&server_id(), &key("good"));
    sandbox
}

/// POSTs `body` to `path` and gives the status and the JSON of the answer.
async fn post(sandbox: &Sandbox, path: &str, api_key: Option<&str>, body: &str) -> (u16, Value) {
    let mut request = client(sandbox).post(format!("{}{path}", sandbox.url())).body(body.to_owned());
    if let Some(api_key) = api_key {
        request = request.bearer_auth(api_key);
    }
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

fn client(sandbox: &Sandbox) -> reqwest::Client {
    central::client(&sandbox.url().parse().expect("a URL")).expect("a client")
}

fn heartbeat(url: &str, api_key: &str) -> Heartbeat {
    let url = url.parse().expect("a URL");
    Heartbeat::new(&url, &server_id(), key(api_key), Clock::system()).expect("a heartbeat")
}

#[tokio::test]
async fn joining_gives_a_token_that_verifies_offline() {
    let sandbox = sandbox().await;
    let verifier = TokenVerifier::new(server_id(), &[sandbox.public_key()]);
    let path = format!("/api/v1/servers/{SERVER}/join");

    let (status, answer) = post(&sandbox, &path, None, &json!({ "user_id": USER }).to_string()).await;
    assert_eq!((status, &answer["user_id"]), (200, &json!(USER)));
    let claims =
        verifier.verify(answer["token"].as_str().expect("a token"), Clock::system().now()).expect("a good token");
    assert_eq!(claims.user_id.to_string(), USER);
    assert_eq!(json!(claims.expires_at), answer["expires_at"]);

    for body in ["", "{}", r#"{"user_id":null}"#] {
        let (status, answer) = post(&sandbox, &path, None, body).await;
        let token = answer["token"].as_str().expect("a token");
        let claims = verifier.verify(token, Clock::system().now()).expect("a good token");
        assert_eq!((status, json!(claims.user_id)), (200, answer["user_id"].clone()), "{body}");
    }
    let joined = sandbox.join(&server_id(), USER.parse().expect("a UUID"));
    assert!(verifier.verify(joined.token.reveal(), Clock::system().now()).is_ok());
}

#[tokio::test]
async fn the_sandbox_refuses_in_json_and_always_the_same() {
    let sandbox = sandbox().await;
    let ours = format!("/api/v1/servers/{SERVER}");
    let cases = [
        (format!("{ours}/join"), None, "not JSON", 400, "invalid_json"),
        (format!("{ours}/join"), None, r#"{"user_id":7}"#, 400, "invalid_json"),
        (format!("{ours}/join"), None, r#"{"user_id":"zoe"}"#, 400, "invalid_user_id"),
        (format!("/api/v1/servers/{USER}/join"), None, "{}", 404, "server_not_found"),
        ("/api/v1/servers/zoe/join".into(), None, "{}", 404, "server_not_found"),
        (format!("{ours}/heartbeat"), None, r#"{"software_version":"1"}"#, 401, "invalid_api_key"),
        (format!("{ours}/heartbeat"), Some("bad"), r#"{"software_version":"1"}"#, 401, "invalid_api_key"),
        (format!("/api/v1/servers/{USER}/heartbeat"), Some("good"), "{}", 404, "server_not_found"),
        (format!("{ours}/heartbeat"), Some("good"), "{}", 400, "invalid_json"),
        ("/elsewhere".into(), None, "{}", 404, "not_found"),
    ];
    for (path, api_key, body, status, error) in cases {
        let answer = post(&sandbox, &path, api_key, body).await;
        assert_eq!(answer, (status, json!({ "error": error })), "{path} {body}");
    }
    let get = client(&sandbox).get(format!("{}{ours}/join", sandbox.url())).send().await;
    assert_eq!(get.expect("an answer").status().as_u16(), 405);
    assert_eq!(*sandbox.heartbeats().borrow(), 0);
}

#[tokio::test]
async fn a_heartbeat_says_what_central_said() {
    let sandbox = sandbox().await;
    assert_eq!(heartbeat(&sandbox.url(), "good").beat().await, HeartbeatOutcome::Accepted);
    assert_eq!(*sandbox.heartbeats().borrow(), 1);
    assert_eq!(heartbeat(&sandbox.url(), "bad").beat().await, HeartbeatOutcome::InvalidKey);
    sandbox.set_available(false);
    assert_eq!(heartbeat(&sandbox.url(), "good").beat().await, HeartbeatOutcome::Unavailable(503));
    sandbox.set_available(true);
    sandbox.suspend(&server_id());
    assert_eq!(heartbeat(&sandbox.url(), "good").beat().await, HeartbeatOutcome::Suspended);
    let url = sandbox.url();
    sandbox.stop().await;
    let outcome = heartbeat(&url, "good").beat().await;
    assert!(matches!(outcome, HeartbeatOutcome::Unreachable(_)), "{outcome}");
}

#[tokio::test]
async fn an_outage_is_seen_and_so_is_its_end() {
    let sandbox = sandbox().await;
    sandbox.set_available(false);
    let heartbeat = heartbeat(&sandbox.url(), "good");
    let mut state = heartbeat.state();
    assert!(state.borrow().is_reachable(), "nothing is known yet");
    let beating = tokio::spawn(heartbeat.run());
    let away = until(&mut state, |state| !state.is_reachable()).await;
    let expires_at = away.outage.expect("an outage").from;
    assert_eq!(away.session_end(expires_at), None);
    sandbox.set_available(true);
    // The first retry after a failure comes within seconds, not after a minute.
    let back = until(&mut state, CentralState::is_reachable).await;
    assert_eq!(back.last_outcome, Some(HeartbeatOutcome::Accepted));
    assert!(back.session_end(expires_at).is_some_and(|end| end > expires_at.plus(Duration::from_secs(299))));
    beating.abort();
}

async fn until(state: &mut watch::Receiver<CentralState>, reached: impl FnMut(&CentralState) -> bool) -> CentralState {
    let reached = tokio::time::timeout(DEADLINE, state.wait_for(reached)).await.expect("in time");
    reached.expect("a heartbeat that runs").clone()
}

/// A Central that answers its first request with `head` and then, until nobody reads it any more, with `more`.
async fn misbehaving(head: &'static str, more: &'static [u8]) -> String {
    let listener = loopback().await;
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        read_head(&mut stream).await;
        stream.write_all(head.as_bytes()).await.expect("a reader");
        while !more.is_empty() && stream.write_all(more).await.is_ok() {}
    });
    url
}

async fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut head).await.expect("a request"), 0, "the request ends early");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_no_success_and_is_not_read_to_it() {
    let url = misbehaving("HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n", &[b'x'; 8192]).await;
    let outcome = heartbeat(&url, "good").beat().await;
    assert_eq!(outcome, HeartbeatOutcome::Unreachable("answer is longer than 65536 bytes".into()));
}

#[tokio::test]
async fn the_api_key_is_not_carried_along_a_redirect() {
    let sandbox = sandbox().await;
    let location = format!("{}/api/v1/servers/{SERVER}/heartbeat", sandbox.url());
    let central = Answers::with(&format!("307 Temporary Redirect\r\nlocation: {location}"), "").await;
    let outcome = heartbeat(&central.url, "good").beat().await;
    assert_eq!(outcome, HeartbeatOutcome::WrongUrl { status: 307, points_to: Some(location.into()) });
    assert_eq!(*sandbox.heartbeats().borrow(), 0);
}

#[tokio::test]
async fn only_what_passes_means_that_central_is_away() {
    let redirect = |location: &str| Some(location.to_owned().into());
    for (answer, points_to) in [
        ("301 Moved Permanently\r\nlocation: https://central.example/a?token=x", redirect("https://central.example/a")),
        ("302 Found\r\nlocation: //user:secret@central.example/", redirect("http://central.example/")),
        ("308 Permanent Redirect\r\nlocation: http://[\u{9b}2Jx", redirect("http://[\u{9b}2Jx")),
        ("303 See Other", None),
        ("200\r\nlocation: https://central.example/", None),
        ("204 No Content", None),
        ("400 Bad Request", None),
        ("404 Not Found\r\nlocation: https://central.example/", None),
        ("405 Method Not Allowed", None),
        ("413 Content Too Large\r\nretry-after: 100", None),
        ("451 Unavailable", None),
        ("429 Too Many Requests", None),
        ("500 Internal Server Error", None),
        ("503 Service Unavailable\r\nlocation: https://central.example/", None),
        ("599 Something Else", None),
    ] {
        let central = Answers::with(answer, "").await;
        let status: u16 = answer[..3].parse().expect("a status");
        let outcome = heartbeat(&central.url, "good").beat().await;
        let due = match status {
            200 => HeartbeatOutcome::Accepted,
            429 | 500.. => HeartbeatOutcome::Unavailable(status),
            _ => HeartbeatOutcome::WrongUrl { status, points_to },
        };
        assert_eq!((outcome.is_away(), &outcome), (matches!(status, 429 | 500..), &due), "{answer}");
        assert!(!outcome.to_string().contains('\u{9b}'), "{outcome}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_wrong_central_url_is_said_at_start_with_where_it_points_to() {
    use crate::support::process::Site;
    let mut site = Site::new().await;
    let central = Answers::with("301 Moved Permanently\r\nlocation: https://central.example/x", "").await;
    site.set("CENTRAL_URL", &central.url);
    let mut server = site.serve().await;
    let log = server.logged("CENTRAL_URL is wrong").await;
    assert!(log.contains("https://central.example/x") && log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn a_wrong_central_url_keeps_no_session_alive() {
    let clock = clock_at(1_795_477_188_631);
    let lifetime = Duration::from_millis(300);
    for answer in ["301 Moved Permanently\r\nlocation: https://central.example/", "404 Not Found"] {
        let central = Answers::with(answer, "").await;
        let setup = TestServer::setup().hold_clock(&clock).token_lifetime(lifetime).set("CENTRAL_URL", &central.url);
        let server = setup.start().await;
        server.central_is(|state| state.last_outcome.is_some()).await;
        let mut ada = server.connect(person(1)).await;
        forward(&clock, lifetime);
        let end = in_time("the end of the session", ada.end()).await;
        assert_eq!(end.map(|(code, _)| code), Some(4001), "{answer}");
    }
}

#[tokio::test]
async fn central_is_left_alone_as_long_as_it_asks() {
    let mut central = Answers::with("503 Busy\r\nretry-after: 4", "").await;
    let beating = tokio::spawn(heartbeat(&central.url, "good").run());
    let first = central.next().await;
    let second = central.next().await;
    assert!(second - first >= Duration::from_secs(4), "{:?}", second - first);
    beating.abort();

    let until = Clock::system().now().plus(Duration::from_secs(6));
    let mut central = Answers::with(&format!("503 Busy\r\nretry-after: {}", http_date(until)), "").await;
    let beating = tokio::spawn(heartbeat(&central.url, "good").run());
    central.next().await;
    central.next().await;
    // A date has whole seconds.
    assert!(Clock::system().now().plus(Duration::from_secs(1)) >= until);
    beating.abort();
}

fn http_date(at: Timestamp) -> String {
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_millis(at.unix_ms()))
}

/// A Central that answers every request in the same way.
struct Answers {
    url: String,
    requests: tokio::sync::mpsc::UnboundedReceiver<tokio::time::Instant>,
}

impl Answers {
    /// With the status line and headers `head`, and `body`.
    async fn with(head: &str, body: &'static str) -> Self {
        let listener = loopback().await;
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let head = format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                read_head(&mut stream).await;
                sender.send(tokio::time::Instant::now()).ok();
                stream.write_all(head.as_bytes()).await.expect("a reader");
                stream.write_all(body.as_bytes()).await.expect("a reader");
            }
        });
        Self { url, requests }
    }

    /// When the next request came.
    async fn next(&mut self) -> tokio::time::Instant {
        tokio::time::timeout(DEADLINE, self.requests.recv()).await.expect("in time").expect("a Central that runs")
    }
}

/// The proxy that an environment names is for what it can't read.
#[cfg(unix)]
#[tokio::test]
async fn the_api_key_does_not_go_to_a_proxy_in_the_clear() {
    use crate::support::process::Site;
    let site = Site::new().await;
    let proxy = loopback().await;
    let url = format!("http://{}", proxy.local_addr().expect("an address"));
    let mut command = site.command(&["serve"]);
    for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"] {
        command.env(name, &url);
    }
    let mut heartbeats = site.central.heartbeats();
    let _server = crate::support::process::ServeProcess::start(command).await;
    tokio::select! {
        heard = tokio::time::timeout(DEADLINE, heartbeats.wait_for(|count| *count > 0)) => drop(heard.expect("in time")),
        _ = proxy.accept() => panic!("the heartbeat went to the proxy"),
    }
}

/// Through a proxy, a Central with `https://` is asked for by name, and gets its bytes unread.
#[cfg(unix)]
#[tokio::test]
async fn a_proxy_is_asked_to_pass_on_what_is_encrypted() {
    use crate::support::process::{ServeProcess, Site};
    let mut site = Site::new().await;
    site.set("CENTRAL_URL", "https://central.example");
    let proxy = loopback().await;
    let mut command = site.command(&["serve"]);
    command.env("HTTPS_PROXY", format!("http://{}", proxy.local_addr().expect("an address")));
    let _server = ServeProcess::start(command).await;
    let (mut stream, _) = tokio::time::timeout(DEADLINE, proxy.accept()).await.expect("in time").expect("a connection");
    let mut asked = [0; 32];
    stream.read_exact(&mut asked).await.expect("a request");
    assert_eq!(&asked, b"CONNECT central.example:443 HTTP");
}
