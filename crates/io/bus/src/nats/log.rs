//! Ordered reading of a stream: an ephemeral pull consumer that is made anew, at the right place, whenever
//! anything about it is in doubt.

use super::link::{Link, received};
use crate::reader::{LogEntry, LogSource};
use crate::subscription::AbortOnDrop;
use crate::{BusError, BusHealth, Call, LogReader, ReadFrom, Stream};
use async_nats::jetstream::consumer::pull::{Config, Stream as Messages};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::stream::{LastRawMessageErrorKind, State};
use async_nats::jetstream::{self};
use futures::StreamExt;
use remora_domain::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Bounds entries read ahead of the caller.
const READ_AHEAD: usize = 1_024;
/// Messages asked for at once.
const BATCH: usize = 500;
/// The server shows that it lives at this interval; two missed ones make the reader open again.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// The server forgets a reader that has been silent for so long.
const FORGET_AFTER: Duration = Duration::from_secs(60);
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Says what is to be read.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) stream: Stream,
    pub(super) filters: Vec<String>,
    pub(super) from: ReadFrom,
}

/// Is an open consumer.
struct Opened {
    messages: Messages,
    /// Distinguishes the stream from a later one of the same name.
    created_ns: i128,
    /// Sequence of the last matching message at the opening, 0 if none.
    end: u64,
    /// Reconnects of the connection so far; a difference means the consumer may be gone.
    reconnects: u64,
    delivered: u64,
}

/// Opens a reader.
pub(super) async fn open(link: Arc<Link>, plan: Plan) -> Result<LogReader, BusError> {
    let opened = open_at(&link, &plan, plan.from).await?;
    let (end, health) = (opened.end, link.signals.watch());
    let (sender, entries) = mpsc::channel(READ_AHEAD);
    let pump = Pump { link, plan, opened, health, last: 0 };
    let task = AbortOnDrop(tokio::spawn(pump.run(sender)));
    Ok(LogReader::new(Box::new(NatsLog { entries, _task: task }), end))
}

struct NatsLog {
    entries: mpsc::Receiver<Result<LogEntry, BusError>>,
    _task: AbortOnDrop,
}

#[async_trait::async_trait]
impl LogSource for NatsLog {
    async fn recv(&mut self) -> Result<LogEntry, BusError> {
        self.entries.recv().await.unwrap_or(Err(BusError::Closed))
    }
}

struct Pump {
    link: Arc<Link>,
    plan: Plan,
    opened: Opened,
    health: watch::Receiver<BusHealth>,
    last: u64,
}

impl Pump {
    async fn run(mut self, sender: mpsc::Sender<Result<LogEntry, BusError>>) {
        loop {
            let entry = self.next().await;
            let is_over = entry.is_err();
            if sender.send(entry).await.is_err() || is_over {
                return;
            }
        }
    }

    async fn next(&mut self) -> Result<LogEntry, BusError> {
        loop {
            let opened_at = self.opened.reconnects;
            let message = tokio::select! {
                biased;
                message = self.opened.messages.next() => message,
                _ = self.health.wait_for(|h| h.is_connected() && h.reconnects != opened_at) => None,
            };
            let entry = match message {
                Some(Ok(message)) => self.accept(message),
                Some(Err(error)) => {
                    tracing::debug!(stream = %self.plan.stream, %error, "log reader interrupted");
                    None
                }
                None => None,
            };
            match entry {
                Some(entry) => return Ok(entry),
                None => self.reopen().await?,
            }
        }
    }

    /// Takes a message if it is the next one of this consumer; a hole means one was lost on the way.
    fn accept(&mut self, message: jetstream::Message) -> Option<LogEntry> {
        let info = message.info().ok()?;
        let (sequence, number) = (info.stream_sequence, info.consumer_sequence);
        if number != self.opened.delivered.saturating_add(1) || sequence <= self.last {
            return None;
        }
        self.opened.delivered = number;
        self.last = sequence;
        let stored_at = i64::try_from(info.published.unix_timestamp_nanos()).ok()?;
        let stored_at = Timestamp::from_ns(stored_at);
        Some(LogEntry { message: received(message.message), sequence, stored_at })
    }

    /// Opens again behind the last message, for as long as it takes; fails only when that is not possible.
    async fn reopen(&mut self) -> Result<(), BusError> {
        self.link.signals.count_reopened();
        let from = match self.last {
            0 => self.plan.from,
            last => ReadFrom::Sequence(last.saturating_add(1)),
        };
        let mut wait = RETRY_FIRST;
        loop {
            self.link.connected().await;
            match open_at(&self.link, &self.plan, from).await {
                Ok(opened) if opened.created_ns != self.opened.created_ns => {
                    let (stream, read) = (self.plan.stream, self.last);
                    return Err(BusError::LogRewritten { stream, read, last: opened.end });
                }
                Ok(opened) => {
                    self.opened = opened;
                    return Ok(());
                }
                Err(error) if !error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::warn!(stream = %self.plan.stream, %error, "log reader not open again");
                }
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(RETRY_MAX);
        }
    }
}

async fn open_at(link: &Link, plan: &Plan, from: ReadFrom) -> Result<Opened, BusError> {
    let reconnects = link.signals.watch().borrow().reconnects;
    let name = plan.stream.name();
    let asked = format!("$JS.API.STREAM.INFO.{name}");
    let found = link.call(Call::ReadStream, &asked, link.context.get_stream(name)).await?;
    let info = found.cached_info();
    check_range(plan.stream, &info.state, from)?;
    let created_ns = info.created.unix_timestamp_nanos();
    let last = last_matching(link, &found, &plan.filters, &info.state).await?;
    let config = config_of(link, plan, from);
    let asked =
        format!("$JS.API.CONSUMER.CREATE.{name}.{}", config.name.as_deref().unwrap_or_default());
    let create = found.create_consumer(config.clone());
    let consumer = link.call(Call::OpenConsumer, &asked, create).await?;
    compare(&asked, &config, consumer.cached_info())?;
    let has_history = consumer.cached_info().num_pending > 0;
    let start = match from {
        ReadFrom::Sequence(sequence) => sequence,
        ReadFrom::Start | ReadFrom::LastPerSubject => 0,
    };
    let end = if has_history && last >= start { last } else { 0 };
    let stream = consumer.stream().max_messages_per_batch(BATCH).heartbeat(HEARTBEAT);
    let messages = link.call(Call::OpenConsumer, &asked, stream.messages()).await?;
    Ok(Opened { messages, created_ns, end, reconnects, delivered: 0 })
}

/// Refuses to go on where the log no longer holds what was, or was not yet, read.
fn check_range(stream: Stream, state: &State, from: ReadFrom) -> Result<(), BusError> {
    let ReadFrom::Sequence(sequence) = from else { return Ok(()) };
    let (read, last, first) =
        (sequence.saturating_sub(1), state.last_sequence, state.first_sequence);
    if last < read {
        return Err(BusError::LogRewritten { stream, read, last });
    }
    let kept = stream.definition();
    let forgets = kept.age_max.is_some()
        || kept.messages_max.is_some()
        || kept.messages_per_subject_max.is_some();
    if !forgets && sequence > 0 && first > sequence {
        return Err(BusError::LogTrimmed { stream, from: sequence, to: first });
    }
    Ok(())
}

async fn last_matching(
    link: &Link,
    stream: &jetstream::stream::Stream,
    filters: &[String],
    state: &State,
) -> Result<u64, BusError> {
    if state.messages == 0 {
        return Ok(0);
    }
    if filters.is_empty() {
        return Ok(state.last_sequence);
    }
    let mut last = 0;
    for filter in filters {
        let asked = format!("$JS.API.STREAM.MSG.GET.{}", stream.cached_info().config.name);
        let find = async {
            match stream.get_last_raw_message_by_subject(filter).await {
                Ok(message) => Ok(message.sequence),
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(0),
                Err(error) => Err(error),
            }
        };
        last = link.call(Call::ReadLastMessage, &asked, find).await?.max(last);
    }
    Ok(last)
}

fn config_of(link: &Link, plan: &Plan, from: ReadFrom) -> Config {
    let deliver_policy = match from {
        ReadFrom::Start | ReadFrom::Sequence(0) => DeliverPolicy::All,
        ReadFrom::LastPerSubject => DeliverPolicy::LastPerSubject,
        ReadFrom::Sequence(start_sequence) => DeliverPolicy::ByStartSequence { start_sequence },
    };
    let (filter_subject, filter_subjects) = filters_of(plan.stream, &plan.filters);
    Config {
        name: Some(link.reader_name()),
        deliver_policy,
        ack_policy: AckPolicy::None,
        filter_subject,
        filter_subjects,
        inactive_threshold: FORGET_AFTER,
        memory_storage: true,
        num_replicas: 1,
        ..Config::default()
    }
}

/// Gives one filter as the subject (permissions can then speak of it) and more as a list.
pub(super) fn filters_of(stream: Stream, filters: &[String]) -> (String, Vec<String>) {
    match filters {
        [] => (stream.pattern().to_owned(), vec![]),
        [one] => (one.clone(), vec![]),
        many => (String::new(), many.to_vec()),
    }
}

/// Compares what was asked for with what the server made of it.
pub(super) fn compare(
    name: &str,
    wanted: &Config,
    found: &jetstream::consumer::Info,
) -> Result<(), BusError> {
    let found = &found.config;
    let check = |field, wanted: String, found: String| {
        let name = name.to_owned();
        if wanted == found { Ok(()) } else { Err(BusError::Differs { name, field, wanted, found }) }
    };
    check("filter_subject", wanted.filter_subject.clone(), found.filter_subject.clone())?;
    check(
        "filter_subjects",
        format!("{:?}", wanted.filter_subjects),
        format!("{:?}", found.filter_subjects),
    )?;
    check(
        "deliver_policy",
        format!("{:?}", wanted.deliver_policy),
        format!("{:?}", found.deliver_policy),
    )?;
    check("ack_policy", format!("{:?}", wanted.ack_policy), format!("{:?}", found.ack_policy))
}
