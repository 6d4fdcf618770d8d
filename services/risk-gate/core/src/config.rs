//! The limits as checked, which the controls follow.

use crate::settings::RiskGateSettings;
use remora_approval::VerifyingKey;
use remora_domain::{
    AccountId, Asset, Bps, DurationNs, InstrumentKey, Notional, Reporting, StrategyId, Timestamp,
    VenueId,
};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Is the checked configuration of a gate. Money is in the reporting currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiskGateConfig {
    /// The account it guards.
    pub account: AccountId,
    /// The currency of the limits, and how other assets convert to it.
    pub reporting: Reporting,
    /// The limits as written, which changes at run time start from.
    pub document: Arc<RiskGateSettings>,
    /// The how-manieth version of the limits this is.
    pub version: u64,
    /// The last instant at which they may be used.
    pub valid_until: Timestamp,
    /// Whose signature the limits must carry, now and after each change; `None` wants none.
    pub limits_key: Option<VerifyingKey>,
    /// Whether raising a limit at run time needs a second person.
    pub raising_needs_two: bool,
    /// Strategies that may ask.
    pub strategies: BTreeSet<StrategyId>,
    /// What may be traded.
    pub permitted: Permitted,
    /// Largest quantity of an order, in smallest orders of its instrument.
    pub order_qty_mins_max: Decimal,
    /// Largest value of one order.
    pub order_notional_max: Notional,
    /// Largest share of the thinner side of the book.
    pub order_depth_share_max: Bps,
    /// Largest share of the volume of 24 hours.
    pub order_volume_share_max: Bps,
    /// Largest distance of a price from the mid.
    pub price_collar: Bps,
    /// Largest distance of a price from the last trade.
    pub last_trade_band: Bps,
    /// Smallest edge of an opening order.
    pub edge_min: Bps,
    /// Largest worst case of a pair without a limit of its own.
    pub pair_position_max: Notional,
    /// Pairs with a limit of their own.
    pub pair_position_max_overrides: BTreeMap<InstrumentKey, Notional>,
    /// Largest worst case of a base asset without a limit of its own.
    pub asset_position_max: Notional,
    /// Base assets with a limit of their own.
    pub asset_position_max_overrides: BTreeMap<Asset, Notional>,
    /// Largest sum of the worst cases.
    pub total_position_max: Notional,
    /// Largest difference between longs and shorts.
    pub net_position_max: Notional,
    /// Largest worst case of a venue without a limit of its own.
    pub venue_position_max: Notional,
    /// Venues with a limit of their own.
    pub venue_position_max_overrides: BTreeMap<VenueId, Notional>,
    /// Assets that move together.
    pub groups: Vec<AssetGroup>,
    /// Orders and cancels in the window.
    pub orders_per_window_max: usize,
    /// Cancels in the window.
    pub cancels_per_window_max: usize,
    /// Length of that window.
    pub order_window: DurationNs,
    /// Orders open at once.
    pub open_orders_max: usize,
    /// Orders open at once in one pair.
    pub open_orders_pair_max: usize,
    /// Orders of a day that need no execution.
    pub unfilled_orders_max: u64,
    /// Further orders of a day for each execution.
    pub orders_per_fill_max: u64,
    /// Equal orders in the window.
    pub duplicates_max: usize,
    /// Length of that window.
    pub duplicate_window: DurationNs,
    /// Executions of a pair in the window.
    pub executions_per_window_max: usize,
    /// Length of that window.
    pub execution_window: DurationNs,
    /// Messages a venue takes in one go.
    pub venue_budget_messages: u32,
    /// Time in which it forgets that many.
    pub venue_budget_window: DurationNs,
    /// Loss of a day above which all is halted.
    pub loss_day_max: Notional,
    /// Loss of a day above which only reducing orders pass.
    pub loss_day_reduce: Notional,
    /// Fall from the peak above which all is halted.
    pub drawdown_max: Notional,
    /// How much worse than its last mid a holding counts once that is too old.
    pub stale_mark_haircut: Bps,
    /// Losing closing executions in a row.
    pub loss_streak_max: u32,
    /// How long the pair pauses after the last of them.
    pub loss_streak_pause: DurationNs,
    /// Fees of a day above which only reducing orders pass.
    pub fees_day_max: Notional,
    /// Largest age of a book.
    pub book_age_max: DurationNs,
    /// Largest difference of two clocks; zero compares none.
    pub clock_skew_max: DurationNs,
    /// Venues that must tell a fresh mid.
    pub reference_venues_min: usize,
    /// Largest distance between their mids.
    pub reference_disagreement_max: Bps,
    /// Largest age of what a request was decided on.
    pub signal_age_max: DurationNs,
    /// Largest age of a mid that values what is held.
    pub mark_age_max: DurationNs,
    /// How long an approval may be used.
    pub approval_ttl: DurationNs,
    /// Silence of a router from which orders for its venue are refused.
    pub router_silence_max: DurationNs,
    /// Venues whose dead-man's switch must be armed.
    pub dead_man_venues: BTreeSet<VenueId>,
    /// How long the limit of all pairs grows after the start.
    pub ramp: DurationNs,
    /// With which share of it the gate starts.
    pub ramp_start: Bps,
}

/// Is what may be traded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permitted {
    /// Venues of which every instrument may be.
    pub venues: BTreeSet<VenueId>,
    /// Single instruments.
    pub instruments: BTreeSet<InstrumentKey>,
}

impl Permitted {
    /// Tells whether an instrument may be traded.
    #[must_use]
    pub fn contains(&self, key: &InstrumentKey) -> bool {
        self.venues.contains(&key.venue) || self.instruments.contains(key)
    }
}

/// Is a group of base assets that move together, with its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetGroup {
    /// What it is called.
    pub name: String,
    /// Which.
    pub assets: BTreeSet<Asset>,
    /// Largest sum of the worst cases of their pairs.
    pub position_max: Notional,
}

impl RiskGateConfig {
    /// Gives the limit of a pair.
    #[must_use]
    pub fn pair_position_max(&self, instrument: &InstrumentKey) -> Notional {
        let own = self.pair_position_max_overrides.get(instrument);
        own.copied().unwrap_or(self.pair_position_max)
    }

    /// Gives the limit of a base asset.
    #[must_use]
    pub fn asset_position_max(&self, base: &Asset) -> Notional {
        let own = self.asset_position_max_overrides.get(base);
        own.copied().unwrap_or(self.asset_position_max)
    }

    /// Gives the limit of a venue.
    #[must_use]
    pub fn venue_position_max(&self, venue: &VenueId) -> Notional {
        let own = self.venue_position_max_overrides.get(venue);
        own.copied().unwrap_or(self.venue_position_max)
    }
}
