//! Taking back every order of the account, also those that other people or programs placed.
//!
//! In: the command of an operator who named the account. Out: the request to the venue, again with growing patience, and
//! questions for what is open. It is over once the venue has listed none at all, in a list asked for after the command,
//! or when somebody resumes what it halted; it is given up when the venue has told no list for a minute. It leaves while
//! the session is down, too: orders of others may be what keeps it down.
//! Must never happen: an old command, read again after a start, that takes what a person has placed since; nor one that was
//! given to another router.

use crate::RouterOutput;
use crate::core::{OrderRouterCore, Out};
use remora_domain::{
    ControlAction, ControlCommand, ControlScope, ControlState, DurationNs, Header, MessageId,
    Timestamp,
};
use remora_machine::ServiceOutput;
use remora_venue_api::VenueCommand;

/// A command that is older only halts: longer than a process takes to start again, shorter than a person takes to look at
/// the venue and to place orders there.
const COMMAND_AGE_MAX: DurationNs = DurationNs::from_s(60);

/// Clocks of two machines differ by less. A command of a time further ahead has no known age: it only halts.
const CLOCK_AHEAD_MAX: DurationNs = DurationNs::from_s(5);

/// Is how the last taking back of the whole account went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountCancel {
    /// How often it was begun in this run.
    pub begun: u64,
    /// How many orders of the account, whoever placed them, the venue listed last; `None` before it has answered.
    pub orders_open: Option<u64>,
    /// After how long the venue listed none.
    pub emptied_after: Option<DurationNs>,
    /// Whether it was given up, because the venue listed nothing for too long: what is open then nobody knows.
    pub is_given_up: bool,
}

/// Is the taking back of the whole account.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    told: AccountCancel,
    under_way: Option<UnderWay>,
    /// The newest command that is over, of this run or of an earlier one; the log tells what a resumption ended.
    pub(crate) over: Option<MessageId>,
}

#[derive(Clone, Debug)]
struct UnderWay {
    /// Which command is carried out.
    command: MessageId,
    /// What it halted: who resumes that, and nobody else, wants orders again.
    scope: ControlScope,
    begun_at: Timestamp,
    /// When to ask the venue again.
    again_at: Timestamp,
    /// How often it was asked.
    sent: u32,
    /// When the venue last listed what is open; before that, when it was begun.
    listed_at: Timestamp,
}

impl UnderWay {
    /// Gives when it is given up: by then a person looks at the venue, and places orders there.
    const fn ends_at(&self) -> Timestamp {
        self.listed_at.saturating_add(COMMAND_AGE_MAX)
    }
}

impl OrderRouterCore {
    /// Tells how the last taking back of every order of the account went.
    #[must_use]
    pub const fn account_cancel(&self) -> AccountCancel {
        self.sweep.told
    }

    /// Tells whether a command is about all that this router routes. One that was given to another router takes nothing
    /// back here: it only halts.
    fn is_whole(&self, command: &ControlCommand) -> bool {
        let ours = &self.config.venue;
        let only_at = command.account.as_ref().and_then(|account| account.venue.as_ref());
        let is_here = only_at.is_none_or(|venue| venue == ours);
        is_here
            && match &command.scope {
                ControlScope::Global => true,
                ControlScope::Venue(venue) => venue == ours,
                ControlScope::Instrument(_) | ControlScope::Strategy(_) => false,
            }
    }

    /// Begins with a fresh command; whoever resumes what it halted wants orders again, and ends it.
    pub(crate) fn begin_or_end_sweep(
        &mut self,
        now: Timestamp,
        header: &Header,
        command: &ControlCommand,
        out: &mut Out,
    ) {
        let is_whole = self.is_whole(command);
        let age = now.since(header.publish_time);
        let is_fresh = (CLOCK_AHEAD_MAX.saturating_mul(-1)..=COMMAND_AGE_MAX).contains(&age);
        let command_id = header.message_id();
        match command.action {
            // Those before it in the log are over with it.
            ControlAction::CancelAccount if self.sweep.over.as_ref() == Some(&command_id) => {
                self.sweep.under_way = None;
            }
            ControlAction::CancelAccount if is_whole && is_fresh => {
                let begun = self.sweep.told.begun.saturating_add(1);
                self.sweep.told = AccountCancel { begun, ..AccountCancel::default() };
                self.sweep.under_way = Some(UnderWay {
                    command: command_id,
                    scope: command.scope.clone(),
                    begun_at: now,
                    again_at: now,
                    sent: 0,
                    listed_at: now,
                });
            }
            // As with halts: the resumption of another scope ends nothing.
            ControlAction::Resume | ControlAction::Reduce => {
                let ended = &mut self.sweep.under_way;
                let ended = ended.take_if(|under_way| under_way.scope == command.scope);
                ended.iter().for_each(|under_way| forget(under_way, out));
            }
            ControlAction::CancelAccount
            | ControlAction::Halt
            | ControlAction::ChangeLimits
            | ControlAction::ConfirmLimits => {}
        }
    }

    /// Learns from what an earlier run said which command is over.
    pub(crate) fn remember_sweep(&mut self, told: &ControlState) {
        if self.link.is_caught_up || told.account_cancelled.is_none() {
            return;
        }
        self.sweep.over.clone_from(&told.account_cancelled);
        self.sweep
            .under_way
            .take_if(|under_way| Some(&under_way.command) == self.sweep.over.as_ref());
    }

    /// Gives when the venue is asked again, or no more.
    pub(crate) fn next_sweep(&self) -> Option<Timestamp> {
        let under_way = self.sweep.under_way.as_ref().filter(|_| self.link.is_caught_up);
        under_way.map(|under_way| under_way.again_at.min(under_way.ends_at()))
    }

    /// Asks the venue to take back everything, when that is due, and then what is open.
    pub(crate) fn keep_sweeping(&mut self, now: Timestamp, out: &mut Out) {
        if self.next_sweep().is_none_or(|at| now < at) {
            return;
        }
        let Some(under_way) = &mut self.sweep.under_way else { return };
        if under_way.ends_at() <= now {
            self.sweep.told.is_given_up = true;
            return self.end_sweep(now, out);
        }
        let patience = self.config.submit_timeout.saturating_mul(1_i64 << under_way.sent.min(16));
        under_way.again_at = now.saturating_add(patience.min(self.config.reconcile_interval));
        under_way.sent = under_way.sent.saturating_add(1);
        let is_first = under_way.sent == 1;
        out.push(ServiceOutput::Local(RouterOutput::Venue(VenueCommand::CancelAccount)));
        // The first time the halt, or the start, asks anyway.
        if self.link.is_up && !is_first {
            self.query(now, out);
        }
    }

    /// Counts what the venue has just listed. Only a list that was asked for after the command says that it is done.
    pub(crate) fn count_swept(
        &mut self,
        now: Timestamp,
        asked_at: Timestamp,
        listed: u64,
        out: &mut Out,
    ) {
        let Some(under_way) = &mut self.sweep.under_way else { return };
        if asked_at < under_way.begun_at || under_way.sent == 0 {
            return;
        }
        under_way.listed_at = now;
        self.sweep.told.orders_open = Some(listed);
        if listed == 0 && self.link.orders_open == Some(0) {
            self.sweep.told.emptied_after = Some(now.since(under_way.begun_at));
            self.end_sweep(now, out);
            return;
        }
        // It answers: then it is asked as often as for orders of ours.
        let soon = now.saturating_add(self.config.submit_timeout);
        under_way.again_at = under_way.again_at.min(soon);
    }

    /// Ends it, and publishes that: a run that starts within a minute would carry the command out once more.
    fn end_sweep(&mut self, now: Timestamp, out: &mut Out) {
        if let Some(under_way) = self.sweep.under_way.take() {
            forget(&under_way, out);
            self.sweep.over = Some(under_way.command);
            self.publish_state(now, None, out);
        }
    }
}

/// Tells the venue's session that what may wait there is not wanted any more.
fn forget(under_way: &UnderWay, out: &mut Out) {
    if under_way.sent > 0 {
        out.push(ServiceOutput::Local(RouterOutput::Venue(VenueCommand::ForgetCancelAccount)));
    }
}
