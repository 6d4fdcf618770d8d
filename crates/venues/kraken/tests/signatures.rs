//! `API-Sign` as the venue checks it: the published vectors (`REMORA_SHARED`) and our own reproduce, and one changed byte
//! anywhere is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use remora_domain::Timestamp;
use remora_kraken::server::auth::{Permission, PrivateCall, RestCost};
use remora_kraken::server::desk::Desk;
use remora_kraken::server::io::HttpCall;
use remora_kraken::server::settings::{ApiSecret, DeskSettings};
use remora_kraken::server::synthetic;
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Shared {
    spot_rest: Vec<Vector>,
}

#[derive(Deserialize)]
struct Own {
    secret_base64: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    #[serde(default)]
    secret_base64: String,
    uri_path: String,
    #[serde(default)]
    query: String,
    nonce: String,
    content_type: String,
    body: String,
    api_sign: String,
}

fn settings(secret: &str) -> DeskSettings {
    let mut settings = synthetic::settings(1);
    let account = settings.accounts.first_mut().unwrap();
    let key = account.keys.first_mut().unwrap();
    key.key = "public".to_owned();
    key.secret = ApiSecret::from(secret.to_owned());
    settings
}

fn call(vector: &Vector) -> HttpCall {
    HttpCall {
        method: "POST".to_owned(),
        path: vector.uri_path.clone(),
        query: vector.query.clone(),
        content_type: Some(vector.content_type.clone()),
        api_key: Some("public".to_owned()),
        api_sign: Some(vector.api_sign.clone()),
        body: vector.body.clone().into_bytes(),
        address: "127.0.0.1".to_owned(),
    }
}

/// Gives what the venue answers to a call signed with this secret.
fn answer(secret: &str, call: &HttpCall, nonce: &str) -> String {
    let mut desk = Desk::new(&settings(secret), Timestamp::from_ns(1)).unwrap();
    let needs = Some(Permission::QueryFunds);
    let request = PrivateCall { call, nonce, otp: None, needs, cost: RestCost::Call };
    let answer = desk.authorise_rest(Timestamp::from_ns(2), &request);
    answer.map_or_else(|error| error.to_string(), |_| "good".to_owned())
}

fn check(secret: &str, vector: &Vector) {
    let good = call(vector);
    let id = &vector.id;
    assert_eq!(answer(secret, &good, &vector.nonce), "good", "{id}");

    let mut body = good.body.clone();
    *body.last_mut().unwrap() ^= 1;
    let path = format!("{}x", good.path);
    let query = format!("{}x", good.query);
    let sign = format!("A{}", vector.api_sign.get(1..).unwrap());
    let sign = Some(if sign == vector.api_sign { sign.replacen('A', "B", 1) } else { sign });
    for (what, changed) in [
        ("body", HttpCall { body, ..good.clone() }),
        ("path", HttpCall { path, ..good.clone() }),
        ("query", HttpCall { query, ..good.clone() }),
        ("signature", HttpCall { api_sign: sign, ..good.clone() }),
        ("no signature", HttpCall { api_sign: None, ..good.clone() }),
        ("text", HttpCall { api_sign: Some("no base64!".to_owned()), ..good.clone() }),
    ] {
        let told = answer(secret, &changed, &vector.nonce);
        assert_eq!(told, "EAPI:Invalid signature", "{what} of {id}");
    }
    let other_nonce = answer(secret, &good, &format!("{}0", vector.nonce));
    assert_eq!(other_nonce, "EAPI:Invalid signature", "nonce of {id}");
    let unknown = HttpCall { api_key: Some("other".to_owned()), ..good.clone() };
    assert_eq!(answer(secret, &unknown, &vector.nonce), "EAPI:Invalid key", "key of {id}");
}

#[test]
fn our_own_vectors_reproduce() {
    let text = include_str!("../fixtures/synthetic_signatures.json");
    let own: Own = serde_json::from_str(text).unwrap();
    assert_eq!(own.vectors.len(), 6);
    for vector in &own.vectors {
        check(&own.secret_base64, vector);
    }
}

#[test]
fn the_published_vectors_reproduce() {
    #[expect(clippy::disallowed_methods, reason = "tests find their fixtures by this variable")]
    let named = std::env::var("REMORA_SHARED").map(PathBuf::from);
    let folder =
        named.unwrap_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared"));
    let Ok(text) = std::fs::read_to_string(folder.join("fixtures/kraken/signatures.json")) else {
        eprintln!("skipped: no fixtures at {}; set REMORA_SHARED", folder.display());
        return;
    };
    let shared: Shared = serde_json::from_str(&text).unwrap();
    assert_eq!(shared.spot_rest.len(), 8);
    for vector in &shared.spot_rest {
        check(&vector.secret_base64, vector);
    }
}
