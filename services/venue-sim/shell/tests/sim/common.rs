//! A simulated exchange on free ports, and a small client of our own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{SinkExt as _, StreamExt as _};
use hmac::{Hmac, Mac as _};
use remora_service_kit::Shutdown;
use remora_venue_sim::{Sim, SimPlan, SimSettings, Source, ThrowAwayKey};
use serde_json::Value;
use sha2::{Digest as _, Sha256, Sha512};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Nothing on loopback takes this long; a test that waits for it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn start(change: impl FnOnce(&mut SimSettings)) -> Sim {
    let mut settings = SimSettings::on_free_ports();
    change(&mut settings);
    let source = Source::Seed { seed: 7, invented: 0 };
    Sim::start(SimPlan { settings, source }, Shutdown::new()).await.unwrap()
}

/// Gives a client; the TLS library wants to be told once whose arithmetic to use.
pub(crate) fn client() -> reqwest::ClientBuilder {
    // A second time it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

pub(crate) async fn get(url: &str) -> (u16, String) {
    let answer = client().build().unwrap().get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

pub(crate) async fn json(url: &str) -> Value {
    serde_json::from_str(&get(url).await.1).unwrap()
}

pub(crate) async fn post(url: &str, body: &str) -> Value {
    let answer = client().build().unwrap().post(url).body(body.to_owned()).send().await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

/// Calls a private method with the first trading key of an account.
pub(crate) async fn private(
    sim: &Sim,
    account: &str,
    nonce: u64,
    method: &str,
    fields: &str,
) -> Result<Value, reqwest::Error> {
    let named = format!("{account}-trading");
    let key: &ThrowAwayKey = sim.keys.iter().find(|key| key.name == named).unwrap();
    let path = format!("/0/private/{method}");
    let body = format!("nonce={nonce}&{fields}");
    let mut digest = Sha256::new();
    digest.update(nonce.to_string());
    digest.update(&body);
    let secret = STANDARD.decode(&key.secret).unwrap();
    let mut mac = Hmac::<Sha512>::new_from_slice(&secret).unwrap();
    mac.update(path.as_bytes());
    mac.update(&digest.finalize());
    let sign = STANDARD.encode(mac.finalize().into_bytes());
    let call = client()
        .build()
        .unwrap()
        .post(format!("http://{}{path}", sim.addresses.main))
        .header("API-Key", &key.key)
        .header("API-Sign", sign)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body);
    let text = call.send().await?.text().await?;
    Ok(serde_json::from_str(&text).unwrap())
}

/// Is one WebSocket of a test.
pub(crate) struct Socket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let (socket, _) = connect_async(format!("ws://{address}/v2")).await.unwrap();
        Self(socket)
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// Gives the next message; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap()?.ok()
    }

    /// Waits for a text frame with this in it.
    pub(crate) async fn hear(&mut self, part: &str) -> String {
        loop {
            let message = self.next().await.expect("the connection stays open");
            if let Message::Text(text) = message
                && text.contains(part)
            {
                return text.to_string();
            }
        }
    }
}
