//! The thread that owns the exchange: everything that happens to it happens here, one thing after another.

use crate::feed::Feed;
use crate::message::{Answer, Message, Outbox, Reply, ToPeer};
use remora_domain::Timestamp;
use remora_machine::Machine;
use remora_service_kit::{Clock, Shutdown};
use remora_venue_registry::kraken_spot::io::{CallId, PeerId, ServerInput, ServerOutput};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Messages taken up before the clock is looked at again.
const MESSAGES_MAX: usize = 256;
/// Recorded frames taken up at once.
const FRAMES_MAX: usize = 64;
/// Close code and reason of a server that ends (RFC 6455, section 7.4.1).
const GOING_AWAY: (u16, &str) = (1001, "the simulated exchange ends");
/// How long connections have to say goodbye when the exchange ends.
const GOODBYE_MAX: Duration = Duration::from_secs(3);

/// Counts what passed through the shell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Counters {
    calls: u64,
    frames_in: u64,
    frames_out: u64,
    flow: u64,
    connections_opened: u64,
    /// Connections cut off because they did not read what they were sent.
    slow_consumers: u64,
}

/// Owns the exchange.
pub(crate) struct Drive<M> {
    pub(crate) exchange: M,
    pub(crate) feed: Feed,
    pub(crate) clock: Clock,
    pub(crate) inbox: mpsc::Receiver<Message>,
    pub(crate) shutdown: Shutdown,
    pub(crate) hands: Hands,
}

/// Carries out what the exchange asks for.
#[derive(Default)]
pub(crate) struct Hands {
    next_call: u64,
    calls: BTreeMap<CallId, oneshot::Sender<Answer>>,
    peers: BTreeMap<PeerId, Outbox>,
    out: Vec<ServerOutput>,
    counters: Counters,
}

/// Is what an operator wants of the crowd.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlowWish {
    is_running: bool,
}

impl<M: Machine<Input = ServerInput, Output = ServerOutput>> Drive<M> {
    /// Runs until asked to stop, then closes every connection.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(MESSAGES_MAX);
        loop {
            let deadline = self.exchange.next_deadline();
            tokio::select! {
                biased;
                () = self.shutdown.requested() => break,
                () = self.clock.sleep_until(deadline) => {}
                () = self.feed.ready(&self.clock) => {}
                count = self.inbox.recv_many(&mut batch, MESSAGES_MAX) => {
                    if count == 0 {
                        break;
                    }
                }
            }
            self.tick();
            self.play();
            while let Ok(message) = self.inbox.try_recv() {
                batch.push(message);
                if batch.len() >= MESSAGES_MAX {
                    break;
                }
            }
            for message in batch.drain(..) {
                self.take(message);
            }
        }
        self.hands.close_all();
        // Connections get a moment to say goodbye; whoever is left then is cut off.
        let goodbye = async {
            while !self.hands.peers.is_empty()
                && let Some(message) = self.inbox.recv().await
            {
                if let Message::Closed { peer } = message {
                    self.hands.peers.remove(&peer);
                }
            }
        };
        if tokio::time::timeout(GOODBYE_MAX, goodbye).await.is_err() {
            tracing::warn!(connections = self.hands.peers.len(), "cut off at the end");
        }
    }

    fn tick(&mut self) {
        let now = self.clock.now();
        if self.exchange.next_deadline().is_some_and(|due| due <= now) {
            self.exchange.tick(now, &mut self.hands.out);
            self.hands.perform();
        }
    }

    fn play(&mut self) {
        let now = self.clock.now();
        let Self { exchange, feed, hands, .. } = self;
        feed.due(now, FRAMES_MAX, |flow| {
            hands.counters.flow = hands.counters.flow.saturating_add(1);
            exchange.handle(now, ServerInput::Flow(flow), &mut hands.out);
            hands.perform();
        });
    }

    fn take(&mut self, message: Message) {
        let now = self.clock.now();
        let input = match message {
            Message::Http { request, reply } => {
                count(&mut self.hands.counters.calls);
                ServerInput::Http { call: self.hands.call(reply), request }
            }
            Message::Admin { method, path, body, reply } => {
                match self.own(now, &method, &path, &body) {
                    Some(answer) => {
                        // A caller that is gone needs no answer.
                        let _ = reply.send(Some(answer));
                        return;
                    }
                    None => ServerInput::Admin { call: self.hands.call(reply), method, path, body },
                }
            }
            Message::Opened { peer, host, address, outbox } => {
                count(&mut self.hands.counters.connections_opened);
                self.hands.peers.insert(peer, outbox);
                ServerInput::WsOpened { peer, host, address }
            }
            Message::Frame { peer, text } => {
                count(&mut self.hands.counters.frames_in);
                ServerInput::WsFrame { peer, text }
            }
            Message::Closed { peer } => {
                self.hands.peers.remove(&peer);
                ServerInput::WsClosed { peer }
            }
        };
        self.exchange.handle(now, input, &mut self.hands.out);
        self.hands.perform();
    }

    /// Answers what an operator asks of the shell itself.
    fn own(&mut self, now: Timestamp, method: &str, path: &str, body: &[u8]) -> Option<Reply> {
        match (method, path.trim_matches('/')) {
            ("GET", "shell") => {
                let counters = serde_json::to_value(self.hands.counters).unwrap_or_default();
                let body = serde_json::json!({
                    "flow": self.feed.state(),
                    "connections": self.hands.peers.len(),
                    "counters": counters,
                });
                Some(Reply::json(200, body.to_string()))
            }
            ("POST", "flow") => Some(match serde_json::from_slice::<FlowWish>(body) {
                Ok(FlowWish { is_running }) => {
                    self.feed.set_paused(now, !is_running);
                    Reply::json(200, format!("{{\"flow\":\"{}\"}}", self.feed.state()))
                }
                Err(_) => Reply::json(400, r#"{"error":"want {\"is_running\":true} or false"}"#),
            }),
            (_, _) => None,
        }
    }
}

impl Hands {
    fn call(&mut self, reply: oneshot::Sender<Answer>) -> CallId {
        let call = CallId(self.next_call);
        self.next_call = self.next_call.wrapping_add(1);
        self.calls.insert(call, reply);
        call
    }

    fn perform(&mut self) {
        let mut out = std::mem::take(&mut self.out);
        for output in out.drain(..) {
            match output {
                ServerOutput::HttpReply { call, status, content_type, body } => {
                    self.answer(call, Some(Reply { status, content_type, body }));
                }
                ServerOutput::HttpDrop { call } => self.answer(call, None),
                ServerOutput::WsSend { peer, text } => {
                    count(&mut self.counters.frames_out);
                    self.tell(peer, ToPeer::Text(text));
                }
                ServerOutput::WsClose { peer, code, reason } => {
                    self.tell(peer, ToPeer::Close { code, reason });
                }
                ServerOutput::WsStall { peer, duration } => {
                    self.tell(peer, ToPeer::Stall(duration))
                }
            }
        }
        self.out = out;
    }

    fn answer(&mut self, call: CallId, answer: Answer) {
        if let Some(reply) = self.calls.remove(&call) {
            // A caller that is gone needs no answer.
            let _ = reply.send(answer);
        }
    }

    /// Queues something for a connection; one that has let its queue fill up is cut off, as the venue does.
    fn tell(&mut self, peer: PeerId, what: ToPeer) {
        let Some(outbox) = self.peers.get(&peer) else { return };
        match outbox.queue.try_send(what) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                count(&mut self.counters.slow_consumers);
                tracing::warn!(connection = peer.0, "slow consumer cut off");
                self.peers.remove(&peer);
            }
            // It is ending; its `Closed` is on the way.
            Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }

    fn close_all(&mut self) {
        let (code, reason) = GOING_AWAY;
        for outbox in self.peers.values() {
            // A full queue is cut off with the others when this is dropped.
            let _ = outbox.queue.try_send(ToPeer::Close { code, reason });
        }
    }
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
