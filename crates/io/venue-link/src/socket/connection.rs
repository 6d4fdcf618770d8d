//! One connection from its opening to its end.

use super::{ReceiveClock, SocketSettings};
use crate::calls::{self, CallSettings};
use crate::chain;
use futures::{SinkExt, StreamExt};
use remora_domain::Timestamp;
use remora_venue_api::ConnId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Bytes asked for at once. The library clears as many before each read, most of which bring one frame of some hundred.
const READ_BYTES: usize = 16 * 1_024;
/// How long the answer to a question may take once the connection stands: lists of some megabytes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Is what a connection is told.
pub(super) enum Command {
    /// Send a text frame.
    Send(String),
    /// Close.
    Close,
}

/// Is what a connection reports.
pub(super) enum Report {
    /// It is open.
    Connected,
    /// A text frame arrived.
    Frame {
        /// When.
        receive_time: Timestamp,
        /// Its text.
        text: String,
    },
    /// It ended, and why.
    Disconnected(String),
}

/// Is a report with its sender.
pub(super) struct Stamped {
    pub(super) conn: ConnId,
    pub(super) generation: u64,
    pub(super) report: Report,
}

/// Is one connection.
pub(super) struct Connection {
    pub(super) conn: ConnId,
    pub(super) generation: u64,
    pub(super) url: String,
    pub(super) settings: Arc<SocketSettings>,
    pub(super) clock: ReceiveClock,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) inbound: mpsc::Sender<Stamped>,
    pub(super) inbound_bytes: Arc<AtomicUsize>,
    pub(super) overflows: Arc<AtomicU64>,
}

impl Connection {
    /// Opens the connection, carries frames until it ends, and reports the end exactly once.
    pub(super) async fn run(mut self) {
        let is_question = self.url.starts_with("http://") || self.url.starts_with("https://");
        let detail = if is_question {
            match self.ask().await {
                Ok(()) => return, // answered: there is no connection that could end
                Err(detail) => detail,
            }
        } else {
            match self.open().await {
                Ok(socket) => self.carry(socket).await,
                Err(detail) => detail,
            }
        };
        tracing::debug!(conn = self.conn.get(), detail, "connection ended");
        let stamped = self.stamp(Report::Disconnected(detail));
        // Waits for a place: the end of a connection is never lost. A closed queue has no reader to tell.
        let _ = self.inbound.send(stamped).await;
    }

    /// Asks the address once and passes the body of its answer on.
    async fn ask(&mut self) -> Result<(), String> {
        let settings = CallSettings {
            connect_timeout: self.settings.connect_timeout,
            total_timeout: self.settings.connect_timeout.saturating_add(ANSWER_TIMEOUT),
            answer_bytes_max: self.settings.frame_bytes_max,
            ..CallSettings::default()
        };
        let body = tokio::select! {
            biased;
            () = closed(&mut self.commands) => return Err("closed by us".to_owned()),
            body = calls::get(&settings, &self.url) => body?,
        };
        self.pass((self.clock)(), &body)
    }

    async fn open(&self) -> Result<Socket, String> {
        let max = self.settings.frame_bytes_max;
        let config = WebSocketConfig::default()
            .max_message_size(Some(max))
            .max_frame_size(Some(max))
            .read_buffer_size(READ_BYTES);
        let connect = connect_async_with_config(self.url.as_str(), Some(config), true);
        match timeout(self.settings.connect_timeout, connect).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(error)) => Err(format!("connect to {}: {}", self.url, chain(&error))),
            Err(_) => {
                let waited = self.settings.connect_timeout;
                Err(format!("connect to {}: no answer within {waited:?}", self.url))
            }
        }
    }

    /// Carries frames both ways; gives the reason why it stopped.
    async fn carry(&mut self, mut socket: Socket) -> String {
        if self.inbound.send(self.stamp(Report::Connected)).await.is_err() {
            return "nobody reads".to_owned();
        }
        let mut heard = Instant::now();
        let mut pinged = false;
        loop {
            let patience =
                if pinged { self.settings.silence_max } else { self.settings.ping_after };
            let ended = tokio::select! {
                biased; // what we must say, then what arrived, then silence
                command = self.commands.recv() => match command {
                    Some(Command::Send(text)) => self.send(&mut socket, Message::text(text)).await,
                    Some(Command::Close) | None => {
                        self.close(&mut socket).await;
                        Err("closed by us".to_owned())
                    }
                },
                message = socket.next() => {
                    (heard, pinged) = (Instant::now(), false);
                    self.receive(message)
                }
                () = sleep_until(heard + patience) => if pinged {
                    Err(format!("silent for {:?}, ping unanswered", self.settings.silence_max))
                } else {
                    pinged = true;
                    self.send(&mut socket, Message::Ping(Bytes::new())).await
                },
            };
            if let Err(detail) = ended {
                return detail;
            }
        }
    }

    async fn send(&self, socket: &mut Socket, message: Message) -> Result<(), String> {
        match timeout(self.settings.write_timeout, socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("send: {}", chain(&error))),
            Err(_) => Err(format!("send: not taken within {:?}", self.settings.write_timeout)),
        }
    }

    /// Closes politely, but not for longer than a write may take.
    async fn close(&self, socket: &mut Socket) {
        let farewell = async {
            let _ = socket.close(None).await;
            while let Some(Ok(_)) = socket.next().await {}
        };
        let _ = timeout(self.settings.write_timeout, farewell).await;
    }

    /// Passes on what arrived; pongs are answered below us, by the protocol library.
    fn receive(&self, message: Option<Result<Message, Error>>) -> Result<(), String> {
        match message {
            Some(Ok(Message::Text(text))) => {
                let receive_time = (self.clock)();
                self.pass(receive_time, text.as_str())
            }
            Some(Ok(Message::Binary(bytes))) => {
                Err(format!("binary message of {} bytes, want text", bytes.len()))
            }
            Some(Ok(Message::Close(Some(frame)))) => {
                Err(format!("closed by the venue: {} {:?}", frame.code, frame.reason.as_str()))
            }
            Some(Ok(Message::Close(None))) | None => Err("closed by the venue".to_owned()),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(()),
            Some(Err(error)) => Err(format!("receive: {}", chain(&error))),
        }
    }

    /// Queues a frame, unless too many or too much wait already.
    fn pass(&self, receive_time: Timestamp, text: &str) -> Result<(), String> {
        let waiting = self.inbound_bytes.fetch_add(text.len(), Ordering::Relaxed);
        let detail = if waiting > 0
            && waiting.saturating_add(text.len()) > self.settings.inbound_bytes_max
        {
            format!("inbound queue full: {waiting} bytes wait unread")
        } else {
            let report = Report::Frame { receive_time, text: text.to_owned() };
            match self.inbound.try_send(self.stamp(report)) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Closed(_)) => return Err("nobody reads".to_owned()),
                Err(mpsc::error::TrySendError::Full(_)) => {
                    let max = self.settings.inbound_frames_max;
                    format!("inbound queue full: {max} frames wait unread")
                }
            }
        };
        self.inbound_bytes.fetch_sub(text.len(), Ordering::Relaxed);
        self.overflows.fetch_add(1, Ordering::Relaxed);
        Err(detail)
    }

    const fn stamp(&self, report: Report) -> Stamped {
        Stamped { conn: self.conn, generation: self.generation, report }
    }
}

/// Waits for the wish to close; a question takes nothing else.
async fn closed(commands: &mut mpsc::Receiver<Command>) {
    while let Some(Command::Send(_)) = commands.recv().await {}
}
