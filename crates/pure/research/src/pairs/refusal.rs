//! Why a pair does not pass a filter: always the limit and the value, or what is not known.

use super::record::{Realised, Record};
use remora_domain::InstrumentStatus;

/// Says why a pair does not pass.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum FilterRefusal {
    /// The data do not tell.
    #[error("{what} is not in this data")]
    Unknown {
        /// What.
        what: &'static str,
    },
    /// Too little.
    #[error("{what} {}{unit}, want {}{unit}", short(*value), short(*least))]
    Below {
        /// What.
        what: &'static str,
        /// What it is.
        value: f64,
        /// The limit.
        least: f64,
        /// Of both.
        unit: &'static str,
    },
    /// Too much.
    #[error("{what} {}{unit}, at most {}{unit}", short(*value), short(*most))]
    Above {
        /// What.
        what: &'static str,
        /// What it is.
        value: f64,
        /// The limit.
        most: f64,
        /// Of both.
        unit: &'static str,
    },
    /// The venue does not take our quotes.
    #[error("status is {}, want online, post_only or limit_only", status.as_str())]
    NotQuotable {
        /// What it says.
        status: InstrumentStatus,
    },
    /// There is no fee that a tick could be measured by.
    #[error("the maker fee is {} bps: no tick is small against it", short(*fee_bps))]
    NoFee {
        /// The fee.
        fee_bps: f64,
    },
    /// Our own fills lost, and chance does not explain it.
    #[error(
        "realised {} a day [{}, {}] in {} fills on {} days, want {}",
        short(realised.net_day), short(realised.low), short(realised.high), realised.fills, realised.days, short(*least)
    )]
    Lost {
        /// What was earned.
        realised: Realised,
        /// The limit.
        least: f64,
    },
    /// We have no record, or too short a one.
    #[error("{}", remark(record))]
    NoRecord {
        /// What there is.
        record: Record,
    },
    /// No future.
    #[error("no future is listed")]
    NoFuture,
    /// On no list of those wanted.
    #[error("not on the list")]
    NotAllowed,
    /// On the list of those not wanted.
    #[error("on the list")]
    Denied,
}

fn remark(record: &Record) -> String {
    match record {
        Record::NoRecord => "no record of our own".to_owned(),
        Record::TooShort { fills, days, want } => format!(
            "no record of our own yet: {fills} fills on {days} days, want {} on {}",
            want.fills_min, want.days_min
        ),
        Record::Realised(realised) => {
            format!("realised in {} fills on {} days", realised.fills, realised.days)
        }
    }
}

/// Shows a number in few characters.
fn short(x: f64) -> String {
    if x.abs() >= 1e6 {
        format!("{:.1} M", x / 1e6)
    } else if x.abs() >= 100.0 || x == 0.0 {
        format!("{x:.0}")
    } else {
        format!("{x:.3}")
    }
}
