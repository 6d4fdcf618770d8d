//! The gate as a machine: which message goes where, what is told when.

use crate::catalogue::Control;
use crate::config::RiskGateConfig;
use crate::explain::Asked;
use crate::facts::{Facts, Pair};
use crate::limits::{LimitsError, LimitsOutcome};
use crate::portfolio::Value;
use crate::recovery::Unanswered;
use crate::seen::{Seen, Stamp};
use crate::status::{Exposure, GateStatus, PairExposure, Trigger};
use remora_approval::Signer;
use remora_domain::{
    AccountId, Body, ControlState, Envelope, Header, Instrument, InstrumentKey, Kind, LimitsChange,
    Notional, OrderRequest, RefusalReason, Sequencer, SessionId, Side, Timestamp,
};
use remora_machine::{
    Machine, ServiceCore, ServiceInput, ServiceOutput, SnapshotError, TermInput, TermOutput,
};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) type Out = Vec<ServiceOutput<TermOutput>>;

/// Decides whether each order may exist. One per account; the only holder of the signing key.
#[derive(Debug)]
pub struct RiskGateCore {
    pub(crate) facts: Facts,
    pub(crate) signer: Signer,
    pub(crate) sequencer: Sequencer,
    pub(crate) seen: Seen,
    pub(crate) unanswered: Unanswered,
    /// The highest epoch that another gate has acted under, as far as we know.
    pub(crate) epoch_highest: u64,
    /// Whether the log has been read: what comes now is news.
    pub(crate) is_caught_up: bool,
    /// Whether it has led: then what it knows of its own answers is ahead of the log.
    pub(crate) is_live: bool,
    /// The end of its term; before the first of its terms there was none.
    pub(crate) term_until: Option<Timestamp>,
    pub(crate) is_superseded: bool,
    pub(crate) beat_at: Option<Timestamp>,
    /// When a gate that is asked to stop leaves, whatever is still open.
    pub(crate) leave_at: Option<Timestamp>,
    pub(crate) told: Option<ControlState>,
    pub(crate) approvals: u64,
    pub(crate) refusals: BTreeMap<RefusalReason, u64>,
    /// The last refusal of each control.
    pub(crate) triggers: BTreeMap<Control, Trigger>,
    pub(crate) asked: Option<Asked>,
    /// Whether limits were changed after orders had been counted: what windows hold was cut to the limits before.
    pub(crate) is_cut: bool,
    /// What became of the last command about limits.
    pub(crate) limits_last: Option<(u64, Result<LimitsOutcome, LimitsError>)>,
}

impl RiskGateCore {
    /// Makes a gate that knows nothing yet. `sequencer` must be of a session that was never used before.
    #[must_use]
    pub fn new(config: RiskGateConfig, signer: Signer, sequencer: Sequencer) -> Self {
        Self {
            facts: Facts::new(config),
            signer,
            sequencer,
            seen: Seen::default(),
            unanswered: Unanswered::default(),
            epoch_highest: 0,
            is_caught_up: false,
            is_live: false,
            term_until: None,
            is_superseded: false,
            beat_at: None,
            leave_at: None,
            told: None,
            approvals: 0,
            refusals: BTreeMap::new(),
            triggers: BTreeMap::new(),
            asked: None,
            is_cut: false,
            limits_last: None,
        }
    }

    /// Gives the account it guards.
    #[must_use]
    pub const fn account(&self) -> &AccountId {
        &self.facts.config.account
    }

    /// Tells whether another gate has taken over: this one never speaks again.
    #[must_use]
    pub const fn is_superseded(&self) -> bool {
        self.is_superseded
    }

    /// Tells whether it leads, so that it may approve.
    #[must_use]
    pub fn leads(&self, now: Timestamp) -> bool {
        self.acts(now)
    }

    /// Tells what a change of the limits would do, without making it.
    ///
    /// # Errors
    /// Tells why it would be refused.
    pub fn consider_limits(&self, change: &LimitsChange) -> Result<LimitsOutcome, LimitsError> {
        let (_, is_raising) = self.facts.made_of(change)?;
        let needs_second = is_raising && self.facts.config.raising_needs_two;
        Ok(if needs_second { LimitsOutcome::NeedsSecond } else { LimitsOutcome::InForce })
    }

    /// Tells whether a person's word would put the limits of a version in force.
    ///
    /// # Errors
    /// Tells why it would be refused.
    pub fn consider_confirmation(
        &self,
        now: Timestamp,
        version: u64,
        actor: &str,
    ) -> Result<(), LimitsError> {
        self.facts.confirmed(now, version, actor).map(drop)
    }

    /// Gives the condition of the gate.
    #[must_use]
    pub fn status(&self) -> GateStatus {
        let venues = self.facts.venues.iter();
        GateStatus {
            state: self.state(),
            epoch: self.facts.epoch,
            leads_until: self.term_until.filter(|_| self.is_live && !self.is_superseded),
            is_superseded: self.is_superseded,
            halted: self.facts.halts.scopes(),
            router_epochs: venues
                .filter_map(|(venue, known)| Some((venue.clone(), known.router.epoch()?)))
                .collect(),
            approvals: self.approvals,
            refusals: self.refusals.clone(),
            limits_version: self.facts.config.version,
            limits_waiting: self.facts.waiting_version(),
            limits_last: self.limits_last.clone(),
        }
    }

    /// Gives the worst cases as they stand. Cost: proportional to the pairs ever traded.
    #[must_use]
    pub fn exposure(&self) -> Exposure {
        let all = self.facts.traded_pairs().map(|(key, pair)| self.pair_exposure(key, pair));
        let pairs: Vec<PairExposure> =
            all.filter(|of| of.orders > 0 || !of.position.is_zero()).collect();
        let total =
            pairs.iter().try_fold(Notional::ZERO, |sum, of| sum.checked_add(of.worst?).ok());
        Exposure { pairs, total, limit: self.facts.config.total_position_max }
    }

    fn pair_exposure(&self, key: &InstrumentKey, pair: &Pair) -> PairExposure {
        let open = |side| pair.orders.sum(side).ok().map(|sum| sum.qty);
        PairExposure {
            instrument: key.clone(),
            position: self.facts.ledger.position(&self.facts.config.account, key),
            open_buys: open(Side::Buy),
            open_sells: open(Side::Sell),
            orders: pair.orders.len(),
            worst: self.facts.worth(key, pair).value.ok().map(Value::worst),
            limit: self.facts.config.pair_position_max(key),
        }
    }

    fn on_instrument(&mut self, now: Timestamp, stamp: Stamp, m: &Instrument, out: &mut Out) {
        if self.facts.pair(&m.key).set_instrument(stamp, m) {
            self.facts.index(m);
            self.book_waiting(&m.key, out);
            self.revalue(now, &m.key);
        }
    }

    fn on_message(&mut self, now: Timestamp, envelope: &Arc<Envelope>, out: &mut Out) {
        let header = &envelope.header;
        if self.is_superseded || self.is_own(header, out) {
            return;
        }
        let stamp = Stamp::of(header);
        match &envelope.body {
            Body::Book(m) => {
                self.facts.pair(&m.instrument).set_book(now, header, m);
                self.revalue(now, &m.instrument);
            }
            Body::Trade(m) => self.facts.pair(&m.instrument).set_last_trade(header, m.price),
            Body::Ticker(m) => self.facts.pair(&m.instrument).set_ticker(header, m),
            Body::MarketStatus(m) => self.facts.venue(&m.venue).set_status(stamp, m.status),
            Body::Instrument(m) => self.on_instrument(now, stamp, m, out),
            Body::OrderRequest(m) if self.seen.is_new(header, Kind::OrderRequest) => {
                self.on_request(now, envelope, m, out);
            }
            Body::OrderApproval(m)
                if self.is_news(header, Kind::OrderApproval, &m.fields.request.account) =>
            {
                self.on_approval(now, header, m);
            }
            Body::OrderRefusal(m) if self.seen.is_new(header, Kind::OrderRefusal) => {
                self.on_refusal(header, m);
            }
            Body::OrderCancel(m) if self.is_news(header, Kind::OrderCancel, &m.account) => {
                self.on_cancel(header.publish_time.min(now), m);
            }
            Body::OrderEvent(m) if self.is_news(header, Kind::OrderEvent, &m.account) => {
                self.on_event(stamp, m, out);
                self.revalue(now, &m.instrument);
            }
            Body::Balances(m) if self.is_news(header, Kind::AccountBalance, &m.account) => {
                self.on_balances(stamp, m, out);
            }
            Body::AccountFees(m) if self.is_news(header, Kind::AccountFee, &m.account) => {
                self.facts.venue(&m.venue).set_fees(stamp, m.schedule);
            }
            Body::ControlCommand(m) if self.seen.is_new(header, Kind::ControlCommand) => {
                self.on_command(now, header.publish_time, m, out);
            }
            Body::ControlState(m) if self.is_news(header, Kind::ControlState, &m.account) => {
                self.on_control_state(now, header, m, out);
            }
            Body::Heartbeat(_) => self.facts.liveness.hear(now, header),
            // Repeats, other accounts, and what the gate does not decide on.
            Body::OrderRequest(_)
            | Body::OrderApproval(_)
            | Body::OrderRefusal(_)
            | Body::OrderCancel(_)
            | Body::OrderEvent(_)
            | Body::Balances(_)
            | Body::AccountFees(_)
            | Body::AccountBreak(_)
            | Body::ControlCommand(_)
            | Body::ControlState(_)
            | Body::FeedStatus(_)
            | Body::Bar(_)
            | Body::Universe(_)
            | Body::Position(_)
            | Body::DecisionRecord(_) => {}
        }
    }

    /// Answers a request, or keeps it for as long as this gate does not act.
    fn on_request(
        &mut self,
        now: Timestamp,
        envelope: &Arc<Envelope>,
        request: &OrderRequest,
        out: &mut Out,
    ) {
        if self.unanswered.was_answered(&envelope.header) {
            return;
        }
        if self.acts(now) {
            self.answer(now, &envelope.header, request, out);
        } else {
            self.unanswered.add(Arc::clone(envelope));
        }
    }

    /// Values a pair anew after anything of it changed.
    fn revalue(&mut self, now: Timestamp, key: &InstrumentKey) {
        self.facts.revalue(key);
        // History is no measure of a day or of a peak: what it comes to is valued at its end.
        if self.is_caught_up {
            self.facts.revalue_equity(now, key);
        }
    }

    /// Tells whether we published the message in this run: its effect is in our state already.
    fn is_own(&self, header: &Header, out: &mut Out) -> bool {
        let is_own = header.session == self.sequencer.session()
            && header.producer == *self.sequencer.producer();
        if is_own && !self.is_live {
            out.push(ServiceOutput::Fault("the session of this run was used by an earlier one"));
        }
        is_own
    }

    /// Tells whether a message is about our account and was not applied before.
    fn is_news(&mut self, header: &Header, kind: Kind, account: &AccountId) -> bool {
        *account == self.facts.config.account && self.seen.is_new(header, kind)
    }

    fn on_caught_up(&mut self, now: Timestamp, out: &mut Out) {
        if self.is_caught_up {
            out.push(ServiceOutput::Fault("recovery ended twice"));
            return;
        }
        self.is_caught_up = true;
        self.facts.revalue_all(now);
        self.claim(out);
    }
}

impl Machine for RiskGateCore {
    type Input = ServiceInput<TermInput>;
    type Output = ServiceOutput<TermOutput>;

    fn handle(&mut self, now: Timestamp, input: Self::Input, out: &mut Out) {
        self.facts.liveness.served(now);
        match input {
            ServiceInput::Message(envelope) => self.on_message(now, &envelope, out),
            ServiceInput::CaughtUp => self.on_caught_up(now, out),
            ServiceInput::Stopping => self.on_stopping(now, out),
            ServiceInput::Local(term) => self.on_term(now, term, out),
        }
        self.guard(now, out);
    }

    fn tick(&mut self, now: Timestamp, out: &mut Out) {
        self.facts.liveness.served(now);
        if self.beat_at.is_some_and(|at| at <= now) {
            self.beat_on(now, out);
            self.facts.revalue_all(now);
        }
        self.guard(now, out);
        if self.acts(now) && self.facts.tell_equity(now) {
            self.tell_state(now, out);
        }
        self.leave_at.take_if(|at| *at <= now);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        [self.beat_at, self.leave_at].into_iter().flatten().min()
    }
}

impl ServiceCore for RiskGateCore {
    type LocalInput = TermInput;
    type LocalOutput = TermOutput;

    fn has_stopped(&self) -> bool {
        self.facts.is_stopping && (self.leave_at.is_none() || !self.has_open())
    }

    fn follower(&self) -> Option<Self> {
        if self.is_caught_up {
            return None;
        }
        // Under a run of its own: what this one says is news to it. It has nothing to sign, so it is given no key.
        let sequencer = Sequencer::new(self.sequencer.producer().clone(), SessionId::default());
        let nobody = Signer::from_bytes(&[0; 32]);
        Some(Self {
            facts: self.facts.clone(),
            seen: self.seen.clone(),
            unanswered: self.unanswered.clone(),
            epoch_highest: self.epoch_highest,
            ..Self::new(self.facts.config.clone(), nobody, sequencer)
        })
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        self.write_snapshot()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), SnapshotError> {
        self.read_snapshot(snapshot)
    }
}
