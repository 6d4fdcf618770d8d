//! When the gate acts: between the beginning of a term and its end, under the epoch of that term.
//!
//! A gate that does not act follows: it takes everything in as history, keeps requests until it reads their answers, and
//! says nothing. So it can act in the instant in which a term begins.

use crate::core::{Out, RiskGateCore};
use remora_domain::{Body, Timestamp};
use remora_machine::{ServiceOutput, TermInput, TermOutput};

impl RiskGateCore {
    /// Tells whether it may act now: every decision looks at the clock, so that a gate that stood still says nothing
    /// when it wakes after the end of its term.
    pub(crate) fn acts(&self, now: Timestamp) -> bool {
        self.is_live && !self.is_superseded && self.term_until.is_some_and(|until| now < until)
    }

    pub(crate) fn on_term(&mut self, now: Timestamp, term: TermInput, out: &mut Out) {
        match term {
            TermInput::Leads { epoch, until } => self.on_leads(now, epoch, until, out),
            TermInput::Deposed => {
                self.is_superseded = true;
                self.beat_at = None;
            }
        }
    }

    /// Asks for an epoch above all that others have acted under. Its first word: from then on it can lead.
    pub(crate) fn claim(&self, out: &mut Out) {
        let epoch = self.epoch_highest.saturating_add(1);
        out.push(ServiceOutput::Local(TermOutput::Claim { epoch }));
    }

    fn on_leads(&mut self, now: Timestamp, epoch: u64, until: Timestamp, out: &mut Out) {
        if !self.is_caught_up {
            out.push(ServiceOutput::Fault("a term began before recovery ended"));
            return;
        }
        let leaves = self.facts.is_stopping && !self.is_live;
        if self.is_superseded || leaves || epoch < self.facts.epoch {
            return;
        }
        if epoch <= self.epoch_highest {
            // Routers refuse what is signed under it, or somebody else has signed under it too.
            self.term_until = None;
            self.claim(out);
            return;
        }
        let acted_before = self.acts(now) && epoch == self.facts.epoch;
        self.term_until = Some(until);
        if now < until && !acted_before {
            self.facts.epoch = epoch;
            self.begin_term(now, out);
        }
    }

    fn begin_term(&mut self, now: Timestamp, out: &mut Out) {
        if !self.is_live {
            self.is_live = true;
            self.facts.live_at = Some(now);
        }
        self.facts.revalue_all(now);
        self.facts.tell_equity(now);
        self.tell_state(now, out);
        self.beat(now, out);
        for envelope in self.unanswered.take() {
            if let Body::OrderRequest(request) = &envelope.body {
                self.answer(now, &envelope.header, request, out);
            }
        }
    }

    /// Gives the sign of life that is due; none outside a term.
    pub(crate) fn beat_on(&mut self, now: Timestamp, out: &mut Out) {
        if self.acts(now) {
            self.beat(now, out);
        } else {
            self.beat_at = None;
        }
    }
}
