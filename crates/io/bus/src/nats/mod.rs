//! The bus over NATS: core subjects, and JetStream for the durable ones.

mod consume;
mod link;
mod log;
mod register;
mod streams;

use crate::check::{check_durable, check_message, check_register, check_subscription};
use crate::pattern::{check_filters, check_name};
use crate::subscription::{AbortOnDrop, DropOldest};
use crate::{
    Bus, BusError, BusHealth, Call, Consumer, LogReader, OutMessage, ReadFrom, RegisterValue,
    StoredAt, Stream, Subscription,
};
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::message::PublishMessage;
use async_nats::{ConnectError, ConnectErrorKind};
use bytes::Bytes;
use futures::StreamExt;
use link::{Link, Signals, headers_of, received};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};

/// The oldest server that understands what we ask of it; older ones ignore parts of it silently.
pub const SERVER_VERSION_MIN: &str = "2.11.0";

/// Bounds durable publishes that wait for their acknowledgement; more callers wait for room.
const ACKS_IN_FLIGHT_MAX: usize = 4_096;

/// Says how to connect.
#[derive(Clone, Debug)]
pub struct NatsSettings {
    /// Addresses of the servers of one cluster: `nats://host:port` or `tls://host:port`.
    pub urls: Vec<String>,
    /// Service and instance: the client's name, the start of its readers' names.
    pub name: String,
    /// Who we are.
    pub credentials: Credentials,
    /// Begins our reply subjects; permissions name it. `_INBOX_<user>` by convention, `_INBOX` without users.
    pub inbox_prefix: String,
    /// Certificates to trust beside the system's, in PEM.
    pub root_certificates: Option<PathBuf>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long one answer may take.
    pub request_timeout: Duration,
    /// Bounds the delay between attempts to reconnect.
    pub reconnect_delay_max: Duration,
    /// How long a delivery may stay unacknowledged before it comes again.
    pub ack_wait: Duration,
    /// Copies of each stream in a cluster; 1 on a single server.
    pub stream_replicas: usize,
}

impl NatsSettings {
    /// Makes settings for one server, with waiting times that suit a local network.
    #[must_use]
    pub fn new(url: &str, name: &str, credentials: Credentials) -> Self {
        let inbox_prefix = match &credentials {
            Credentials::Password { user, .. } => inbox_prefix(user),
            Credentials::None | Credentials::NkeySeedFile { .. } => "_INBOX".to_owned(),
        };
        Self {
            urls: vec![url.to_owned()],
            name: name.to_owned(),
            credentials,
            inbox_prefix,
            root_certificates: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(5),
            reconnect_delay_max: Duration::from_secs(2),
            ack_wait: Duration::from_secs(30),
            stream_replicas: 1,
        }
    }
}

/// Gives the start of a user's reply subjects.
#[must_use]
pub(crate) fn inbox_prefix(user: &str) -> String {
    format!("_INBOX_{user}")
}

/// Says who we are to the server.
#[derive(Clone)]
pub enum Credentials {
    /// Nobody; for servers without users.
    None,
    /// A user with a password.
    Password {
        /// User name.
        user: String,
        /// Where the password is read from.
        password: PasswordSource,
    },
    /// A user known by an nkey, whose seed is in a file.
    NkeySeedFile {
        /// The file.
        path: PathBuf,
    },
}

/// Says where a password comes from.
#[derive(Clone)]
pub enum PasswordSource {
    /// A file; white space around it is ignored.
    File(PathBuf),
    /// Given, for example from the environment. Never printed.
    Given(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Password { user, .. } => write!(f, "Password {{ user: {user:?}, *** }}"),
            Self::NkeySeedFile { path } => write!(f, "NkeySeedFile {{ path: {path:?} }}"),
        }
    }
}

impl fmt::Debug for PasswordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({path:?})"),
            Self::Given(_) => f.write_str("Given(***)"),
        }
    }
}

/// Is a connection to NATS; clones share it.
#[derive(Clone)]
pub struct NatsBus {
    link: Arc<Link>,
    ack_wait: Duration,
    stream_replicas: usize,
}

/// Connects, checks the server's version and that our reply subjects work. Once connected it reconnects by
/// itself for as long as it lives.
///
/// # Errors
/// Reports unreadable secrets, a server that cannot be reached or refuses us, or that is too old.
pub async fn connect_nats(settings: NatsSettings) -> Result<NatsBus, BusError> {
    let signals = Arc::new(Signals::new());
    let options = link::options(&settings, Arc::clone(&signals))?;
    let failed = |cause: ConnectError| refused(&settings, cause);
    let timeout = settings.connect_timeout;
    let client = tokio::time::timeout(timeout, options.connect(settings.urls.clone()))
        .await
        .map_err(|_| link::timed_out(Call::Connect, timeout))?
        .map_err(failed)?;
    if !client.is_server_compatible(2, 11, 0) {
        let found = client.server_info().version;
        return Err(BusError::ServerTooOld { found, wanted: SERVER_VERSION_MIN });
    }
    let context = ContextBuilder::new()
        // Longer than ours, so that ours is the one that is reported.
        .timeout(settings.request_timeout.saturating_mul(2))
        .ack_timeout(settings.request_timeout)
        .max_ack_inflight(ACKS_IN_FLIGHT_MAX)
        .backpressure_on_inflight(true)
        .build(client.clone());
    let (name, timeout) = (settings.name, settings.request_timeout);
    let link =
        Arc::new(Link { client, context, signals, timeout, name, in_order: Mutex::default() });
    link.round_trip(Call::Connect, &settings.inbox_prefix, 0).await?;
    let NatsSettings { ack_wait, stream_replicas, .. } = settings;
    Ok(NatsBus { link, ack_wait, stream_replicas })
}

/// Tells a server that refuses us, which it will do again, from one that cannot be reached.
fn refused(settings: &NatsSettings, cause: ConnectError) -> BusError {
    let (kind, server) = (cause.kind(), settings.urls.join(","));
    if matches!(kind, ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication) {
        let user = match &settings.credentials {
            Credentials::Password { user, .. } => user.clone(),
            Credentials::None | Credentials::NkeySeedFile { .. } => String::new(),
        };
        return BusError::Unauthorised { server, user, cause: cause.into() };
    }
    BusError::Failed { call: Call::Connect, subject: server, cause: cause.into() }
}

#[async_trait::async_trait]
impl Bus for NatsBus {
    async fn publish(&self, message: OutMessage) -> Result<(), BusError> {
        check_message(&message)?;
        let link = &self.link;
        if !link.is_connected() {
            return Err(BusError::Disconnected { call: Call::Publish });
        }
        let headers = headers_of(&message)?;
        let OutMessage { subject, payload, .. } = message;
        let send = async {
            if headers.is_empty() {
                link.client.publish(subject.clone(), payload).await
            } else {
                link.client.publish_with_headers(subject.clone(), headers, payload).await
            }
        };
        match tokio::time::timeout(link.timeout, send).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(link::failed(Call::Publish, &subject, error)),
            Err(_) => Err(link::timed_out(Call::Publish, link.timeout)),
        }
    }

    async fn publish_durable(&self, message: OutMessage) -> Result<StoredAt, BusError> {
        let stream = check_durable(&message)?;
        let headers = headers_of(&message)?;
        let OutMessage { subject, payload, .. } = message;
        let publish = PublishMessage::build().headers(headers).payload(payload);
        // In the order of first polls: a fair lock, and no yielding to the runtime before the message is queued.
        let work = tokio::task::unconstrained(async {
            let in_order = self.link.in_order.lock().await;
            let acknowledgement = self.link.context.send_publish(subject.clone(), publish).await?;
            drop(in_order);
            acknowledgement.await
        });
        let stored = self.link.call(Call::PublishDurable, &subject, work).await?;
        if stored.stream != stream.name() {
            let (wanted, found) = (stream.name().to_owned(), stored.stream);
            return Err(BusError::Differs { name: subject, field: "stream", wanted, found });
        }
        let (sequence, is_duplicate) = (stored.sequence, stored.duplicate);
        Ok(StoredAt { stream, sequence, is_duplicate })
    }

    async fn subscribe(
        &self,
        patterns: &[String],
        capacity: usize,
    ) -> Result<Subscription, BusError> {
        check_subscription(patterns, capacity)?;
        let link = &self.link;
        let since = link.violations();
        let mut sources = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            let work = link.client.subscribe(pattern.clone());
            sources.push(link.call(Call::Subscribe, pattern, work).await?);
        }
        // The server has dealt with the subscriptions once something sent after them has come back.
        for pattern in patterns {
            link.round_trip(Call::Subscribe, pattern, since).await?;
        }
        let queue = DropOldest::new(capacity);
        let feed = Arc::clone(&queue);
        let feeder = tokio::spawn(async move {
            let mut all = futures::stream::select_all(sources);
            while let Some(message) = all.next().await {
                if !feed.push(received(message)) {
                    return;
                }
            }
            feed.close();
        });
        Ok(Subscription::new(queue, Some(AbortOnDrop(feeder))))
    }

    async fn read_log(
        &self,
        stream: Stream,
        filters: &[String],
        from: ReadFrom,
    ) -> Result<LogReader, BusError> {
        check_filters(filters, &stream.definition().subjects)?;
        let plan = log::Plan { stream, filters: filters.to_vec(), from };
        log::open(Arc::clone(&self.link), plan).await
    }

    async fn consume(
        &self,
        stream: Stream,
        durable: &str,
        filters: &[String],
    ) -> Result<Consumer, BusError> {
        check_name(durable)?;
        check_filters(filters, &stream.definition().subjects)?;
        let plan = consume::Plan {
            stream,
            durable: durable.to_owned(),
            filters: filters.to_vec(),
            ack_wait: self.ack_wait,
        };
        consume::open(Arc::clone(&self.link), plan).await
    }

    async fn read_register(&self, subject: &str) -> Result<Option<RegisterValue>, BusError> {
        check_register(subject)?;
        register::read(&self.link, subject).await
    }

    async fn write_register(
        &self,
        subject: &str,
        payload: Bytes,
        expected: u64,
    ) -> Result<Option<u64>, BusError> {
        check_register(subject)?;
        register::write(&self.link, subject, payload, expected).await
    }

    fn health(&self) -> watch::Receiver<BusHealth> {
        self.link.signals.watch()
    }

    async fn declare_streams(&self) -> Result<(), BusError> {
        for stream in Stream::ALL {
            streams::declare(&self.link, &stream.definition(), self.stream_replicas).await?;
        }
        Ok(())
    }
}
