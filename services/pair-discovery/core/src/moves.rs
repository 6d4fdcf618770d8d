//! Which pairs move together: returns of mids on one clock, and their correlations.
//!
//! In: mids by pair at the instants of the clock. Out: a correlation, or none where too few returns are common. A mid that is missing at an
//! instant takes the returns on both sides of it; what is lost and back between two instants is not seen. Bound: `returns_max` of each pair.

use crate::filters::{ClusterSettings, RETURNS_MIN};
use remora_domain::{DurationNs, InstrumentKey, Timestamp};
use remora_estimators::pearson;
use std::collections::{BTreeMap, VecDeque};

/// How far beyond the limit a correlation puts out who is in.
const STAY_MARGIN: f64 = 0.05;

/// Follows the returns of all pairs.
#[derive(Clone, Debug)]
pub(crate) struct Moves {
    settings: ClusterSettings,
    next_at: Option<Timestamp>,
    /// The number of the newest return.
    tick: u64,
    pairs: BTreeMap<InstrumentKey, Trail>,
    /// Correlations asked for since the newest return, by pair and pair.
    asked: BTreeMap<(InstrumentKey, InstrumentKey), Option<f64>>,
}

#[derive(Clone, Debug, Default)]
struct Trail {
    last: Option<f64>,
    /// By the number of the return.
    returns: VecDeque<(u64, f64)>,
}

impl Moves {
    pub(crate) fn new(settings: &ClusterSettings) -> Self {
        Self {
            settings: settings.clone(),
            next_at: None,
            tick: 0,
            pairs: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }

    /// Gives how many of a cluster may be selected.
    pub(crate) const fn pairs_max(&self) -> u32 {
        self.settings.pairs_max
    }

    /// Takes the mids of now where the clock has come so far.
    pub(crate) fn sample<'a>(
        &mut self,
        now: Timestamp,
        mids: impl Iterator<Item = (&'a InstrumentKey, Option<f64>)>,
    ) {
        if self.next_at.is_some_and(|at| at > now) {
            return;
        }
        self.next_at = Some(now.saturating_add(DurationNs::from_ms(self.settings.return_ms)));
        self.tick = self.tick.saturating_add(1);
        self.asked.clear();
        let most = usize::try_from(self.settings.returns_max).unwrap_or(usize::MAX);
        for (key, mid) in mids {
            let trail = self.pairs.entry(key.clone()).or_default();
            if let Some((before, mid)) = trail.last.zip(mid) {
                trail.returns.push_back((self.tick, libm::log(mid / before)));
            }
            trail.last = mid;
            while trail.returns.len() > most {
                trail.returns.pop_front();
            }
        }
    }

    /// Tells whether two pairs are one bet. What is not known is taken for the worst; but a member leaves only for what is known, and
    /// clearly so: neither a restart nor a correlation that swings about its limit puts it out.
    pub(crate) fn are_one(
        &mut self,
        a: &InstrumentKey,
        b: &InstrumentKey,
        is_member: bool,
    ) -> bool {
        let couple = (a.clone(), b.clone());
        let known = match self.asked.get(&couple) {
            Some(known) => *known,
            None => {
                let found = self.correlation(a, b);
                self.asked.insert(couple, found);
                found
            }
        };
        let limit = self.settings.correlation;
        if is_member {
            known.is_some_and(|rho| rho >= limit + STAY_MARGIN)
        } else {
            known.is_none_or(|rho| rho >= limit)
        }
    }

    fn correlation(&self, a: &InstrumentKey, b: &InstrumentKey) -> Option<f64> {
        let (a, b) = (&self.pairs.get(a)?.returns, &self.pairs.get(b)?.returns);
        let (mut x, mut y) = (Vec::with_capacity(a.len()), Vec::with_capacity(a.len()));
        let mut other = b.iter().peekable();
        for (tick, value) in a {
            while other.next_if(|(at, _)| at < tick).is_some() {}
            if let Some((_, opposite)) = other.next_if(|(at, _)| at == tick) {
                x.push(*value);
                y.push(*opposite);
            }
        }
        if x.len() < RETURNS_MIN {
            return None;
        }
        // What stands still moves with nobody.
        Some(pearson(&x, &y).unwrap_or(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_testkit::{at_ms, key};

    const SETTINGS: ClusterSettings =
        ClusterSettings { correlation: 0.8, pairs_max: 1, return_ms: 1_000, returns_max: 50 };

    /// Moves A and B alike and C the other way round for `ticks` seconds; `gap` is when B has no mid.
    fn moved(ticks: i64, gap: Option<i64>) -> Moves {
        let mut moves = Moves::new(&SETTINGS);
        let (a, b, c) = (key("A-USD"), key("B-USD"), key("C-USD"));
        for tick in 0..ticks {
            let swing = f64::from(u8::try_from(tick * tick % 7).unwrap());
            let b_mid = (gap != Some(tick)).then_some(200.0 + 2.0 * swing);
            let mids = [(&a, Some(100.0 + swing)), (&b, b_mid), (&c, Some(100.0 - swing))];
            moves.sample(at_ms(tick * 1_000), mids.into_iter());
            // Between instants of the clock nothing is taken.
            moves.sample(at_ms(tick * 1_000 + 500), [(&a, Some(1.0))].into_iter());
        }
        moves
    }

    #[test]
    fn pairs_that_move_alike_are_one_bet_and_those_that_move_apart_are_not() {
        let mut moves = moved(60, None);
        assert!(moves.are_one(&key("A-USD"), &key("B-USD"), false));
        assert!(moves.are_one(&key("A-USD"), &key("B-USD"), true));
        assert!(!moves.are_one(&key("A-USD"), &key("C-USD"), false));
        assert_eq!(moves.pairs[&key("A-USD")].returns.len(), 50);
    }

    #[test]
    fn what_is_not_known_yet_counts_as_one_bet_but_puts_no_member_out() {
        assert!(moved(15, None).are_one(&key("A-USD"), &key("C-USD"), false));
        assert!(moved(60, None).are_one(&key("A-USD"), &key("NEW-USD"), false));
        assert!(!moved(15, None).are_one(&key("A-USD"), &key("B-USD"), true));
    }

    #[test]
    fn a_missing_mid_takes_both_returns_beside_it() {
        let mut moves = moved(40, Some(20));
        assert_eq!(moves.pairs[&key("A-USD")].returns.len(), 39);
        assert_eq!(moves.pairs[&key("B-USD")].returns.len(), 37);
        assert!(moves.are_one(&key("A-USD"), &key("B-USD"), false));
    }
}
