//! Limits that cannot hold together: each pair of keys is compared, and the problem shows both numbers.
//!
//! A limit that a wider one can never let act, or that nothing can ever reach, is a mistake of whoever wrote it: the
//! gate refuses to guess which of the two was meant.

use crate::config::RiskGateConfig;
use remora_domain::{Notional, SettingCheck};
use std::fmt::Display;

/// Reports every contradiction between limits that are each sound by themselves.
pub(crate) fn check(config: &RiskGateConfig, check: &mut SettingCheck) {
    positions(config, check);
    losses(config, check);
    counts(config, check);
    durations(config, check);
    ramp(config, check);
}

fn at_most<T: PartialOrd + Display>(
    check: &mut SettingCheck,
    key: &str,
    value: T,
    other: &str,
    limit: T,
    unit: &str,
) {
    if value > limit {
        let allowed = format!("at most {other} = {limit} {unit} ({value} > {limit})");
        check.problem(key, &value, allowed);
    }
}

fn positions(config: &RiskGateConfig, check: &mut SettingCheck) {
    let (pair, total) = (config.pair_position_max, config.total_position_max);
    let (asset, venue) = (config.asset_position_max, config.venue_position_max);
    let order = config.order_notional_max;
    let mut usd = |key: &str, value: Notional, other: &str, limit: Notional| {
        at_most(check, key, value, other, limit, "USD");
    };
    if !pair.is_zero() {
        usd("order_notional_usd_max", order, "pair_position_usd_max", pair);
    }
    usd("pair_position_usd_max", pair, "total_position_usd_max", total);
    usd("pair_position_usd_max", pair, "asset_position_usd_max", asset);
    usd("pair_position_usd_max", pair, "venue_position_usd_max", venue);
    usd("asset_position_usd_max", asset, "total_position_usd_max", total);
    usd("venue_position_usd_max", venue, "total_position_usd_max", total);
    usd("net_position_usd_max", config.net_position_max, "total_position_usd_max", total);
    for (of, own) in &config.pair_position_max_overrides {
        let key = format!("pair_position_usd_max_overrides.{of}");
        usd(&key, *own, "total_position_usd_max", total);
        usd(&key, *own, "venue_position_usd_max", config.venue_position_max(&of.venue));
    }
    for (of, own) in &config.asset_position_max_overrides {
        let key = format!("asset_position_usd_max_overrides.{of}");
        usd(&key, *own, "total_position_usd_max", total);
    }
    for (of, own) in &config.venue_position_max_overrides {
        let key = format!("venue_position_usd_max_overrides.{of}");
        usd(&key, *own, "total_position_usd_max", total);
    }
    for group in &config.groups {
        let key = format!("groups.{}.position_usd_max", group.name);
        usd(&key, group.position_max, "total_position_usd_max", total);
    }
}

fn losses(config: &RiskGateConfig, check: &mut SettingCheck) {
    let day = config.loss_day_max;
    let reduce = config.loss_day_reduce;
    at_most(check, "loss_day_reduce_usd", reduce, "loss_day_usd_max", day, "USD");
    // The peak is never below the start of the day, so the fall from it is never smaller than the loss of the day.
    let drawdown = config.drawdown_max;
    at_most(check, "loss_day_usd_max", day, "drawdown_usd_max", drawdown, "USD");
}

fn counts(config: &RiskGateConfig, check: &mut SettingCheck) {
    let (pair, all) = (config.open_orders_pair_max, config.open_orders_max);
    at_most(check, "open_orders_pair_max", pair, "open_orders_max", all, "orders");
    let (cancels, all) = (config.cancels_per_window_max, config.orders_per_window_max);
    at_most(check, "cancels_per_window_max", cancels, "orders_per_window_max", all, "messages");
}

fn durations(config: &RiskGateConfig, check: &mut SettingCheck) {
    let (own, window) = (config.duplicate_window.as_ms(), config.order_window.as_ms());
    at_most(check, "duplicate_window_ms", own, "order_window_ms", window, "ms");
    let (book, mark) = (config.book_age_max.as_ms(), config.mark_age_max.as_ms());
    at_most(check, "book_age_ms_max", book, "mark_age_ms_max", mark, "ms");
}

/// At the start at least one order of full size must fit, or the ramp is a halt.
fn ramp(config: &RiskGateConfig, check: &mut SettingCheck) {
    let total = config.total_position_max;
    if config.ramp.as_ns() == 0 || total.is_zero() {
        return;
    }
    let (order, share) = (config.order_notional_max, config.ramp_start);
    match total.checked_bps(share) {
        Ok(start) if order <= start => {}
        Ok(start) => {
            let start = start.to_decimal().normalize();
            let sum = format!("{total} USD x {share} bps = {start} USD");
            let allowed = format!("so much that one order of {order} USD fits ({sum} < {order})");
            check.problem("ramp_start_bps", share, allowed);
        }
        Err(_) => check.problem("ramp_start_bps", share, "a share that can be told exactly"),
    }
}
