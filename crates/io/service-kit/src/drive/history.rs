//! Opens the logs of a plan and brings them, once their history is read, into one queue of news.

use super::plan::LogSubscription;
use crate::Shutdown;
use crate::publish::chain;
use remora_bus::{Bus, BusError, LogEntry, LogReader, Stream};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// News of the logs that may wait for the loop; a reader that is ahead waits, the log keeps the rest.
const NEWS_WAITING_MAX: usize = 1_024;
/// Pauses between tries to open a log.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Says why a log could not be read.
#[derive(Debug, thiserror::Error)]
#[error("read log {stream}")]
pub struct HistoryError {
    /// Which.
    pub stream: Stream,
    /// What the bus said.
    #[source]
    pub cause: BusError,
}

/// Gives the place of a stream in the fixed order of history: what stops trading, what is traded, what is held,
/// what is worth quoting, then what was asked and heard.
const fn place(stream: Stream) -> u8 {
    match stream {
        Stream::Control => 0,
        Stream::States => 1,
        Stream::Instruments => 2,
        Stream::Accounts => 3,
        Stream::Pairs => 4,
        Stream::Bars => 5,
        Stream::Orders => 6,
        Stream::Decisions => 7,
        Stream::Dead => 8,
        Stream::Leases => 9,
    }
}

/// Tells whether a stream says what may trade: it is read to its end again before the core acts, because reading the
/// other streams took time.
pub(crate) const fn is_control(stream: Stream) -> bool {
    match stream {
        Stream::Control | Stream::States => true,
        Stream::Instruments
        | Stream::Accounts
        | Stream::Pairs
        | Stream::Bars
        | Stream::Orders
        | Stream::Decisions
        | Stream::Dead
        | Stream::Leases => false,
    }
}

/// Sorts the logs of a plan into the fixed order.
pub(crate) fn in_order(mut logs: Vec<LogSubscription>) -> Vec<LogSubscription> {
    logs.sort_by_key(|log| place(log.stream));
    logs
}

/// Opens a log, trying again while the bus is away; `None` when the process was asked to stop meanwhile.
pub(crate) async fn open(
    bus: &dyn Bus,
    log: &LogSubscription,
    shutdown: &Shutdown,
) -> Result<Option<LogReader>, HistoryError> {
    let stream = log.stream;
    let open = || bus.read_log(stream, &log.filters, log.from);
    let opened = patiently(shutdown, open).await;
    opened.map_err(|cause| HistoryError { stream, cause })
}

/// Tries something on the bus until it works or fails for good; `None` when the process was asked to stop meanwhile.
pub(crate) async fn patiently<T, F>(
    shutdown: &Shutdown,
    mut attempt: impl FnMut() -> F,
) -> Result<Option<T>, BusError>
where
    F: Future<Output = Result<T, BusError>>,
{
    let mut pause = RETRY_FIRST;
    loop {
        let outcome = tokio::select! {
            biased;
            () = shutdown.requested() => return Ok(None),
            outcome = attempt() => outcome,
        };
        match outcome {
            Ok(value) => return Ok(Some(value)),
            Err(error) if !error.is_transient() => return Err(error),
            Err(error) => {
                tracing::warn!(error = chain(&error), "bus call failed, tried again");
            }
        }
        tokio::select! {
            biased;
            () = shutdown.requested() => return Ok(None),
            () = tokio::time::sleep(pause) => {}
        }
        pause = pause.saturating_mul(2).min(RETRY_MAX);
    }
}

/// Is one queue of news from all logs; each keeps its own order.
pub(crate) struct News {
    receiver: mpsc::Receiver<Result<LogEntry, HistoryError>>,
    /// Ends the forwarders with the queue.
    _forwarders: JoinSet<()>,
}

impl News {
    /// Takes over readers whose history has been read.
    pub(crate) fn of(readers: Vec<(Stream, LogReader)>) -> Self {
        let (sender, receiver) = mpsc::channel(NEWS_WAITING_MAX);
        let mut forwarders = JoinSet::new();
        for (stream, mut reader) in readers {
            let sender = sender.clone();
            forwarders.spawn(async move {
                loop {
                    let news = reader.recv().await;
                    let is_end = news.is_err();
                    let news = news.map_err(|cause| HistoryError { stream, cause });
                    if sender.send(news).await.is_err() || is_end {
                        return;
                    }
                }
            });
        }
        Self { receiver, _forwarders: forwarders }
    }

    /// Waits for the next message of any log; forever when there are no logs. Cancel-safe.
    pub(crate) async fn recv(&mut self) -> Result<LogEntry, HistoryError> {
        match self.receiver.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }
}
