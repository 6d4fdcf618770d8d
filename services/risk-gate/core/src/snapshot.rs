//! What the log of orders has made of a gate, written down so that the next start need not read all of it.
//!
//! In: a gate that only reads. Out: bytes that stand for the log of orders up to there, and such a gate from them. Halts,
//! limits, definitions, balances and marks of equity are not in it: they come from their own logs, which are read whole
//! before. Must never happen: a snapshot taken over under other limits than it was written under, because windows are cut
//! to what the limits look back on; one of another layout read as if it were of this one.

use crate::core::RiskGateCore;
use crate::facts::{Facts, Mark, Pair, Unbooked};
use crate::flow::{Budget, DayCounts, Executions, Repeats};
use crate::funds::Moved;
use crate::loss::Streak;
use crate::orders::{IdState, PairOrders, Reservation};
use crate::seen::Seen;
use remora_domain::{ClOrdId, InstrumentKey, Kind, MessageId, Timestamp, VenueId};
use remora_ledger::Ledger;
use remora_machine::SnapshotError;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Rises whenever what is written, or its meaning, changes: an older snapshot is then left aside.
const LAYOUT: u32 = 1;
/// The kinds of the log of orders.
const KINDS: [Kind; 5] = [
    Kind::OrderRequest,
    Kind::OrderApproval,
    Kind::OrderRefusal,
    Kind::OrderCancel,
    Kind::OrderEvent,
];

/// Is a snapshot as written.
#[derive(Serialize, Deserialize)]
struct Snapshot<'a> {
    layout: u32,
    /// Everything the gate was set to: two gates that differ in it cut what they remember differently.
    config: Cow<'a, str>,
    epoch_highest: u64,
    /// Requests without an answer, encoded, in the order of the log.
    requests: Vec<Vec<u8>>,
    answered: Cow<'a, BTreeSet<MessageId>>,
    seen: Seen,
    rate: Cow<'a, VecDeque<Timestamp>>,
    cancels: Cow<'a, VecDeque<Timestamp>>,
    today: Cow<'a, DayCounts>,
    ids: Cow<'a, BTreeMap<ClOrdId, IdState>>,
    ledger: Cow<'a, Ledger>,
    venues: Vec<(Cow<'a, VenueId>, VenuePart<'a>)>,
    pairs: Vec<(Cow<'a, InstrumentKey>, PairPart<'a>)>,
}

#[derive(Serialize, Deserialize)]
struct VenuePart<'a> {
    budget: Cow<'a, Budget>,
    moved: Cow<'a, [Moved]>,
}

#[derive(Serialize, Deserialize)]
struct PairPart<'a> {
    fill_mark: Option<Mark>,
    repeats: Cow<'a, Repeats>,
    executions: Cow<'a, Executions>,
    streak: Streak,
    open: Cow<'a, BTreeMap<ClOrdId, Reservation>>,
    unbooked: Cow<'a, [Unbooked]>,
}

impl<'a> PairPart<'a> {
    fn of(pair: &'a Pair) -> Self {
        Self {
            fill_mark: pair.fill_mark,
            repeats: Cow::Borrowed(&pair.repeats),
            executions: Cow::Borrowed(&pair.executions),
            streak: pair.streak,
            open: Cow::Borrowed(pair.orders.open()),
            unbooked: Cow::Borrowed(&pair.unbooked),
        }
    }

    fn put(self, pair: &mut Pair) {
        pair.fill_mark = self.fill_mark;
        pair.repeats = self.repeats.into_owned();
        // A person's word of the meantime was read before.
        let resumed_at = pair.executions.resumed_at();
        pair.executions = self.executions.into_owned();
        if let Some(at) = resumed_at {
            pair.executions.settle(at);
        }
        pair.streak = self.streak;
        pair.orders = PairOrders::of(self.open.into_owned());
        pair.unbooked = self.unbooked.into_owned();
    }
}

fn refused(problem: impl ToString) -> SnapshotError {
    SnapshotError { problem: problem.to_string() }
}

impl RiskGateCore {
    fn settings_words(&self) -> String {
        format!("{} {:?}", env!("CARGO_PKG_VERSION"), self.facts.config)
    }

    pub(crate) fn write_snapshot(&self) -> Option<Vec<u8>> {
        if self.is_cut {
            return None; // the next start reads the log under the new limits
        }
        let facts = &self.facts;
        let venues = facts.venues.iter().map(|(venue, of)| {
            let moved = Cow::Borrowed(of.funds.moved_since());
            (Cow::Borrowed(venue), VenuePart { budget: Cow::Borrowed(&of.budget), moved })
        });
        let pairs = facts.traded_pairs().map(|(key, of)| (Cow::Borrowed(key), PairPart::of(of)));
        let snapshot = Snapshot {
            layout: LAYOUT,
            config: Cow::Owned(self.settings_words()),
            epoch_highest: self.epoch_highest,
            requests: self.unanswered.requests().map(|it| remora_wire::encode(it).into()).collect(),
            answered: Cow::Borrowed(self.unanswered.answers_early()),
            seen: self.seen.of_kinds(&KINDS),
            rate: Cow::Borrowed(facts.rate.times()),
            cancels: Cow::Borrowed(facts.cancels.times()),
            today: Cow::Borrowed(&facts.today),
            ids: Cow::Borrowed(&facts.ids),
            ledger: Cow::Borrowed(&facts.ledger),
            venues: venues.collect(),
            pairs: pairs.collect(),
        };
        postcard::to_allocvec(&snapshot).ok()
    }

    pub(crate) fn read_snapshot(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        if self.is_caught_up {
            return Err(refused("the log has been read already"));
        }
        let (layout, _) = postcard::take_from_bytes::<u32>(bytes).map_err(refused)?;
        if layout != LAYOUT {
            return Err(refused(format!(
                "written in layout {layout}, this version reads {LAYOUT}"
            )));
        }
        let (snapshot, rest) = postcard::take_from_bytes::<Snapshot<'_>>(bytes).map_err(refused)?;
        if !rest.is_empty() {
            return Err(refused(format!("{} bytes too many", rest.len())));
        }
        if snapshot.config != self.settings_words() {
            return Err(refused("written by another version, or under other limits or settings"));
        }
        let requests = snapshot.requests.iter().map(|bytes| remora_wire::decode(bytes));
        let requests = requests.collect::<Result<Vec<_>, _>>().map_err(refused)?;
        let mut facts = self.facts.clone();
        facts.rate.restore(snapshot.rate.into_owned());
        facts.cancels.restore(snapshot.cancels.into_owned());
        facts.today = snapshot.today.into_owned();
        facts.ids = snapshot.ids.into_owned();
        facts.ledger = snapshot.ledger.into_owned();
        for (venue, part) in snapshot.venues {
            let of = facts.venue(&venue);
            of.budget = part.budget.into_owned();
            of.funds.restore(part.moved.into_owned()).map_err(refused)?;
        }
        for (key, part) in snapshot.pairs {
            facts.restore_pair(&key, part);
        }
        self.take_facts(facts)?;
        self.epoch_highest = self.epoch_highest.max(snapshot.epoch_highest);
        self.seen.extend(snapshot.seen);
        self.unanswered.restore(requests.into_iter().map(Arc::new), snapshot.answered.into_owned());
        Ok(())
    }
}

impl RiskGateCore {
    /// Goes on with other facts, and books what waited for a definition that is known by now.
    fn take_facts(&mut self, facts: Facts) -> Result<(), SnapshotError> {
        let before = std::mem::replace(&mut self.facts, facts);
        let waits = |(_, pair): &(&InstrumentKey, &Pair)| !pair.unbooked.is_empty();
        let waiting: Vec<InstrumentKey> =
            self.facts.traded_pairs().filter(waits).map(|(key, _)| key.clone()).collect();
        let mut faults = Vec::new();
        for key in waiting {
            self.book_waiting(&key, &mut faults);
            self.facts.revalue(&key);
        }
        if faults.is_empty() {
            return Ok(());
        }
        // Reading the whole log tells of it.
        self.facts = before;
        Err(refused("an execution in it cannot be booked"))
    }
}

impl Facts {
    fn restore_pair(&mut self, key: &InstrumentKey, part: PairPart<'_>) {
        let pair = self.traded_pair(key);
        part.put(pair);
        if pair.executions.tripped_at.is_some() {
            self.tripped.insert(key.clone());
        }
        self.revalue(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RiskGateConfig, RiskGateSettings};
    use remora_domain::{Body, CancelReason, OrderRequest, Qty, Sequencer, SessionId};
    use remora_machine::{Machine as _, ServiceCore as _, ServiceInput};
    use remora_testkit::{
        Producer, account, approval, at_ms, cancel, filled, instrument, key, qty, request, sending,
        signer, usd,
    };

    const SOUND: &str = include_str!("../tests/gate/sound.toml");

    fn limits() -> RiskGateConfig {
        let settings: RiskGateSettings = toml::from_str(SOUND).unwrap();
        settings.validate(&account(), &usd(&[])).unwrap()
    }

    fn core(limits: RiskGateConfig) -> RiskGateCore {
        let sequencer = Sequencer::new("risk-gate-0".parse().unwrap(), SessionId::new(9));
        RiskGateCore::new(limits, signer(), sequencer)
    }

    /// Gives a gate that has read of an order that was filled in part, one that waits, and a fill of a pair nobody defined.
    fn read() -> RiskGateCore {
        let mut core = core(limits());
        let (mut others, mut ms) = (Producer::new("others", 1), 0);
        let mut tell = |body| {
            ms += 1;
            let envelope = others.wrap(at_ms(ms), body);
            core.handle(at_ms(ms), ServiceInput::Message(envelope), &mut Vec::new());
        };
        let first = request("a-1");
        let strange = OrderRequest { instrument: key("ETH-USD"), ..request("a-3") };
        tell(Body::Instrument(instrument("BTC", "USD")));
        tell(Body::OrderRequest(request("a-2")));
        tell(Body::OrderApproval(approval(first.clone(), 3, 1, at_ms(60_000))));
        tell(Body::OrderEvent(sending(&first)));
        tell(Body::OrderEvent(filled(&first, "x-1", Qty::ZERO, qty("0.004"))));
        tell(Body::OrderCancel(cancel(&first, CancelReason::Requote)));
        tell(Body::OrderEvent(filled(&strange, "x-2", Qty::ZERO, qty("0.1"))));
        core
    }

    #[test]
    fn a_gate_that_takes_over_a_snapshot_knows_what_it_holds() {
        let (before, mut after) = (read(), core(limits()));
        let snapshot = before.snapshot().unwrap();
        after.restore(&snapshot).unwrap();
        assert_eq!(after.snapshot(), Some(snapshot));
        let follower = before.follower().unwrap();
        assert_eq!(follower.snapshot(), before.snapshot());
        assert_eq!(after.unanswered.requests().count(), 1);
        assert_eq!(after.facts.ids.len(), 2);
    }

    #[test]
    fn history_moves_neither_the_start_of_the_day_nor_the_peak() {
        let told = |core: &RiskGateCore| core.facts.equity.marks;
        let mut core = read();
        assert_eq!(told(&core), None);
        let mut others = Producer::new("others", 3);
        let envelope = others.wrap(at_ms(9), Body::Instrument(instrument("ETH", "USD")));
        core.handle(at_ms(9), ServiceInput::Message(envelope), &mut Vec::new());
        assert_eq!(told(&core), None, "a fill that was booked only now");
        core.handle(at_ms(10), ServiceInput::CaughtUp, &mut Vec::new());
        assert!(told(&core).is_some());
    }

    #[test]
    fn limits_that_change_after_orders_were_counted_end_the_snapshots() {
        let mut core = read();
        assert!(core.snapshot().is_some());
        core.is_cut = true;
        assert!(core.snapshot().is_none());
    }

    #[test]
    fn a_fill_that_waited_for_a_definition_is_booked_where_that_is_known_by_now() {
        let snapshot = read().snapshot().unwrap();
        let mut after = core(limits());
        let mut others = Producer::new("others", 2);
        for base in ["BTC", "ETH"] {
            let envelope = others.wrap(at_ms(1), Body::Instrument(instrument(base, "USD")));
            after.handle(at_ms(1), ServiceInput::Message(envelope), &mut Vec::new());
        }
        after.restore(&snapshot).unwrap();
        let position = after.facts.ledger.position(&account(), &key("ETH-USD"));
        assert_eq!(position.to_string(), "0.1");
        assert!(after.facts.pairs.values().all(|pair| pair.unbooked.is_empty()));
    }

    #[test]
    fn a_snapshot_of_other_limits_or_layout_changes_nothing() {
        let snapshot = read().snapshot().unwrap();
        let wider = RiskGateConfig { open_orders_max: 39, ..limits() };
        let mut other = core(wider);
        let problem = other.restore(&snapshot).unwrap_err().problem;
        assert!(problem.contains("other limits"), "{problem}");
        assert!(other.facts.ids.is_empty());
        let mut gate = core(limits());
        let check = |gate: &mut RiskGateCore, bytes: &[u8], word: &str| {
            let problem = gate.restore(bytes).unwrap_err().problem;
            assert!(problem.contains(word), "{problem}");
            assert!(gate.facts.ids.is_empty());
        };
        let mut layout = snapshot.clone();
        layout[0] += 1;
        check(&mut gate, &layout, "layout 2");
        check(&mut gate, &[snapshot.as_slice(), &[0]].concat(), "1 bytes too many");
        check(&mut gate, &snapshot[..snapshot.len() - 1], "");
        check(&mut gate, &[], "");
        gate.handle(at_ms(1), ServiceInput::CaughtUp, &mut Vec::new());
        check(&mut gate, &snapshot, "has been read already");
        assert!(gate.follower().is_none());
    }

    /// Fails when what is written changes: then `LAYOUT` must rise, or a start would misread what an older version wrote.
    #[test]
    fn a_snapshot_of_this_layout_is_written_as_ever() {
        let bytes = read().snapshot().unwrap();
        let (snapshot, _) = postcard::take_from_bytes::<Snapshot<'_>>(&bytes).unwrap();
        // Limits may come and go without a change of the layout.
        let bare = Snapshot { config: Cow::Borrowed(""), ..snapshot };
        let bytes = postcard::to_allocvec(&bare).unwrap();
        let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, fnv);
        assert_eq!((LAYOUT, bytes.len(), hash), (1, 851, 11_828_322_195_619_312_737));
    }
}
