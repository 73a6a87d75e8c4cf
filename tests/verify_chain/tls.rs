//! A server behind TLS whose certificate nobody vouches for.

use std::net::TcpListener;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::support::program::Home;

/// For `localhost`, signed by itself, until 2126. Its key is made of 32 bytes 7.
const CERTIFICATE: &str = "\
    3082015230820104a003020102021420e0bb424db92478f5787d63918f34b70f5c1442300506032b65703014311230100603\
    5504030c096c6f63616c686f73743020170d3236313132343133333531315a180f32313236313033313133333531315a3014\
    3112301006035504030c096c6f63616c686f7374302a300506032b6570032100ea4a6c63e29c520abef5507b132ec5f99547\
    76aebebe7b92421eea691446d22ca3663064301d0603551d0e041604144c5ece4023a0341ee2acffcc4d17154a854f02e530\
    1f0603551d230418301680144c5ece4023a0341ee2acffcc4d17154a854f02e530140603551d11040d300b82096c6f63616c\
    686f7374300c0603551d130101ff04023000300506032b6570034100291fe4e7c19b8bdf1f694b19527a4afe839201524fa2\
    58e3cb72500701fd9dcf380992912bfbbac02abb3cc579f3b344bf84167888416264106a58f6bd868704";

/// An Ed25519 key in PKCS #8, before its 32 bytes (RFC 8410).
const KEY_PREFIX: &str = "302e020100300506032b657004220420";

fn config() -> ServerConfig {
    let certificate = CertificateDer::from(hex::decode(CERTIFICATE).expect("hex"));
    let key = hex::decode(KEY_PREFIX.to_owned() + &"07".repeat(32)).expect("hex");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    builder.with_no_client_auth().with_single_cert(vec![certificate], key).expect("a good pair")
}

/// A server that gets as far as the handshake; its port.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let config = Arc::new(config());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut tls) =
                (stream.expect("a client"), ServerConnection::new(config.clone()).expect("TLS"));
            // The client breaks off when it has seen the certificate.
            while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
        }
    });
    port
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_one_clear_line() {
    let (home, port) = (Home::new(), serve());
    home.write("token", "v4.public.a-token-that-must-not-be-sent-there");
    for (url, words) in [
        (format!("https://localhost:{port}"), "certificate is not good: nobody whom this machine trusts"),
        (format!("https://127.0.0.1:{port}"), "certificate is not good: "),
        (format!("http://127.0.0.1:{port}"), "cannot read the manifest"),
    ] {
        let run = home.run(&["verify-chain", "--manifest", &url, "--token", "@token", "--state", "memory.json"]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(3), "unknown: it could not be verified\n"), "{url}: {run:?}");
        assert!(run.stderr.starts_with("error: ") && run.stderr.contains(words), "{url}: {run:?}");
        assert_eq!(run.stderr.lines().filter(|line| !line.starts_with("hint: ")).count(), 1, "{url}: {run:?}");
        assert!(!home.join("memory.json").exists());
    }
}
