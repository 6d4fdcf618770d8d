//! Subscribing and unsubscribing: one acknowledgement a symbol, then that symbol's snapshot.
//!
//! Source of error texts: captures of 2023 to 2026 ("Subscription depth not supported", "Already subscribed",
//! "Already subscribed to one ohlc interval on this symbol", "Currency pair not supported XBT/USD", the wrong host);
//! "Subscription Not Found" and "Subscription name invalid" are those of v1, which v2 shares where captures show it.

use super::publish::Engine;
use super::wanted::{Channel, Wanted};
use super::{Room, Sessions, book, level3, market, message};
use crate::server::catalogue::PairDef;
use crate::server::io::{PeerId, ServerOutput, WsHost};
use crate::server::ws::peer::Topic;
use crate::server::ws::reply::{Head, failure, success};
use crate::server::ws::request::{Fields, Refusal, echo};
use remora_domain::Timestamp;
use std::sync::Arc;

const ALREADY: &str = "Already subscribed";
const NOT_THERE: &str = "Subscription Not Found";
/// How many symbols a connection may follow by order (WebSocket rate limits guide).
const LEVEL3_SYMBOLS_MAX: usize = 200;
/// What subscriptions by order may cost a connection in a second (standard accounts).
const LEVEL3_BUDGET: i64 = 200;

impl Sessions {
    /// Subscribes; every symbol is answered on its own.
    pub(super) fn subscribe(
        &mut self,
        room: &mut Room<'_>,
        peer: PeerId,
        host: WsHost,
        head: Head<'_>,
        params: Option<Fields<'_>>,
    ) -> Result<(), Refusal> {
        let params = params.ok_or_else(|| Refusal::missing("params"))?;
        let wanted = Wanted::read(params, &message(head.method))?;
        wanted.channel.check(host)?;
        match wanted.channel {
            Channel::Executions | Channel::Balances => {
                self.subscribe_private(room, peer, head, &wanted)
            }
            Channel::Instrument => self.subscribe_instruments(room, peer, head, &wanted),
            Channel::Level3 => {
                let token = wanted.token.as_deref().ok_or_else(|| Refusal::missing("token"))?;
                room.desk.trader_of_token(room.time, token, peer)?;
                room.desk.token_used(token, peer);
                self.subscribe_markets(room, peer, head, &wanted);
                Ok(())
            }
            Channel::Ticker | Channel::Book | Channel::Trade | Channel::Ohlc => {
                self.subscribe_markets(room, peer, head, &wanted);
                Ok(())
            }
        }
    }

    fn subscribe_markets(
        &mut self,
        room: &mut Room<'_>,
        peer: PeerId,
        head: Head<'_>,
        wanted: &Wanted<'_>,
    ) {
        for symbol in &wanted.symbols {
            match self.subscribe_market(room, peer, head, wanted, symbol) {
                Ok(snapshot) => {
                    let sent = snapshot.map(|text| ServerOutput::WsSend { peer, text });
                    room.out.extend(sent);
                }
                Err(why) => {
                    let text = failure(&mut self.pen.json, head, &why, |json| {
                        json.key("symbol").string(echo(symbol));
                    });
                    room.out.push(ServerOutput::WsSend { peer, text });
                }
            }
        }
    }

    fn subscribe_market(
        &mut self,
        room: &mut Room<'_>,
        peer: PeerId,
        head: Head<'_>,
        wanted: &Wanted<'_>,
        symbol: &str,
    ) -> Result<Option<Arc<str>>, Refusal> {
        let desk = &*room.desk;
        let unknown = || {
            let symbol = echo(symbol);
            Refusal(format!("Currency pair not supported {symbol}").into())
        };
        let pair = desk.catalogue().find_symbol(symbol).ok_or_else(unknown)?;
        let topic = wanted.channel.topic(pair.market).ok_or("Subscription name invalid")?;
        self.admit(room.now, peer, topic, wanted.choice)?;
        self.peers.join(room.now, peer, topic, wanted.choice);
        let engine = Engine { desk, pair };
        if let Some(feed) = self.feed(pair.market) {
            feed.join(topic, peer, wanted.choice, &engine);
        }
        let text = success(&mut self.pen.json, head, |json| {
            json.object(|json| wanted.result(json, Some(symbol), true));
        });
        room.out.push(ServerOutput::WsSend { peer, text });
        if !wanted.has_snapshot {
            return Ok(None);
        }
        let time = room.time;
        Ok(match wanted.channel {
            Channel::Book | Channel::Level3 => self.book_snapshot(wanted, pair, &engine, time),
            Channel::Ticker => {
                let bbo = market::Bbo::of(desk.exchange(), pair);
                let json = &mut self.pen.json;
                Some(market::ticker(json, "snapshot", pair, bbo, room.tape, time))
            }
            Channel::Trade => {
                let trades = room.tape.trades(pair.market);
                let skipped = trades.len().saturating_sub(market::SNAPSHOT_TRADES);
                Some(market::trades(&mut self.pen.json, "snapshot", pair, trades.skip(skipped)))
            }
            Channel::Ohlc => {
                let mut candles: Vec<_> = room
                    .tape
                    .candles(pair.market, wanted.choice, time)
                    .rev()
                    .take(market::SNAPSHOT_CANDLES)
                    .collect();
                candles.reverse();
                let (json, candles) = (&mut self.pen.json, candles.into_iter());
                Some(market::candles(json, "snapshot", pair, wanted.choice, candles, time))
            }
            Channel::Instrument | Channel::Executions | Channel::Balances => None,
        })
    }

    fn book_snapshot(
        &mut self,
        wanted: &Wanted<'_>,
        pair: &PairDef,
        engine: &Engine<'_>,
        time: Timestamp,
    ) -> Option<Arc<str>> {
        let printed = market::printed(pair);
        let slot = super::slot(pair.market)?;
        let (json, checksum) = (&mut self.pen.json, &mut self.pen.checksum);
        let feed = self.feeds.get_mut(slot)?;
        if wanted.channel == Channel::Book {
            let mut frame = book::Frame { json, checksum, printed, time };
            feed.book.snapshot(wanted.choice, &mut frame)
        } else {
            let mut frame = level3::Frame { json, checksum, printed, time };
            feed.level3.snapshot(wanted.choice, engine, &mut frame)
        }
    }

    /// Refuses a second subscription to the same thing, and too many by order.
    pub(super) fn admit(
        &mut self,
        now: Timestamp,
        id: PeerId,
        topic: Topic,
        choice: u32,
    ) -> Result<(), Refusal> {
        let peer = self.peers.get(id).ok_or("EGeneral:Internal error")?;
        match (topic, peer.topics.get(&topic)) {
            (Topic::Ohlc(_), Some(&held)) if held != choice => {
                return Err("Already subscribed to one ohlc interval on this symbol".into());
            }
            (_, Some(_)) => return Err(ALREADY.into()),
            (_, None) => {}
        }
        if matches!(topic, Topic::Level3(_)) {
            let is_level3 = |topic: &&Topic| matches!(topic, Topic::Level3(_));
            let count = peer.topics.keys().filter(is_level3).count();
            let cost = match choice {
                10 => 5,
                100 => 25,
                _ => 100,
            };
            if count >= LEVEL3_SYMBOLS_MAX || !self.peers.spend_level3(now, id, cost, LEVEL3_BUDGET)
            {
                return Err("EGeneral:Too many requests".into());
            }
        }
        Ok(())
    }

    fn subscribe_instruments(
        &mut self,
        room: &mut Room<'_>,
        peer: PeerId,
        head: Head<'_>,
        wanted: &Wanted<'_>,
    ) -> Result<(), Refusal> {
        self.admit(room.now, peer, Topic::Instrument, 0)?;
        self.peers.join(room.now, peer, Topic::Instrument, 0);
        self.instruments.insert(peer);
        let json = &mut self.pen.json;
        let text = success(json, head, |json| json.object(|json| wanted.result(json, None, true)));
        room.out.push(ServerOutput::WsSend { peer, text });
        if wanted.has_snapshot {
            let write = || market::instruments(json, room.desk.catalogue());
            let text = self.instrument_text.get_or_insert_with(write).clone();
            room.out.push(ServerOutput::WsSend { peer, text });
        }
        Ok(())
    }

    /// Unsubscribes; every symbol is answered on its own. What distinguished the subscription must be repeated.
    pub(super) fn unsubscribe(
        &mut self,
        room: &mut Room<'_>,
        peer: PeerId,
        head: Head<'_>,
        params: Option<Fields<'_>>,
    ) -> Result<(), Refusal> {
        let params = params.ok_or_else(|| Refusal::missing("params"))?;
        let wanted = Wanted::read(params, &message(head.method))?;
        let trader = self.peers.get(peer).and_then(|peer| peer.trader);
        let topic = match wanted.channel {
            Channel::Instrument => Some(Topic::Instrument),
            Channel::Executions => Some(Topic::Executions),
            Channel::Balances => Some(Topic::Balances),
            Channel::Ticker | Channel::Book | Channel::Trade | Channel::Ohlc | Channel::Level3 => {
                None
            }
        };
        if let Some(topic) = topic {
            if !self.peers.leave(peer, topic, wanted.choice) {
                return Err(NOT_THERE.into());
            }
            self.leave(topic, trader, peer);
            self.unsubscribed(room, peer, head, &wanted, None);
        }
        for symbol in &wanted.symbols {
            let pair = room.desk.catalogue().find_symbol(symbol);
            let topic = pair.and_then(|pair| wanted.channel.topic(pair.market));
            let left = topic.filter(|&topic| self.peers.leave(peer, topic, wanted.choice));
            if let Some(topic) = left {
                self.leave(topic, trader, peer);
                self.unsubscribed(room, peer, head, &wanted, Some(symbol));
            } else {
                let text = failure(&mut self.pen.json, head, &NOT_THERE.into(), |json| {
                    json.key("symbol").string(echo(symbol));
                });
                room.out.push(ServerOutput::WsSend { peer, text });
            }
        }
        Ok(())
    }

    fn unsubscribed(
        &mut self,
        room: &mut Room<'_>,
        peer: PeerId,
        head: Head<'_>,
        wanted: &Wanted<'_>,
        symbol: Option<&str>,
    ) {
        let text = success(&mut self.pen.json, head, |json| {
            json.object(|json| wanted.result(json, symbol, false));
        });
        room.out.push(ServerOutput::WsSend { peer, text });
    }
}
