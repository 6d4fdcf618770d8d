//! What an account owns and pays, and its keys: `Balance`, `BalanceEx`, `TradeBalance`, `TradeVolume`,
//! `GetApiKeyInfo`, `GetWebSocketsToken`.

use super::Private;
use crate::server::auth::Permission;
use crate::server::catalogue::{AssetDef, PairDef};
use crate::server::date::unix_seconds;
use crate::server::desk::{DeskResult, FeeRow, PairFees, fixed};
use crate::server::error::KrakenError;
use crate::server::json::Json;
use remora_matching::MarketIx;
use rust_decimal::Decimal;

/// The decimals of fees, volumes and valuations.
const VALUE_DECIMALS: u32 = 4;
/// What balances are valued in when nothing is said.
const VALUE_ASSET: &str = "ZUSD";

/// Writes everything owned, holds included.
pub(super) fn balance(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    json.object(|json| {
        for row in call.desk.balances(call.trader) {
            json.key(&row.asset.id).quoted(row.total);
        }
    });
    Ok(())
}

/// Writes everything owned and what of it is held for orders. Nobody has credit here.
pub(super) fn balance_ex(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    json.object(|json| {
        for row in call.desk.balances(call.trader) {
            json.key(&row.asset.id).object(|json| {
                json.key("balance").quoted(row.total);
                json.key("credit").quoted("0.0");
                json.key("credit_used").quoted("0.0");
                json.key("hold_trade").quoted(row.held);
            });
        }
    });
    Ok(())
}

/// Writes the account's value. There are no positions here, so equity is what is owned.
pub(super) fn trade_balance(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let catalogue = call.desk.catalogue();
    let asset = call.fields.scalar("asset")?.unwrap_or(VALUE_ASSET);
    let asset = catalogue.find_asset(asset).ok_or(KrakenError::UnknownAsset)?;
    let rate = asset.usd_rate.filter(|rate| !rate.is_zero()).ok_or(KrakenError::UnknownAsset)?;
    let balances = call.desk.balances(call.trader);
    let owned = balances.iter().filter_map(|row| in_usd(row.asset, row.total));
    let unexecuted = call.desk.open_orders(call.trader).filter_map(|order| {
        let facts = call.desk.order(order)?;
        let open = facts.qty?.checked_sub(facts.cum_qty)?.checked_mul(facts.limit?)?;
        in_usd(catalogue.asset(facts.pair.quote)?, open)
    });
    let value = |sum: Decimal| value_text(sum.checked_div(rate).unwrap_or_default());
    let (owned, unexecuted) = (value(sum(owned)), value(sum(unexecuted)));
    let none = value_text(Decimal::ZERO);
    json.object(|json| {
        for (name, amount) in [
            ("eb", owned),
            ("tb", owned),
            ("m", none),
            ("uv", unexecuted),
            ("n", none),
            ("c", none),
            ("v", none),
            ("e", owned),
            ("mf", owned),
        ] {
            json.key(name).quoted(amount);
        }
    });
    Ok(())
}

/// Writes the 30-day volume, and the fees of the pairs asked for.
pub(super) fn trade_volume(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let markets = asked_markets(call)?;
    let is_schedule_wanted = call.fields.flag("fee_schedule", false)?;
    let facts = call.desk.trade_volume(call.now, call.trader, &markets);
    json.object(|json| {
        json.key("currency").string(VALUE_ASSET);
        json.key("volume").quoted(value_text(facts.volume));
        if facts.fees.is_empty() {
            return;
        }
        let mut write = |name: &str, row: fn(&PairFees<'_>) -> FeeRow| {
            json.key(name).object(|json| {
                for fees in &facts.fees {
                    json.key(&fees.pair.id).object(|json| write_fee(&row(fees), json));
                }
            });
        };
        write("fees", |fees| fees.taker);
        write("fees_maker", |fees| fees.maker);
        if is_schedule_wanted {
            json.key("schedules").array(|json| {
                for fees in &facts.fees {
                    json.object(|json| {
                        write_schedule(call, fees.pair, fees.taker.tier_volume, json)
                    });
                }
            });
        }
    });
    Ok(())
}

/// Writes what a key is and may do.
pub(super) fn api_key(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let facts = call.desk.key_facts(call.key).ok_or(KrakenError::InvalidKey)?;
    let created = unix_seconds(facts.created);
    json.object(|json| {
        json.key("apiKeyName").string(facts.name);
        json.key("apiKey").string(facts.key);
        json.key("nonce").quoted(facts.nonce);
        json.key("nonceWindow").number(facts.nonce_window);
        json.key("permissions").array(|json| {
            facts.permissions.iter().for_each(|right| json.string(permission_name(*right)));
        });
        json.key("iban").string("");
        for never in ["validUntil", "queryFrom", "queryTo"] {
            json.key(never).quoted(0);
        }
        json.key("createdTime").quoted(created);
        json.key("modifiedTime").quoted(created);
        json.key("ipAllowlist").array(|_| ());
        json.key("lastUsed").quoted(facts.last_used.map_or(0, unix_seconds));
    });
    Ok(())
}

/// Makes and writes a token for the private WebSocket channels.
pub(super) fn web_sockets_token(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let (token, seconds) = call.desk.issue_token(call.now, call.trader, call.key)?;
    json.object(|json| {
        json.key("token").string(&token);
        json.key("expires").number(seconds);
    });
    Ok(())
}

/// Reads the pairs: names with commas, a list of names, or a list of `{"asset", "aclass"}`.
fn asked_markets(call: &Private<'_>) -> DeskResult<Vec<MarketIx>> {
    let catalogue = call.desk.catalogue();
    let structures = call.fields.structures("pair");
    let named = structures.iter().filter_map(|pair| {
        let is_spot =
            pair.text("aclass").is_none_or(|class| ["forex", "currency"].contains(&class));
        pair.text("asset").map(|asset| if is_spot { asset } else { "" })
    });
    let names: Vec<&str> = call.fields.list("pair").into_iter().chain(named).collect();
    if names.is_empty() && call.fields.is_nested("pair") {
        return Err(KrakenError::InvalidArgument("pair"));
    }
    let find = |name| catalogue.find_pair(name).map(|pair| pair.market);
    names.into_iter().map(find).collect::<Option<_>>().ok_or(KrakenError::UnknownPair)
}

fn write_fee(row: &FeeRow, json: &mut Json) {
    let mut write = |name: &str, value: Option<Decimal>| match value {
        Some(value) => json.key(name).quoted(value_text(value)),
        None => json.key(name).null(),
    };
    write("fee", Some(row.fee));
    write("minfee", Some(row.min));
    write("maxfee", Some(row.max));
    write("nextfee", row.next);
    write("nextvolume", row.next_volume);
    write("tiervolume", Some(row.tier_volume));
}

fn write_schedule(call: &Private<'_>, pair: &PairDef, active: Decimal, json: &mut Json) {
    let tiers = call.desk.catalogue().schedule(pair).map(|schedule| &*schedule.tiers);
    json.key("pair").string(&pair.id);
    json.key("class").string("forex");
    json.key("tiers").array(|json| {
        for tier in tiers.unwrap_or_default() {
            json.object(|json| {
                json.key("maker_fee").quoted(value_text(tier.maker_percent));
                json.key("taker_fee").quoted(value_text(tier.taker_percent));
                if !tier.volume_usd.is_zero() {
                    json.key("min_spot_volume").quoted(value_text(tier.volume_usd));
                }
                if tier.volume_usd == active {
                    json.key("active").bool(true);
                }
            });
        }
    });
}

/// Gives an amount in US dollars; assets without a rate count nothing.
fn in_usd(asset: &AssetDef, amount: Decimal) -> Option<Decimal> {
    amount.checked_mul(asset.usd_rate?)
}

fn sum(amounts: impl Iterator<Item = Decimal>) -> Decimal {
    amounts.fold(Decimal::ZERO, Decimal::saturating_add)
}

fn value_text(value: Decimal) -> Decimal {
    fixed(value.round_dp(VALUE_DECIMALS), VALUE_DECIMALS)
}

fn permission_name(permission: Permission) -> &'static str {
    match permission {
        Permission::QueryFunds => "query-funds",
        Permission::QueryOpenTrades => "query-open-trades",
        Permission::QueryClosedTrades => "query-closed-trades",
        Permission::ModifyTrades => "modify-trades",
        Permission::CloseTrades => "close-trades",
        Permission::QueryLedger => "query-ledger",
        Permission::ExportData => "export-data",
        Permission::CreateWsToken => "create-ws-token",
        Permission::AddFunds => "add-funds",
        Permission::WithdrawFunds => "withdraw-funds",
        Permission::EarnFunds => "earn-funds",
        Permission::AddWithdrawAddress => "add-withdraw-address",
        Permission::UpdateWithdrawAddress => "update-withdraw-address",
    }
}
