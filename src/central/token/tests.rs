//! Every way in which a token can be wrong, the official vectors, and a second implementation to agree with.

use pasetors::keys::{AsymmetricPublicKey, AsymmetricSecretKey};
use pasetors::token::UntrustedToken as OracleToken;
use pasetors::version4::{PublicToken, V4 as OracleV4};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::keys::SigningKey;

const SERVER: &str = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e";
const USER: &str = "49c07341-06c0-4eb9-8059-e5a0a3729cb6";
/// 2026-05-02T10:00:00Z.
const NOW: Timestamp = Timestamp::from_unix_ms(1_777_716_000_000);

fn central() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn verifier() -> TokenVerifier {
    TokenVerifier::new(SERVER.parse().expect("a UUID"), &[central().public()])
}

fn verify(token: &str) -> Result<Claims, TokenError> {
    verifier().verify(token, NOW)
}

/// Signed by the oracle, so that both sides of rusty_paseto are checked: the sandbox signs with it, this verifies with it.
fn signed_by(key: &SigningKey, payload: &str, footer: Option<&[u8]>) -> String {
    let secret = hex::decode(key.to_hex().reveal()).expect("hex");
    let secret = AsymmetricSecretKey::<OracleV4>::from(&secret).expect("a key");
    PublicToken::sign(&secret, payload.as_bytes(), footer, None).expect("a token")
}

fn signed(payload: &str) -> String {
    signed_by(&central(), payload, None)
}

/// Whether pasetors takes the signature of `token`.
fn oracle_accepts(token: &str, key: &PublicKey) -> bool {
    let key = AsymmetricPublicKey::<OracleV4>::from(key.as_bytes()).expect("a key");
    OracleToken::try_from(token).is_ok_and(|token| PublicToken::verify(&key, &token, None, None).is_ok())
}

fn good_claims() -> Value {
    json!({
        "type": "scoped_server",
        "server_id": SERVER,
        "sub": USER,
        "iat": "2026-05-02T10:00:00Z",
        "nbf": "2026-05-02T10:00:00Z",
        "exp": "2026-05-02T11:00:00Z",
    })
}

fn good_claims_with(name: &str, value: Value) -> String {
    let mut claims = good_claims();
    claims[name] = value;
    claims.to_string()
}

fn good_token() -> String {
    signed(&good_claims().to_string())
}

#[test]
fn a_good_token_says_who_and_until_when() {
    let claims = Claims { user_id: USER.parse().expect("a UUID"), expires_at: NOW.plus(Duration::from_hours(1)) };
    assert_eq!(verify(&good_token()), Ok(claims));
}

/// A claim, whether it must be there, and values that it may not have, each with what is said of it.
type WrongValues = (&'static str, bool, &'static [(&'static str, TokenError)]);

#[test]
fn each_claim_missing_mistyped_doubled_or_wrong_is_refused() {
    use TokenError::{BadClaims, Expired, NotYetValid, WrongServer, WrongType};
    let mistyped = [json!(null), json!(1_777_719_600), json!([]), json!([SERVER]), json!({}), json!(true)];
    let wrong: [WrongValues; 6] = [
        (
            "type",
            true,
            &[("", WrongType), ("session", WrongType), ("Scoped_Server", WrongType), (" scoped_server", WrongType)],
        ),
        (
            "server_id",
            true,
            &[
                ("", WrongServer),
                ("ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95f", WrongServer),
                (USER, WrongServer),
                ("x", WrongServer),
            ],
        ),
        ("sub", true, &[("", BadClaims), ("zoe", BadClaims), ("49c07341-06c0-4eb9-8059-e5a0a3729cb", BadClaims)]),
        (
            "exp",
            true,
            &[
                ("", BadClaims),
                ("tomorrow", BadClaims),
                ("1777719600", BadClaims),
                ("2026-05-02", BadClaims),
                ("2026-05-02T11:00:00", BadClaims),
                ("2026-13-02T11:00:00Z", BadClaims),
                ("2026-05-02_11:00:00Z", BadClaims),
                ("2026-05-02 11:00:00Z", BadClaims),
                ("1969-12-31T23:59:59Z", Expired),
                ("2026-05-02T09:59:59.999Z", Expired),
                ("2026-05-02T10:00:00Z", Expired),
                ("2026-05-02T11:00:00+02:00", Expired),
                ("2025-05-02T11:00:00Z", Expired),
            ],
        ),
        ("nbf", false, &[("", BadClaims), ("now", BadClaims), ("2026-05-02T10:01:00.001Z", NotYetValid)]),
        ("iat", false, &[("", BadClaims), ("now", BadClaims), ("2026-05-02T11:02:00+01:00", NotYetValid)]),
    ];
    for (name, required, values) in wrong {
        let mut without = good_claims();
        without.as_object_mut().expect("an object").remove(name);
        let expected = if required { Err(BadClaims) } else { verify(&good_token()) };
        assert_eq!(verify(&signed(&without.to_string())), expected, "{name} missing");
        for value in &mistyped {
            let payload = good_claims_with(name, value.clone());
            assert_eq!(verify(&signed(&payload)), Err(BadClaims), "{payload}");
        }
        for (value, error) in values {
            let payload = good_claims_with(name, json!(value));
            assert_eq!(verify(&signed(&payload)), Err(*error), "{payload}");
        }
        let good = good_claims();
        for again in [&good[name], &json!(null), &json!("other")] {
            let payload = good.to_string().replacen('{', &format!("{{\"{name}\":{again},"), 1);
            assert_eq!(verify(&signed(&payload)), Err(BadClaims), "{payload}");
        }
        // The same name, spelt with an escape.
        let escaped = format!("\\u{:04x}{}", u32::from(name.as_bytes()[0]), &name[1..]);
        let payload = good.to_string().replacen('{', &format!("{{\"{escaped}\":{},", good[name]), 1);
        assert_eq!(verify(&signed(&payload)), Err(BadClaims), "{payload}");
    }
}

#[test]
fn a_claim_that_nobody_knows_may_be_there_once() {
    let with = |members: &str| signed(&good_claims().to_string().replacen('{', &format!("{{{members},"), 1));
    for members in [r#""x":1"#, r#""x":{"a":[{"a":null}]},"y":{"a":-1.5}"#] {
        assert_eq!(verify(&with(members)), verify(&good_token()), "{members}");
    }
    for members in [r#""x":1,"x":1"#, r#""x":1,"\u0078":2"#, r#""x":{"a":1,"a":1}"#, r#""x":[[{"a":1,"a":2}]]"#] {
        assert_eq!(verify(&with(members)), Err(TokenError::BadClaims), "{members}");
    }
}

#[test]
fn other_spellings_of_good_claims_are_taken() {
    let good = verify(&good_token());
    for (name, value) in [
        ("server_id", "CA0F4D71-1D90-4FB3-9A8E-1CDE09A6D95E"),
        ("server_id", "ca0f4d711d904fb39a8e1cde09a6d95e"),
        ("sub", "49C07341-06C0-4EB9-8059-E5A0A3729CB6"),
        ("exp", "2026-05-02T13:00:00+02:00"),
        ("exp", "2026-05-02T11:00:00.000000000Z"),
        ("exp", "2026-05-02T01:30:00-09:30"),
        ("nbf", "2026-05-02T10:01:00Z"),
        ("iat", "2026-05-02T10:00:59.999Z"),
        ("iat", "2020-01-01T00:00:00Z"),
        ("iat", "1969-12-31T23:59:59Z"),
        ("nbf", "0001-01-01T00:00:00Z"),
        ("exp", "2026-05-02t11:00:00z"),
        ("jti", "anything"),
    ] {
        assert_eq!(verify(&signed(&good_claims_with(name, json!(value)))), good, "{name}: {value}");
    }
}

#[test]
fn a_payload_that_is_no_object_is_refused() {
    let claims = format!(r#"["scoped_server","{SERVER}","{USER}","2026-05-02T11:00:00Z"]"#);
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    let doubled = good_claims().to_string().repeat(2);
    for payload in [claims.as_str(), "null", "1", "{}", "{", "token", " ", &deep, &doubled, "{\"exp\":1e999}"] {
        assert_eq!(verify(&signed(payload)), Err(TokenError::BadClaims), "{payload}");
    }
}

#[test]
fn only_v4_public_tokens_of_at_most_4_kib_are_looked_at() {
    let good = good_token();
    let body = good.strip_prefix(PREFIX).expect("the prefix");
    for prefix in ["", "v4.", "v4.local.", "v3.public.", "v2.public.", "V4.public.", "v4.Public.", " v4.public."] {
        assert_eq!(verify(&format!("{prefix}{body}")), Err(TokenError::NotV4Public), "{prefix}");
    }
    for token in [format!("{good}."), format!("{good}.e30.e30"), format!("{good}.!!"), format!("{good}.e31")] {
        assert_eq!(verify(&token), Err(TokenError::NotV4Public), "{token}");
    }
    for token in ["", "v4.public.", "v4.public.AA", "v4.public.\u{1F600}"] {
        assert!(verify(token).is_err(), "{token}");
    }

    let padded = |bytes: usize| signed(&good_claims_with("pad", json!("x".repeat(bytes))));
    let room = (0..4096).rev().find(|&bytes| padded(bytes).len() <= MAX_TOKEN_BYTES).expect("room");
    assert!(verify(&padded(room)).is_ok());
    assert_eq!(verify(&padded(room + 1)), Err(TokenError::TooLong));
}

#[test]
fn a_footer_is_neither_believed_nor_held_against_a_token() {
    let payload = good_claims().to_string();
    for footer in ["{\"kid\":\"another\"}", "not JSON", "\u{0}", &good_claims_with("sub", json!(SERVER))] {
        let token = signed_by(&central(), &payload, Some(footer.as_bytes()));
        assert_eq!(verify(&token), verify(&good_token()), "{footer}");
    }
    // As far as rusty_paseto goes; `docs/protocol.md` says so.
    let with = |footer: &[u8]| verify(&signed_by(&central(), &payload, Some(footer)));
    assert_eq!(with(&[b'f'; 768]), verify(&good_token()));
    for footer in [&[b'f'; 769][..], b"\xff"] {
        assert_eq!(with(footer), Err(TokenError::NotV4Public));
    }
    let token = signed_by(&central(), &payload, Some(b"{\"kid\":1}"));
    let (head, _) = token.rsplit_once('.').expect("a footer");
    assert_eq!(verify(head), Err(TokenError::BadSignature), "the footer was cut off");
    assert_eq!(verify(&format!("{head}.e30")), Err(TokenError::BadSignature), "another footer was put in its place");
}

#[test]
fn any_of_centrals_keys_will_do_and_no_other() {
    let other = SigningKey::from_seed(&[8; 32]);
    let payload = good_claims().to_string();
    let by_other = signed_by(&other, &payload, None);
    assert_eq!(verify(&by_other), Err(TokenError::BadSignature));
    let server: ServerId = SERVER.parse().expect("a UUID");
    let both = TokenVerifier::new(server.clone(), &[central().public(), other.public()]);
    assert!(both.verify(&by_other, NOW).is_ok() && both.verify(&good_token(), NOW).is_ok());
    assert_eq!(TokenVerifier::new(server, &[]).verify(&by_other, NOW), Err(TokenError::BadSignature));
}

#[test]
fn a_verifier_and_its_errors_show_no_token() {
    let token = good_token();
    assert!(!format!("{:?}", verifier()).contains(&token));
    for error in [TokenError::TooLong, TokenError::BadClaims, TokenError::BadSignature] {
        assert!(error.to_string().is_ascii() && !error.to_string().contains("v4.public.ey"));
    }
}

#[test]
fn one_changed_bit_anywhere_is_refused() {
    let token = good_token();
    for position in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[position] ^= 1 << bit;
            let changed = String::from_utf8(bytes).expect("still ASCII");
            assert!(verify(&changed).is_err(), "byte {position}, bit {bit}");
        }
    }
}

/// The vectors of <https://github.com/paseto-standard/test-vectors>, `v4.json`: those that are public, and those that
/// must fail.
#[test]
fn the_official_vectors_hold() {
    let vectors: Value = serde_json::from_str(include_str!("vectors-v4.json")).expect("the vectors");
    let vectors = vectors["tests"].as_array().expect("a list");
    assert_eq!(vectors.len(), 8);
    for vector in vectors {
        let text = |name: &str| vector[name].as_str().unwrap_or_default();
        let name = text("name");
        let key =
            PublicKey::from_hex("1eb9dbbbbc047c03fd70604e0071f0987e16b28b757225c11f00415d0e20b1a2").expect("a key");
        let verifier = TokenVerifier::new(SERVER.parse().expect("a UUID"), &[key]);
        let payload = verifier.signed_payload(text("token"));
        // We use no implicit assertion, so that a token made with one is none of ours.
        if vector["expect-fail"] == json!(true) || !text("implicit-assertion").is_empty() {
            assert!(payload.is_err(), "{name}");
        } else {
            assert_eq!(payload.as_deref(), Ok(text("payload")), "{name}");
            // Its claims are none of ours either.
            assert_eq!(verifier.verify(text("token"), NOW), Err(TokenError::BadClaims), "{name}");
        }
    }
}

/// One change of a token's text.
#[derive(Debug, Clone)]
enum Mutation {
    Replace(prop::sample::Index, char),
    Insert(prop::sample::Index, char),
    Remove(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Truncate(prop::sample::Index),
    Append(String),
}

impl Mutation {
    fn apply(&self, token: &str) -> String {
        let mut chars: Vec<char> = token.chars().collect();
        let len = chars.len();
        match self {
            Self::Replace(at, c) => *at.get_mut(&mut chars) = *c,
            Self::Insert(at, c) => chars.insert(at.index(len + 1), *c),
            Self::Remove(at) => drop(chars.remove(at.index(len))),
            Self::Swap(a, b) => chars.swap(a.index(len), b.index(len)),
            Self::Truncate(at) => chars.truncate(at.index(len)),
            Self::Append(tail) => chars.extend(tail.chars()),
        }
        chars.into_iter().collect()
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = any::<prop::sample::Index>;
    let letter =
        || prop_oneof![4 => "[A-Za-z0-9_.=-]".prop_map(|s| s.chars().next().unwrap_or('A')), 1 => any::<char>()];
    prop_oneof![
        (place(), letter()).prop_map(|(at, c)| Mutation::Replace(at, c)),
        (place(), letter()).prop_map(|(at, c)| Mutation::Insert(at, c)),
        place().prop_map(Mutation::Remove),
        (place(), place()).prop_map(|(a, b)| Mutation::Swap(a, b)),
        place().prop_map(Mutation::Truncate),
        "[A-Za-z0-9_.=-]{1,8}".prop_map(Mutation::Append),
    ]
}

proptest! {
    /// `PROPTEST_CASES=1000000` makes it the million of THREATS.md.
    #[test]
    fn no_mutation_of_a_token_is_accepted_and_the_oracle_agrees(
        footer in prop::option::of("[ -~]{1,40}"),
        mutations in prop::collection::vec(mutation(), 1..4),
    ) {
        let token = signed_by(&central(), &good_claims().to_string(), footer.as_deref().map(str::as_bytes));
        prop_assert!(verify(&token).is_ok() && oracle_accepts(&token, &central().public()));
        let mutated = mutations.iter().fold(token.clone(), |text, mutation| {
            if text.is_empty() { text } else { mutation.apply(&text) }
        });
        if mutated == token {
            return Ok(());
        }
        prop_assert!(verify(&mutated).is_err(), "{}", mutated);
        // pasetors takes an empty footer for none, the one second spelling that we refuse.
        let second_spelling = footer.is_none() && mutated == format!("{token}.");
        prop_assert_eq!(oracle_accepts(&mutated, &central().public()), second_spelling, "{}", mutated);
    }

    #[test]
    fn both_implementations_read_what_either_signed(payload in "\\PC{1,200}", footer in prop::option::of("\\PC{1,60}")) {
        let token = signed_by(&central(), &payload, footer.as_deref().map(str::as_bytes));
        prop_assert_eq!(verifier().signed_payload(&token), Ok(payload.clone()));
        let ours = crate::central::sandbox::issue::sign(&central(), &payload, footer.as_deref());
        prop_assert_eq!(&ours, &token, "Ed25519 is deterministic");
        prop_assert!(oracle_accepts(&ours, &central().public()));
    }
}
