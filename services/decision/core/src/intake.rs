//! What each message changes, and whose quotes it concerns. The same for history and news.

use crate::core::{DecisionCore, Pair};
use crate::orders::Changed;
use remora_domain::{
    Balances, Body, Envelope, ExecType, Header, InstrumentKey, OrderCancel, OrderEvent,
    OrderRefusal, OrderRequest, SystemStatus, Timestamp, Universe,
};
use remora_ledger::LedgerError;

/// Says whose quotes must be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Concerned {
    /// Nobody's.
    None,
    /// Those of one pair.
    Pair(InstrumentKey),
    /// All.
    All,
}

impl Concerned {
    fn all_if(is_news: bool) -> Self {
        if is_news { Self::All } else { Self::None }
    }

    fn pair_if(is_news: bool, key: &InstrumentKey) -> Self {
        if is_news { Self::Pair(key.clone()) } else { Self::None }
    }
}

impl DecisionCore {
    /// Takes one message.
    ///
    /// # Errors
    /// Refuses executions that cannot be booked.
    pub(crate) fn take(
        &mut self,
        now: Timestamp,
        envelope: &Envelope,
    ) -> Result<Concerned, LedgerError> {
        let header = &envelope.header;
        // History happened when it was published; news happens now.
        let at = if self.is_caught_up { now } else { header.publish_time };
        Ok(match &envelope.body {
            Body::Instrument(instrument) => {
                let slot = &mut self.pair_mut(&instrument.key).market.instrument;
                let is_news = slot.set(header, instrument.clone());
                if is_news {
                    self.orders.book_waiting(instrument)?;
                }
                Concerned::pair_if(is_news, &instrument.key)
            }
            Body::Book(book) => {
                let market = &mut self.pair_mut(&book.instrument).market;
                let is_news = market.observe_book(now, header, book);
                if is_news {
                    let fair_est = market.fair_est();
                    self.leaders.observe(now, &book.instrument, fair_est);
                }
                Concerned::pair_if(is_news, &book.instrument)
            }
            Body::Trade(trade) => {
                self.pair_mut(&trade.instrument).market.observe_trade(now, header, trade);
                Concerned::None
            }
            // What one shard of a feed says of its own connection is in the states of its books.
            Body::MarketStatus(status) if status.status == SystemStatus::Disconnected => {
                Concerned::None
            }
            Body::MarketStatus(status) => {
                Concerned::all_if(self.facts.set_status(header, &status.venue, status.status))
            }
            Body::FeedStatus(feed) => {
                let market = self.pairs.get_mut(&feed.instrument).map(|pair| &mut pair.market);
                let is_news = market.is_some_and(|m| m.observe_state(now, header, feed));
                if is_news {
                    self.leaders.observe(now, &feed.instrument, None);
                }
                Concerned::pair_if(is_news, &feed.instrument)
            }
            Body::Heartbeat(_) => Concerned::all_if(self.facts.hear_control(now, header)),
            Body::Universe(universe) => self.take_universe(header, universe),
            Body::Balances(balances) => self.take_balances(header, balances),
            Body::AccountFees(fees) => {
                let is_ours = fees.account == self.config.account;
                Concerned::all_if(
                    is_ours && self.facts.set_fees(header, &fees.venue, fees.schedule),
                )
            }
            Body::ControlCommand(command) => {
                let is_ours = command.concerns(&self.config.account);
                Concerned::all_if(is_ours && self.facts.set_command(header, command))
            }
            Body::ControlState(state) => {
                if state.account != self.config.account {
                    return Ok(Concerned::None);
                }
                let is_back = self.facts.hear_control(now, header);
                Concerned::all_if(self.facts.set_control_state(header, state) || is_back)
            }
            Body::OrderRequest(request) => self.take_request(at, request),
            Body::OrderApproval(approval) => self.take_approval(&approval.fields.request),
            Body::OrderRefusal(refusal) => self.take_refusal(at, refusal),
            Body::OrderCancel(cancel) => self.take_cancel(header.publish_time, cancel),
            Body::OrderEvent(event) => self.take_event(at, header, event)?,
            Body::Ticker(_)
            | Body::Bar(_)
            | Body::Position(_)
            | Body::AccountBreak(_)
            | Body::DecisionRecord(_) => Concerned::None,
        })
    }

    fn take_universe(&mut self, header: &Header, universe: &Universe) -> Concerned {
        let is_news = self.facts.set_universe(header, universe.clone());
        if is_news {
            self.leaders.take(universe);
            for score in universe.pairs.iter().filter(|score| score.is_selected) {
                self.pair_mut(&score.instrument).is_followed = true;
            }
        }
        Concerned::all_if(is_news)
    }

    fn take_balances(&mut self, header: &Header, balances: &Balances) -> Concerned {
        if balances.account != self.config.account {
            return Concerned::None;
        }
        let is_news = self.facts.set_balances(header, balances);
        if is_news {
            let bound = self.own_bound_now(balances);
            self.facts.set_own_bound(&balances.venue, bound);
        }
        if let Some(told) = self.facts.balances_stamp(&balances.venue) {
            self.orders.balances_told(&balances.venue, told);
        }
        Concerned::all_if(is_news)
    }

    /// Counts again what our orders bind: the log of accounts was read before that of orders.
    pub(crate) fn count_own_bound(&mut self) {
        let told: Vec<Balances> = self.facts.all_balances(&self.config.account).collect();
        for balances in told {
            let bound = self.own_bound_now(&balances);
            self.facts.set_own_bound(&balances.venue, bound);
        }
    }

    fn is_ours(&self, request: &OrderRequest) -> bool {
        request.account == self.config.account && request.strategy == self.config.strategy
    }

    fn take_request(&mut self, at: Timestamp, request: &OrderRequest) -> Concerned {
        if !self.is_ours(request) || self.orders.requested(request) == Changed::Nothing {
            return Concerned::None;
        }
        self.pair_mut(&request.instrument).side_mut(request.side).requested(at);
        Concerned::Pair(request.instrument.clone())
    }

    fn take_approval(&mut self, request: &OrderRequest) -> Concerned {
        let is_news = self.is_ours(request) && self.orders.approved(request) != Changed::Nothing;
        Concerned::pair_if(is_news, &request.instrument)
    }

    fn take_cancel(&mut self, at: Timestamp, cancel: &OrderCancel) -> Concerned {
        let is_ours = cancel.account == self.config.account;
        let is_news = is_ours && self.orders.cancel_sent(at, cancel) != Changed::Nothing;
        Concerned::pair_if(is_news, &cancel.instrument)
    }

    fn take_refusal(&mut self, at: Timestamp, refusal: &OrderRefusal) -> Concerned {
        if refusal.account != self.config.account {
            return Concerned::None;
        }
        let ended = self.orders.refused(&refusal.instrument, &refusal.cl_ord_id);
        let Some(order) = ended else { return Concerned::None };
        let times = self.config.times;
        let side = self.pair_mut(&refusal.instrument).side_mut(order.side);
        match order.orig {
            Some(_) => side.amend_refused(at),
            None => side.refused(at, &times),
        }
        Concerned::Pair(refusal.instrument.clone())
    }

    fn take_event(
        &mut self,
        at: Timestamp,
        header: &Header,
        event: &OrderEvent,
    ) -> Result<Concerned, LedgerError> {
        if event.account != self.config.account {
            return Ok(Concerned::None);
        }
        let instrument = self.pairs.get(&event.instrument).and_then(|p| p.market.instrument.get());
        let changed = self.orders.event(header, event, instrument)?;
        if changed == Changed::Nothing {
            return Ok(Concerned::None);
        }
        let times = self.config.times;
        let orig = event.orig_cl_ord_id.as_ref();
        let has_gone = orig.is_some_and(|id| self.orders.get(&event.instrument, id).is_none());
        let side = self.pair_mut(&event.instrument).side_mut(event.side);
        match event.exec_type {
            ExecType::New if event.orig_cl_ord_id.is_some() => side.amended(),
            ExecType::New | ExecType::Trade => side.accepted(),
            ExecType::Rejected | ExecType::RouterRefused if changed == Changed::Ended => {
                // The order whose place it was to take stands as before, or has ended.
                match event.orig_cl_ord_id {
                    Some(_) if has_gone => {}
                    Some(_) => side.amend_refused(at),
                    None => side.refused(at, &times),
                }
            }
            ExecType::Replaced
            | ExecType::Rejected
            | ExecType::RouterRefused
            | ExecType::Sending
            | ExecType::SubmitUnknown
            | ExecType::CancelPending
            | ExecType::CancelRejected
            | ExecType::Cancelled
            | ExecType::Expired => {}
        }
        Ok(Concerned::Pair(event.instrument.clone()))
    }

    pub(crate) fn pair_mut(&mut self, key: &InstrumentKey) -> &mut Pair {
        let config = &self.config;
        self.pairs.entry(key.clone()).or_insert_with(|| Pair::new(config))
    }
}
