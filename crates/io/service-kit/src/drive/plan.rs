//! What a service tells the loop: who it is, what it reads, how its own effects are performed.

use crate::TraceContext;
use remora_bus::{ReadFrom, Stream};
use remora_domain::{Header, IdError, ProducerId, Service, SessionId, Timestamp};
use remora_machine::{NoLocal, ServiceCore};
use std::collections::BTreeMap;

/// Unread market data kept for a slow core; a second of a busy venue. The oldest are dropped first.
const MARKET_DATA_WAITING_MAX: usize = 8_192;

/// Says who runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    service: String,
    producer: ProducerId,
    shell: ProducerId,
    session: SessionId,
    seed: u64,
    version: String,
}

impl Identity {
    /// Names one run of a service. The producer, session and seed are what its core is given too; what the shell itself
    /// says (commands given to this service directly) is published as `<producer>-shell`.
    ///
    /// # Errors
    /// Refuses a producer of more than 58 characters.
    pub fn new(
        service: &str,
        producer: ProducerId,
        session: SessionId,
        seed: u64,
        version: &str,
    ) -> Result<Self, IdError> {
        let shell = ProducerId::new(&format!("{producer}-shell"))?;
        let (service, version) = (service.to_owned(), version.to_owned());
        Ok(Self { service, producer, shell, session, seed, version })
    }

    /// Gives the service's name.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Gives who publishes.
    #[must_use]
    pub const fn producer(&self) -> &ProducerId {
        &self.producer
    }

    /// Gives who publishes what the shell itself says.
    #[must_use]
    pub const fn shell(&self) -> &ProducerId {
        &self.shell
    }

    /// Gives the run.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// Gives the seed of the core's random numbers.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Gives the program version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Tells whether a message comes from this very run: the core gave it, and need not hear it.
    pub(crate) fn is_own(&self, header: &Header) -> bool {
        header.session == self.session
            && (header.producer == self.producer || header.producer == self.shell)
    }
}

/// Is one log a core reads: history, then news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSubscription {
    /// Which.
    pub stream: Stream,
    /// Which subjects of it; none means all.
    pub filters: Vec<String>,
    /// From where.
    pub from: ReadFrom,
}

impl LogSubscription {
    /// Reads a whole stream from its start.
    #[must_use]
    pub const fn all(stream: Stream) -> Self {
        Self { stream, filters: Vec::new(), from: ReadFrom::Start }
    }

    /// Reads the newest message of each subject, then news.
    #[must_use]
    pub const fn latest(stream: Stream) -> Self {
        Self { stream, filters: Vec::new(), from: ReadFrom::LastPerSubject }
    }

    /// Reads only these subjects.
    #[must_use]
    pub fn only(self, filters: Vec<String>) -> Self {
        Self { filters, ..self }
    }
}

/// Says what a core reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Core subjects, from now on.
    pub patterns: Vec<String>,
    /// Unread core messages kept; the oldest are dropped first.
    pub waiting_max: usize,
    /// Logs. The order of streams is fixed, whatever the order here.
    pub logs: Vec<LogSubscription>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { patterns: Vec::new(), waiting_max: MARKET_DATA_WAITING_MAX, logs: Vec::new() }
    }
}

impl Plan {
    /// Reads what the table of services says: logs for what is stored, subscriptions for the rest. Definitions and
    /// universes begin with their newest; everything else with the first message kept.
    #[must_use]
    pub fn of(service: Service) -> Self {
        let mut logs: BTreeMap<Stream, LogSubscription> = BTreeMap::new();
        let mut patterns = Vec::new();
        for pattern in service.reads().iter().map(|kind| kind.pattern()) {
            // A pattern of a stored kind lies within its stream, so the stream of the pattern is that of its subjects.
            let Some(stream) = Stream::of_subject(&pattern) else {
                patterns.push(pattern);
                continue;
            };
            let new = || match stream {
                Stream::Instruments | Stream::Pairs => LogSubscription::latest(stream),
                Stream::Orders
                | Stream::Accounts
                | Stream::Bars
                | Stream::Decisions
                | Stream::Control => LogSubscription::all(stream),
            };
            logs.entry(stream).or_insert_with(new).filters.push(pattern);
        }
        Self { patterns, logs: logs.into_values().collect(), ..Self::default() }
    }
}

/// Is an input that only this service has, with the trace it belongs to.
#[derive(Clone, Debug)]
pub struct LocalEvent<L> {
    /// What happened.
    pub input: L,
    /// Where in a trace.
    pub context: TraceContext,
}

impl<L> LocalEvent<L> {
    /// Is outside every trace: what begins here begins a new one.
    pub const fn new(input: L) -> Self {
        Self { input, context: TraceContext::none() }
    }
}

/// Performs the effects that only this service has.
pub trait Effects<C: ServiceCore>: Send {
    /// Hands an effect to a worker and returns at once; the outcome arrives later as a local input, with `context`.
    ///
    /// # Errors
    /// Tells in words that the shell cannot go on (its worker is gone, its queue is full of orders): the process then
    /// halts, cancels and ends.
    fn perform(
        &mut self,
        now: Timestamp,
        output: C::LocalOutput,
        context: &TraceContext,
    ) -> Result<(), &'static str>;

    /// Tells the facts only this service has, as a JSON object; asked about twice a second.
    fn details(&mut self, core: &C) -> serde_json::Value {
        let _ = core;
        serde_json::json!({})
    }
}

/// Performs nothing: for services without effects of their own.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEffects;

impl<C: ServiceCore<LocalOutput = NoLocal>> Effects<C> for NoEffects {
    fn perform(
        &mut self,
        _: Timestamp,
        output: NoLocal,
        _: &TraceContext,
    ) -> Result<(), &'static str> {
        match output {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_every_kind_of_the_table_once_where_it_is_kept() {
        for service in Service::ALL {
            let plan = Plan::of(*service);
            let filters = plan.logs.iter().flat_map(|log| &log.filters);
            let mut planned: Vec<&String> = filters.chain(&plan.patterns).collect();
            let mut wanted: Vec<String> =
                service.reads().iter().map(|kind| kind.pattern()).collect();
            planned.sort();
            wanted.sort();
            assert_eq!(planned, wanted.iter().collect::<Vec<_>>(), "{}", service.name());
            let stored = service.reads().iter().filter(|kind| kind.is_durable()).count();
            assert_eq!(plan.patterns.len(), service.reads().len() - stored);
        }
    }

    #[test]
    fn a_producer_with_a_name_too_long_for_its_shell_is_refused() {
        let new = |length: usize| {
            let producer = ProducerId::new(&"p".repeat(length)).unwrap();
            Identity::new("test", producer, SessionId::new(1), 1, "0.1.0")
        };
        assert!(new(58).is_ok());
        assert!(new(59).is_err());
    }
}
