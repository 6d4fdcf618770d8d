//! WebSocket v2 as the venue speaks it: connections, subscriptions, channels, trading methods.
//!
//! In: connections, frames as text, what the desk told accounts and the public, time. Out: frames to send,
//! connections to close.
//!
//! Invariants:
//! - Any text gives an answer in the venue's words; no text makes a panic, and nothing a client sends grows anything
//!   without a bound: one subscription a channel and symbol, one alarm a connection.
//! - A frame that several clients get is written once and shared.
//! - `sequence` counts the messages of one private subscription from 1.
//!
//! What must never happen here: a decision about an order (the desk's), a float, a clock.
//! Source of all venue rules: Kraken WebSocket v2 reference (checked June 2026); what only captures show says so.

mod balances;
mod book;
mod depths;
mod executions;
mod level3;
mod market;
mod peer;
mod private;
mod publish;
mod reply;
mod request;
mod settings;
mod subscribe;
#[cfg(test)]
mod tests;
mod trading;
mod wanted;
mod words;

pub use settings::{MessageRate, WsSettings};

use super::desk::Desk;
use super::io::{PeerId, ServerOutput, WsHost};
use super::json::Json;
use super::tape::Tape;
use peer::{Alarm, Peer, Peers, Topic};
use publish::MarketFeed;
use remora_domain::Timestamp;
use remora_machine::SplitMix64;
use remora_matching::{MarketIx, TraderIx};
use remora_orderbook::Checksum;
use reply::{Head, failure, pong};
use request::{Fields, Refusal, Request, Unreadable, words as words_of};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use trading::Action;

/// What came to the wrong host (captured in September 2026).
const NOT_PRIVATE: &str =
    "Private data and trading are unavailable on this endpoint. Try ws-auth.kraken.com";
/// Sent when a connection is too fast; not in the usual form.
const TOO_FAST: &str = r#"{"Error":"Exceeded msg rate"}"#;
const HEARTBEAT: &str = r#"{"channel":"heartbeat"}"#;
/// Normal closure (RFC 6455, 7.4.1); the venue's own code for silence is not documented.
const CLOSE_IDLE: u16 = 1000;

/// Is what writing frames needs, kept between frames.
#[derive(Debug, Default)]
struct Pen {
    json: Json,
    /// The part of a frame that several subscribers share.
    shared: Json,
    checksum: Checksum,
}

/// Is who listens to one account's executions, and how.
#[derive(Clone, Copy, Debug)]
struct ExecutionsSub {
    /// The number of the last message.
    sequence: u64,
    /// `order_status`: every step, not only opening and closing.
    is_every_step: bool,
    /// `ratecounter`
    has_rate: bool,
}

/// Is everything that is connected.
#[derive(Debug)]
pub(crate) struct Sessions {
    settings: WsSettings,
    numbers: SplitMix64,
    peers: Peers,
    /// By market number.
    feeds: Vec<MarketFeed>,
    instruments: BTreeSet<PeerId>,
    /// The instrument snapshot, until a definition changes.
    instrument_text: Option<Arc<str>>,
    executions: BTreeMap<(TraderIx, PeerId), ExecutionsSub>,
    /// The number of the last message of each subscription.
    balances: BTreeMap<(TraderIx, PeerId), u64>,
    /// Markets that changed in the step being published.
    touched: Vec<MarketIx>,
    pen: Pen,
    heartbeat: Arc<str>,
    too_fast: Arc<str>,
}

/// Is what a request may use.
pub(crate) struct Room<'a> {
    /// By the clock that drives heartbeats and limits.
    pub(crate) now: Timestamp,
    /// By the venue's own clock, which clients see.
    pub(crate) time: Timestamp,
    pub(crate) desk: &'a mut Desk,
    pub(crate) tape: &'a Tape,
    pub(crate) out: &'a mut Vec<ServerOutput>,
}

impl Sessions {
    /// Starts without connections; `seed` makes the connection ids.
    pub(crate) fn new(settings: WsSettings, seed: u64) -> Self {
        Self {
            settings,
            numbers: SplitMix64::new(seed),
            peers: Peers::default(),
            feeds: Vec::new(),
            instruments: BTreeSet::new(),
            instrument_text: None,
            executions: BTreeMap::new(),
            balances: BTreeMap::new(),
            touched: Vec::new(),
            pen: Pen::default(),
            heartbeat: HEARTBEAT.into(),
            too_fast: TOO_FAST.into(),
        }
    }

    /// Takes a new connection and says hello.
    pub(crate) fn opened(&mut self, room: &mut Room<'_>, peer: PeerId, host: WsHost) {
        let connection_id = self.numbers.next_u64();
        self.peers.open(peer, Peer::new(host, connection_id, room.now));
        let text = market::status(&mut self.pen.json, room.desk.system_mode(), connection_id);
        room.out.push(ServerOutput::WsSend { peer, text });
    }

    /// Forgets a connection and all its subscriptions.
    pub(crate) fn closed(&mut self, desk: &mut Desk, peer: PeerId) {
        let Some(gone) = self.peers.close(peer) else { return };
        desk.peer_closed(peer);
        for &topic in gone.topics.keys() {
            self.leave(topic, gone.trader, peer);
        }
    }

    /// Answers a frame.
    pub(crate) fn frame(&mut self, room: &mut Room<'_>, peer: PeerId, text: &str) {
        let heard = self.peers.heard(room.now, peer, self.settings.message_rate);
        let Some((host, is_slow_enough)) = heard else { return };
        if !is_slow_enough {
            room.out.push(ServerOutput::WsSend { peer, text: self.too_fast.clone() });
            return;
        }
        match Request::parse(text) {
            Ok(request) => self.request(room, peer, host, request),
            Err(Unreadable { method, req_id, why }) => {
                let head = Head { method: method.as_deref(), req_id, now: room.time };
                let text = failure(&mut self.pen.json, head, &why, |_| ());
                room.out.push(ServerOutput::WsSend { peer, text });
            }
        }
    }

    fn request(&mut self, room: &mut Room<'_>, peer: PeerId, host: WsHost, request: Request<'_>) {
        let Request { method, req_id, params } = request;
        let head = Head { method: Some(&method), req_id, now: room.time };
        let done = match (&*method, params) {
            ("ping", None) => {
                let text = pong(&mut self.pen.json, head);
                room.out.push(ServerOutput::WsSend { peer, text });
                Ok(())
            }
            ("ping", Some(_)) => {
                Err("Unsupported field: 'params' for the given msg type: ping".into())
            }
            ("subscribe", params) => self.subscribe(room, peer, host, head, params),
            ("unsubscribe", params) => self.unsubscribe(room, peer, head, params),
            (_, params) => self.trade(room, peer, host, head, params),
        };
        if let Err(why) = done {
            let text = failure(&mut self.pen.json, head, &why, |_| ());
            room.out.push(ServerOutput::WsSend { peer, text });
        }
    }

    fn trade(
        &mut self,
        room: &mut Room<'_>,
        peer: PeerId,
        host: WsHost,
        head: Head<'_>,
        params: Option<Fields<'_>>,
    ) -> Result<(), Refusal> {
        let method = head.method.unwrap_or_default();
        let mut fields = params.unwrap_or(Fields::empty());
        let token = fields.text("token");
        let action = Action::read(method, fields).ok_or("Unsupported event")?;
        match host {
            WsHost::Private => {}
            WsHost::Public | WsHost::Level3 => return Err(NOT_PRIVATE.into()),
        }
        let (action, token) = (action?, token?.ok_or_else(|| Refusal::missing("token"))?);
        let trader = room.desk.authorise_token(room.time, &token, peer, action.needs())?;
        let out = &mut *room.out;
        let send = |text| out.push(ServerOutput::WsSend { peer, text });
        action.perform(room.desk, trader, &mut self.pen.json, head, send);
        Ok(())
    }

    /// Sends the heartbeats that are due and closes what has been silent too long.
    pub(crate) fn tick(&mut self, room: &mut Room<'_>) {
        while let Some((peer, alarm)) = self.peers.due(room.now) {
            match alarm {
                Alarm::Heartbeat => {
                    room.out.push(ServerOutput::WsSend { peer, text: self.heartbeat.clone() });
                }
                Alarm::Idle => {
                    self.closed(room.desk, peer);
                    room.out.push(ServerOutput::WsClose { peer, code: CLOSE_IDLE, reason: "idle" });
                }
            }
        }
    }

    /// Gives how many connections there are.
    pub(crate) fn count(&self) -> usize {
        self.peers.count()
    }

    /// Gives when something is due next.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.peers.next_alarm()
    }

    /// Takes a connection out of one channel.
    fn leave(&mut self, topic: Topic, trader: Option<TraderIx>, peer: PeerId) {
        match topic {
            Topic::Instrument => {
                self.instruments.remove(&peer);
            }
            Topic::Executions => {
                trader.and_then(|trader| self.executions.remove(&(trader, peer)));
            }
            Topic::Balances => {
                trader.and_then(|trader| self.balances.remove(&(trader, peer)));
            }
            Topic::Ticker(market)
            | Topic::Book(market)
            | Topic::Trade(market)
            | Topic::Ohlc(market)
            | Topic::Level3(market) => {
                if let Some(feed) = slot(market).and_then(|slot| self.feeds.get_mut(slot)) {
                    feed.leave(topic, peer);
                }
            }
        }
    }

    /// Gives the feed of a market.
    fn feed(&mut self, market: MarketIx) -> Option<&mut MarketFeed> {
        let slot = slot(market)?;
        if slot >= self.feeds.len() {
            self.feeds.resize_with(slot.checked_add(1)?, MarketFeed::default);
        }
        self.feeds.get_mut(slot)
    }
}

fn slot(market: MarketIx) -> Option<usize> {
    usize::try_from(market.get()).ok()
}

/// Names a message kind in errors.
fn message(method: Option<&str>) -> String {
    words_of(method.unwrap_or_default())
}

/// Names every channel and every method that is served.
#[cfg(test)]
pub(super) fn names() -> (Vec<&'static str>, Vec<&'static str>) {
    let channels = wanted::Channel::ALL.iter().map(|channel| channel.word());
    let methods = ["ping", "subscribe", "unsubscribe"].into_iter();
    let trading = trading::METHODS.iter().map(|(name, _)| *name);
    (channels.collect(), methods.chain(trading).collect())
}
