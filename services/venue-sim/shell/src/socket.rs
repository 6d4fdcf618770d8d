//! One WebSocket from its opening to its end.

use crate::message::{Message, Outbox, ToPeer};
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket};
use futures::{SinkExt, StreamExt};
use remora_venue_registry::kraken_spot::io::{PeerId, WsHost};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// Frames that are written before they are flushed together.
const WRITES_MAX: usize = 128;
/// How long a client may take to take its last frames and the close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The close code for a frame that is no text (RFC 6455, section 7.4.1).
const UNSUPPORTED_DATA: u16 = 1003;

/// Is a WebSocket that has just been opened.
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) host: WsHost,
    pub(crate) address: String,
    /// Frames that may wait for the client to read them.
    pub(crate) queue_max: usize,
    pub(crate) inbox: mpsc::Sender<Message>,
}

impl Peer {
    /// Carries frames both ways until either side ends it; tells the exchange of its beginning and its end.
    pub(crate) async fn run(self, socket: WebSocket) {
        let (queue, queued) = mpsc::channel(self.queue_max);
        let (alive, cut) = oneshot::channel();
        let (peer, host, address) = (self.id, self.host, self.address);
        let outbox = Outbox { queue, _alive: alive };
        let opened = Message::Opened { peer, host, address, outbox };
        if self.inbox.send(opened).await.is_err() {
            return; // the exchange is closing
        }
        tokio::select! {
            _ = cut => {}
            () = carry(peer, socket, queued, &self.inbox) => {}
        }
        // Where the exchange is closing nobody has to know.
        let _ = self.inbox.send(Message::Closed { peer }).await;
    }
}

async fn carry(
    peer: PeerId,
    socket: WebSocket,
    mut queued: mpsc::Receiver<ToPeer>,
    inbox: &mpsc::Sender<Message>,
) {
    let (mut sink, mut stream) = socket.split();
    let mut batch = Vec::with_capacity(WRITES_MAX);
    let mut stalled_until: Option<Instant> = None;
    loop {
        let is_reading = stalled_until.is_none();
        tokio::select! {
            biased;
            count = queued.recv_many(&mut batch, WRITES_MAX) => {
                if count == 0 {
                    return;
                }
                for wish in batch.drain(..) {
                    match wish {
                        ToPeer::Text(text) => {
                            if sink.feed(Frame::Text((&*text).into())).await.is_err() {
                                return;
                            }
                        }
                        ToPeer::Close { code, reason } => {
                            return close(&mut sink, &mut stream, code, reason).await;
                        }
                        ToPeer::Stall(duration) => {
                            let wait = u64::try_from(duration.as_ns()).unwrap_or(0);
                            stalled_until = Some(Instant::now() + Duration::from_nanos(wait));
                        }
                    }
                }
                if sink.flush().await.is_err() {
                    return;
                }
            }
            frame = stream.next(), if is_reading => match frame {
                Some(Ok(Frame::Text(text))) => {
                    let text = text.as_str().to_owned();
                    // Waits for a place: then the client waits too, by TCP's own means.
                    if inbox.send(Message::Frame { peer, text }).await.is_err() {
                        return;
                    }
                }
                Some(Ok(Frame::Binary(_))) => {
                    return close(&mut sink, &mut stream, UNSUPPORTED_DATA, "text only").await;
                }
                // The library answers pings and closes by itself.
                Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                Some(Ok(Frame::Close(_)) | Err(_)) | None => return,
            },
            () = sleep_until(stalled_until.unwrap_or_else(Instant::now)), if !is_reading => {
                stalled_until = None;
            }
        }
    }
}

/// Says goodbye and waits a bounded time for the client to do the same.
async fn close(
    sink: &mut (impl SinkExt<Frame> + Unpin),
    stream: &mut (impl StreamExt<Item = Result<Frame, axum::Error>> + Unpin),
    code: u16,
    reason: &'static str,
) {
    let goodbye = async {
        let frame = CloseFrame { code, reason: reason.into() };
        if sink.send(Frame::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(frame)) = stream.next().await {
                if matches!(frame, Frame::Close(_)) {
                    break;
                }
            }
        }
    };
    // A client that does not answer is cut off.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, goodbye).await;
}
