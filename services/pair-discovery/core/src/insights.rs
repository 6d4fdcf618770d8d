//! Everything that is found out of pairs beside their scores, and what of it was told last.

use crate::insight_settings::InsightSettings;
use crate::leads::Leads;
use crate::patterns::Patterns;
use remora_domain::{
    Bar, DurationNs, HourPattern, Instrument, InstrumentKey, Lead, PairInsight, Timestamp,
};
use std::collections::BTreeMap;

/// Age from which what an earlier run told is forgotten instead of repeated.
const RECOVERED_MAX: DurationNs = DurationNs::from_s(86_400);

/// Gathers, examines, and remembers.
#[derive(Debug)]
pub(crate) struct Insights {
    patterns: Patterns,
    leads: Leads,
    told: BTreeMap<InstrumentKey, PairInsight>,
}

impl Insights {
    pub(crate) fn new(settings: &InsightSettings) -> Self {
        Self {
            patterns: Patterns::new(settings.clone()),
            leads: Leads::new(settings.clone()),
            told: BTreeMap::new(),
        }
    }

    pub(crate) fn define(&mut self, instrument: &Instrument) {
        self.leads.define(instrument);
    }

    pub(crate) fn bar(&mut self, bar: &Bar) {
        self.patterns.observe(bar);
    }

    /// Takes a mid as it was received at `at`; `None` where the book may not be used.
    pub(crate) fn mid(&mut self, key: &InstrumentKey, at: Timestamp, mid_est: Option<f64>) {
        self.leads.observe(key, at, mid_est);
    }

    /// Takes what an earlier run told at `at`: it holds until this run knows better, or is too old.
    pub(crate) fn recover(&mut self, now: Timestamp, at: Timestamp, told: &[PairInsight]) {
        if now.since(at) <= RECOVERED_MAX {
            let by_key = told.iter().map(|insight| (insight.instrument.clone(), insight.clone()));
            self.told = by_key.collect();
        }
    }

    /// Goes on examining; steps come every `step`.
    pub(crate) fn step(&mut self, now: Timestamp, step: DurationNs) {
        if let Some(patterns) = self.patterns.step(now, step) {
            self.take_patterns(patterns);
        }
        if let Some(leads) = self.leads.step(now) {
            leads.into_iter().for_each(|(follower, leads)| self.take_leads(&follower, leads));
        }
        self.told.retain(|_, told| !(told.patterns.is_empty() && told.leads.is_empty()));
    }

    /// Gives what is known of every pair that anything was tested of, by instrument.
    pub(crate) fn told(&self) -> Vec<PairInsight> {
        self.told.values().cloned().collect()
    }

    fn of(&mut self, key: &InstrumentKey) -> &mut PairInsight {
        self.told.entry(key.clone()).or_insert_with(|| PairInsight {
            instrument: key.clone(),
            patterns: Vec::new(),
            leads: Vec::new(),
        })
    }

    /// A round judged everything: what it did not find is none.
    fn take_patterns(&mut self, patterns: BTreeMap<InstrumentKey, Vec<HourPattern>>) {
        self.told.values_mut().for_each(|told| told.patterns.clear());
        for (key, patterns) in patterns {
            self.of(&key).patterns = patterns;
        }
    }

    /// A couple has one verdict: what was told of it before, either way round, is no more.
    fn take_leads(&mut self, follower: &InstrumentKey, leads: Vec<Lead>) {
        for lead in leads {
            if let Some(other) = self.told.get_mut(&lead.leader) {
                other.leads.retain(|known| known.leader != *follower);
            }
            let told = self.of(follower);
            told.leads.retain(|known| known.leader != lead.leader);
            told.leads.push(lead);
        }
    }
}
