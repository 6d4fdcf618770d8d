//! What is listed and whether the venue is open: `Time`, `SystemStatus`, `Assets`, `AssetPairs`.

use super::Public;
use super::read::AssetClass;
use crate::server::catalogue::{AssetDef, AssetStatus, FeeTier, PairDef, PairStatus, SystemMode};
use crate::server::date::{Rfc1123, Rfc3339, unix_seconds};
use crate::server::desk::DeskResult;
use crate::server::error::KrakenError;
use crate::server::json::Json;
use rust_decimal::Decimal;

/// Writes the venue's clock.
pub(super) fn time(call: &Public<'_>, json: &mut Json) -> DeskResult<()> {
    json.object(|json| {
        json.key("unixtime").number(unix_seconds(call.now));
        json.key("rfc1123").quoted(Rfc1123(call.now));
    });
    Ok(())
}

/// Writes what the whole exchange allows.
pub(super) fn system_status(call: &Public<'_>, json: &mut Json) -> DeskResult<()> {
    json.object(|json| {
        json.key("status").string(match call.desk.system_mode() {
            SystemMode::Online => "online",
            SystemMode::Maintenance => "maintenance",
            SystemMode::CancelOnly => "cancel_only",
            SystemMode::PostOnly => "post_only",
        });
        json.key("timestamp").quoted(Rfc3339::seconds(call.now));
    });
    Ok(())
}

/// Writes assets by their ids.
pub(super) fn assets(call: &Public<'_>, json: &mut Json) -> DeskResult<()> {
    let catalogue = call.desk.catalogue();
    let names = call.fields.list("asset");
    let class = call.fields.asset_class("aclass")?;
    let found: Vec<&AssetDef> = if names.is_empty() {
        catalogue.assets().iter().filter(|_| class == AssetClass::Currency).collect()
    } else {
        let find = |name| catalogue.find_asset(name).filter(|_| class == AssetClass::Currency);
        let found: Option<Vec<_>> = names.into_iter().map(find).collect();
        found.ok_or(KrakenError::UnknownAsset)?
    };
    json.object(|json| {
        for asset in found {
            json.key(&asset.id).object(|json| {
                json.key("aclass").string("currency");
                json.key("altname").string(&asset.altname);
                json.key("decimals").number(asset.decimals);
                json.key("display_decimals").number(asset.display_decimals);
                json.key("status").string(match asset.status {
                    AssetStatus::Enabled => "enabled",
                    AssetStatus::DepositOnly => "deposit_only",
                    AssetStatus::WithdrawalOnly => "withdrawal_only",
                    AssetStatus::FundingTemporarilyDisabled => "funding_temporarily_disabled",
                });
            });
        }
    });
    Ok(())
}

/// Is which part of the pairs is asked for.
#[derive(Clone, Copy)]
enum Part {
    Info,
    Leverage,
    Fees,
    Margin,
}

/// Writes pairs. The key is the pair's id, but a pair that was asked for by its v2 symbol comes back under that
/// symbol: clients of the v2 books look it up there.
pub(super) fn asset_pairs(call: &Public<'_>, json: &mut Json) -> DeskResult<()> {
    let catalogue = call.desk.catalogue();
    let part = call.fields.read("info", |text| match text {
        "info" => Some(Part::Info),
        "leverage" => Some(Part::Leverage),
        "fees" => Some(Part::Fees),
        "margin" => Some(Part::Margin),
        _ => None,
    })?;
    let is_listed = call.fields.asset_class("aclass_base")? == AssetClass::Currency
        && call.fields.scalar("execution_venue")?.is_none_or(|venue| venue == "international");
    let names = call.fields.list("pair");
    let found: Vec<(&str, &PairDef)> = if names.is_empty() {
        let shown = |pair: &&PairDef| is_listed && is_shown(pair);
        catalogue.pairs().iter().filter(shown).map(|pair| (&*pair.id, pair)).collect()
    } else {
        let find = |name| {
            let pair = catalogue.find_pair(name).filter(|pair| is_listed && is_shown(pair))?;
            Some((if name == &*pair.symbol { name } else { &*pair.id }, pair))
        };
        let found: Option<Vec<_>> = names.into_iter().map(find).collect();
        found.ok_or(KrakenError::UnknownPair)?
    };
    json.object(|json| {
        for (key, pair) in found {
            json.key(key).object(|json| write_pair(call, pair, part.unwrap_or(Part::Info), json));
        }
    });
    Ok(())
}

/// Says whether REST lists a pair: it has no words for the states that only v2 knows.
fn is_shown(pair: &PairDef) -> bool {
    status_name(pair.status).is_some()
}

fn status_name(status: PairStatus) -> Option<&'static str> {
    match status {
        PairStatus::Online => Some("online"),
        PairStatus::CancelOnly => Some("cancel_only"),
        PairStatus::PostOnly => Some("post_only"),
        PairStatus::LimitOnly => Some("limit_only"),
        PairStatus::ReduceOnly => Some("reduce_only"),
        PairStatus::Delisted | PairStatus::Maintenance | PairStatus::WorkInProgress => None,
    }
}

fn write_pair(call: &Public<'_>, pair: &PairDef, part: Part, json: &mut Json) {
    match part {
        Part::Info => {
            write_definition(call, pair, json);
            write_leverage(json);
            write_fees(call, pair, json);
            write_margin(json);
            json.key("ordermin").quoted(pair.qty_min.normalize());
            json.key("costmin").quoted(pair.cost_min.normalize());
            json.key("tick_size").quoted(pair.tick_size.normalize());
            json.key("status").string(status_name(pair.status).unwrap_or_default());
        }
        Part::Leverage => write_leverage(json),
        Part::Fees => write_fees(call, pair, json),
        Part::Margin => write_margin(json),
    }
}

fn write_definition(call: &Public<'_>, pair: &PairDef, json: &mut Json) {
    let catalogue = call.desk.catalogue();
    let id = |asset| catalogue.asset(asset).map(|asset| &*asset.id).unwrap_or_default();
    json.key("altname").string(&pair.altname);
    json.key("wsname").string(&pair.wsname);
    json.key("aclass_base").string("currency");
    json.key("base").string(id(pair.base));
    json.key("aclass_quote").string("currency");
    json.key("quote").string(id(pair.quote));
    json.key("execution_venue").string("international");
    json.key("lot").string("unit");
    json.key("cost_decimals").number(pair.cost_decimals);
    json.key("pair_decimals").number(pair.price_decimals);
    json.key("lot_decimals").number(pair.qty_decimals);
    json.key("lot_multiplier").number(1);
}

/// Writes that there is no margin here.
fn write_leverage(json: &mut Json) {
    json.key("leverage_buy").array(|_| ());
    json.key("leverage_sell").array(|_| ());
}

fn write_margin(json: &mut Json) {
    json.key("margin_call").number(80);
    json.key("margin_stop").number(40);
}

fn write_fees(call: &Public<'_>, pair: &PairDef, json: &mut Json) {
    let tiers = call.desk.catalogue().schedule(pair).map(|schedule| &*schedule.tiers);
    let tiers = tiers.unwrap_or_default();
    let mut write = |name: &str, percent: fn(&FeeTier) -> Decimal| {
        json.key(name).array(|json| {
            for tier in tiers {
                json.array(|json| {
                    json.number(tier.volume_usd.normalize());
                    json.number(percent(tier).normalize());
                });
            }
        });
    };
    write("fees", |tier| tier.taker_percent);
    write("fees_maker", |tier| tier.maker_percent);
    json.key("fee_volume_currency").string("ZUSD");
}
