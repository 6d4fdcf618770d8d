//! What the log of orders has made of a router, written down so that the next start need not read all of it.
//!
//! In: a router that only reads. Out: bytes that stand for the log of orders up to there, and such a router from them.
//! Halts, epochs, definitions and breaks are not in it: they come from their own logs, which are read whole before. Must
//! never happen: an id that was used and is not known to be; a snapshot of another layout read as if it were of this one.

use crate::books::Booked;
use crate::core::OrderRouterCore;
use crate::orders::{Order, Orders};
use remora_approval::Verifier;
use remora_domain::{Body, ClOrdId, Envelope, ProducerId, Sequencer, SessionId, Timestamp};
use remora_machine::SnapshotError;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Rises whenever what is written, or its meaning, changes: an older snapshot is then left aside.
const LAYOUT: u32 = 1;

/// Is a snapshot as written.
#[derive(Serialize, Deserialize)]
struct Snapshot<'a> {
    layout: u32,
    config: Cow<'a, str>,
    orders: Cow<'a, BTreeMap<ClOrdId, Order>>,
    ended: Cow<'a, VecDeque<ClOrdId>>,
    used: Cow<'a, BTreeSet<ClOrdId>>,
    /// Approvals without an answer, encoded, in the order of the log.
    unanswered: Vec<Vec<u8>>,
    cancels_early: Cow<'a, VecDeque<ClOrdId>>,
    booked: Booked<'a>,
    /// Who has asked for orders and approved them, and when: those who fall silent lose their orders.
    heard: Cow<'a, BTreeMap<ProducerId, Timestamp>>,
}

fn refused(problem: impl ToString) -> SnapshotError {
    SnapshotError { problem: problem.to_string() }
}

impl OrderRouterCore {
    /// Gives a router that knows what this one has read, and reads on.
    pub(crate) fn only_reading(&self) -> Option<Self> {
        if self.link.is_caught_up {
            return None;
        }
        let verifier = Verifier::new(self.verifier.key());
        // Under a run of its own: what this one says is news to it.
        let sequencer = Sequencer::new(self.sequencer.producer().clone(), SessionId::default());
        let mut follower = Self::new(self.config.clone(), verifier, sequencer);
        follower.books.define_all_of(&self.books);
        follower.read_snapshot(&self.write_snapshot()?).ok()?;
        Some(follower)
    }

    fn settings_words(&self) -> String {
        format!("{} {:?}", env!("CARGO_PKG_VERSION"), self.config)
    }

    pub(crate) fn write_snapshot(&self) -> Option<Vec<u8>> {
        let mut unanswered: Vec<_> = self.unanswered.values().collect();
        unanswered.sort_by_key(|(place, _)| *place);
        let snapshot = Snapshot {
            layout: LAYOUT,
            config: Cow::Owned(self.settings_words()),
            orders: Cow::Borrowed(self.orders.all()),
            ended: Cow::Borrowed(self.orders.ended()),
            used: Cow::Borrowed(self.verifier.used()),
            unanswered: unanswered.iter().map(|(_, it)| remora_wire::encode(it).into()).collect(),
            cancels_early: Cow::Borrowed(self.cancels_early.order()),
            booked: self.books.booked()?,
            heard: Cow::Borrowed(self.watch.liveness.heard()),
        };
        postcard::to_allocvec(&snapshot).ok()
    }

    pub(crate) fn read_snapshot(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        if self.link.is_caught_up {
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
            return Err(refused("written by another version, or under other settings"));
        }
        let unanswered = snapshot.unanswered.iter().map(|bytes| remora_wire::decode(bytes));
        let unanswered = unanswered.collect::<Result<Vec<_>, _>>().map_err(refused)?;
        self.orders = Orders::of(snapshot.orders.into_owned(), snapshot.ended.into_owned());
        for cl_ord_id in snapshot.used.into_owned() {
            self.verifier.observe_used(cl_ord_id);
        }
        for envelope in unanswered {
            self.remember_again(envelope);
        }
        for cl_ord_id in snapshot.cancels_early.into_owned() {
            self.cancels_early.insert(cl_ord_id);
        }
        self.books.restore(snapshot.booked);
        for (producer, at) in snapshot.heard.iter() {
            self.watch.liveness.hear_of(producer, *at);
        }
        Ok(())
    }

    fn remember_again(&mut self, envelope: Envelope) {
        if let Body::OrderApproval(approval) = &envelope.body {
            let cl_ord_id = approval.fields.request.cl_ord_id.clone();
            self.remember_approval(&Arc::new(envelope), &cl_ord_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{core, good};
    use remora_domain::{CancelReason, Qty};
    use remora_machine::{Machine as _, ServiceCore as _, ServiceInput};
    use remora_testkit::{Producer, at_ms, cancel, filled, qty, request};

    /// Fails when what is written changes: then `LAYOUT` must rise, or a start would misread what an older version wrote.
    #[test]
    fn a_snapshot_of_this_layout_is_written_as_ever() {
        let (mut core, mut others) = (core(1), Producer::new("others", 1));
        let bodies = [
            Body::OrderApproval(good(&request("r-1"))),
            Body::OrderApproval(good(&request("r-2"))),
            Body::OrderEvent(filled(&request("r-1"), "x-1", Qty::ZERO, qty("0.4"))),
            Body::OrderCancel(cancel(&request("r-3"), CancelReason::Requote)),
        ];
        for body in bodies {
            let envelope = others.wrap(at_ms(1), body);
            core.handle(at_ms(1), ServiceInput::Message(envelope), &mut Vec::new());
        }
        let bytes = core.snapshot().unwrap();
        let (snapshot, _) = postcard::take_from_bytes::<Snapshot<'_>>(&bytes).unwrap();
        // Settings may come and go without a change of the layout.
        let bare = Snapshot { config: Cow::Borrowed(""), ..snapshot };
        let bytes = postcard::to_allocvec(&bare).unwrap();
        let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, fnv);
        assert_eq!((LAYOUT, bytes.len(), hash), (1, 428, 18_090_000_690_875_918_565));
    }
}
