//! Everything that anybody should keep to themselves, put through every door at once, and then looked for in everything
//! that was logged and in everything that the commands said beside their results.

use std::fs;

use coms::secret::Secret;
use serde_json::{Value, json};

use crate::support::client::{CREATE, Client, DELETE, EDIT, ERROR, HISTORY, SEARCH};
use crate::support::person;
use crate::support::process::Site;
use crate::support::raw::{FIN, RawClient, TEXT, UPGRADE, http, masked};
use crate::support::server::{API_KEY, SECRET_KEY, SERVER_ID};

/// Part of every text, query, name and made-up secret here.
const CANARY: &str = "canary7f3a";

/// As much of a secret as must not be seen anywhere.
const TELLING: usize = 16;

/// The secrets of a run.
struct Secrets(Vec<String>);

impl Secrets {
    fn new() -> Self {
        // The second half of the secret key is the public one, which may be seen.
        Self(vec![CANARY.to_owned(), API_KEY.to_owned(), SECRET_KEY[..64].to_owned(), "v4.public.".to_owned()])
    }

    fn add(&mut self, secret: &str) {
        self.0.push(secret.to_owned());
    }

    /// Panics if `text` has any of them in it, or a part of one.
    fn assert_none_in(&self, what: &str, text: &str) {
        for secret in &self.0 {
            for part in secret.as_bytes().windows(TELLING.min(secret.len())) {
                let part = std::str::from_utf8(part).expect("secrets are ASCII");
                let line = text.lines().find(|line| line.contains(part));
                assert_eq!(line, None, "{what} has a part of {secret}");
            }
        }
    }
}

/// A token that is not good, and full of what must not be seen.
fn bad_tokens(good: &str) -> Vec<String> {
    vec![
        CANARY.to_owned(),
        format!("v4.public.{CANARY}"),
        format!("v4.local.{CANARY}"),
        format!("{good}{CANARY}"),
        format!("{}{CANARY}", &good[..good.len() - CANARY.len()]),
        format!("{good}.{CANARY}"),
        CANARY.repeat(500),
    ]
}

async fn connect_wrongly(address: &str, good: &str) {
    for token in bad_tokens(good) {
        let header = format!("Authorization: Bearer {token}");
        assert_eq!(http(address, &format!("GET /connect?token={token}"), &UPGRADE).await.status, 401);
        assert_eq!(http(address, "GET /connect", &[&header]).await.status, 401);
    }
    for (head, headers) in [
        (format!("POST /connect?token={good}"), vec!["Content-Length: 0".to_owned()]),
        (format!("GET /connect/{good}?token={CANARY}"), Vec::new()),
        (format!("GET /connect?token={good}"), Vec::new()),
        (format!("GET /connect?token={good}"), vec![format!("Origin: https://{CANARY}.example")]),
        (format!("GET /log-chain/entries?token={good}"), vec![format!("Authorization: Bearer {CANARY}")]),
        (format!("GET /{CANARY}"), vec![format!("Cookie: {CANARY}")]),
        (format!("GET /connect?token={good} {CANARY}"), Vec::new()),
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        assert_ne!(http(address, &head, &headers).await.status, 101, "{head}");
    }
}

/// Says, changes and looks for canaries, and is refused in every way.
async fn talk(client: &mut Client, token: &str) {
    let message = client.post(&format!("{CANARY} one")).await;
    client.edit(&message, &format!("{CANARY} two")).await;
    let deleted = client.post(&format!("{CANARY} three")).await;
    client.delete(&deleted).await;
    client.get(HISTORY, json!({ "channel_id": "general" })).await;
    client.get(SEARCH, json!({ "query": CANARY })).await;
    client.get(SEARCH, json!({ "query": format!("\"{CANARY} from:{CANARY} (") })).await;
    client.get("zync.core.renew", json!({ "token": token })).await;
    for (t, d) in [
        (CREATE, json!({ "channel_id": CANARY, "content": CANARY })),
        (CREATE, json!({ "channel_id": "general", "content": CANARY.repeat(500) })),
        (CREATE, json!({ "channel_id": "announcements", "content": CANARY })),
        (EDIT, json!({ "message_id": CANARY, "content": CANARY })),
        (EDIT, json!({ "message_id": deleted["id"], "content": CANARY })),
        (DELETE, json!({ "message_id": CANARY })),
        (HISTORY, json!({ "channel_id": "general", "before": CANARY })),
        ("zync.core.renew", json!({ "token": format!("v4.public.{CANARY}") })),
        (CANARY, json!({ CANARY: CANARY })),
    ] {
        client.refused(t, d).await;
    }
    client.send_text(&format!("{{\"t\":\"{CANARY}")).await;
    while client.next().await["t"] != ERROR {}
}

/// A server, from its start to its end, that logs all it can in `format`; what it logged, and its log files.
async fn serve(site: &mut Site, secrets: &mut Secrets, format: &str) -> String {
    site.set("LOG_LEVEL", "trace");
    site.set("LOG_FORMAT", format);
    site.set("LOG_DIR", &format!("logs-{format}"));
    let mut server = site.serve().await;
    let token = site.token(person(1));
    secrets.add(&token);
    connect_wrongly(&server.address, &token).await;
    let mut client = Client::connect(&server.address, &token).await;
    talk(&mut client, &token).await;
    let mut raw = RawClient::connect(&server.address, &token).await;
    raw.send(&masked(FIN | TEXT, &[CANARY.as_bytes(), &[0xff]].concat())).await;
    assert_eq!(raw.close_code().await, Some(1007));
    server.terminate();
    let log = server.whole_log().await;
    assert_eq!(server.wait().await, Some(0));
    for said in ["central accepts the heartbeat", "connection opened", "connection refused", "server stopped"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    let folder = site.home.join(&format!("logs-{format}"));
    let files = fs::read_dir(folder).expect("log files").map(|file| file.expect("a file").path());
    let files: String = files.map(|file| fs::read_to_string(file).expect("text")).collect();
    assert!(files.contains("connection opened") && files.contains("server stopped"), "{files}");
    log + &files
}

#[tokio::test]
async fn no_secret_and_no_message_is_in_any_log() {
    let mut secrets = Secrets::new();
    for format in ["human", "json"] {
        let mut site = Site::new().await;
        let log = serve(&mut site, &mut secrets, format).await;
        secrets.assert_none_in(format, &log);

        // Central is away, then does not know the key.
        site.central.set_available(false);
        let mut server = site.serve().await;
        let log = server.logged("central fails to take the heartbeat").await;
        secrets.assert_none_in("the log without Central", &log);
        server.kill().await;
        site.central.set_available(true);
        site.central.register(&SERVER_ID.parse().expect("a UUID"), &Secret::new("another".to_owned()));
        let mut server = site.serve().await;
        let log = server.logged("central refuses the heartbeat (401)").await;
        secrets.assert_none_in("the log with a wrong key", &log);
        server.kill().await;
        site.set("CENTRAL_URL", "http://127.0.0.1:1");
        let mut server = site.serve().await;
        let log = server.logged("central can't be reached").await;
        secrets.assert_none_in("the log with nobody there", &log);
    }
}

#[tokio::test]
async fn what_commands_say_beside_their_results_has_no_secret_in_it() {
    let site = Site::new().await;
    let server = site.serve().await;
    let token = site.token(person(1));
    let mut secrets = Secrets::new();
    secrets.add(&token);
    site.home.write("token", &token);
    site.home.write("api.key", API_KEY);
    site.home.write("secret.key", SECRET_KEY);
    site.home.write("bad.token", &format!("v4.public.{CANARY}"));
    let url = format!("http://{}", server.address);
    let public_key = format!("CENTRAL_PUBLIC_KEY={}", site.central.public_key());
    let server_id = format!("SERVER_ID={SERVER_ID}");
    let init = ["init", "-vv", "--yes", "-e", "new.env", "--set", &server_id, "--set", &public_key];
    let keys = ["--set", "CENTRAL_API_KEY=@api.key", "--set", "SERVER_SECRET_KEY=@secret.key"];
    let posted = site.connect(&server, person(1)).await.post("to be edited").await;
    let id = posted["id"].as_str().expect("an id");
    let said =
        format!("{CANARY} is said\n/edit {id} {CANARY} is edited\n/search {CANARY}\n/delete {id}\n{CANARY} stays\n");
    // Whether what it prints on standard output may have the messages in it.
    let commands: [(&[&str], &str, i32, bool); 9] = [
        (&[&init[..], &keys].concat(), "", 0, false),
        (&[&init[..], &keys].concat(), "", 0, false),
        (&["keygen", "-vv", "--from-secret", "-"], SECRET_KEY, 0, false),
        (&["chat", "-vv", &url, "--token", "@token", "--json"], &said, 0, true),
        (&["chat", "-vv", &url, "--token", "@bad.token", "--json"], &said, 3, false),
        (&["search", "-vv", CANARY], "", 0, true),
        (&["search", "-vv", &format!("{CANARY}x{CANARY}")], "", 1, false),
        (&["export", "-vv"], "", 0, true),
        (&["verify-chain", "-vv", "--no-state", "--manifest", &url, "--token", "@token", "--contents"], "", 0, false),
    ];
    for (arguments, input, code, tells_messages) in commands {
        site.home.write("input", input);
        let mut command = site.command(arguments);
        // What is set up anew has everything on the command line and in files.
        if arguments[0] == "init" {
            command = site.home.command(arguments);
        }
        command.env("LOG_LEVEL", "trace").stdin(fs::File::open(site.home.join("input")).expect("a file"));
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("a run").expect("an end");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        secrets.assert_none_in(&format!("standard error of {arguments:?}"), &stderr);
        let shown = if tells_messages { stdout.replace(CANARY, "") } else { stdout.into_owned() };
        secrets.assert_none_in(&format!("standard output of {arguments:?}"), &shown);
    }
    let chat: Value = json!(site.home.read("new.env"));
    assert!(chat.as_str().is_some_and(|text| text.contains(API_KEY)), "the secrets are where they belong");
}
