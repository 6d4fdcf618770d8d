//! From the limits as written to the limits as checked: every key by itself, then all of them together.

use crate::config::{AssetGroup, Permitted, RiskGateConfig};
use crate::consistency;
use crate::day::last_instant_of;
use crate::settings::RiskGateSettings;
use crate::signature::SIGNATURE;
use remora_approval::LimitsSignature;
use remora_domain::{
    AccountId, Asset, Bps, InstrumentId, InstrumentKey, Notional, Reporting, SettingCheck,
    SettingProblem, StrategyId, VenueId,
};
use remora_machine::HEARTBEAT_INTERVAL;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

/// Twenty years: one run may play recordings that lie years apart.
const MARK_AGE_MS_MOST: i64 = 631_152_000_000;
const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

impl RiskGateSettings {
    /// Checks every setting, and whether they can hold together.
    ///
    /// # Errors
    /// Gives all problems at once; those of limits that contradict each other show the sum.
    pub fn validate(
        &self,
        account: &AccountId,
        reporting: &Reporting,
    ) -> Result<RiskGateConfig, Vec<SettingProblem>> {
        // Not of this section, so the helper's prefix would name the wrong key.
        let currency = (reporting.currency.as_str() != "USD").then(|| SettingProblem {
            key: "reporting_currency".to_owned(),
            value: reporting.currency.to_string(),
            allowed: "USD: the limits of risk_gate are in USD".to_owned(),
        });
        let mut check = SettingCheck::new("risk_gate");
        let config = self.config(&mut check, account, reporting);
        if let Some(config) = &config {
            consistency::check(config, &mut check);
        }
        match (currency, check.finish(config)) {
            (None, checked) => checked,
            (Some(first), Ok(_)) => Err(vec![first]),
            (Some(first), Err(others)) => Err(std::iter::once(first).chain(others).collect()),
        }
    }

    fn config(
        &self,
        check: &mut SettingCheck,
        account: &AccountId,
        reporting: &Reporting,
    ) -> Option<RiskGateConfig> {
        let whole = Whole::read(self, check);
        let size = Size::read(self, check);
        let position = Positions::read(self, check);
        let loss = Loss::read(self, check);
        let counts = Counts::read(self, check);
        let (whole, size, position) = (whole?, size?, position?);
        let (loss, counts) = (loss?, counts?);
        let ms = remora_domain::DurationNs::from_ms;
        Some(RiskGateConfig {
            account: account.clone(),
            reporting: reporting.clone(),
            document: Arc::new(self.clone()),
            version: self.version,
            valid_until: whole.valid_until,
            limits_key: None,
            raising_needs_two: self.raising_needs_two,
            strategies: whole.strategies,
            permitted: whole.permitted,
            order_qty_mins_max: Decimal::from(self.order_qty_mins_max),
            order_notional_max: size.notional,
            order_depth_share_max: size.depth_share,
            order_volume_share_max: size.volume_share,
            price_collar: size.collar,
            last_trade_band: size.band,
            edge_min: size.edge,
            pair_position_max: position.pair,
            pair_position_max_overrides: position.pairs,
            asset_position_max: position.asset,
            asset_position_max_overrides: position.assets,
            total_position_max: position.total,
            net_position_max: position.net,
            venue_position_max: position.venue,
            venue_position_max_overrides: position.venues,
            groups: position.groups,
            orders_per_window_max: counts.orders,
            cancels_per_window_max: counts.cancels,
            order_window: ms(self.order_window_ms),
            open_orders_max: counts.open,
            open_orders_pair_max: counts.open_pair,
            unfilled_orders_max: u64::from(self.unfilled_orders_max),
            orders_per_fill_max: u64::from(self.orders_per_fill_max),
            duplicates_max: counts.duplicates,
            duplicate_window: ms(self.duplicate_window_ms),
            executions_per_window_max: counts.executions,
            execution_window: ms(self.execution_window_ms),
            venue_budget_messages: self.venue_budget_messages,
            venue_budget_window: ms(self.venue_budget_window_ms),
            loss_day_max: loss.day,
            loss_day_reduce: loss.day_reduce,
            drawdown_max: loss.drawdown,
            stale_mark_haircut: loss.haircut,
            loss_streak_max: self.loss_streak_max,
            loss_streak_pause: ms(self.loss_streak_pause_ms),
            fees_day_max: loss.fees,
            book_age_max: ms(self.book_age_ms_max),
            clock_skew_max: ms(self.clock_skew_ms_max),
            reference_venues_min: counts.reference_venues,
            reference_disagreement_max: counts.disagreement,
            signal_age_max: ms(self.signal_age_ms_max),
            mark_age_max: ms(self.mark_age_ms_max),
            approval_ttl: ms(self.approval_ttl_ms),
            router_silence_max: ms(self.router_silence_ms_max),
            dead_man_venues: whole.dead_man_venues,
            ramp: ms(self.ramp_ms),
            ramp_start: counts.ramp_start,
        })
    }
}

struct Whole {
    valid_until: remora_domain::Timestamp,
    strategies: BTreeSet<StrategyId>,
    permitted: Permitted,
    dead_man_venues: BTreeSet<VenueId>,
}

impl Whole {
    fn read(s: &RiskGateSettings, check: &mut SettingCheck) -> Option<Self> {
        if s.version == 0 {
            check.problem("version", 0, "a number from 1 on");
        }
        let valid_until = last_instant_of(&s.valid_until);
        if valid_until.is_none() {
            check.problem("valid_until", &s.valid_until, "a day such as 2027-12-31");
        }
        if let Some(text) = &s.limits_signature
            && LimitsSignature::from_hex(text).is_err()
        {
            check.problem(SIGNATURE, text, "128 hexadecimal digits, from remora risk sign");
        }
        if s.strategies.is_empty() {
            check.problem("strategies", "[]", "at least one strategy");
        }
        let names = s.strategies.iter();
        let allowed = "1 to 32 characters from a-z 0-9 -";
        let strategies =
            names.filter_map(|name| check.text("strategies", name, allowed, |_| true)).collect();
        let permitted = permitted(s, check);
        let venues = s.dead_man_venues.iter();
        let venues = venues.filter_map(|name| {
            check.text("dead_man_venues", name, "a venue such as kraken-spot", |_| true)
        });
        let dead_man_venues = venues.collect();
        Some(Self { valid_until: valid_until?, strategies, permitted, dead_man_venues })
    }
}

fn permitted(s: &RiskGateSettings, check: &mut SettingCheck) -> Permitted {
    if s.instruments.is_empty() {
        check.problem("instruments", "[]", "at least one, such as kraken-spot/*");
    }
    let mut permitted = Permitted::default();
    for name in &s.instruments {
        let venue = name.strip_suffix("/*").and_then(|venue| VenueId::new(venue).ok());
        if let Some(venue) = venue {
            permitted.venues.insert(venue);
        } else if let Some(key) = key_of(name) {
            permitted.instruments.insert(key);
        } else {
            check.problem(
                "instruments",
                name,
                "a key such as kraken-spot/BTC-USD or kraken-spot/*",
            );
        }
    }
    permitted
}

struct Size {
    notional: Notional,
    depth_share: Bps,
    volume_share: Bps,
    collar: Bps,
    band: Bps,
    edge: Bps,
}

impl Size {
    fn read(s: &RiskGateSettings, check: &mut SettingCheck) -> Option<Self> {
        check.range("order_qty_mins_max", s.order_qty_mins_max, 1, 1_000_000_000);
        let notional = limit(check, "order_notional_usd_max", &s.order_notional_usd_max, false);
        let share = 1_000_000;
        let depth_share =
            bps(check, "order_depth_share_bps_max", s.order_depth_share_bps_max, 1, share);
        let volume_share =
            bps(check, "order_volume_share_bps_max", s.order_volume_share_bps_max, 0, share);
        let most = Decimal::from(5_000);
        let is_distance = |bps: &Bps| *bps > Bps::ZERO && bps.to_decimal() <= most;
        let allowed = "above 0, at most 5000";
        let collar = check.text("price_collar_bps", &s.price_collar_bps, allowed, is_distance);
        let band = check.text("last_trade_band_bps", &s.last_trade_band_bps, allowed, is_distance);
        let is_edge = |bps: &Bps| bps.to_decimal().abs() <= most;
        let edge = check.text("edge_bps_min", &s.edge_bps_min, "-5000 to 5000", is_edge);
        Some(Self {
            notional: notional?,
            depth_share: depth_share?,
            volume_share: volume_share?,
            collar: collar?,
            band: band?,
            edge: edge?,
        })
    }
}

struct Positions {
    pair: Notional,
    pairs: BTreeMap<InstrumentKey, Notional>,
    asset: Notional,
    assets: BTreeMap<Asset, Notional>,
    total: Notional,
    net: Notional,
    venue: Notional,
    venues: BTreeMap<VenueId, Notional>,
    groups: Vec<AssetGroup>,
}

impl Positions {
    fn read(s: &RiskGateSettings, check: &mut SettingCheck) -> Option<Self> {
        let pair = limit(check, "pair_position_usd_max", &s.pair_position_usd_max, true);
        let (name, all) = ("pair_position_usd_max_overrides", &s.pair_position_usd_max_overrides);
        let pairs = overrides(check, name, all, "a key such as kraken-spot/BTC-USD", key_of);
        let asset = limit(check, "asset_position_usd_max", &s.asset_position_usd_max, true);
        let (name, all) = ("asset_position_usd_max_overrides", &s.asset_position_usd_max_overrides);
        let assets = overrides(check, name, all, "an asset such as BTC", id_of);
        let total = limit(check, "total_position_usd_max", &s.total_position_usd_max, true);
        let net = limit(check, "net_position_usd_max", &s.net_position_usd_max, true);
        let venue = limit(check, "venue_position_usd_max", &s.venue_position_usd_max, true);
        let (name, all) = ("venue_position_usd_max_overrides", &s.venue_position_usd_max_overrides);
        let venues = overrides(check, name, all, "a venue such as kraken-spot", id_of);
        let groups = groups(s, check);
        Some(Self {
            pair: pair?,
            pairs,
            asset: asset?,
            assets,
            total: total?,
            net: net?,
            venue: venue?,
            venues,
            groups,
        })
    }
}

fn groups(s: &RiskGateSettings, check: &mut SettingCheck) -> Vec<AssetGroup> {
    let mut groups = Vec::new();
    for (name, group) in &s.groups {
        let key = format!("groups.{name}.assets");
        if group.assets.is_empty() {
            check.problem(&key, "[]", "at least one asset such as BTC");
        }
        let names = group.assets.iter();
        let assets = names
            .filter_map(|asset| check.text(&key, asset, "an asset such as BTC", |_| true))
            .collect();
        let key = format!("groups.{name}.position_usd_max");
        if let Some(position_max) = limit(check, &key, &group.position_usd_max, true) {
            groups.push(AssetGroup { name: name.clone(), assets, position_max });
        }
    }
    groups
}

struct Loss {
    day: Notional,
    day_reduce: Notional,
    drawdown: Notional,
    haircut: Bps,
    fees: Notional,
}

impl Loss {
    fn read(s: &RiskGateSettings, check: &mut SettingCheck) -> Option<Self> {
        let day = limit(check, "loss_day_usd_max", &s.loss_day_usd_max, false);
        let day_reduce = limit(check, "loss_day_reduce_usd", &s.loss_day_reduce_usd, false);
        let drawdown = limit(check, "drawdown_usd_max", &s.drawdown_usd_max, false);
        let haircut = bps(check, "stale_mark_haircut_bps", s.stale_mark_haircut_bps, 0, 10_000);
        check.range("loss_streak_max", s.loss_streak_max, 1, 10_000);
        check.ms("loss_streak_pause_ms", s.loss_streak_pause_ms, 1, DAY_MS);
        let fees = limit(check, "fees_day_usd_max", &s.fees_day_usd_max, false);
        Some(Self {
            day: day?,
            day_reduce: day_reduce?,
            drawdown: drawdown?,
            haircut: haircut?,
            fees: fees?,
        })
    }
}

struct Counts {
    orders: usize,
    cancels: usize,
    open: usize,
    open_pair: usize,
    duplicates: usize,
    executions: usize,
    reference_venues: usize,
    disagreement: Bps,
    ramp_start: Bps,
}

impl Counts {
    fn read(s: &RiskGateSettings, check: &mut SettingCheck) -> Option<Self> {
        let orders = count(check, "orders_per_window_max", s.orders_per_window_max);
        let cancels = count(check, "cancels_per_window_max", s.cancels_per_window_max);
        check.ms("order_window_ms", s.order_window_ms, 1, HOUR_MS);
        let open = count(check, "open_orders_max", s.open_orders_max);
        let open_pair = count(check, "open_orders_pair_max", s.open_orders_pair_max);
        check.range("unfilled_orders_max", s.unfilled_orders_max, 1, 1_000_000_000);
        check.range("orders_per_fill_max", s.orders_per_fill_max, 0, 1_000_000);
        let duplicates = count(check, "duplicates_max", s.duplicates_max);
        check.ms("duplicate_window_ms", s.duplicate_window_ms, 1, HOUR_MS);
        let executions = count(check, "executions_per_window_max", s.executions_per_window_max);
        check.ms("execution_window_ms", s.execution_window_ms, 1, DAY_MS);
        count(check, "venue_budget_messages", s.venue_budget_messages);
        check.ms("venue_budget_window_ms", s.venue_budget_window_ms, 1, HOUR_MS);
        check.ms("book_age_ms_max", s.book_age_ms_max, 1, 60_000);
        check.ms("clock_skew_ms_max", s.clock_skew_ms_max, 0, 600_000);
        check.range("reference_venues_min", s.reference_venues_min, 1, 100);
        let key = "reference_disagreement_bps_max";
        let disagreement = bps(check, key, s.reference_disagreement_bps_max, 1, 5_000);
        check.ms("signal_age_ms_max", s.signal_age_ms_max, 1, 600_000);
        check.ms("mark_age_ms_max", s.mark_age_ms_max, 1, MARK_AGE_MS_MOST);
        check.ms("approval_ttl_ms", s.approval_ttl_ms, 1, 60_000);
        let silence_min = HEARTBEAT_INTERVAL.saturating_mul(2).as_ms();
        check.ms("router_silence_ms_max", s.router_silence_ms_max, silence_min, 60_000);
        check.ms("ramp_ms", s.ramp_ms, 0, DAY_MS);
        let ramp_start = bps(check, "ramp_start_bps", s.ramp_start_bps, 1, 10_000);
        Some(Self {
            orders: orders?,
            cancels: cancels?,
            open: open?,
            open_pair: open_pair?,
            duplicates: duplicates?,
            executions: executions?,
            reference_venues: usize::try_from(s.reference_venues_min).ok()?,
            disagreement: disagreement?,
            ramp_start: ramp_start?,
        })
    }
}

fn count(check: &mut SettingCheck, key: &str, value: u32) -> Option<usize> {
    check.range(key, value, 1, 100_000);
    usize::try_from(value).ok()
}

fn bps(check: &mut SettingCheck, key: &str, value: u32, min: u32, max: u32) -> Option<Bps> {
    check.range(key, value, min, max);
    Bps::from_decimal(Decimal::from(value)).ok()
}

fn overrides<K: Ord>(
    check: &mut SettingCheck,
    name: &str,
    all: &BTreeMap<String, String>,
    allowed: &str,
    read: impl Fn(&str) -> Option<K>,
) -> BTreeMap<K, Notional> {
    let mut overrides = BTreeMap::new();
    for (of, text) in all {
        let key = format!("{name}.{of}");
        let limit = limit(check, &key, text, true);
        match (read(of), limit) {
            (Some(of), Some(limit)) => {
                overrides.insert(of, limit);
            }
            (Some(_), None) => {}
            (None, _) => check.problem(&key, of, allowed),
        }
    }
    overrides
}

fn key_of(name: &str) -> Option<InstrumentKey> {
    let (venue, instrument) = name.split_once('/')?;
    Some(InstrumentKey::new(VenueId::new(venue).ok()?, InstrumentId::new(instrument).ok()?))
}

fn id_of<T: FromStr>(name: &str) -> Option<T> {
    name.parse().ok()
}

fn limit(check: &mut SettingCheck, key: &str, text: &str, may_be_zero: bool) -> Option<Notional> {
    let allowed = match may_be_zero {
        true => "an amount of USD, 0 or more, such as \"500\"",
        false => "an amount of USD above 0, such as \"500\"",
    };
    check.text(key, text, allowed, |limit: &Notional| {
        *limit > Notional::ZERO || (may_be_zero && limit.is_zero())
    })
}
