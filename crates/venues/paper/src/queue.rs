//! Where a resting order stands in its queue (quant-methods, section 8).
//!
//! `front` is what is displayed ahead of the order, ours excluded. Trades consume it from the front; of a decrease that
//! trades do not explain, a model says how much was ahead. `front` never exceeds what is displayed.

use remora_domain::{ClOrdId, Notional, OrderId, Price, Qty, Side, Timestamp};
use rust_decimal::Decimal;

/// Says how much of a cancellation at our price was ahead of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueModel {
    /// None of it: only trades move us forward. The pessimistic default.
    TradeOnly,
    /// As much as is ahead in proportion: `front / (front + back)`.
    Proportional,
    /// Less: `front^n / (front^n + back^n)`, because cancellations concentrate at the back.
    Power(u32),
}

impl QueueModel {
    /// Gives how much of `cancelled` was ahead, cut to whole `lot`s (towards nothing: the pessimistic side).
    /// `shown` is what was displayed before the cancellation, trades already taken off.
    pub(crate) fn ahead(self, front: Qty, shown: Qty, cancelled: Qty, lot: Qty) -> Qty {
        let power = match self {
            Self::TradeOnly => return Qty::ZERO,
            Self::Proportional => 1,
            Self::Power(power) => power,
        };
        share_ahead(front, less(shown, front), power)
            .and_then(|share| share.checked_mul(cancelled.to_decimal()))
            .and_then(|ahead| ahead.checked_div(lot.to_decimal()))
            .and_then(|lots| lots.floor().checked_mul(lot.to_decimal()))
            .and_then(|ahead| Qty::from_decimal(ahead).ok())
            .map_or(Qty::ZERO, |ahead| ahead.min(front))
    }
}

/// Gives `1 / (1 + (back / front)^n)`; `None` when nothing is ahead or the powers leave the range (then next to
/// nothing is ahead in proportion).
fn share_ahead(front: Qty, back: Qty, power: u32) -> Option<Decimal> {
    let ratio = back.to_decimal().checked_div(front.to_decimal())?;
    let mut raised = Decimal::ONE;
    for _ in 0..power {
        raised = raised.checked_mul(ratio)?;
    }
    Decimal::ONE.checked_div(raised.checked_add(Decimal::ONE)?)
}

/// Is an order of ours that rests at the venue.
#[derive(Clone, Debug)]
pub(crate) struct Resting {
    pub(crate) cl_ord_id: ClOrdId,
    pub(crate) order_id: OrderId,
    pub(crate) side: Side,
    pub(crate) price: Price,
    pub(crate) order_qty: Qty,
    pub(crate) cum_qty: Qty,
    pub(crate) is_post_only: bool,
    /// Displayed ahead of us; `None` while our price lies beyond the visible levels.
    pub(crate) front: Option<Qty>,
    /// How much the newest decrease that no trade explained took off `front`, and when the venue says it was.
    pub(crate) cut: Option<(Timestamp, Qty)>,
    /// Fees of all fills, before rounding.
    pub(crate) fee_exact: Notional,
    /// Fees charged.
    pub(crate) fee_charged: Notional,
}

impl Resting {
    pub(crate) fn leaves_qty(&self) -> Qty {
        less(self.order_qty, self.cum_qty)
    }

    /// Books a fill of at most what is left and gives its size.
    pub(crate) fn take(&mut self, qty: Qty) -> Qty {
        let taken = self.leaves_qty().min(qty);
        self.cum_qty = more(self.cum_qty, taken);
        taken
    }

    /// Moves the order in its queue as the displayed quantity at its price goes from `before` to `after`, of which
    /// trades explain `traded`. `None` is a price beyond the visible levels: nothing is known, nothing moves.
    pub(crate) fn shown_changed(
        &mut self,
        model: QueueModel,
        lot: Qty,
        traded: Qty,
        (before, after): (Option<Qty>, Option<Qty>),
        venue_time: Option<Timestamp>,
    ) {
        let Some(after) = after else {
            return;
        };
        let Some(front) = self.front else {
            self.front = Some(after); // just become visible: everything there may be ahead of us
            return;
        };
        let mut moved = front;
        if let Some(before) = before.filter(|before| *before > after) {
            let explained = less(before, after).min(traded);
            let shown = less(before, explained);
            let cancelled = less(shown, after);
            moved = less(front, model.ahead(front, shown, cancelled, lot));
        }
        moved = moved.min(after);
        self.front = Some(moved);
        if moved < front {
            self.cut = venue_time.map(|time| (time, less(front, moved)));
        }
    }

    /// Lets `volume` trade at the order's price; gives what is left for the order once those ahead are served.
    ///
    /// A print that the venue stamped no later than the last decrease is what caused it: the decrease has moved us
    /// forward already, so the print must not do it again.
    pub(crate) fn traded_at_price(&mut self, volume: Qty, venue_time: Option<Timestamp>) -> Qty {
        let Some(front) = self.front else {
            return Qty::ZERO;
        };
        let mut ahead = front;
        if let (Some((cut_at, cut)), Some(time)) = (self.cut, venue_time)
            && time <= cut_at
        {
            let back = cut.min(volume);
            ahead = more(ahead, back);
            self.cut = Some((cut_at, less(cut, back)));
        }
        let served = ahead.min(volume);
        self.front = Some(less(ahead, served).min(front));
        less(volume, served)
    }
}

/// Subtracts, stopping at nothing.
pub(crate) fn less(a: Qty, b: Qty) -> Qty {
    a.checked_sub(b).unwrap_or(Qty::ZERO)
}

/// Adds; out of the exact range, which no venue's quantities reach, the sum stays where it was.
pub(crate) fn more(a: Qty, b: Qty) -> Qty {
    a.checked_add(b).unwrap_or(a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_testkit::qty;

    fn check(model: QueueModel, front: &str, shown: &str, cancelled: &str, expected: &str) {
        let got = model.ahead(qty(front), qty(shown), qty(cancelled), qty("0.0001"));
        assert_eq!(got, qty(expected), "{model:?}");
    }

    #[test]
    fn models_say_how_much_of_a_cancellation_was_ahead() {
        check(QueueModel::TradeOnly, "5", "12", "5", "0");
        check(QueueModel::Proportional, "4", "16", "6", "1.5");
        check(QueueModel::Proportional, "5", "12", "5", "2.0833");
        check(QueueModel::Power(2), "4", "12", "5", "1");
        check(QueueModel::Power(3), "4", "8", "4", "2");
        check(QueueModel::Proportional, "0", "12", "5", "0");
        check(QueueModel::Proportional, "7", "7", "3", "3");
    }

    #[test]
    fn a_ratio_beyond_the_exact_range_means_nothing_was_ahead() {
        check(QueueModel::Power(3), "0.0001", "900000000000000", "5", "0");
    }
}
