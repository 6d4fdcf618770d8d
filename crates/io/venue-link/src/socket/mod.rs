//! Live WebSockets: one task a connection, receive time stamped where the frame leaves the socket.
//!
//! In: connect, send, close; an address of a document is asked once instead. Out: `FeedInput::{Connected, Frame, Disconnected}` in order of arrival.
//!
//! When the reader is too slow and its queue is full, no frame is dropped: a book built from deltas with one
//! missing is wrong. The connection is closed instead, the session hears `Disconnected`, discards its books and
//! fetches them again. `overflows` counts it.

mod connection;

#[cfg(test)]
mod tests;

use connection::{Connection, Report, Stamped};
use remora_domain::Timestamp;
use remora_venue_api::{ConnId, FeedInput, LinkCommand};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Tells the time at a socket. It may be called from any task and must never go back.
pub type ReceiveClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Bounds of the sockets of one feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketSettings {
    /// How long name resolution, TCP, TLS and the upgrade may take together.
    pub connect_timeout: Duration,
    /// How long one send or the closing handshake may take.
    pub write_timeout: Duration,
    /// After how much silence a ping is sent.
    pub ping_after: Duration,
    /// After how much silence, pings unanswered, the connection counts as dead.
    pub silence_max: Duration,
    /// The largest message that is accepted, in bytes.
    pub frame_bytes_max: usize,
    /// Frames that may wait for the reader, over all connections: seconds of a busy feed.
    pub inbound_frames_max: usize,
    /// Bytes of frames that may wait for the reader, over all connections; one frame may always wait.
    pub inbound_bytes_max: usize,
    /// Frames that may wait to be sent on one connection: subscriptions and pings of a feed, orders and cancels of a
    /// private connection.
    pub outbound_frames_max: usize,
}

impl SocketSettings {
    /// Gives the bounds of private connections: they carry bursts of orders and cancels, and small answers.
    #[must_use]
    pub fn for_orders() -> Self {
        Self {
            frame_bytes_max: 4 * 1024 * 1024,
            inbound_bytes_max: 16 * 1024 * 1024,
            // Every order of an account taken back at once.
            outbound_frames_max: 4_096,
            ..Self::default()
        }
    }
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(5),
            ping_after: Duration::from_secs(5),
            silence_max: Duration::from_secs(15),
            frame_bytes_max: 16 * 1024 * 1024,
            inbound_frames_max: 16_384,
            // Four of the largest frames; a busy feed's second is far below one of them.
            inbound_bytes_max: 64 * 1024 * 1024,
            outbound_frames_max: 256,
        }
    }
}

struct Open {
    generation: u64,
    outbound: mpsc::Sender<connection::Command>,
    task: AbortHandle,
}

/// Holds the sockets of one feed. Dropping it closes them all.
pub struct VenueSockets {
    settings: Arc<SocketSettings>,
    clock: ReceiveClock,
    open: BTreeMap<ConnId, Open>,
    generation: u64,
    inbound_sender: mpsc::Sender<Stamped>,
    inbound: mpsc::Receiver<Stamped>,
    /// Bytes of the frames that wait.
    inbound_bytes: Arc<AtomicUsize>,
    overflows: Arc<AtomicU64>,
}

impl VenueSockets {
    /// Makes a holder without any connection. Must be used inside a tokio runtime.
    #[must_use]
    pub fn new(settings: SocketSettings, clock: ReceiveClock) -> Self {
        // One TLS provider for the process; a second installation is refused and changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (inbound_sender, inbound) = mpsc::channel(settings.inbound_frames_max.max(1));
        Self {
            settings: Arc::new(settings),
            clock,
            open: BTreeMap::new(),
            generation: 0,
            inbound_sender,
            inbound,
            inbound_bytes: Arc::new(AtomicUsize::new(0)),
            overflows: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Hands a command to its connection and returns at once; outcomes arrive through `recv`.
    pub fn perform(&mut self, command: LinkCommand) {
        match command {
            LinkCommand::Connect { conn, url } => self.connect(conn, url),
            LinkCommand::Send { conn, text } => self.tell(conn, connection::Command::Send(text)),
            LinkCommand::Close { conn } => self.tell(conn, connection::Command::Close),
        }
    }

    /// Gives the next thing that happened. Cancel-safe: a dropped call loses nothing.
    pub async fn recv(&mut self) -> FeedInput {
        loop {
            // The holder keeps a sender itself, so the queue never ends.
            let Some(stamped) = self.inbound.recv().await else {
                std::future::pending::<()>().await;
                continue;
            };
            if let Report::Frame { text, .. } = &stamped.report {
                self.inbound_bytes.fetch_sub(text.len(), Ordering::Relaxed);
            }
            if let Some(input) = self.accept(stamped) {
                return input;
            }
        }
    }

    /// Gives how often a connection was closed because its frames were not read in time.
    #[must_use]
    pub fn overflows(&self) -> u64 {
        self.overflows.load(Ordering::Relaxed)
    }

    /// Gives how many frames wait for `recv`.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inbound.len()
    }

    fn connect(&mut self, conn: ConnId, url: String) {
        if let Some(old) = self.open.remove(&conn) {
            old.task.abort();
        }
        self.generation = self.generation.saturating_add(1);
        let generation = self.generation;
        let (outbound, commands) = mpsc::channel(self.settings.outbound_frames_max.max(1));
        let connection = Connection {
            conn,
            generation,
            url,
            settings: Arc::clone(&self.settings),
            clock: Arc::clone(&self.clock),
            commands,
            inbound: self.inbound_sender.clone(),
            inbound_bytes: Arc::clone(&self.inbound_bytes),
            overflows: Arc::clone(&self.overflows),
        };
        let task = tokio::spawn(connection.run()).abort_handle();
        self.open.insert(conn, Open { generation, outbound, task });
    }

    fn tell(&mut self, conn: ConnId, command: connection::Command) {
        let Some(open) = self.open.get(&conn) else {
            tracing::debug!(conn = conn.get(), "command without a connection discarded");
            return;
        };
        let (generation, inbound) = (open.generation, self.inbound_sender.clone());
        match open.outbound.try_send(command) {
            // A closed queue means that its `Disconnected` is already on the way.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                // The venue takes nothing any more. Without its subscriptions the connection is useless.
                open.task.abort();
                let detail = "outbound queue full: the venue does not read".to_owned();
                let stamped = Stamped { conn, generation, report: Report::Disconnected(detail) };
                tokio::spawn(async move { inbound.send(stamped).await });
            }
        }
    }

    /// Takes what a task reports, unless a newer connection has replaced it.
    fn accept(&mut self, stamped: Stamped) -> Option<FeedInput> {
        let Stamped { conn, generation, report } = stamped;
        if self.open.get(&conn).is_none_or(|open| open.generation != generation) {
            return None;
        }
        Some(match report {
            Report::Connected => FeedInput::Connected { conn },
            Report::Frame { receive_time, text } => FeedInput::Frame { conn, receive_time, text },
            Report::Disconnected(detail) => {
                self.open.remove(&conn);
                FeedInput::Disconnected { conn, detail }
            }
        })
    }
}

impl Drop for VenueSockets {
    fn drop(&mut self) {
        for open in self.open.values() {
            open.task.abort();
        }
    }
}
