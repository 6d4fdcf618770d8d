//! What a venue's session tells, gathered by instrument: from a recording or from a live feed.

use super::pairs_data::Facts;
use remora_domain::{Instrument, InstrumentKey, Level, Side, Timestamp};
use remora_research::pairs::{
    BookSight, FactsRefusal, PairFacts, RecordingFacts, in_currency, smallest_order_est,
};
use remora_venue_api::MarketEvent;
use std::collections::BTreeMap;

/// Gathers.
#[derive(Default)]
pub(crate) struct Seen {
    instruments: BTreeMap<InstrumentKey, Instrument>,
    facts: BTreeMap<InstrumentKey, RecordingFacts>,
}

impl Seen {
    pub(crate) fn take(&mut self, event: MarketEvent) {
        match event {
            MarketEvent::Instrument(instrument) => {
                self.instruments.insert(instrument.key.clone(), instrument);
            }
            MarketEvent::Book { top, receive_time, .. } => {
                let levels = |levels: &[Level]| -> Vec<(f64, f64)> {
                    levels.iter().map(|l| (l.price.to_est(), l.qty.to_est())).collect()
                };
                let sight = BookSight::of(&levels(&top.bids), &levels(&top.asks));
                self.facts.entry(top.instrument).or_default().book(receive_time, sight);
            }
            MarketEvent::Trade { trade, receive_time, .. } => {
                let is_buy = trade.taker_side == Side::Buy;
                let facts = self.facts.entry(trade.instrument).or_default();
                facts.trade(receive_time, trade.price.to_est(), trade.qty.to_est(), is_buy);
            }
            MarketEvent::Ticker { .. } | MarketEvent::Status(_) => {}
        }
    }

    /// Notes that a recording ended: what comes next is another one.
    pub(crate) fn end_session(&mut self) {
        self.facts.values_mut().for_each(RecordingFacts::end_session);
    }

    /// Notes that everything was listened to until `at`: a quiet book stood until then, and a pair of which nothing came has no book.
    pub(crate) fn listened_until(&mut self, at: Timestamp) {
        for key in self.instruments.keys() {
            self.facts.entry(key.clone()).or_default().until(at);
        }
    }

    /// Gives the facts of every pair that has them, and why the others have none.
    pub(crate) fn finish(self, currency: &str) -> Facts {
        let rates: BTreeMap<(String, String), f64> = self
            .facts
            .iter()
            .filter_map(|(key, facts)| {
                let known = self.instruments.get(key)?;
                Some(((known.base.to_string(), known.quote.to_string()), facts.last_mid()?))
            })
            .collect();
        let (mut found, mut refused) = (Vec::new(), BTreeMap::new());
        for (key, facts) in &self.facts {
            let name = key.instrument.to_string();
            let Some(known) = self.instruments.get(key) else {
                refused.insert(name, "the data do not define it".to_owned());
                continue;
            };
            let (base, quote) = (known.base.to_string(), known.quote.to_string());
            let tick = Some(known.tick.to_est());
            let result: Result<PairFacts, FactsRefusal> = in_currency(&quote, currency, &rates)
                .and_then(|rate| facts.finish(&name, (&base, &quote), rate, tick));
            match result {
                Ok(mut told) => {
                    told.status = Some(known.status);
                    let mid = facts.last_mid();
                    told.order_min = mid.and_then(|mid| smallest_order_est(known, mid, told.rate));
                    found.push(told);
                }
                Err(cause) => drop(refused.insert(name, cause.to_string())),
            }
        }
        (found, refused)
    }
}
