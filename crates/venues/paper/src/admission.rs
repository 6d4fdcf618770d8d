//! What the venue checks when an order arrives (quant-methods, section 21, B3 and B7), in the order of a real venue.

use crate::account::{Account, Binding, is_supported};
use crate::market::Market;
use crate::settings::PaperConfig;
use remora_domain::{
    Instrument, InstrumentStatus, OrderEventReason, OrderRequest, TimeInForce, Timestamp,
};

/// Is what an arriving order meets.
pub(crate) struct Meeting<'a> {
    pub(crate) config: &'a PaperConfig,
    pub(crate) account: &'a Account,
    pub(crate) instrument: Option<&'a Instrument>,
    pub(crate) market: Option<&'a Market>,
    pub(crate) open: &'a [Binding<'a>],
    pub(crate) is_id_used: bool,
    pub(crate) is_over_rate: bool,
}

impl Meeting<'_> {
    /// Tells why an order is refused on its arrival at `now`; `Ok` tells whether it would take at once.
    pub(crate) fn check(
        &self,
        now: Timestamp,
        request: &OrderRequest,
    ) -> Result<bool, OrderEventReason> {
        if request.account != self.config.account || request.instrument.venue != self.config.venue {
            return Err(OrderEventReason::WrongVenue);
        }
        if self.is_over_rate {
            return Err(OrderEventReason::RateLimited);
        }
        let instrument = self.instrument.ok_or(OrderEventReason::VenueOther)?;
        if self.is_id_used
            || !is_supported(instrument.kind)
            || !is_open_for(instrument.status, request.is_post_only)
        {
            return Err(OrderEventReason::VenueOther);
        }
        check_rules(instrument, request)?;
        let market = self.market.filter(|m| m.is_usable(now, self.config.book_age_max));
        let would_take = would_take(market.ok_or(OrderEventReason::VenueOther)?, request)?;
        self.check_funds(instrument, request)?;
        Ok(would_take)
    }

    fn check_funds(
        &self,
        instrument: &Instrument,
        request: &OrderRequest,
    ) -> Result<(), OrderEventReason> {
        let binding = Binding {
            instrument,
            side: request.side,
            price: request.price,
            leaves_qty: request.qty,
            is_post_only: request.is_post_only,
        };
        match self.account.covers(self.open, binding) {
            Ok(true) => Ok(()),
            Ok(false) => Err(OrderEventReason::InsufficientFunds),
            Err(_) => Err(OrderEventReason::InstrumentRule), // outside the exact range
        }
    }
}

const fn is_open_for(status: InstrumentStatus, is_post_only: bool) -> bool {
    match status {
        InstrumentStatus::Online | InstrumentStatus::LimitOnly => true,
        InstrumentStatus::PostOnly => is_post_only,
        InstrumentStatus::CancelOnly | InstrumentStatus::ReduceOnly | InstrumentStatus::Closed => {
            false
        }
    }
}

fn check_rules(instrument: &Instrument, request: &OrderRequest) -> Result<(), OrderEventReason> {
    let value = request.price.checked_notional(request.qty, instrument.multiplier);
    let is_worth_it = match (&value, instrument.cost_min) {
        (Ok(value), Some(least)) => *value >= least,
        (Ok(_), None) => true, // the venue has not said
        (Err(_), _) => false,
    };
    let is_within = !request.price.is_zero()
        && !request.qty.is_zero()
        && instrument.is_on_tick(request.price)
        && instrument.is_on_lot(request.qty)
        && request.qty >= instrument.qty_min
        && is_worth_it
        && !(request.is_post_only && request.tif == TimeInForce::Ioc);
    if is_within { Ok(()) } else { Err(OrderEventReason::InstrumentRule) }
}

/// Tells whether an order would take from what is displayed now. Meeting an order of our own is refused: a post-only
/// one because it would take, any other to prevent a trade with ourselves.
fn would_take(market: &Market, request: &OrderRequest) -> Result<bool, OrderEventReason> {
    let meets = |price| crate::book::reaches(request.side, request.price, price);
    let (displayed, own) = market.best_against(request.side);
    let (meets_displayed, meets_own) = (displayed.is_some_and(meets), own.is_some_and(meets));
    if request.is_post_only && (meets_displayed || meets_own) {
        return Err(OrderEventReason::PostOnlyWouldCross);
    }
    if meets_own {
        return Err(OrderEventReason::VenueOther);
    }
    Ok(meets_displayed)
}
