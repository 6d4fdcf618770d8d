//! The machine: the crowd's orders reach the books, and what follows from them the clients.

use super::listing::Product;
use super::market::Market;
use super::{rest, ws::Sockets};
use remora_domain::{DurationNs, Lots, Side, Ticks, Timestamp};
use remora_machine::Machine;
use remora_matching::{
    AssetSpec, EndCause, Event, Exchange, Funding, MarketIx, MarketMode, MarketSpec, NewOrder,
    OrderNo, OrderState, Refusal, TraderIx,
};
use remora_venue_api::server::{Flow, HttpCall, ServerInput, ServerOutput};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often tickers and heartbeats are told: the venue tells a ticker at most once a second.
const TELL_INTERVAL: DurationNs = DurationNs::from_s(1);
/// Decimals of quantities in the crowd's orders on inverse contracts, which it counts in base.
pub const CROWD_BASE_DECIMALS: u32 = 8;
/// Decimals of the money that the matching engine counts in; nobody here has any.
const MONEY_DECIMALS: u32 = 8;
const JSON: &str = "application/json";

/// Is everything the exchange is made of.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// What is listed.
    pub products: Vec<Product>,
}

/// Is the exchange.
#[derive(Debug)]
pub struct Server {
    pub(super) exchange: Exchange,
    /// In the order listed; a market's number is its place here.
    pub(super) markets: Vec<Market>,
    /// Places by symbol in upper case.
    pub(super) places: BTreeMap<String, usize>,
    crowd: TraderIx,
    /// The crowd's open orders by their own numbers, and back.
    tags: BTreeMap<(MarketIx, u64), OrderNo>,
    orders: BTreeMap<OrderNo, (MarketIx, u64)>,
    sockets: Sockets,
    tell_at: Timestamp,
    events: Vec<Event>,
}

impl Server {
    /// Opens the exchange.
    ///
    /// # Errors
    /// Refuses contracts whose steps are impossible.
    pub fn new(settings: ServerSettings, now: Timestamp) -> Result<Self, Refusal> {
        let mut exchange = Exchange::new();
        let asset = |name: &str| AssetSpec { name: name.to_owned(), decimals: MONEY_DECIMALS };
        let (base, quote) =
            (exchange.add_asset(asset("contract")), exchange.add_asset(asset("USD")));
        let mut markets = Vec::with_capacity(settings.products.len());
        for product in settings.products {
            let spec = MarketSpec {
                base,
                quote,
                price_decimals: product.price_decimals,
                qty_decimals: product.qty_decimals(),
                tick: product.tick,
                lot: product.lot(),
                qty_min: product.lot(),
                cost_decimals: MONEY_DECIMALS,
                cost_min: 0,
                mode: MarketMode::Open,
            };
            markets.push(Market::new(product, exchange.add_market(spec)?, now));
        }
        let name = |market: &Market| market.product.symbol.to_ascii_uppercase();
        let places = markets.iter().enumerate().map(|(at, market)| (name(market), at)).collect();
        Ok(Self {
            crowd: exchange.add_trader(Funding::Unlimited),
            exchange,
            markets,
            places,
            tags: BTreeMap::new(),
            orders: BTreeMap::new(),
            sockets: Sockets::default(),
            tell_at: now.saturating_add(TELL_INTERVAL),
            events: Vec::new(),
        })
    }

    /// Finds a contract by its symbol in either case.
    pub(super) fn find(&self, symbol: &str) -> Option<&Market> {
        self.markets.get(*self.places.get(&symbol.to_ascii_uppercase())?)
    }

    fn flow(&mut self, now: Timestamp, flow: &Flow, out: &mut Vec<ServerOutput>) {
        let (Flow::Level { symbol, .. }
        | Flow::Reset { symbol }
        | Flow::Take { symbol, .. }
        | Flow::Add { symbol, .. }
        | Flow::Remove { symbol, .. }
        | Flow::Index { symbol, .. }) = flow;
        let Some(place) = self.places.get(&**symbol).copied() else { return };
        let Some(market) = self.markets.get_mut(place) else { return };
        let (ix, crowd) = (market.ix, self.crowd);
        let in_contracts = |price, qty| market.contracts(price, qty, CROWD_BASE_DECIMALS);
        let Self { exchange, events, .. } = self;
        match *flow {
            Flow::Add { side, price, qty, tag, .. } => {
                let order = NewOrder::limit(ix, crowd, side, price, in_contracts(price, qty));
                // One that is refused never was: the crowd hears nothing of its orders.
                if let Ok(order) = exchange.place(now, order, events) {
                    self.tags.insert((ix, tag), order);
                    self.orders.insert(order, (ix, tag));
                }
            }
            Flow::Remove { tag, .. } => {
                if let Some(order) = self.tags.get(&(ix, tag)).copied() {
                    // It may have been filled a moment ago.
                    let _ = exchange.cancel(now, crowd, order, EndCause::Requested, events);
                }
            }
            Flow::Take { side, limit, qty, is_market_order, .. } => {
                let qty = in_contracts(limit, qty);
                exchange.take_for_crowd(now, crowd, ix, side, limit, qty, is_market_order, events);
            }
            Flow::Index { price, .. } => market.indexed(now, exchange, price),
            // Recordings are not played here.
            Flow::Level { .. } | Flow::Reset { .. } => {}
        }
        self.absorb(now, out);
    }

    /// Tells what the books did.
    fn absorb(&mut self, now: Timestamp, out: &mut Vec<ServerOutput>) {
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            match event {
                Event::LevelChanged { market, side, price, qty } => {
                    self.level_changed(now, market, (side, price, qty), out);
                }
                Event::Traded { market, price, qty, taker_side, maker, taker, .. } => {
                    let Some(it) = self.markets.iter_mut().find(|it| it.ix == market) else {
                        continue;
                    };
                    let trade = it.traded(now, taker_side, price, qty);
                    self.sockets.traded(it, &trade, out);
                    self.forget_done(maker.order);
                    self.forget_done(taker.order);
                }
                Event::Ended { order, .. } => self.forget_done(order),
                Event::Accepted { .. }
                | Event::Opened { .. }
                | Event::Triggered { .. }
                | Event::TriggerMoved { .. }
                | Event::Refilled { .. }
                | Event::Amended { .. }
                | Event::QueueChanged { .. }
                | Event::BalanceChanged { .. } => {}
            }
        }
        self.events = events;
    }

    fn level_changed(
        &mut self,
        now: Timestamp,
        market: MarketIx,
        level: (Side, Ticks, Lots),
        out: &mut Vec<ServerOutput>,
    ) {
        if let Some(it) = self.markets.iter_mut().find(|it| it.ix == market) {
            it.seq = it.seq.saturating_add(1);
            it.is_changed = true;
            self.sockets.level_changed(now, it, level, out);
        }
    }

    /// Forgets an order of the crowd that rests no more.
    fn forget_done(&mut self, order: OrderNo) {
        let state = self.exchange.order(order).map(|view| view.state);
        if !matches!(state, Some(OrderState::Resting | OrderState::Dormant)) {
            if let Some(tag) = self.orders.remove(&order) {
                self.tags.remove(&tag);
            }
            self.exchange.forget(order);
        }
    }

    fn http(&self, now: Timestamp, request: &HttpCall) -> (u16, String) {
        rest::answer(self, now, request)
    }

    /// Tells operators what there is.
    fn admin(&self, method: &str, path: &str) -> (u16, String) {
        if (method, path.trim_matches('/')) != ("GET", "status") {
            return (
                404,
                r#"{"error":"a simulated Kraken Futures has GET status, GET shell and POST flow"}"#
                    .to_owned(),
            );
        }
        let row = |it: &Market| {
            format!(
                r#"{{"symbol":"{}","trades":{},"changes":{}}}"#,
                it.product.symbol, it.trade_seq, it.seq
            )
        };
        let rows: Vec<String> = self.markets.iter().map(row).collect();
        (
            200,
            format!(r#"{{"connections":{},"markets":[{}]}}"#, self.sockets.count(), rows.join(",")),
        )
    }
}

impl Machine for Server {
    type Input = ServerInput;
    type Output = ServerOutput;

    fn handle(&mut self, now: Timestamp, input: ServerInput, out: &mut Vec<ServerOutput>) {
        match input {
            ServerInput::Http { call, request } => {
                let (status, body) = self.http(now, &request);
                let body: Arc<str> = body.into();
                out.push(ServerOutput::HttpReply { call, status, content_type: JSON, body });
            }
            ServerInput::Admin { call, method, path, body: _ } => {
                let (status, body) = self.admin(&method, &path);
                let body: Arc<str> = body.into();
                out.push(ServerOutput::HttpReply { call, status, content_type: JSON, body });
            }
            ServerInput::WsOpened { peer, host: _, address: _ } => self.sockets.opened(peer, out),
            ServerInput::WsClosed { peer } => self.sockets.closed(peer),
            ServerInput::WsFrame { peer, text } => {
                let Self { exchange, markets, places, sockets, .. } = self;
                sockets.frame(now, (exchange, markets, places), peer, &text, out);
            }
            ServerInput::Flow(flow) => self.flow(now, &flow, out),
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<ServerOutput>) {
        if now < self.tell_at {
            return;
        }
        // After a stopped process time goes on; it does not catch up.
        self.tell_at = now.saturating_add(TELL_INTERVAL);
        for market in self.markets.iter_mut().filter(|market| market.is_changed) {
            market.is_changed = false;
            self.sockets.ticker(now, &self.exchange, market, out);
        }
        self.sockets.heartbeat(now, out);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        Some(self.tell_at)
    }
}
