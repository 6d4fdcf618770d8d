//! The simulated exchange of a fault run as a process of its own, and what its operator may ask.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use remora_deployment::Live;
use remora_test_servers::SimulatedExchange;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256, Sha512};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

/// The account that our keys open.
const ACCOUNT: &str = "maker";
/// Its key.
const KEY: &str = "maker-trading";
/// A volume at which makers pay two basis points.
const VOLUME_USD: &str = "5000000";

/// Is a running `remora sim kraken-spot`; killed when it is dropped.
pub(crate) struct Exchange {
    process: SimulatedExchange,
    keys: PathBuf,
}

/// Is the account in short.
#[derive(Debug, Deserialize)]
pub(crate) struct Books {
    pub(crate) orders_open: usize,
    pub(crate) orders_ended: usize,
    pub(crate) executions: usize,
    pub(crate) forgotten: BTreeMap<String, u64>,
    pub(crate) balances: BTreeMap<String, Balance>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Balance {
    pub(crate) total: Decimal,
    pub(crate) held: Decimal,
}

/// Is an order as the exchange knows it.
#[derive(Debug, Deserialize)]
pub(crate) struct ExchangeOrder {
    pub(crate) txid: String,
    pub(crate) cl_ord_id: Option<String>,
    pub(crate) symbol: String,
    pub(crate) side: String,
    pub(crate) qty: Option<Decimal>,
    pub(crate) limit: Option<Decimal>,
    pub(crate) cum_qty: Decimal,
    pub(crate) closed_ns: Option<i64>,
}

/// Is an execution as the exchange knows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Execution {
    pub(crate) exec_id: String,
    pub(crate) cl_ord_id: Option<String>,
    pub(crate) symbol: String,
    pub(crate) side: String,
    pub(crate) price: Decimal,
    pub(crate) qty: Decimal,
    pub(crate) cost: Decimal,
    pub(crate) fee: Decimal,
    pub(crate) fee_asset: String,
}

impl Exchange {
    /// Starts it on free ports, with this many invented pairs beside the usual ones, and waits until it says where it
    /// is.
    pub(crate) fn start(programs: &Path, folder: &Path, seed: u64, invented: u32) -> Self {
        let keys = folder.join("keys");
        let config = folder.join("exchange.toml");
        std::fs::write(&config, format!("[venue_sim.faults]\nseed = {seed}\n")).unwrap();
        let (seed, invented) = (seed.to_string(), invented.to_string());
        let path = |path: &Path| path.display().to_string();
        let (config, keys_dir) = (path(&config), path(&keys));
        let market = ["--seed", &seed, "--pairs", &invented, "--volume-usd", VOLUME_USD];
        let arguments = [&market[..], &["--config", &config, "--keys-dir", &keys_dir]].concat();
        let log = File::create(folder.join("exchange.log")).unwrap();
        let program = programs.join("remora");
        let process = SimulatedExchange::start(&program, &arguments, log.into()).unwrap();
        Self { process, keys }
    }

    /// Gives the address on the line with this in it.
    pub(crate) fn address(&self, part: &str) -> String {
        self.process.address(part).unwrap()
    }

    /// Gives how to trade on it; calls go by `rest_url`.
    pub(crate) fn live(&self, rest_url: String) -> Live {
        Live {
            feed_url: self.address("(public)"),
            rest_url,
            private_url: self.address("(private and trading)"),
            key_file: self.keys.join(format!("{KEY}.key")),
            secret_file: self.keys.join(format!("{KEY}.secret")),
        }
    }

    /// Places an order far below the market as another program that holds our key, before we use it: its nonce is the
    /// smallest.
    pub(crate) fn place_foreign_order(&self) {
        const PATH: &str = "/0/private/AddOrder";
        let body =
            "nonce=1&pair=XBTUSD&type=buy&ordertype=limit&volume=0.01&price=1000.0&oflags=post";
        let [key, secret] = self.credentials();
        let mut mac = Hmac::<Sha512>::new_from_slice(&STANDARD.decode(secret).unwrap()).unwrap();
        mac.update(PATH.as_bytes());
        mac.update(&Sha256::new().chain_update("1").chain_update(body).finalize());
        let sign = STANDARD.encode(mac.finalize().into_bytes());
        let url = self.address("REST");
        let host = url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        let length = body.len();
        let kind = "application/x-www-form-urlencoded";
        write!(
            stream,
            "POST {PATH} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nUser-Agent: another\r\n\
             API-Key: {key}\r\nAPI-Sign: {sign}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("\"txid\""), "{answer}");
    }

    /// Gives the key and its secret, as written in their files.
    pub(crate) fn credentials(&self) -> [String; 2] {
        ["key", "secret"].map(|end| {
            let path = self.keys.join(format!("{KEY}.{end}"));
            std::fs::read_to_string(path).unwrap().trim().to_owned()
        })
    }

    pub(crate) fn books(&self) -> Books {
        serde_json::from_value(self.get(&format!("accounts/{ACCOUNT}"))).unwrap()
    }

    pub(crate) fn orders(&self) -> Vec<ExchangeOrder> {
        let mut answer = self.get(&format!("accounts/{ACCOUNT}/orders"));
        serde_json::from_value(answer["orders"].take()).unwrap()
    }

    pub(crate) fn executions(&self) -> Vec<Execution> {
        let mut answer = self.get(&format!("accounts/{ACCOUNT}/executions"));
        serde_json::from_value(answer["executions"].take()).unwrap()
    }

    /// Gives how often each kind of fault has happened.
    pub(crate) fn injected(&self) -> BTreeMap<String, u64> {
        serde_json::from_value(self.get("faults")["injected"].take()).unwrap()
    }

    pub(crate) fn set_crowd(&self, is_running: bool) {
        self.post("flow", &serde_json::json!({ "is_running": is_running }));
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.ask("GET", path, "")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", path, &body.to_string())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        serde_json::from_str(&self.process.operator(method, path, body).unwrap()).unwrap()
    }
}
