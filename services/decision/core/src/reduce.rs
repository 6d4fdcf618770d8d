//! Where only reducing is allowed: the one side that brings the position closer to zero, and never more than the position.
//!
//! The gate would refuse anything else; asking for it would only fill its log and ours.

use crate::core::DecisionCore;
use crate::size::qty_min;
use crate::target::Quotes;
use remora_domain::{DecisionReason, Instrument, InstrumentKey, QuoteTarget, Side};

impl DecisionCore {
    /// Leaves of the quotes what may stand where only reducing is allowed.
    ///
    /// # Errors
    /// Says that nothing may: the pair is flat, or less than the smallest order is left.
    pub(crate) fn only_reduce(
        &self,
        key: &InstrumentKey,
        instrument: &Instrument,
        quotes: &mut Quotes,
    ) -> Result<(), DecisionReason> {
        if !self.facts.is_reduce_only(&self.config.strategy, key) {
            return Ok(());
        }
        let position = self.orders.position(key);
        let most = position.abs();
        let cut = |target: Option<QuoteTarget>| -> Result<Option<QuoteTarget>, DecisionReason> {
            let Some(QuoteTarget { price, qty }) = target else { return Ok(None) };
            let cut = instrument.cut_to_lot(qty.min(most));
            let qty = cut.map_err(|_| DecisionReason::OutOfRange)?;
            let least = qty_min(instrument, price)?;
            Ok((qty >= least).then_some(QuoteTarget { price, qty }))
        };
        (quotes.bid, quotes.ask) = match position.side() {
            Some(Side::Buy) => (None, cut(quotes.ask)?),
            Some(Side::Sell) => (cut(quotes.bid)?, None),
            None => (None, None),
        };
        if quotes.bid.is_none() && quotes.ask.is_none() {
            return Err(DecisionReason::ReduceOnly);
        }
        quotes.is_reduce_only = true;
        Ok(())
    }
}
