//! What sockets tell the thread that owns the exchange, and what it tells them.

use remora_domain::DurationNs;
use remora_venue_registry::kraken_spot::io::{HttpCall, PeerId, WsHost};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Is the answer to a call; none means that the connection ends without one.
pub(crate) type Answer = Option<Reply>;

/// Is an HTTP answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Arc<str>,
}

impl Reply {
    /// Answers JSON of our own.
    pub(crate) fn json(status: u16, body: impl Into<Arc<str>>) -> Self {
        Self { status, content_type: "application/json", body: body.into() }
    }
}

/// Is anything that comes in from outside.
pub(crate) enum Message {
    /// A REST call.
    Http { request: HttpCall, reply: oneshot::Sender<Answer> },
    /// An operator's call.
    Admin { method: String, path: String, body: Vec<u8>, reply: oneshot::Sender<Answer> },
    /// A WebSocket is open.
    Opened { peer: PeerId, host: WsHost, address: String, outbox: Outbox },
    /// It sent a frame.
    Frame { peer: PeerId, text: String },
    /// It is gone.
    Closed { peer: PeerId },
}

/// Is something for a WebSocket to do.
#[derive(Debug)]
pub(crate) enum ToPeer {
    /// Send a frame.
    Text(Arc<str>),
    /// Send what is queued, then close.
    Close { code: u16, reason: &'static str },
    /// Read nothing for a while.
    Stall(DurationNs),
}

/// Is the way to one WebSocket. Dropping it cuts the connection off, whatever is queued.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) queue: mpsc::Sender<ToPeer>,
    pub(crate) _alive: oneshot::Sender<()>,
}
