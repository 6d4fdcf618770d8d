//! What a service tells the loop: who it is, what it reads, how its own effects are performed.

use crate::TraceContext;
use remora_bus::{ReadFrom, Stream};
use remora_domain::{
    AccountId, Header, IdError, Kind, ProducerId, Service, SessionId, Timestamp, VenueId,
};
use remora_machine::{NoLocal, ServiceCore};
use remora_rpc::Question;
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

    /// Tells whether what this service decides lets an order go out or sends it: its decisions are kept in its journal.
    pub(crate) fn decides_orders(&self) -> bool {
        [Service::RiskGate, Service::OrderRouter].iter().any(|of| of.name() == self.service)
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

    /// Reads on after a message, if there was one.
    #[must_use]
    pub(crate) fn after(self, last: Option<u64>) -> Self {
        let next = last.map(|last| ReadFrom::Sequence(last.saturating_add(1)));
        Self { from: next.unwrap_or(self.from), ..self }
    }

    /// Reads on at a message.
    #[must_use]
    pub(crate) fn at(self, sequence: u64) -> Self {
        Self { from: ReadFrom::Sequence(sequence), ..self }
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
    /// Reads what the table of services says, of one account and, for a service of one venue, of that venue: logs for
    /// what is stored, subscriptions for the rest. What others ask for is theirs to answer: a gate that heard the
    /// requests of another account would refuse them. Definitions, universes and states begin with their newest;
    /// everything else with the first message kept.
    #[must_use]
    pub fn of(service: Service, account: &AccountId, venue: Option<&VenueId>) -> Self {
        let mut logs: BTreeMap<Stream, LogSubscription> = BTreeMap::new();
        let mut patterns = Vec::new();
        for pattern in service.reads().iter().flat_map(|kind| within(*kind, account, venue)) {
            // A pattern of a stored kind lies within its stream, so the stream of the pattern is that of its subjects.
            let Some(stream) = Stream::of_subject(&pattern) else {
                patterns.push(pattern);
                continue;
            };
            let new = || match stream {
                Stream::Instruments | Stream::Pairs | Stream::States => {
                    LogSubscription::latest(stream)
                }
                Stream::Orders
                | Stream::Accounts
                | Stream::Bars
                | Stream::Decisions
                | Stream::Dead
                | Stream::Leases
                | Stream::Control => LogSubscription::all(stream),
            };
            logs.entry(stream).or_insert_with(new).filters.push(pattern);
        }
        Self { patterns, logs: logs.into_values().collect(), ..Self::default() }
    }
}

/// Gives the patterns that match the subjects of a kind at one account and venue, where they name one.
fn within(kind: Kind, account: &AccountId, venue: Option<&VenueId>) -> Vec<String> {
    let mut all = kind.pattern();
    if kind.has_account() {
        all = all.replace('>', &format!("{account}.>"));
    }
    let Some(venue) = venue else { return vec![all] };
    let at_venue = all.replace('>', venue.as_str());
    let of_instruments = format!("{at_venue}.>");
    match kind {
        // A market's status names no instrument, a feed's does.
        Kind::MdStatus => vec![at_venue, of_instruments],
        Kind::AccountBalance | Kind::AccountFee | Kind::AccountBreak => vec![at_venue],
        Kind::MdBook
        | Kind::MdTrade
        | Kind::MdTicker
        | Kind::MdInstrument
        | Kind::MdBar
        | Kind::OrderRequest
        | Kind::OrderApproval
        | Kind::OrderRefusal
        | Kind::OrderCancel
        | Kind::OrderEvent
        | Kind::AccountPosition
        | Kind::DecisionRecord => vec![of_instruments],
        // These name neither account nor venue in their subjects.
        Kind::PairsUniverse | Kind::ControlCommand | Kind::ControlState | Kind::SvcHeartbeat => {
            vec![all]
        }
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

    /// Tells whether a local input is market data, whose age is shown in health.
    fn is_market_data(&self, input: &C::LocalInput) -> bool {
        let _ = input;
        false
    }

    /// Tells whether a local input may only be given once every log has been read to its present end: what follows from it
    /// must know all that others have said before. Where that takes too long the input is dropped; whoever gives such inputs
    /// repeats them.
    fn waits_for_logs(&self, now: Timestamp, core: &C, input: &C::LocalInput) -> bool {
        let _ = (now, core, input);
        false
    }

    /// Looks at the core after it has taken something; `is_local` says that it was a local input, which come in the
    /// order in which they were sent.
    fn applied(&mut self, core: &C, is_local: bool) {
        let _ = (core, is_local);
    }

    /// Answers a question of an operator from what the core knows, as JSON; it changes nothing.
    ///
    /// # Errors
    /// Tells in words why there is no answer.
    fn answer(
        &mut self,
        now: Timestamp,
        core: &C,
        question: &Question,
    ) -> Result<serde_json::Value, String> {
        let _ = (now, core, question);
        Err("this service answers no questions".to_owned())
    }

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

    fn account(name: &str) -> AccountId {
        AccountId::new(name).unwrap()
    }

    fn venue(name: &str) -> VenueId {
        VenueId::new(name).unwrap()
    }

    fn patterns(plan: &Plan) -> Vec<&str> {
        let filters = plan.logs.iter().flat_map(|log| &log.filters);
        filters.chain(&plan.patterns).map(String::as_str).collect()
    }

    /// Counts how often a plan would hear a subject.
    fn count(plan: &Plan, subject: &str) -> usize {
        let is_match = |pattern: &&str| match pattern.strip_suffix('>') {
            Some(start) => subject.len() > start.len() && subject.starts_with(start),
            None => *pattern == subject,
        };
        patterns(plan).iter().filter(|pattern| is_match(pattern)).count()
    }

    fn is_at_venue(kind: Kind) -> bool {
        let elsewhere = ["pairs.", "control.", "svc."];
        !elsewhere.iter().any(|area| kind.as_str().starts_with(area))
    }

    /// Gives a subject of a kind with all the words it can have.
    fn subject(kind: Kind, of: &str, at: &str) -> String {
        let account = if kind.has_account() { format!("{of}.") } else { String::new() };
        let of_account = [Kind::AccountBalance, Kind::AccountFee, Kind::AccountBreak];
        let rest = if of_account.contains(&kind) {
            at.to_owned()
        } else if is_at_venue(kind) {
            format!("{at}.BTC-USD")
        } else {
            "somebody".to_owned()
        };
        format!("remora.v1.{}.{account}{rest}", kind.as_str())
    }

    #[test]
    fn a_plan_reads_every_kind_of_the_table_once_where_it_is_kept() {
        for service in Service::ALL {
            for at in [None, Some(&venue("sim-spot"))] {
                let plan = Plan::of(*service, &account("paper"), at);
                for kind in Kind::ALL {
                    let wanted = usize::from(service.reads().contains(kind));
                    let subject = subject(*kind, "paper", "sim-spot");
                    assert_eq!(count(&plan, &subject), wanted, "{} {subject}", service.name());
                    let is_kept = |pattern: &String| pattern.contains(kind.as_str());
                    assert!(!kind.is_durable() || !plan.patterns.iter().any(is_kept), "{subject}");
                }
            }
        }
    }

    #[test]
    fn a_plan_leaves_other_accounts_and_venues_alone() {
        let (ours, at) = (account("paper"), venue("sim-spot"));
        for service in Service::ALL {
            let of_account = Plan::of(*service, &ours, None);
            let of_venue = Plan::of(*service, &ours, Some(&at));
            for kind in service.reads() {
                let foreign = subject(*kind, "paper2", "sim-spot");
                assert_eq!(count(&of_account, &foreign), usize::from(!kind.has_account()));
                for elsewhere in ["other-spot", "sim-spot2"] {
                    let foreign = subject(*kind, "paper", elsewhere);
                    assert_eq!(count(&of_account, &foreign), 1, "{foreign}");
                    assert_eq!(
                        count(&of_venue, &foreign),
                        usize::from(!is_at_venue(*kind)),
                        "{foreign}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_status_of_a_market_is_heard_beside_that_of_its_feeds() {
        let at = venue("sim-spot");
        let plan = Plan::of(Service::RiskGate, &account("paper"), Some(&at));
        assert_eq!(count(&plan, "remora.v1.md.status.sim-spot"), 1);
        assert_eq!(count(&plan, "remora.v1.md.status.sim-spot.BTC-USD"), 1);
        assert_eq!(count(&plan, "remora.v1.md.status.other-spot"), 0);
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
