//! What is asked, with everything a control may look up about it. Made for one decision or one reading, then dropped.

use crate::denial::Denial;
use crate::exposure::Ends;
use crate::facts::{Book, Facts, Pair, Touch};
use crate::portfolio::{Own, Sums, Value};
use remora_domain::{
    BookState, Instrument, InstrumentKey, Notional, OrderRequest, RefusalReason as Why, Timestamp,
};
use std::cell::OnceCell;

/// Is an order in question; or a pair, or the account, whose values are read.
pub(crate) struct Ask<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) now: Timestamp,
    pub(crate) key: Option<&'a InstrumentKey>,
    order: Option<&'a OrderRequest>,
    /// When the event behind the request was received, or the request was made.
    pub(crate) signal_at: Timestamp,
    change: OnceCell<Result<Change, Denial>>,
    sums: OnceCell<Result<Sums, Denial>>,
}

/// Is what an order does to its pair.
#[derive(Clone, Copy)]
pub(crate) struct Change {
    /// Value of the end the order pushes on, where that end is away from zero.
    pub(crate) outward: Notional,
    pub(crate) before: Value,
    pub(crate) after: Value,
    /// Whether the pair may end further from zero than before.
    pub(crate) is_growing: bool,
    /// Whether the order can only bring the position closer to zero, with everything open on its side filled.
    pub(crate) is_reducing: bool,
}

impl<'a> Ask<'a> {
    pub(crate) fn of_order(
        facts: &'a Facts,
        now: Timestamp,
        order: &'a OrderRequest,
        signal_at: Timestamp,
    ) -> Self {
        let key = Some(&order.instrument);
        let order = Some(order);
        let (change, sums) = (OnceCell::new(), OnceCell::new());
        Self { facts, now, key, order, signal_at, change, sums }
    }

    /// Asks for the values of a pair, or of the account where none is given.
    pub(crate) fn of_values(
        facts: &'a Facts,
        now: Timestamp,
        key: Option<&'a InstrumentKey>,
    ) -> Self {
        let (change, sums) = (OnceCell::new(), OnceCell::new());
        Self { facts, now, key, order: None, signal_at: now, change, sums }
    }

    pub(crate) const fn has_order(&self) -> bool {
        self.order.is_some()
    }

    pub(crate) fn order(&self) -> Result<&'a OrderRequest, Denial> {
        self.order.ok_or_else(|| Denial::unknown(Why::LimitUnknown, "no order was asked for yet"))
    }

    pub(crate) fn key(&self) -> Result<&'a InstrumentKey, Denial> {
        self.key.ok_or_else(|| Denial::unknown(Why::LimitUnknown, "no pair was traded yet"))
    }

    fn unknown(key: &InstrumentKey) -> Denial {
        Denial::unknown(Why::InstrumentUnknown, key.to_string())
    }

    pub(crate) fn pair(&self) -> Result<&'a Pair, Denial> {
        let key = self.key()?;
        self.facts.pairs.get(key).ok_or_else(|| Self::unknown(key))
    }

    pub(crate) fn instrument(&self) -> Result<&'a Instrument, Denial> {
        let (pair, key) = (self.pair()?, self.key()?);
        pair.instrument.as_ref().map(|(_, it)| it).ok_or_else(|| Self::unknown(key))
    }

    pub(crate) fn book(&self) -> Result<&'a Book, Denial> {
        let book = self.pair()?.book.as_ref();
        book.ok_or_else(|| Denial::unknown(Why::BookUnknown, "no book was seen"))
    }

    /// Gives the touch of a verified book with two sides and a spread.
    pub(crate) fn touch(&self) -> Result<Touch, Denial> {
        let book = self.book()?;
        if let BookState::Invalid(why) = book.state {
            return Err(Denial::new(Why::BookInvalid, "live", format!("invalid: {why:?}")));
        }
        book.touch.clone()?.ok_or_else(|| {
            let side = |price: Option<remora_domain::Price>| {
                price.map_or("none".to_owned(), |price| price.to_string())
            };
            let value = format!("bid {}, ask {}", side(book.bid), side(book.ask));
            Denial::new(Why::BookCrossed, "bid below ask", value)
        })
    }

    /// Gives what the order does to its pair.
    pub(crate) fn change(&self) -> Result<Change, Denial> {
        self.change.get_or_init(|| self.compute_change()).clone()
    }

    fn compute_change(&self) -> Result<Change, Denial> {
        let (order, pair, instrument) = (self.order()?, self.pair()?, self.instrument()?);
        let before: Ends = self.facts.ends(&instrument.key, pair)?;
        let after = before.with(order.side, order.qty)?;
        let outward = after.outward(order.side);
        Ok(Change {
            outward: self.facts.value(pair, instrument, outward)?,
            before: self.facts.value_ends(pair, instrument, before)?,
            after: self.facts.value_ends(pair, instrument, after)?,
            is_growing: after.worst() > before.worst(),
            is_reducing: outward.is_zero(),
        })
    }

    /// Gives the sums over all pairs, with the order where there is one.
    pub(crate) fn sums(&self) -> Result<&Sums, Denial> {
        let sums = self.sums.get_or_init(|| {
            let value = if self.has_order() { Some(self.change()?.after) } else { None };
            let base = self.instrument().ok().map(|instrument| &instrument.base);
            self.facts.sums(self.now, &Own { key: self.key, base, value })
        });
        sums.as_ref().map_err(Clone::clone)
    }

    /// Tells whether the order can only bring the position closer to zero.
    pub(crate) fn is_reducing(&self) -> Result<bool, Denial> {
        Ok(self.has_order() && self.change()?.is_reducing)
    }

    /// Tells whether the worst case of the pair grows; without an order it is read in any case.
    pub(crate) fn is_growing(&self) -> Result<bool, Denial> {
        Ok(!self.has_order() || self.change()?.is_growing)
    }
}
