//! Over any tape: fills the tape supports, money that adds up.

use super::{Rig, approved, config, order};
use crate::{PaperConfig, QueueModel};
use proptest::prelude::*;
use remora_domain::{
    Amount, Balances, BookState, BookTop, InvalidBook, Level, Liquidity, Price, Qty, Side,
    TimeInForce, VenueReport,
};
use remora_testkit::{amount, asset, generate::sides, key};
use remora_venue_api::{VenueCommand, VenueInput};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Is one thing that happens. Prices are ticks of 0.01 around 100, quantities tenths.
#[derive(Clone, Debug)]
enum Happening {
    Book { bid: i64, gap: i64, bids: Vec<i64>, asks: Vec<i64> },
    Invalid,
    Trade { taker: Side, ticks: i64, tenths: i64 },
    Submit { side: Side, ticks: i64, tenths: i64, kind: u8 },
    Cancel { which: usize },
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    use Happening as H;
    let sizes = || proptest::collection::vec(0i64..40, 1..5);
    let near = || 9_990i64..10_011;
    let one = prop_oneof![
        6 => (9_994i64..10_004, 1i64..5, sizes(), sizes())
            .prop_map(|(bid, gap, bids, asks)| H::Book { bid, gap, bids, asks }),
        1 => Just(H::Invalid),
        6 => (sides(), near(), 1i64..60).prop_map(|(taker, ticks, tenths)| H::Trade { taker, ticks, tenths }),
        3 => (sides(), near(), 1i64..60, 0u8..3)
            .prop_map(|(side, ticks, tenths, kind)| H::Submit { side, ticks, tenths, kind }),
        1 => (0usize..10).prop_map(|which| H::Cancel { which }),
    ];
    proptest::collection::vec(one, 1..60)
}

fn price(ticks: i64) -> Price {
    Price::from_decimal(Decimal::new(ticks, 2)).unwrap()
}

fn tenths(tenths: i64) -> Qty {
    Qty::from_decimal(Decimal::new(tenths, 1)).unwrap()
}

fn levels(from: i64, step: i64, sizes: &[i64]) -> Vec<Level> {
    let level =
        |(n, size): (i64, &i64)| Level { price: price(from + n * step), qty: tenths(*size) };
    (0..).zip(sizes).map(level).filter(|level| !level.qty.is_zero()).collect()
}

fn total(balances: &Balances, name: &str) -> Amount {
    let asset = asset(name);
    balances.entries.iter().find(|e| e.asset == asset).map_or(Amount::ZERO, |e| e.total)
}

/// Is what an honest onlooker allows.
struct Referee {
    sides: BTreeMap<String, (Side, Decimal)>,
    book: Option<BookTop>,
    /// Displayed liquidity used, by side and price of the level, until the level is seen gone.
    used: BTreeMap<(Side, Decimal), Decimal>,
    btc: Decimal,
    usd: Decimal,
}

impl Referee {
    fn displayed(&self, side: Side) -> &[Level] {
        self.book.as_ref().map_or(&[], |book| match side {
            Side::Buy => &book.bids,
            Side::Sell => &book.asks,
        })
    }

    fn see_book(&mut self, top: &BookTop) {
        if top.state == BookState::Live {
            self.book = Some(top.clone());
            // What a level has shrunk to may be what was used; what it grows by later is new.
            self.used.retain(|(side, price), used| {
                let (levels, is_bid) = match side {
                    Side::Buy => (&top.bids, true),
                    Side::Sell => (&top.asks, false),
                };
                let prices: Vec<Decimal> = levels.iter().map(|l| l.price.to_decimal()).collect();
                let shown = levels.iter().find(|level| level.price.to_decimal() == *price);
                if let Some(level) = shown {
                    *used = level.qty.to_decimal().min(*used);
                }
                let is_beyond = prices
                    .last()
                    .is_some_and(|worst| if is_bid { price < worst } else { price > worst });
                is_beyond || shown.is_some()
            });
        } else {
            self.book = None;
        }
    }

    /// Displayed liquidity supports this quantity, used once.
    fn use_displayed(&mut self, against: Side, limit: Decimal, mut qty: Decimal) {
        for level in self.displayed(against).to_vec() {
            let price = level.price.to_decimal();
            let is_reached = match against {
                Side::Sell => price <= limit,
                Side::Buy => price >= limit,
            };
            if is_reached {
                let used = self.used.entry((against, price)).or_default();
                let here = qty.min((level.qty.to_decimal() - *used).max(Decimal::ZERO));
                *used += here;
                qty -= here;
            }
        }
        assert!(qty.is_zero(), "{qty} more than displayed");
    }

    /// Judges what one happening filled: (order, price, quantity, liquidity).
    fn judge(&mut self, what: &Happening, fills: &[(String, Decimal, Decimal, Liquidity)]) {
        assert!(fills.is_empty() || self.book.is_some(), "filled on an invalid book");
        let mut printed = Decimal::ZERO;
        for (id, px, size, liquidity) in fills {
            let (side, limit) = self.sides[id];
            match what {
                Happening::Trade { taker, ticks, .. } => {
                    let print = Decimal::new(*ticks, 2);
                    assert_eq!(
                        (side, *px, *liquidity),
                        (taker.opposite(), limit, Liquidity::Maker)
                    );
                    if print == limit {
                        printed += *size;
                    } else {
                        let is_through =
                            if side == Side::Buy { print < limit } else { print > limit };
                        assert!(is_through, "{print} does not reach {limit}");
                    }
                }
                Happening::Book { .. } => {
                    assert_eq!((*px, *liquidity), (limit, Liquidity::Maker));
                    self.use_displayed(side.opposite(), limit, *size);
                }
                Happening::Submit { .. } => {
                    assert_eq!(*liquidity, Liquidity::Taker);
                    self.use_displayed(side.opposite(), *px, *size);
                }
                Happening::Invalid | Happening::Cancel { .. } => panic!("filled by {what:?}"),
            }
        }
        if let Happening::Trade { tenths: volume, .. } = what {
            assert!(printed <= Decimal::new(*volume, 1), "{printed} of {what:?}");
        }
    }

    /// Books a fill as a ledger would.
    fn book(&mut self, id: &str, px: Decimal, size: Decimal, fee: Decimal) {
        let sign = if self.sides[id].0 == Side::Buy { Decimal::ONE } else { -Decimal::ONE };
        self.btc += sign * size;
        self.usd -= sign * px * size + fee;
    }
}

fn perform(rig: &mut Rig, referee: &mut Referee, ms: i64, n: usize, what: &Happening) {
    match what {
        Happening::Book { bid, gap, bids, asks } => {
            let top = BookTop {
                instrument: key("BTC-USD"),
                book_sequence: 1,
                state: BookState::Live,
                bids: levels(*bid, -1, bids),
                asks: levels(bid + gap, 1, asks),
            };
            referee.see_book(&top);
            rig.top(ms, top);
        }
        Happening::Invalid => {
            let top = remora_testkit::invalid_book("BTC-USD", InvalidBook::Checksum);
            referee.see_book(&top);
            rig.top(ms, top);
        }
        Happening::Trade { taker, ticks, tenths: size } => {
            rig.trade(ms, *taker, &price(*ticks).to_string(), &tenths(*size).to_string());
        }
        Happening::Submit { side, ticks, tenths: size, kind } => {
            let id = format!("r-{n}");
            let mut request = order(&id, *side, "1", "1");
            (request.price, request.qty) = (price(*ticks), tenths(*size));
            request.is_post_only = *kind == 0;
            request.tif = if *kind == 2 { TimeInForce::Ioc } else { TimeInForce::Gtc };
            referee.sides.insert(id, (*side, request.price.to_decimal()));
            rig.input(ms, VenueInput::Command(VenueCommand::Submit(approved(request))));
        }
        Happening::Cancel { which } => rig.cancel(ms, &format!("r-{which}")),
    }
}

fn check(script: &[Happening], queue_model: QueueModel) {
    // Little money, so that refusals happen and rounding could hurt.
    let balances = [(asset("BTC"), amount("6")), (asset("USD"), amount("700"))].into();
    let mut rig = Rig::new(PaperConfig { balances, queue_model, fee_decimals: 4, ..config() });
    let (btc, usd) = (Decimal::from(6), Decimal::from(700));
    let mut referee =
        Referee { sides: BTreeMap::new(), book: None, used: BTreeMap::new(), btc, usd };
    let top = remora_testkit::book_of(
        "BTC-USD",
        &[("100", "5"), ("99.9", "9")],
        &[("100.1", "4"), ("100.2", "8")],
    );
    referee.see_book(&top);
    for (n, what) in script.iter().enumerate() {
        let ms = 1_000 + i64::try_from(n).unwrap() * 100;
        let heard = rig.heard.len();
        perform(&mut rig, &mut referee, ms, n, what);
        rig.run(ms + 50);
        let mut fills = Vec::new();
        for (_, report) in &rig.heard[heard..] {
            if let VenueReport::Filled { cl_ord_id, fill, .. } = report {
                let (px, size) = (fill.last_px.to_decimal(), fill.last_qty.to_decimal());
                referee.book(cl_ord_id.as_str(), px, size, fill.fee.amount.to_decimal());
                fills.push((cl_ord_id.to_string(), px, size, fill.liquidity));
            } else if let VenueReport::Balances(balances) = report {
                assert!(balances.entries.iter().all(|e| e.total >= Amount::ZERO), "{balances:?}");
            }
        }
        referee.judge(what, &fills);
    }
    let balances = rig.balances(1_000_000);
    assert_eq!(total(&balances, "BTC").to_decimal(), referee.btc);
    assert_eq!(total(&balances, "USD").to_decimal(), referee.usd);
}

proptest! {
    // Unoptimised signatures cost milliseconds each.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn fills_are_what_the_tape_supports_and_money_adds_up(script in happenings(), model in 0u8..3) {
        let model = match model {
            0 => QueueModel::TradeOnly,
            1 => QueueModel::Proportional,
            _ => QueueModel::Power(2),
        };
        check(&script, model);
    }
}
