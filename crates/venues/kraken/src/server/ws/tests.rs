//! Conversations with the whole machine: what clients write and, word for word, what they hear.

mod books;
mod executions;
mod hostile;
mod life;
mod market;
mod mutated;
mod orders;

use crate::server::faults::FaultSettings;
use crate::server::io::{Flow, PeerId, ServerInput, ServerOutput, WsHost};
use crate::server::{Server, ServerSettings, WsSettings, synthetic};
use remora_domain::{DurationNs, Lots, Side, Ticks, Timestamp};
use remora_machine::Machine;
use remora_matching::TraderIx;
use serde_json::Value;
use std::sync::Arc;

const START: Timestamp = Timestamp::from_ns(1_771_234_567_100_001_000);

/// Is an exchange and a clock that only tests move.
struct Venue {
    server: Server,
    now: Timestamp,
    peers: u64,
    out: Vec<ServerOutput>,
    crowd: u64,
}

impl Venue {
    fn new() -> Self {
        Self::with(WsSettings { message_rate: None })
    }

    fn with(ws: WsSettings) -> Self {
        let faults = FaultSettings::default();
        let settings = ServerSettings { desk: synthetic::settings(7), ws, faults };
        let server = Server::new(&settings, START).unwrap();
        Self { server, now: START, peers: 0, out: Vec::new(), crowd: 0 }
    }

    fn input(&mut self, input: ServerInput) {
        self.server.handle(self.now, input, &mut self.out);
    }

    /// Moves the clock and lets everything due happen.
    fn pass(&mut self, by: DurationNs) {
        let until = self.now.saturating_add(by);
        while let Some(at) = self.server.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.server.tick(self.now, &mut self.out);
            assert!(self.server.next_deadline().is_none_or(|next| next > self.now));
        }
        self.now = until;
    }

    fn open(&mut self, host: WsHost) -> PeerId {
        self.peers += 1;
        let peer = PeerId(self.peers);
        self.input(ServerInput::WsOpened { peer, host, address: "127.0.0.1".into() });
        peer
    }

    /// Opens a connection and drops its greeting.
    fn connect(&mut self, host: WsHost) -> PeerId {
        let peer = self.open(host);
        assert_eq!(self.heard(peer).len(), 1);
        peer
    }

    fn send(&mut self, peer: PeerId, text: &str) {
        self.input(ServerInput::WsFrame { peer, text: text.to_owned() });
    }

    /// Takes what one connection was sent since the last time.
    fn heard(&mut self, of: PeerId) -> Vec<Arc<str>> {
        let mut heard = Vec::new();
        self.out.retain(|output| {
            let mine = match output {
                ServerOutput::WsSend { peer, text } => Some(text).filter(|_| *peer == of),
                ServerOutput::HttpReply { .. }
                | ServerOutput::HttpDrop { .. }
                | ServerOutput::WsClose { .. }
                | ServerOutput::WsStall { .. } => None,
            };
            heard.extend(mine.cloned());
            mine.is_none()
        });
        heard
    }

    fn closed(&self) -> Vec<PeerId> {
        let closed = self.out.iter().map(|output| match output {
            ServerOutput::WsClose { peer, .. } => Some(*peer),
            ServerOutput::HttpReply { .. }
            | ServerOutput::HttpDrop { .. }
            | ServerOutput::WsSend { .. }
            | ServerOutput::WsStall { .. } => None,
        });
        closed.flatten().collect()
    }

    /// Sends one frame and gives what it is answered, without the times, and whatever else came.
    fn ask(&mut self, peer: PeerId, text: &str) -> Vec<String> {
        self.heard(peer);
        self.send(peer, text);
        self.heard(peer).iter().map(|text| timeless(text)).collect()
    }

    fn trader(&mut self, name: &str) -> TraderIx {
        let desk = self.server.desk_mut();
        desk.traders().find(|(_, known)| *known == name).unwrap().0
    }

    fn token(&mut self, name: &str) -> String {
        let (trader, now) = (self.trader(name), self.now);
        let settings = synthetic::settings(7);
        let account = settings.accounts.iter().find(|account| account.name == name).unwrap();
        self.server.desk_mut().issue_token(now, trader, &account.keys[0].key).unwrap().0
    }

    /// Adds a crowd's order.
    fn crowd(&mut self, symbol: &str, side: Side, price: i64, qty: i64) -> u64 {
        self.crowd += 1;
        let (symbol, price, qty) = (symbol.into(), Ticks::new(price), Lots::new(qty));
        self.input(ServerInput::Flow(Flow::Add { symbol, side, price, qty, tag: self.crowd }));
        self.crowd
    }

    /// Lets the crowd take.
    fn take(&mut self, symbol: &str, side: Side, limit: i64, qty: i64) {
        let (limit, qty) = (Ticks::new(limit), Lots::new(qty));
        let symbol = symbol.into();
        let is_market_order = false;
        self.input(ServerInput::Flow(Flow::Take { symbol, side, limit, qty, is_market_order }));
    }
}

/// Takes the instants out of a frame: `time_in` and `time_out`, and shortens every other one to `T`.
fn timeless(text: &str) -> String {
    let mut parts = text.split('"').map(str::to_owned).collect::<Vec<_>>();
    for part in &mut parts {
        let is_instant = part.len() >= 20 && part.starts_with("20") && part.ends_with('Z');
        if is_instant {
            *part = "T".to_owned();
        }
    }
    parts.join("\"").replace(r#","time_in":"T","time_out":"T""#, "")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
