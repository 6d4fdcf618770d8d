//! The simulated exchange of a fault run as a process of its own, and what its operator may ask.

use remora_deployment::Live;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The account that our keys open.
const ACCOUNT: &str = "maker";
/// Its key.
const KEY: &str = "maker-trading";
/// A volume at which makers pay no fee; takers do.
const VOLUME_USD: &str = "10000000";

/// Is a running `remora sim kraken-spot`; killed when it is dropped.
pub(crate) struct Exchange {
    process: Child,
    said: Vec<String>,
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
        let mut command = Command::new(programs.join("remora"));
        command.args(["sim", "kraken-spot", "--seed", &seed.to_string()]);
        command.args(["--pairs", &invented.to_string(), "--volume-usd", VOLUME_USD]);
        command.arg("--config").arg(&config).arg("--keys-dir").arg(&keys);
        for flag in ["--listen", "--auth-listen", "--l3-listen", "--admin-listen"] {
            command.args([flag, "127.0.0.1:0"]);
        }
        let log = File::create(folder.join("exchange.log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut said: Vec<String> = Vec::new();
        for line in lines.map(Result::unwrap) {
            said.push(line);
            // The secret of the last of four keys is the last thing it says.
            if said.iter().filter(|line| line.starts_with("    secret")).count() == 4 {
                break;
            }
        }
        Self { process, said, keys }
    }

    /// Gives the address on the line with this in it.
    pub(crate) fn address(&self, part: &str) -> String {
        let found = self.said.iter().find(|line| line.contains(part));
        let line = found.unwrap_or_else(|| panic!("no {part} in {:?}", self.said.len()));
        line.split_whitespace().find(|word| word.contains("://")).unwrap().to_owned()
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
        let address = self.address("/sim/");
        let host = address.strip_prefix("http://").and_then(|it| it.strip_suffix("/sim/")).unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        let head = format!("{method} /sim/{path} HTTP/1.0\r\nHost: {host}");
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{method} {path}: {head} {body}");
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
