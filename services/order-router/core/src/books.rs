//! What each asset should be at the venue: what was there beyond all fills when both were first compared, and all fills.
//!
//! A balance and the fills in it travel on different roads. So an answer is judged only after a grace, and it agrees when
//! it fits what was booked at any moment from some time before it came until then. What the first answer of the first run
//! shows beyond the fills of the log is where everything begins; that is told with our state, so that later runs compare
//! with the same, and what changes while no router runs is found.

use crate::breaks::{BreakOf, Finding};
use crate::core::{OrderRouterCore, Out};
use remora_domain::{
    Amount, AmountError, Asset, Balances, ContractKind, ControlState, DurationNs, Fill, Instrument,
    InstrumentKey, Qty, Side, Timestamp,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Movements remembered with their time; at 100 fills a second more than the time in which an answer may be on its way.
const MOVES_MAX: usize = 4_096;
/// Answers that wait to be judged; beyond it the newest is left out, and the next comparison brings another.
const ANSWERS_MAX: usize = 16;
/// Fills that wait for the definition of their instrument.
const UNDEFINED_MAX: usize = 10_000;

/// Is an answer that waits to be judged.
#[derive(Debug)]
struct Answer {
    totals: BTreeMap<Asset, Amount>,
    came_at: Timestamp,
}

/// Is one asset moved by one fill.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Move {
    at: Timestamp,
    asset: Asset,
    by: Amount,
}

/// Is a fill of an instrument whose definition is not known yet.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Undefined {
    at: Timestamp,
    key: InstrumentKey,
    side: Side,
    fill: Fill,
}

/// Is what the fills of the log have made of the books.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Booked<'a> {
    booked: Cow<'a, BTreeMap<Asset, Amount>>,
    moves: Cow<'a, VecDeque<Move>>,
    undefined: Cow<'a, [Undefined]>,
}

/// Holds what was booked, and what there was beyond it.
#[derive(Debug, Default)]
pub(crate) struct Books {
    instruments: BTreeMap<InstrumentKey, Instrument>,
    undefined: Vec<Undefined>,
    /// Why nothing can be compared any more, if so.
    fault: Option<&'static str>,
    booked: BTreeMap<Asset, Amount>,
    moves: VecDeque<Move>,
    answers: VecDeque<Answer>,
    /// What the venue may hold beyond what was booked; one amount once that is certain.
    beyond: BTreeMap<Asset, Vec<Amount>>,
    has_begun: bool,
    /// When the last answer came that was judged.
    pub(crate) compared_at: Option<Timestamp>,
}

impl Books {
    pub(crate) fn define(&mut self, instrument: &Instrument) {
        self.instruments.insert(instrument.key.clone(), instrument.clone());
        let all = std::mem::take(&mut self.undefined);
        let (known, still): (Vec<_>, _) = all.into_iter().partition(|f| f.key == instrument.key);
        self.undefined = still;
        for one in known {
            self.fill(one.at, &one.key, one.side, &one.fill);
        }
    }

    pub(crate) fn define_all_of(&mut self, other: &Self) {
        self.instruments.clone_from(&other.instruments);
    }

    /// Books a fill.
    pub(crate) fn fill(&mut self, at: Timestamp, key: &InstrumentKey, side: Side, fill: &Fill) {
        let Some(instrument) = self.instruments.get(key) else {
            if self.undefined.len() < UNDEFINED_MAX {
                let (key, fill) = (key.clone(), fill.clone());
                self.undefined.push(Undefined { at, key, side, fill });
            } else {
                self.fault = Some("too many fills of instruments without a definition");
            }
            return;
        };
        match moved(instrument, side, fill) {
            Ok(moved) => moved.into_iter().for_each(|(asset, by)| self.shift(at, asset, by)),
            Err(_) => self.fault = Some("a fill is outside the exact range"),
        }
    }

    fn shift(&mut self, at: Timestamp, asset: Asset, by: Amount) {
        let booked = self.booked.entry(asset.clone()).or_default();
        match booked.checked_add(by) {
            Ok(sum) => *booked = sum,
            Err(_) => self.fault = Some("what was booked is outside the exact range"),
        }
        if self.moves.len() >= MOVES_MAX {
            self.moves.pop_front();
        }
        self.moves.push_back(Move { at, asset, by });
    }

    /// Gives what fills have made of the books; `None` where something could not be booked.
    pub(crate) fn booked(&self) -> Option<Booked<'_>> {
        self.fault.is_none().then(|| Booked {
            booked: Cow::Borrowed(&self.booked),
            moves: Cow::Borrowed(&self.moves),
            undefined: Cow::Borrowed(&self.undefined),
        })
    }

    /// Goes on where a snapshot ended; definitions that came after it are known already.
    pub(crate) fn restore(&mut self, booked: Booked<'_>) {
        self.booked = booked.booked.into_owned();
        self.moves = booked.moves.into_owned();
        for one in booked.undefined.into_owned() {
            self.fill(one.at, &one.key, one.side, &one.fill);
        }
    }

    /// Gives why balances cannot be compared now, if so.
    pub(crate) fn obstacle(&self) -> Option<&'static str> {
        if self.instruments.is_empty() {
            return Some("no instrument is defined yet");
        }
        let is_undefined = !self.undefined.is_empty();
        self.fault.or(is_undefined.then_some("a traded instrument has no definition"))
    }

    /// Gives what the venue holds beyond all fills once that is certain of every asset; nothing before. A later run takes an
    /// asset that is not named for one of which there was nothing, so a part of it would be worse than none.
    pub(crate) fn beyond(&self) -> BTreeMap<Asset, Amount> {
        let certain = self.beyond.iter().map(|(asset, may_be)| match may_be.as_slice() {
            [one] => Some((asset.clone(), *one)),
            _ => None,
        });
        certain.collect::<Option<_>>().unwrap_or_default()
    }

    pub(crate) fn forget_answers(&mut self) {
        self.answers.clear();
    }

    /// Gives what the venue may hold of an asset beyond what was booked at any moment since `from`.
    fn may_be_beyond(
        &self,
        asset: &Asset,
        total: Amount,
        from: Timestamp,
    ) -> Result<Vec<Amount>, AmountError> {
        let booked = self.booked.get(asset).copied().unwrap_or_default();
        let mut beyond = total.checked_sub(booked)?;
        let mut all = vec![beyond];
        // A fill whose instrument was defined late stands behind younger ones.
        let recent = self.moves.iter().rev().filter(|one| one.at > from);
        for one in recent.filter(|one| one.asset == *asset) {
            beyond = beyond.checked_add(one.by)?;
            if !all.contains(&beyond) {
                all.push(beyond);
            }
        }
        Ok(all)
    }

    /// Judges what an answer says of one asset; gives what was expected where it does not fit.
    fn judge(
        &mut self,
        asset: &Asset,
        total: Amount,
        from: Timestamp,
    ) -> Result<Option<Amount>, AmountError> {
        let found = self.may_be_beyond(asset, total, from)?;
        let booked = self.booked.get(asset).copied().unwrap_or_default();
        let has_begun = self.has_begun;
        let known = self.beyond.entry(asset.clone()).or_insert_with(|| {
            // A complete list that does not name an asset says there was none of it.
            if has_begun { vec![Amount::ZERO] } else { found.clone() }
        });
        let common: Vec<Amount> = known.iter().filter(|one| found.contains(one)).copied().collect();
        match (common.is_empty(), known.as_slice()) {
            (false, _) => *known = common,
            (true, [one]) => return one.checked_add(booked).map(Some),
            // Nothing was certain yet: this answer counts instead.
            (true, _) => *known = found,
        }
        Ok(None)
    }
}

/// Gives what a fill of a spot instrument moves; of contracts, whose fills move margin by rules of the venue, only the fee.
fn moved(
    instrument: &Instrument,
    side: Side,
    fill: &Fill,
) -> Result<Vec<(Asset, Amount)>, AmountError> {
    let mut moved = vec![(fill.fee.asset.clone(), fill.fee.amount.negated())];
    match instrument.kind {
        ContractKind::Spot => {
            let one = Qty::from_decimal(1.into())?;
            let (base, quote) = (fill.last_qty.as_amount(), fill.value(one)?.as_amount());
            let (base, quote) = match side {
                Side::Buy => (base, quote.negated()),
                Side::Sell => (base.negated(), quote),
            };
            moved.push((instrument.base.clone(), base));
            moved.push((instrument.quote.clone(), quote));
        }
        ContractKind::LinearPerpetual
        | ContractKind::InversePerpetual
        | ContractKind::LinearFuture
        | ContractKind::InverseFuture => {}
    }
    Ok(moved)
}

impl OrderRouterCore {
    /// Learns from an earlier run what the venue held beyond all fills.
    pub(crate) fn remember_beyond(&mut self, told: &ControlState) {
        let is_wanted = !self.link.is_caught_up && !self.config.is_account_accepted;
        if is_wanted && !told.beyond_fills.is_empty() {
            let beyond = told.beyond_fills.iter();
            self.books.beyond = beyond.map(|(asset, one)| (asset.clone(), vec![*one])).collect();
            self.books.has_begun = true;
        }
    }

    /// Keeps a complete answer until what travels beside it has arrived.
    pub(crate) fn keep_answer(&mut self, now: Timestamp, balances: &Balances) {
        if !self.link.is_up || self.books.answers.len() >= ANSWERS_MAX {
            return;
        }
        let totals = balances.entries.iter().map(|b| (b.asset.clone(), b.total)).collect();
        self.books.answers.push_back(Answer { totals, came_at: now });
    }

    /// Gives when the oldest answer is to be judged.
    pub(crate) fn next_judgement(&self) -> Option<Timestamp> {
        let first = self.books.answers.front()?;
        Some(first.came_at.saturating_add(self.config.absent_grace))
    }

    /// Judges the answers that have waited long enough.
    pub(crate) fn judge_balances(&mut self, now: Timestamp, out: &mut Out) {
        while self.next_judgement().is_some_and(|at| at <= now) {
            let Some(answer) = self.books.answers.pop_front() else { return };
            if self.books.obstacle().is_none() {
                self.judge_answer(now, &answer, out);
            }
        }
    }

    fn judge_answer(&mut self, now: Timestamp, answer: &Answer, out: &mut Out) {
        let back = self.config.request_life.max(DurationNs::from_s(5));
        let from = answer.came_at.saturating_sub(back);
        let named = answer.totals.keys().chain(self.books.booked.keys());
        // What is gone as a whole is named by nobody but its break.
        let named = named.chain(self.books.beyond.keys()).chain(self.breaks.open_assets());
        let named: BTreeSet<Asset> = named.cloned().collect();
        for asset in named {
            let total = answer.totals.get(&asset).copied().unwrap_or_default();
            let of = BreakOf::Balance(asset.clone());
            match self.books.judge(&asset, total, from) {
                Ok(None) => self.end_break(now, &of, "the venue's balance agrees", out),
                Ok(Some(expected)) => {
                    let cause =
                        format!("{asset} is {total} at the venue and {expected} by our books");
                    let amounts = Some((expected, total));
                    self.differs(now, of, Finding { instrument: None, cause, amounts }, out);
                }
                Err(_) => self.books.fault = Some("a balance is outside the exact range"),
            }
        }
        self.books.has_begun = true;
        self.books.compared_at = Some(answer.came_at);
        self.publish_state(now, None, out);
        self.look_again(now);
    }
}
