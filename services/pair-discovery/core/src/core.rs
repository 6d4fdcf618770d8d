//! The state machine: observe, assess in intervals, publish when something changed or validity runs on.

use crate::assess::assess;
use crate::insights::Insights;
use crate::moves::Moves;
use crate::observed::Observed;
use crate::settings::PairDiscoveryConfig;
use remora_domain::{
    Body, ContractKind, DurationNs, Envelope, FeeSchedule, InstrumentKey, Kind, PairReason,
    PairScore, ProducerId, Sequencer, SessionId, Subject, Timestamp, Universe, VenueId,
};
use remora_machine::{Machine, NoLocal, ServiceCore, ServiceInput, ServiceOutput};
use std::collections::BTreeMap;

/// Identifies a stream of messages of which only newer ones count.
type Topic = (Kind, Option<InstrumentKey>, ProducerId);

/// What of a universe makes it another one: who is in, and why not the others.
type Membership = Vec<(InstrumentKey, bool, PairReason)>;

/// Ranks pairs and publishes the universe.
#[derive(Debug)]
pub struct PairDiscoveryCore {
    config: PairDiscoveryConfig,
    sequencer: Sequencer,
    pairs: BTreeMap<InstrumentKey, Observed>,
    fees: BTreeMap<VenueId, FeeSchedule>,
    newest: BTreeMap<Topic, (SessionId, u64)>,
    version: u64,
    has_caught_up: bool,
    assess_at: Option<Timestamp>,
    published_at: Option<Timestamp>,
    membership: Membership,
    /// None where none are wanted.
    insights: Option<Insights>,
    /// None where pairs that move together may all be selected.
    moves: Option<Moves>,
    /// Since when an earlier run knew pairs that this one has not heard of yet.
    known_since: BTreeMap<InstrumentKey, Timestamp>,
}

impl PairDiscoveryCore {
    /// Starts with nothing observed.
    #[must_use]
    pub fn new(config: PairDiscoveryConfig, sequencer: Sequencer) -> Self {
        Self {
            insights: config.settings.insights.as_ref().map(Insights::new),
            moves: config.settings.cluster.as_ref().map(Moves::new),
            known_since: BTreeMap::new(),
            config,
            sequencer,
            pairs: BTreeMap::new(),
            fees: BTreeMap::new(),
            newest: BTreeMap::new(),
            version: 0,
            has_caught_up: false,
            assess_at: None,
            published_at: None,
            membership: Vec::new(),
        }
    }

    fn observe(&mut self, now: Timestamp, message: &Envelope) {
        if !self.is_news(message) {
            return;
        }
        let config = &self.config;
        if let Body::Instrument(instrument) = &message.body {
            let sample = DurationNs::from_ms(config.settings.volatility_sample_ms);
            let since = self.known_since.get(&instrument.key).copied().unwrap_or(now);
            let fresh = || Observed::new(instrument.clone(), config.half_life(), sample, since);
            let pair = self.pairs.entry(instrument.key.clone()).or_insert_with(fresh);
            pair.instrument = instrument.clone();
            if let Some(insights) = &mut self.insights {
                insights.define(instrument);
            }
        } else if let Body::Book(top) = &message.body {
            if let Some(pair) = self.pairs.get_mut(&top.instrument) {
                let time = message.header.receive_time.unwrap_or(message.header.publish_time);
                pair.book(now, time.min(now), top);
                if let Some(insights) = &mut self.insights {
                    insights.mid(&top.instrument, time.min(now), pair.mid_est());
                }
            }
        } else if let Body::Trade(trade) = &message.body {
            if let Some(pair) = self.pairs.get_mut(&trade.instrument) {
                pair.trade(now, trade);
            }
        } else if let Body::Ticker(ticker) = &message.body {
            if let Some(pair) = self.pairs.get_mut(&ticker.instrument) {
                pair.ticker(ticker);
            }
        } else if let Body::AccountFees(fees) = &message.body {
            if fees.account == self.config.account {
                self.fees.insert(fees.venue.clone(), fees.schedule);
            }
        } else if let Body::Bar(bar) = &message.body {
            if let Some(insights) = &mut self.insights {
                insights.bar(bar);
            }
        } else if let Body::Universe(universe) = &message.body {
            self.recover(now, message.header.publish_time, universe);
        }
    }

    /// Continues after the universe of an earlier run.
    fn recover(&mut self, now: Timestamp, at: Timestamp, universe: &Universe) {
        self.version = self.version.max(universe.version);
        if self.has_caught_up {
            return;
        }
        if let Some(insights) = &mut self.insights {
            insights.recover(now, at, &universe.insights);
        }
        for score in &universe.pairs {
            let since = score.known_since.unwrap_or(at);
            let known = self.known_since.entry(score.instrument.clone()).or_insert(since);
            *known = since.min(*known);
            if let Some(pair) = self.pairs.get_mut(&score.instrument) {
                pair.is_selected = score.is_selected;
                pair.known_since = pair.known_since.min(since);
            }
        }
    }

    /// Tells whether a message is newer than what was seen of its topic; remembers it. The order of a stream and
    /// that of another one may differ, so each topic counts for itself.
    fn is_news(&mut self, message: &Envelope) -> bool {
        let subject = Subject::of(message);
        let key = subject.venue.zip(subject.instrument).map(|(v, i)| InstrumentKey::new(v, i));
        let header = &message.header;
        let stamp = (header.session, header.sequence);
        match self.newest.entry((subject.kind, key, header.producer.clone())) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(stamp);
                true
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                let (session, sequence) = *entry.get();
                let is_news = session != stamp.0 || sequence < stamp.1;
                if is_news {
                    entry.insert(stamp);
                }
                is_news
            }
        }
    }

    fn assess(&mut self, now: Timestamp, out: &mut Vec<ServiceOutput<NoLocal>>) {
        let book_age_max = self.config.book_age_max();
        self.pairs.values_mut().for_each(|pair| pair.sample(now, book_age_max));
        if let Some(moves) = &mut self.moves {
            let spot = self.pairs.iter().filter(|(_, p)| p.instrument.kind == ContractKind::Spot);
            moves.sample(now, spot.map(|(key, pair)| (key, pair.mid_est())));
        }
        let fees = &self.fees;
        let fee_of = |key: &InstrumentKey| fees.get(&key.venue).copied();
        let pairs = assess(&self.config, fee_of, &self.pairs, self.moves.as_mut(), now);
        let membership = membership(&pairs);
        let is_due =
            self.published_at.is_none_or(|at| now.since(at) >= self.config.publish_interval());
        if pairs.is_empty() || !(is_due || membership != self.membership) {
            return;
        }
        for score in &pairs {
            if let Some(pair) = self.pairs.get_mut(&score.instrument) {
                pair.is_selected = score.is_selected;
            }
        }
        self.version = self.version.saturating_add(1);
        let valid_until = now.saturating_add(self.config.validity());
        let insights = self.insights.as_ref().map_or_else(Vec::new, Insights::told);
        let body = Body::Universe(Universe { version: self.version, valid_until, pairs, insights });
        out.push(ServiceOutput::publish(self.sequencer.wrap(now, body)));
        self.membership = membership;
        self.published_at = Some(now);
    }
}

fn membership(pairs: &[PairScore]) -> Membership {
    pairs.iter().map(|p| (p.instrument.clone(), p.is_selected, p.reason)).collect()
}

impl Machine for PairDiscoveryCore {
    type Input = ServiceInput<NoLocal>;
    type Output = ServiceOutput<NoLocal>;

    fn handle(&mut self, now: Timestamp, input: Self::Input, _: &mut Vec<Self::Output>) {
        match input {
            ServiceInput::Message(message) => self.observe(now, &message),
            ServiceInput::CaughtUp => {
                self.has_caught_up = true;
                self.assess_at = Some(now.saturating_add(self.config.assess_interval()));
            }
            // A universe expires by itself.
            ServiceInput::Stopping => {}
            ServiceInput::Local(never) => match never {},
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<Self::Output>) {
        if self.assess_at.is_some_and(|at| at <= now) {
            self.assess_at = Some(now.saturating_add(self.config.assess_interval()));
            if let Some(insights) = &mut self.insights {
                insights.step(now, self.config.assess_interval());
            }
            self.assess(now, out);
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.assess_at
    }
}

impl ServiceCore for PairDiscoveryCore {
    type LocalInput = NoLocal;
    type LocalOutput = NoLocal;
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
#[path = "insight_tests.rs"]
mod insight_tests;

#[cfg(test)]
#[path = "filter_tests.rs"]
mod filter_tests;
