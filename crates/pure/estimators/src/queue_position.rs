//! Where our order stands in the queue at its price, from public data alone (section 8).
//!
//! At its acknowledgement `front` is the quantity that the book shows at our price without ours. A trade at our price against our side takes
//! from `front`, and what is left of it fills us. When the book then shows less, that first explains the trades seen since the last
//! update of the level; the rest was cancelled, and the model says how much of it stood before us: none of it (*trade only*: the
//! default where money depends on it), the share `front/(front + back)` (*proportional*), or `frontⁿ/(frontⁿ + backⁿ)` (*power*, n from 2 to 3: most
//! cancels come from the back). `front` never exceeds what is shown.
//! Worked number: 12 shown; a trade of 3 and the level at 9, then at 7: `front` is 7 (9, bounded by what is shown), proportional 7.
//! A trade must be told before the update of the level that shows it: told after, it counts as a cancel and again as a trade.
//! Hidden and refilled quantity makes `front` too small; where the venue tells each order, the queue is known and this is not used.

use crate::NotReady;
use crate::estimate::check;

/// Says which cancels are taken to have stood before us.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CancelModel {
    /// None.
    TradeOnly,
    /// As many as stand before us, by quantity.
    Proportional,
    /// The same with both quantities raised to this power, at least 1.
    Power(f64),
}

/// Follows one order of ours. Quantities in base.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueuePosition {
    model: CancelModel,
    front: f64,
    shown: f64,
    left: f64,
    /// Trades that no update of the level has explained yet.
    unexplained: f64,
}

impl QueuePosition {
    /// Starts at the acknowledgement of an order of `quantity`, with `shown` of others at its price.
    ///
    /// # Errors
    /// Refuses a quantity not above zero, `shown` below zero, and a power below 1.
    pub fn new(model: CancelModel, shown: f64, quantity: f64) -> Result<Self, NotReady> {
        check("quantity shown", shown, shown >= 0.0)?;
        check("quantity of the order", quantity, quantity > 0.0)?;
        if let CancelModel::Power(n) = model {
            check("power of the cancel model", n, n >= 1.0)?;
        }
        Ok(Self { model, front: shown, shown, left: quantity, unexplained: 0.0 })
    }

    /// Gives the quantity before us.
    #[must_use]
    pub const fn front(&self) -> f64 {
        self.front
    }

    /// Gives what of our order is not filled.
    #[must_use]
    pub const fn left(&self) -> f64 {
        self.left
    }

    /// Takes a trade of `quantity` at our price against our side; gives what of it fills us.
    ///
    /// # Errors
    /// Refuses quantities that are not above zero.
    pub fn on_trade(&mut self, quantity: f64) -> Result<f64, NotReady> {
        check("quantity traded", quantity, quantity > 0.0)?;
        let past_front = (quantity - self.front).max(0.0);
        let filled = past_front.min(self.left);
        self.front = (self.front - quantity).max(0.0);
        self.left -= filled;
        self.unexplained += quantity - filled;
        Ok(filled)
    }

    /// Takes what the book now shows of others at our price.
    ///
    /// # Errors
    /// Refuses quantities below zero.
    pub fn on_level(&mut self, shown: f64) -> Result<(), NotReady> {
        check("quantity shown", shown, shown >= 0.0)?;
        let cancelled = self.shown - self.unexplained - shown;
        if cancelled > 0.0 {
            let back = (self.shown - self.unexplained - self.front).max(0.0);
            self.front = (self.front - self.share(back) * cancelled).max(0.0);
        }
        self.front = self.front.min(shown);
        (self.shown, self.unexplained) = (shown, 0.0);
        Ok(())
    }

    /// Gives the share of cancels that stood before us with `back` behind.
    fn share(&self, back: f64) -> f64 {
        let power = match self.model {
            CancelModel::TradeOnly => return 0.0,
            CancelModel::Proportional => 1.0,
            CancelModel::Power(n) => n,
        };
        // Of nothing nothing is cancelled; the ratio keeps large powers in range.
        if self.front <= 0.0 {
            return 0.0;
        }
        1.0 / (1.0 + libm::pow(back / self.front, power))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_worked_number_of_the_header_holds() {
        for model in [CancelModel::TradeOnly, CancelModel::Proportional, CancelModel::Power(2.0)] {
            let mut queue = QueuePosition::new(model, 12.0, 2.0).unwrap();
            assert!(queue.on_trade(3.0).unwrap().abs() < f64::EPSILON);
            queue.on_level(9.0).unwrap();
            assert!((queue.front() - 9.0).abs() < 1e-12, "a trade that is explained is no cancel");
            queue.on_level(7.0).unwrap();
            assert!((queue.front() - 7.0).abs() < 1e-12);
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        assert!(QueuePosition::new(CancelModel::TradeOnly, -1.0, 1.0).is_err());
        assert!(QueuePosition::new(CancelModel::Power(0.5), 1.0, 1.0).is_err());
        let mut queue = QueuePosition::new(CancelModel::TradeOnly, 1.0, 1.0).unwrap();
        assert!(queue.on_trade(0.0).is_err() && queue.on_level(f64::NAN).is_err());
    }

    proptest! {
        #[test]
        fn the_default_is_the_most_careful_and_nobody_is_filled_beyond_the_order(
            shown in 0f64..50.0, quantity in 0.1f64..10.0, power in 1f64..3.0,
            events in prop::collection::vec((any::<bool>(), 0.01f64..60.0), 1..40),
        ) {
            let start = |model| QueuePosition::new(model, shown, quantity).unwrap();
            let mut careful = start(CancelModel::TradeOnly);
            let mut others = [start(CancelModel::Proportional), start(CancelModel::Power(power))];
            let mut filled = 0.0;
            for (is_trade, amount) in events {
                for queue in others.iter_mut().chain([&mut careful]) {
                    if is_trade {
                        let part = queue.on_trade(amount).unwrap();
                        filled += if queue.model == CancelModel::TradeOnly { part } else { 0.0 };
                    } else {
                        queue.on_level(amount).unwrap();
                        prop_assert!(queue.front() <= amount);
                    }
                    prop_assert!(queue.front() >= 0.0 && queue.left() >= -1e-9);
                }
                for queue in &others {
                    prop_assert!(queue.front() <= careful.front() + 1e-9);
                    prop_assert!(queue.left() <= careful.left() + 1e-9);
                }
            }
            prop_assert!(filled <= quantity + 1e-9);
        }
    }
}
