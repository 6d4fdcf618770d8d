//! Taking back every order of the account in one request, also those that are not ours.
//!
//! It goes before everything else that changes the venue, waits for no budget, and leaves while orders of others keep the
//! session down. A list is asked for after it in any case: only that tells what it did. It is not repeated from here
//! unless it provably did nothing: whoever asked for it looks at the list and asks again. What waits here, for a call
//! under way or another token, leaves no more once it is not wanted any more: people have placed orders since.
//! Source: Kraken Spot REST reference, "Cancel All Orders"; WebSocket v2 reference, `cancel_all` (checked June 2026).

use super::KrakenTrading;
use super::Phase;
use super::acts::Outcome;
use super::budget::cancel_cost;
use super::calls::{Act, Ask, Cost, Fields};
use super::errors::Meaning;
use super::orders::Out;
use super::requests::cancel_account_frame;
use remora_domain::Timestamp;
use remora_venue_api::ProblemKind;

impl KrakenTrading {
    pub(super) const fn want_account_cancel(&mut self, is_wanted: bool) {
        let is_open = matches!(self.phase, Phase::Running { .. } | Phase::Stopping { .. });
        self.is_account_cancel_wanted = is_wanted && is_open;
        self.is_account_cancel_due = self.is_account_cancel_wanted;
    }

    /// Sends it, unless a call with a smaller nonce is on its way.
    pub(super) fn send_account_cancel(&mut self, now: Timestamp, out: &mut Out) {
        if !self.is_account_cancel_due {
            return;
        }
        let (act, cost) = (Act::CancelAccount, self.account_cancel_cost(now));
        let is_sent = if self.has_socket() {
            self.send_frame(now, act, cost, cancel_account_frame, out)
        } else if self.is_calling(now) {
            false
        } else {
            let none = Fields::Form(String::new());
            self.send_call(now, Ask::Act(act), cost, &none, out)
        };
        self.is_account_cancel_due = !is_sent;
    }

    /// Gives what it costs: each of our orders as if it were taken back alone. What orders of others cost, the venue tells.
    fn account_cancel_cost(&self, now: Timestamp) -> Cost {
        let live = self.orders.live();
        live.map(|(_, order)| (order.key.clone(), cancel_cost(now, order.answered))).collect()
    }

    pub(super) fn account_cancelled(
        &mut self,
        now: Timestamp,
        said: Option<Meaning>,
        outcome: &Outcome<'_>,
        out: &mut Out,
    ) {
        let trouble = match (outcome, said) {
            (Outcome::Good(_), _) => None,
            // Nothing was done: the token is no good. Another way, or the next token, is.
            (Outcome::Refused(_), Some(Meaning::Session)) => {
                self.is_account_cancel_due = self.is_account_cancel_wanted;
                None
            }
            (Outcome::Refused(text), _) => Some(format!("refused: {}", self.scrubbed(text))),
            (Outcome::Unsent, _) => Some("not sent".to_owned()),
            (Outcome::Lost, _) => Some("without an answer".to_owned()),
        };
        if let Some(trouble) = trouble {
            let detail = format!("taking back every order of the account: {trouble}");
            self.problem(ProblemKind::RequestRefused, None, detail, out);
        }
        self.settle.want(now);
    }
}
