//! Latest values for the hot store: coalesced by subject, newest wins, written once an interval.

use remora_domain::{Envelope, Kind, Subject};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tells whether the latest message of this kind is a hot view.
pub(crate) const fn is_hot(kind: Kind) -> bool {
    match kind {
        Kind::MdBook | Kind::PairsUniverse | Kind::AccountBalance | Kind::ControlState => true,
        Kind::MdTrade
        | Kind::MdTicker
        | Kind::MdStatus
        | Kind::MdInstrument
        | Kind::MdBar
        | Kind::OrderRequest
        | Kind::OrderApproval
        | Kind::OrderRefusal
        | Kind::OrderCancel
        | Kind::OrderEvent
        | Kind::AccountFee
        | Kind::AccountBreak
        | Kind::AccountPosition
        | Kind::DecisionRecord
        | Kind::ControlCommand
        | Kind::SvcHeartbeat => false,
    }
}

/// Holds the newest message of each subject. Grows with the number of subjects, never with the traffic.
#[derive(Debug, Default)]
pub(crate) struct HotViews {
    newest: BTreeMap<Subject, Arc<Envelope>>,
    changed: BTreeMap<Subject, Arc<Envelope>>,
}

impl HotViews {
    /// Takes a message unless a newer one of its subject is known.
    pub(crate) fn offer(&mut self, subject: Subject, message: &Arc<Envelope>) {
        if self.newest.get(&subject).is_some_and(|known| !supersedes(message, known)) {
            return;
        }
        self.changed.insert(subject.clone(), Arc::clone(message));
        self.newest.insert(subject, Arc::clone(message));
    }

    pub(crate) fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Gives what changed since the last call, in the order of the subjects.
    pub(crate) fn take_changes(&mut self) -> impl Iterator<Item = Arc<Envelope>> + use<> {
        std::mem::take(&mut self.changed).into_values()
    }
}

/// Within a run the sequence decides; between runs only the publish time can.
fn supersedes(message: &Envelope, known: &Envelope) -> bool {
    let (new, old) = (&message.header, &known.header);
    if new.producer == old.producer && new.session == old.session {
        new.sequence > old.sequence
    } else {
        new.publish_time >= old.publish_time
    }
}
