//! Proptest generators of values that keep the rules of [`crate::instrument`]: tick 0.01, lot 0.0001.

use crate::request;
use proptest::prelude::*;
use remora_domain::{
    Amount, BookState, BookTop, ExecId, Fee, Fill, InstrumentKey, Level, Liquidity, OrderRequest,
    Price, Qty, Side,
};
use rust_decimal::Decimal;

/// Gives a text with some characters replaced, taken out or put in. `characters` is a pattern of one character; the text
/// must have more of them than there are changes.
pub fn changed(
    text: &str,
    characters: &'static str,
    times: std::ops::Range<usize>,
) -> impl Strategy<Value = String> + use<> {
    let whole: Vec<char> = text.chars().collect();
    let change = (any::<prop::sample::Index>(), characters, 0..3);
    prop::collection::vec(change, times).prop_map(move |changes| {
        let mut text = whole.clone();
        for (place, with, kind) in changes {
            let (place, with) = (place.index(text.len()), with.chars().next().unwrap());
            match kind {
                0 => *text.get_mut(place).unwrap() = with,
                1 => drop(text.remove(place)),
                _ => text.insert(place, with),
            }
        }
        text.into_iter().collect()
    })
}

/// Gives prices on the tick between two numbers of ticks.
pub fn prices(ticks: std::ops::Range<i64>) -> impl Strategy<Value = Price> {
    ticks.prop_map(|ticks| Price::from_decimal(Decimal::new(ticks, 2)).unwrap())
}

/// Gives quantities on the lot between two numbers of lots.
pub fn qtys(lots: std::ops::Range<i64>) -> impl Strategy<Value = Qty> {
    lots.prop_map(|lots| Qty::from_decimal(Decimal::new(lots, 4)).unwrap())
}

/// Gives both sides.
pub fn sides() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

/// Gives live books around 100.00, never crossed, up to five levels a side.
pub fn books(instrument: InstrumentKey) -> impl Strategy<Value = BookTop> {
    let levels = || proptest::collection::vec((1i64..50, 1i64..100_000), 1..5);
    (9_000i64..11_000, 1i64..100, levels(), levels()).prop_map(move |(bid, gap, bids, asks)| {
        let side = |start: i64, sign: i64, steps: Vec<(i64, i64)>| {
            let mut ticks = start;
            let level = |(step, lots): (i64, i64)| {
                let price = Price::from_decimal(Decimal::new(ticks, 2)).unwrap();
                ticks += sign * step;
                Level { price, qty: Qty::from_decimal(Decimal::new(lots, 4)).unwrap() }
            };
            steps.into_iter().map(level).collect()
        };
        BookTop {
            instrument: instrument.clone(),
            book_sequence: 1,
            state: BookState::Live,
            bids: side(bid, -1, bids),
            asks: side(bid + gap, 1, asks),
        }
    })
}

/// Gives post-only requests for BTC-USD near 100, numbered by the caller.
pub fn requests(number: u64) -> impl Strategy<Value = OrderRequest> {
    (sides(), prices(9_000..11_000), qtys(10..100_000)).prop_map(move |(side, price, qty)| {
        OrderRequest { side, price, qty, ..request(&format!("r-{number}")) }
    })
}

/// Gives executions near 100 with distinct numbers and a fee of 0.1 percent in the quote asset.
pub fn fills(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(Side, Fill)>> {
    proptest::collection::vec((sides(), prices(9_000..11_000), qtys(1..100_000)), count).prop_map(
        |all| {
            all.into_iter()
                .enumerate()
                .map(|(n, (side, price, qty))| (side, one(n, price, qty)))
                .collect()
        },
    )
}

fn one(number: usize, last_px: Price, last_qty: Qty) -> Fill {
    let value = last_px.to_decimal() * last_qty.to_decimal() * Decimal::new(1, 3);
    Fill {
        exec_id: ExecId::new(&format!("x-{number}")).unwrap(),
        last_px,
        last_qty,
        liquidity: Liquidity::Maker,
        cost: None,
        fee: Fee { asset: crate::asset("USD"), amount: Amount::from_decimal(value).unwrap() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cl_ord_id, key, px};

    proptest! {
        #[test]
        fn generated_values_keep_the_rules_of_the_instrument(
            price in prices(1..1_000_000), qty in qtys(1..1_000_000), book in books(key("BTC-USD")), request in requests(7),
        ) {
            let rules = crate::instrument("BTC", "USD");
            prop_assert!(rules.is_on_tick(price) && rules.is_on_lot(qty));
            prop_assert!(book.best_bid().unwrap().price < book.best_ask().unwrap().price);
            prop_assert!(rules.is_on_tick(request.price) && request.qty >= rules.qty_min);
            prop_assert!(px("0") < request.price && request.cl_ord_id == cl_ord_id("r-7"));
        }
    }
}
