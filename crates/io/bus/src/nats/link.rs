//! The connection: options, events, and the one way in which calls wait for an answer.

use super::{Credentials, NatsSettings, PasswordSource};
use crate::{BusError, BusHealth, Call, Cause, Connection, InMessage, OutMessage, Stream};
use async_nats::connection::State;
use async_nats::header::{HeaderMap, HeaderName, HeaderValue, NATS_MESSAGE_ID};
use async_nats::jetstream::Context;
use async_nats::{Client, ConnectOptions, Event, ServerError};
use futures::StreamExt;
use remora_domain::Timestamp;
use std::collections::VecDeque;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// Bounds the refusals that are remembered for the calls they belong to.
const VIOLATIONS_KEPT: usize = 256;
/// Two of these without an answer and the connection counts as lost.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How long after its answer a refusal may still be on its way through the client library's event queue.
const VIOLATION_GRACE: Duration = Duration::from_millis(5);
/// How often a missed event about the connection is made up for.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(super) struct Link {
    pub(super) client: Client,
    pub(super) context: Context,
    pub(super) signals: Arc<Signals>,
    pub(super) timeout: Duration,
    pub(super) name: String,
    /// Held while a durable message is queued.
    pub(super) in_order: tokio::sync::Mutex<()>,
}

/// Is what the client library's events tell.
pub(super) struct Signals {
    health: watch::Sender<BusHealth>,
    /// Number and subject of the newest refusals.
    violations: Mutex<VecDeque<(u64, String)>>,
}

impl Signals {
    pub(super) fn new() -> Self {
        let health = watch::Sender::new(BusHealth::connected());
        Self { health, violations: Mutex::new(VecDeque::new()) }
    }

    pub(super) fn watch(&self) -> watch::Receiver<BusHealth> {
        self.health.subscribe()
    }

    pub(super) fn count_reopened(&self) {
        self.health.send_modify(|h| h.reopened_readers = h.reopened_readers.saturating_add(1));
    }

    fn on_event(&self, event: &Event) {
        match event {
            Event::Connected => self.connected(),
            Event::Disconnected | Event::Closed => self.disconnected(),
            Event::SlowConsumer(_) | Event::ServerError(ServerError::SlowConsumer(_)) => {
                self.health.send_modify(|h| h.slow_consumers = h.slow_consumers.saturating_add(1));
            }
            Event::ServerError(ServerError::Other(text)) => self.on_server_error(text),
            Event::ServerError(ServerError::AuthorizationViolation) => {
                self.on_server_error("Authorization Violation");
            }
            Event::LameDuckMode | Event::Draining | Event::ClientError(_) => {
                tracing::warn!(%event, "bus event");
            }
        }
    }

    fn connected(&self) {
        self.health.send_if_modified(|health| {
            let is_new = !health.is_connected();
            if is_new {
                health.connection = Connection::Connected;
                health.reconnects = health.reconnects.saturating_add(1);
            }
            is_new
        });
    }

    fn disconnected(&self) {
        self.health.send_if_modified(|health| {
            let is_new = health.is_connected();
            if is_new {
                health.connection = Connection::Disconnected { since: wall_clock() };
            }
            is_new
        });
    }

    fn on_server_error(&self, text: &str) {
        if !text.to_ascii_lowercase().contains("violation") {
            tracing::warn!(error = text, "bus server error");
            return;
        }
        tracing::error!(error = text, "bus permission violation");
        let number = self.health.borrow().permission_violations.saturating_add(1);
        let subject = text.split('"').nth(1).unwrap_or_default().to_owned();
        {
            let mut kept = self.violations.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push_back((number, subject));
            if kept.len() > VIOLATIONS_KEPT {
                kept.pop_front();
            }
        }
        self.health.send_modify(|health| {
            health.permission_violations = number;
            health.last_violation = Some(text.to_owned());
        });
    }

    /// Finds a refusal newer than `since` that concerns `subject` or what is below it.
    fn violation(&self, since: u64, subject: &str) -> Option<BusError> {
        let concerns = |denied: &str| {
            let below = denied.strip_prefix(subject);
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let kept = self.violations.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .find(|(number, denied)| *number > since && concerns(denied))
            .map(|(_, denied)| BusError::PermissionDenied { what: denied.clone() })
    }
}

impl Link {
    /// Tells whether there is a connection; makes up for an event that got lost.
    pub(super) fn is_connected(&self) -> bool {
        let is_connected = self.client.connection_state() == State::Connected;
        if is_connected {
            self.signals.connected();
        }
        is_connected
    }

    /// Waits until there is a connection.
    pub(super) async fn connected(&self) {
        let mut health = self.signals.watch();
        while !self.is_connected() {
            tokio::select! {
                changed = health.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Waits for an answer, but not longer than allowed, nor beyond the connection, nor against a refusal
    /// that concerns `subject`.
    pub(super) async fn call<T, E: Into<Cause>>(
        &self,
        call: Call,
        subject: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, BusError> {
        let mut health = self.signals.watch();
        if !self.is_connected() {
            return Err(BusError::Disconnected { call });
        }
        let since = health.borrow_and_update().permission_violations;
        let deadline = tokio::time::sleep(self.timeout);
        tokio::pin!(work, deadline);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done.map_err(|error| failed(call, subject, error)),
                () = &mut deadline => return Err(timed_out(call, self.timeout)),
                changed = health.changed() => {
                    if changed.is_err() {
                        return Err(BusError::Closed);
                    }
                    if !health.borrow_and_update().is_connected() {
                        return Err(BusError::Disconnected { call });
                    }
                    if let Some(denied) = self.signals.violation(since, subject) {
                        return Err(denied);
                    }
                }
            }
        }
    }

    /// Waits until the server has dealt with everything sent before, and says if it has refused `subject` since
    /// there were `since` refusals.
    pub(super) async fn round_trip(
        &self,
        call: Call,
        subject: &str,
        since: u64,
    ) -> Result<(), BusError> {
        let inbox = self.client.new_inbox();
        let work = async {
            let mut back = self.client.subscribe(inbox.clone()).await?;
            self.client.publish(inbox.clone(), bytes::Bytes::new()).await?;
            back.next().await.ok_or_else(|| Cause::from("connection closed"))
        };
        self.call(call, subject, work).await?;
        tokio::time::sleep(VIOLATION_GRACE).await;
        self.signals.violation(since, subject).map_or(Ok(()), Err)
    }

    /// Gives the number of refusals so far.
    pub(super) fn violations(&self) -> u64 {
        self.signals.watch().borrow().permission_violations
    }

    /// Makes a name for a reader that no other reader has.
    pub(super) fn reader_name(&self) -> String {
        let inbox = self.client.new_inbox();
        format!("{}-{}", self.name, inbox.rsplit('.').next().unwrap_or_default())
    }
}

pub(super) fn options(
    settings: &NatsSettings,
    signals: Arc<Signals>,
) -> Result<ConnectOptions, BusError> {
    let options = match &settings.credentials {
        Credentials::None => ConnectOptions::new(),
        Credentials::Password { user, password } => {
            let password = match password {
                PasswordSource::File(path) => read_secret(path)?,
                PasswordSource::Given(password) => password.clone(),
            };
            ConnectOptions::with_user_and_password(user.clone(), password)
        }
        Credentials::NkeySeedFile { path } => ConnectOptions::with_nkey(read_secret(path)?),
    };
    let options = match &settings.root_certificates {
        Some(path) => options.add_root_certificates(path.clone()),
        None => options,
    };
    let delay_max = settings.reconnect_delay_max;
    Ok(options
        .name(&settings.name)
        .custom_inbox_prefix(&settings.inbox_prefix)
        .connection_timeout(settings.connect_timeout)
        .request_timeout(Some(settings.request_timeout.saturating_mul(2)))
        .ping_interval(PING_EVERY)
        .max_reconnects(None)
        .reconnect_delay_callback(move |attempt| {
            let doubled = 1_u32.checked_shl(u32::try_from(attempt).unwrap_or(u32::MAX));
            let factor = if attempt == 0 { 0 } else { doubled.unwrap_or(u32::MAX) };
            Duration::from_millis(10).saturating_mul(factor).min(delay_max)
        })
        .event_callback(move |event| {
            signals.on_event(&event);
            std::future::ready(())
        }))
}

fn read_secret(path: &Path) -> Result<String, BusError> {
    let problem = |cause| BusError::Secret { path: path.to_owned(), cause };
    Ok(std::fs::read_to_string(path).map_err(problem)?.trim().to_owned())
}

pub(super) fn failed(call: Call, subject: &str, cause: impl Into<Cause>) -> BusError {
    BusError::Failed { call, subject: subject.to_owned(), cause: cause.into() }
}

pub(super) fn timed_out(call: Call, after: Duration) -> BusError {
    BusError::Timeout { call, after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX) }
}

/// Makes NATS headers; the message id only where a stream will look at it.
pub(super) fn headers_of(message: &OutMessage) -> Result<HeaderMap, BusError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &message.headers {
        let problem = || BusError::Header { name: name.clone() };
        let key: HeaderName = name.parse().map_err(|_| problem())?;
        let value: HeaderValue = value.parse().map_err(|_| problem())?;
        headers.insert(key, value);
    }
    if !message.message_id.is_empty() && Stream::of_subject(&message.subject).is_some() {
        headers.insert(NATS_MESSAGE_ID, message.message_id.as_str());
    }
    Ok(headers)
}

/// Takes a message without the bus's own headers.
pub(super) fn received(message: async_nats::Message) -> InMessage {
    let headers = message.headers.iter().flat_map(HeaderMap::iter);
    let headers = headers
        .filter(|(name, _)| {
            let name: &str = name.as_ref();
            !name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("nats-"))
        })
        .filter_map(|(name, values)| {
            values.last().map(|value| (name.to_string(), value.as_str().to_owned()))
        })
        .collect();
    InMessage { subject: message.subject.to_string(), headers, payload: message.payload }
}

fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ns(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
}
