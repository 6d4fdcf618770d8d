//! The limits as written: the `[risk_gate]` section of a profile. Every limit must be given; nothing has a default.
//!
//! The same document travels as protobuf when it is changed at run time; `limits.rs` says how.

use std::collections::BTreeMap;

/// Is the `[risk_gate]` section as written: one versioned document. Keys that hold `_usd` are in USD, which the
/// reporting currency must be for now.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct RiskGateSettings {
    /// The how-manieth version of the limits this is, from 1. The highest that was ever in force is the one in force.
    pub version: u64,
    /// The last UTC day on which these limits may be used, such as `2027-12-31`.
    pub valid_until: String,
    /// The signature over all the others and the account, 128 hexadecimal digits; needed where the gate wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits_signature: Option<String>,
    /// Whether a change at run time that raises a limit needs a second person to say so.
    pub raising_needs_two: bool,
    /// Strategies that may ask for orders, at least one.
    pub strategies: Vec<String>,
    /// Instruments that may be traded, at least one: `venue/INSTRUMENT`, or `venue/*` for all of a venue.
    pub instruments: Vec<String>,
    /// Largest quantity of one order, in smallest orders of its instrument, 1 to 1,000,000,000.
    pub order_qty_mins_max: u32,
    /// Largest value of one order, above 0.
    pub order_notional_usd_max: String,
    /// Largest quantity of one order as a share of what the thinner side of the book shows, 1 to 1,000,000 bps.
    pub order_depth_share_bps_max: u32,
    /// Largest quantity of one order as a share of the volume of 24 hours, 0 to 1,000,000 bps; 0 demands no volume, where
    /// none is told: then the share of the book holds alone.
    pub order_volume_share_bps_max: u32,
    /// Largest distance of a price from the mid, above 0 and at most 5,000 bps.
    pub price_collar_bps: String,
    /// Largest distance of a price from the last trade, above 0 and at most 5,000 bps.
    pub last_trade_band_bps: String,
    /// Smallest edge against the mid, after its fee, of an order that can open a position; -5,000 to 5,000 bps.
    pub edge_bps_min: String,
    /// Largest worst case of one pair, long or short, 0 or more; 0 allows no opening order.
    pub pair_position_usd_max: String,
    /// Other limits for single pairs, by `venue/INSTRUMENT`.
    #[serde(default)]
    pub pair_position_usd_max_overrides: BTreeMap<String, String>,
    /// Largest sum of the worst cases of all pairs of one base asset, 0 or more.
    pub asset_position_usd_max: String,
    /// Other limits for single base assets.
    #[serde(default)]
    pub asset_position_usd_max_overrides: BTreeMap<String, String>,
    /// Largest sum of the worst cases of all pairs, 0 or more.
    pub total_position_usd_max: String,
    /// Largest difference between longs and shorts in the worst case, 0 or more.
    pub net_position_usd_max: String,
    /// Largest sum of the worst cases of all pairs of one venue, 0 or more.
    pub venue_position_usd_max: String,
    /// Other limits for single venues.
    #[serde(default)]
    pub venue_position_usd_max_overrides: BTreeMap<String, String>,
    /// Base assets that move together, by a name for them.
    #[serde(default)]
    pub groups: BTreeMap<String, GroupSettings>,
    /// Orders and cancels in the window after which new orders are refused, 1 to 100,000.
    pub orders_per_window_max: u32,
    /// Cancels in the same window above which new orders are refused, 1 to 100,000.
    pub cancels_per_window_max: u32,
    /// Length of that window, 1 to 3,600,000 ms.
    pub order_window_ms: i64,
    /// Orders that may be open at once, 1 to 100,000.
    pub open_orders_max: u32,
    /// Orders that may be open at once in one pair, 1 to 100,000.
    pub open_orders_pair_max: u32,
    /// Orders of a UTC day that need no execution, 1 to 1,000,000,000.
    pub unfilled_orders_max: u32,
    /// Further orders of that day for each execution, 0 to 1,000,000.
    pub orders_per_fill_max: u32,
    /// Orders of one pair, side, price and quantity in the window, 1 to 100,000.
    pub duplicates_max: u32,
    /// Length of that window, 1 ms to `order_window_ms`.
    pub duplicate_window_ms: i64,
    /// Executions of one pair in the window above which the pair is halted until a person resumes it, 1 to 100,000.
    pub executions_per_window_max: u32,
    /// Length of that window, 1 to 86,400,000 ms.
    pub execution_window_ms: i64,
    /// Messages a venue takes in one go, 1 to 100,000.
    pub venue_budget_messages: u32,
    /// Time in which a venue forgets that many, 1 to 3,600,000 ms.
    pub venue_budget_window_ms: i64,
    /// Loss of a UTC day above which all is halted until a person resumes it, above 0.
    pub loss_day_usd_max: String,
    /// Loss of a UTC day above which only reducing orders pass, above 0.
    pub loss_day_reduce_usd: String,
    /// Fall from the highest equity above which all is halted until a person resumes it, above 0.
    pub drawdown_usd_max: String,
    /// How much worse than its last mid a holding counts once that mid is too old, 0 to 10,000 bps.
    pub stale_mark_haircut_bps: u32,
    /// Closing executions of a pair that lost in a row above which it pauses, 1 to 10,000.
    pub loss_streak_max: u32,
    /// How long it pauses after the last of them, 1 to 86,400,000 ms.
    pub loss_streak_pause_ms: i64,
    /// Fees of a UTC day above which only reducing orders pass, above 0.
    pub fees_day_usd_max: String,
    /// Largest age of a book that orders are checked against, 1 to 60,000 ms.
    pub book_age_ms_max: i64,
    /// Largest difference of the clocks of venue, ingestor and gate, to 600,000 ms; 0 compares none, which only a played
    /// recording needs: its frames tell the venue's time of then.
    pub clock_skew_ms_max: i64,
    /// Venues that must tell a fresh mid of the pair, 1 to 100: 1 is content with the one that the order is for.
    pub reference_venues_min: u32,
    /// Largest distance between the mids of two venues, 1 to 5,000 bps.
    pub reference_disagreement_bps_max: u32,
    /// Largest age of the market event behind a request, 1 to 600,000 ms.
    pub signal_age_ms_max: i64,
    /// Largest age of the last mid at which a held pair is valued for the limits of positions, 1 ms to 20 years. An order
    /// that raises them is refused beyond it.
    pub mark_age_ms_max: i64,
    /// How long an approval may be used, 1 to 60,000 ms.
    pub approval_ttl_ms: i64,
    /// Silence of a venue's router from which orders for it are refused, 2,000 to 60,000 ms: at least two heartbeats.
    pub router_silence_ms_max: i64,
    /// Venues whose timer that cancels our orders must be armed before an order.
    pub dead_man_venues: Vec<String>,
    /// How long after the start of the gate the limit of all pairs together grows to its full size, 0 to 86,400,000 ms.
    pub ramp_ms: i64,
    /// With which share of it the gate starts, 1 to 10,000 bps.
    pub ramp_start_bps: u32,
}

/// Is one group of base assets that move together.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSettings {
    /// Which, at least one.
    pub assets: Vec<String>,
    /// Largest sum of the worst cases of their pairs, 0 or more.
    pub position_usd_max: String,
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
