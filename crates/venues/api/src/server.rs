//! What goes into the simulated exchange and what comes out: the whole of it is one deterministic machine.

use remora_domain::{DurationNs, Lots, Side, Ticks, Timestamp};
use std::sync::Arc;

/// Names a WebSocket connection; given by the shell, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// Names an HTTP request; given by the shell, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Is which of the venue's WebSocket hosts a connection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WsHost {
    /// `ws.kraken.com`: public channels.
    Public,
    /// `ws-auth.kraken.com`: private channels and trading. Serves the public ones too, as the venue does.
    Private,
    /// `ws-l3.kraken.com`: the order-level book.
    Level3,
}

/// Is an HTTP request, as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCall {
    /// `GET`, `POST`, ...
    pub method: String,
    /// Path without query, such as `/0/private/AddOrder`.
    pub path: String,
    /// Query without the question mark; empty when there is none.
    pub query: String,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `API-Key`.
    pub api_key: Option<String>,
    /// `API-Sign`.
    pub api_sign: Option<String>,
    /// The body's bytes exactly as received; the shell has bounded their number.
    pub body: Vec<u8>,
    /// The address of the caller, for limits per address.
    pub address: String,
}

/// Is anything that can happen to the exchange.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerInput {
    /// Somebody called over HTTP; answered by exactly one `HttpReply` (or `HttpDrop`).
    Http {
        /// The call's name.
        call: CallId,
        /// What was asked.
        request: HttpCall,
    },
    /// Somebody connected.
    WsOpened {
        /// The connection's name.
        peer: PeerId,
        /// To which host.
        host: WsHost,
        /// From which address.
        address: String,
    },
    /// A text frame arrived.
    WsFrame {
        /// On which connection.
        peer: PeerId,
        /// The text; the shell has bounded its length.
        text: String,
    },
    /// A connection ended.
    WsClosed {
        /// Which.
        peer: PeerId,
    },
    /// The background flow moved a market.
    Flow(Flow),
    /// An operator of the simulation wants something (`POST /sim/...`).
    Admin {
        /// The call to answer.
        call: CallId,
        /// `GET` or `POST`.
        method: String,
        /// Path below `/sim/`.
        path: String,
        /// JSON.
        body: Vec<u8>,
    },
}

/// Is one movement of the market that no client made.
#[derive(Clone, Debug, PartialEq)]
pub enum Flow {
    /// The recorded quantity of a level is now this (0 = gone). Clients' orders keep their place behind what was
    /// there when they came.
    Level {
        /// v2 symbol.
        symbol: Arc<str>,
        /// Side of the book.
        side: Side,
        /// Price in units of the last decimal.
        price: Ticks,
        /// Quantity in units of the last decimal.
        qty: Lots,
    },
    /// The recorded book starts anew: everything the crowd had is gone; `Level`s follow.
    Reset {
        /// v2 symbol.
        symbol: Arc<str>,
    },
    /// A recorded or generated taker: trades against clients' orders ahead of the crowd at better prices, and in
    /// its queue place at the same price.
    Take {
        /// v2 symbol.
        symbol: Arc<str>,
        /// The taker's side.
        side: Side,
        /// Down or up to this price.
        limit: Ticks,
        /// At most this much.
        qty: Lots,
        /// Whether it is called a market order in the public feed.
        is_market_order: bool,
    },
    /// A generated maker adds an order of the crowd.
    Add {
        /// v2 symbol.
        symbol: Arc<str>,
        /// Side of the book.
        side: Side,
        /// Price.
        price: Ticks,
        /// Quantity.
        qty: Lots,
        /// The generator's own number of it, to cancel it by.
        tag: u64,
    },
    /// A generated maker takes its order back; unknown and finished ones are ignored.
    Remove {
        /// v2 symbol.
        symbol: Arc<str>,
        /// The generator's own number of it.
        tag: u64,
    },
    /// The index of a pair moved.
    Index {
        /// v2 symbol.
        symbol: Arc<str>,
        /// Price.
        price: Ticks,
    },
}

/// Is anything the exchange asks its shell to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerOutput {
    /// Answer an HTTP request.
    HttpReply {
        /// Which.
        call: CallId,
        /// HTTP status.
        status: u16,
        /// `Content-Type`.
        content_type: &'static str,
        /// Body.
        body: Arc<str>,
    },
    /// Never answer it: close the connection instead (a fault).
    HttpDrop {
        /// Which.
        call: CallId,
    },
    /// Send a text frame.
    WsSend {
        /// To whom.
        peer: PeerId,
        /// What; shared between receivers.
        text: Arc<str>,
    },
    /// Close a connection; a `WsClosed` follows.
    WsClose {
        /// Which.
        peer: PeerId,
        /// WebSocket close code.
        code: u16,
        /// Reason for people.
        reason: &'static str,
    },
    /// Read nothing from this connection for a while (a slow-consumer fault on the venue's side).
    WsStall {
        /// Which.
        peer: PeerId,
        /// How long.
        duration: DurationNs,
    },
}

/// Is the venue's clock as clients see it.
#[must_use]
pub fn shown_time(now: Timestamp, offset: DurationNs) -> Timestamp {
    now.saturating_add(offset)
}
