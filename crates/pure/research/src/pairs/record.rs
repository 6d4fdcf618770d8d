//! What our own fills on a pair have earned: net after fees, a day, with its interval.
//!
//! A fill with side `d` (+1 bought), price `p` and quantity `q` leaves `d·q·(M − p) − fee`, where `M` is the last mid of the first whole minute
//! after it, 60 to 120 s later: the spread less what the market then took back. What an inventory earns or loses after that is no merit of the
//! pair and is not in it. Fills of one day lean on each other, so a day (UTC) with fills is one observation; days without are none.
//! Mean of days with Student's interval of 95 %. A fill without a mid after it is left out and counted. Too few fills or days are no record:
//! nothing is made up in its place. Worked number: days of 1, 2 and 3: mean 2, error 1/√3, interval 2 ± 4.303/√3.
//! Source: `quant-methods.md`, sections 12, 16 (score 2) and 18.

use remora_domain::{DurationNs, Timestamp};
use remora_estimators::{BPS, mean_inference};
use serde::Serialize;
use std::collections::BTreeMap;

const DAY: DurationNs = DurationNs::from_s(86_400);
const CONFIDENCE: f64 = 0.95;

/// Is one of our executions, quote currency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnFill {
    /// When.
    pub at: Timestamp,
    /// Whether we bought.
    pub is_buy: bool,
    /// Its price.
    pub price: f64,
    /// How much, base units.
    pub qty: f64,
    /// What it cost; a rebate is below zero.
    pub fee: f64,
    /// Last mid of the first whole minute after it; `None` where the history has none.
    pub mid_after: Option<f64>,
}

/// Says from where on fills are a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RecordSettings {
    /// Fewest fills with a mid after them.
    pub fills_min: usize,
    /// Fewest days with such a fill, at least 2.
    pub days_min: usize,
}

/// Is what our history says of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// We never traded it in the time that was asked for.
    NoRecord,
    /// Too little for an interval.
    TooShort {
        /// Fills with a mid after them.
        fills: usize,
        /// Days with such a fill.
        days: usize,
        /// What is wanted.
        want: RecordSettings,
    },
    /// What was earned.
    Realised(Realised),
}

/// Is what our fills on a pair have earned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Realised {
    /// Net after fees, reporting currency, mean of days with fills.
    pub net_day: f64,
    /// Lower end of its interval of 95 %.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// The same of the value traded, basis points.
    pub net_bps: f64,
    /// Fills in it.
    pub fills: usize,
    /// Days with one.
    pub days: usize,
    /// Fills left out, without a mid after them.
    pub unmarked: usize,
}

impl Record {
    /// Reads fills in any order; `rate` is the price of their quote currency in the reporting one.
    #[must_use]
    pub fn of(fills: &[OwnFill], rate: f64, want: RecordSettings) -> Self {
        if fills.is_empty() {
            return Self::NoRecord;
        }
        let mut days: BTreeMap<i64, f64> = BTreeMap::new();
        let (mut marked, mut value) = (0_usize, 0.0);
        for fill in fills {
            let Some(mid) = fill.mid_after else { continue };
            let side = if fill.is_buy { 1.0 } else { -1.0 };
            let net = (side * fill.qty * (mid - fill.price) - fill.fee) * rate;
            let day = fill.at.as_ns().div_euclid(DAY.as_ns());
            *days.entry(day).or_default() += net;
            value += fill.price * fill.qty * rate;
            marked += 1;
        }
        let too_short = Self::TooShort { fills: marked, days: days.len(), want };
        if marked < want.fills_min || days.len() < want.days_min {
            return too_short;
        }
        let nets: Vec<(i64, f64)> = days.into_iter().collect();
        let total: f64 = nets.iter().map(|(_, net)| net).sum();
        let inference = mean_inference(&nets, 0).and_then(|mean| {
            let (low, high) = mean.interval(CONFIDENCE)?;
            Ok((mean.mean, low, high))
        });
        // Days that are alike to the last digit have no interval.
        let Ok((net_day, low, high)) = inference else { return too_short };
        Self::Realised(Realised {
            net_day,
            low,
            high,
            net_bps: total / value * BPS,
            fills: marked,
            days: nets.len(),
            unmarked: fills.len().saturating_sub(marked),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANT: RecordSettings = RecordSettings { fills_min: 3, days_min: 3 };

    /// A purchase of one unit at 100 on a day, of which the mid leaves so much; without a fee.
    fn earning(day: i64, net: f64) -> OwnFill {
        OwnFill {
            at: Timestamp::from_ns(day * DAY.as_ns() + 7),
            is_buy: true,
            price: 100.0,
            qty: 1.0,
            fee: 0.0,
            mid_after: Some(100.0 + net),
        }
    }

    fn realised(fills: &[OwnFill], rate: f64) -> Realised {
        match Record::of(fills, rate, WANT) {
            Record::Realised(realised) => realised,
            other @ (Record::NoRecord | Record::TooShort { .. }) => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let got = realised(&[earning(1, 1.0), earning(2, 2.0), earning(3, 3.0)], 1.0);
        let half = 4.302_652_729_911_275 / 3.0_f64.sqrt();
        assert!((got.net_day - 2.0).abs() < 1e-12 && (got.net_bps - 200.0).abs() < 1e-9);
        assert!((got.low - (2.0 - half)).abs() < 1e-6 && (got.high - (2.0 + half)).abs() < 1e-6);
    }

    #[test]
    fn sales_earn_when_the_mid_falls_fees_are_taken_off_and_everything_is_converted() {
        let sale = OwnFill { is_buy: false, mid_after: Some(99.0), fee: 0.25, ..earning(1, 0.0) };
        let got = realised(&[sale, earning(2, 1.0), earning(3, 2.0)], 2.0);
        // (0.75 + 1 + 2) · 2 over three days.
        assert!((got.net_day - 2.5).abs() < 1e-12, "{got:?}");
    }

    #[test]
    fn fills_of_a_day_are_one_observation_and_those_without_a_mid_none() {
        let blind = OwnFill { mid_after: None, ..earning(4, 0.0) };
        let fills = [earning(1, 1.0), earning(1, 1.0), earning(2, 1.0), blind];
        let got = Record::of(&fills, 1.0, WANT);
        assert_eq!(got, Record::TooShort { fills: 3, days: 2, want: WANT });
        let got = realised(&[&fills[..], &[earning(3, 5.0)]].concat(), 1.0);
        assert_eq!((got.fills, got.days, got.unmarked), (4, 3, 1));
        assert!((got.net_day - 8.0 / 3.0).abs() < 1e-12, "{got:?}");
    }

    #[test]
    fn nothing_is_no_record_and_days_that_do_not_vary_are_none_either() {
        assert_eq!(Record::of(&[], 1.0, WANT), Record::NoRecord);
        let alike = [earning(1, 1.0), earning(2, 1.0), earning(3, 1.0)];
        assert_eq!(
            Record::of(&alike, 1.0, WANT),
            Record::TooShort { fills: 3, days: 3, want: WANT }
        );
    }
}
