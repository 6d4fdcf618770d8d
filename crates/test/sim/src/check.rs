//! Watches the published log of a run and says where it breaks a promise.
//!
//! In: the limits of the run's gate, then every published message in order. Out: findings, each with the promise, the
//! instant and the message; and what the log adds up to, for comparison with other accounts of the same run.
//! Everything is computed again from the messages alone: nothing is asked of a core, a ledger or a venue.
//! Meant for runs of one account that end quietly; a log that begins in the middle of a run has findings.
//! Must never happen here: a panic, a repair, a judgement on prices or profit.

mod exposure;
mod findings;
mod funds;
mod markets;
mod orders;

pub use findings::{Finding, Promise};

use exposure::Limits;
use findings::Findings;
use funds::Funds;
use markets::Markets;
use orders::Orders;
use remora_domain::{
    Amount, Asset, Body, Envelope, InstrumentKey, Position, ProducerId, SessionId, Timestamp,
};
use remora_risk_gate_core::RiskGateConfig;
use std::collections::BTreeMap;

/// Watches one run.
pub struct Checker {
    limits: Limits,
    numbers: BTreeMap<(ProducerId, SessionId), u64>,
    now: Timestamp,
    markets: Markets,
    orders: Orders,
    funds: Funds,
    findings: Findings,
    totals: LogTotals,
}

/// Is what a log adds up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogTotals {
    /// Messages of all kinds.
    pub messages: u64,
    /// Order requests.
    pub requests: u64,
    /// Approvals.
    pub approvals: u64,
    /// Refusals.
    pub refusals: u64,
    /// Executions, each once.
    pub fills: u64,
    /// Signed sum of the executions of each pair.
    pub positions: BTreeMap<InstrumentKey, Position>,
    /// The first balances that were told.
    pub balances_start: BTreeMap<Asset, Amount>,
    /// The newest balances that were told.
    pub balances_end: BTreeMap<Asset, Amount>,
    /// What the executions and their fees moved.
    pub balances_moved: BTreeMap<Asset, Amount>,
}

/// Is the verdict on a log.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Broken promises, the first of them in order; a sound run has none.
    pub findings: Vec<Finding>,
    /// How many there were in all.
    pub findings_total: u64,
    /// What the log adds up to.
    pub totals: LogTotals,
}

impl Checker {
    /// Starts before the first message of a run whose gate works under these limits.
    #[must_use]
    pub fn new(gate: &RiskGateConfig) -> Self {
        Self {
            limits: Limits::new(gate.clone()),
            numbers: BTreeMap::new(),
            now: Timestamp::EPOCH,
            markets: Markets::default(),
            orders: Orders::default(),
            funds: Funds::default(),
            findings: Findings::default(),
            totals: LogTotals::default(),
        }
    }

    /// Starts before the durable log of a distributed run: all instruments, then the first balances, every message
    /// about orders, the last balances. Judges only what these show ([`Promise::is_shown_by_the_log`]).
    #[must_use]
    pub fn of_log(gate: &RiskGateConfig) -> Self {
        Self { findings: Findings::of_log(), ..Self::new(gate) }
    }

    /// Takes the next published message.
    pub fn observe(&mut self, message: &Envelope) {
        let header = &message.header;
        self.totals.messages = self.totals.messages.saturating_add(1);
        self.findings.about(header);
        if header.publish_time < self.now {
            let detail = format!("published at {}, after {}", header.publish_time, self.now);
            self.findings.add(Promise::TimeRunsForward, detail);
        }
        self.now = self.now.max(header.publish_time);
        let last = self.numbers.entry((header.producer.clone(), header.session)).or_default();
        if header.sequence != last.saturating_add(1) {
            let detail = format!("number {} follows {last}", header.sequence);
            self.findings.add(Promise::MessagesAreNumbered, detail);
        }
        *last = header.sequence;
        self.observe_body(&message.body);
    }

    /// Ends the watch: what should have come and did not is found now.
    #[must_use]
    pub fn finish(mut self) -> Verdict {
        self.findings.about_end();
        self.orders.finish(&mut self.findings);
        self.funds.finish(&mut self.findings);
        self.funds.tell(&mut self.totals);
        self.totals.positions = self.orders.positions();
        let (findings, findings_total) = self.findings.into_parts();
        Verdict { findings, findings_total, totals: self.totals }
    }

    fn observe_body(&mut self, body: &Body) {
        let Self { limits, now, markets, orders, funds, findings, totals, .. } = self;
        match body {
            Body::Instrument(instrument) => markets.define(instrument),
            Body::Book(top) => markets.book(*now, top, findings),
            Body::OrderRequest(request) => {
                count(&mut totals.requests);
                markets.check_quotable(request, findings);
                orders.request(request, markets.marks(), findings);
            }
            Body::OrderApproval(approval) => {
                count(&mut totals.approvals);
                orders.approve(approval, findings);
                // Exposure is judged by the mids of the moment, which no durable log holds, and funds by its balances.
                if !findings.is_log_only() {
                    let request = &approval.fields.request;
                    exposure::check(limits, orders, markets, request, findings);
                    funds.check_cover(orders, markets, request, findings);
                }
            }
            Body::OrderRefusal(refusal) => {
                count(&mut totals.refusals);
                orders.refuse(refusal, findings);
            }
            Body::OrderCancel(cancel) => orders.cancel(cancel, findings),
            Body::OrderEvent(event) => {
                orders.event(event, findings);
                let Some(fill) = &event.fill else { return };
                markets.check_fillable(event, findings);
                if orders.is_first(fill, findings) {
                    count(&mut totals.fills);
                    orders.book(event, fill, findings);
                    funds.book(markets.instrument(&event.instrument), event, fill, findings);
                }
            }
            Body::Balances(balances) => funds.told(balances, findings),
            Body::Trade(_)
            | Body::Ticker(_)
            | Body::MarketStatus(_)
            | Body::FeedStatus(_)
            | Body::Bar(_)
            | Body::Universe(_)
            | Body::Position(_)
            | Body::AccountFees(_)
            | Body::AccountBreak(_)
            | Body::DecisionRecord(_)
            | Body::ControlCommand(_)
            | Body::ControlState(_)
            | Body::Heartbeat(_) => {}
        }
    }
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

#[cfg(test)]
mod tests;
