//! What an account did: `TradesHistory`, `QueryTrades`, `Ledgers`, `QueryLedgers`, `OpenPositions`.

use super::Private;
use super::orders::{side_name, span};
use crate::server::date::UnixSeconds;
use crate::server::desk::{
    Desk, DeskResult, Execution, ExecutionQuery, LedgerEntry, LedgerQuery, Page, fixed,
};
use crate::server::error::KrakenError;
use crate::server::json::Json;
use rust_decimal::Decimal;
use std::sync::Arc;

/// The most trades or ledger entries that are asked for by id at once.
const QUERY_MAX: usize = 20;
/// What every trade without a position names as its position.
const NO_POSITION: &str = "TKH2SE-M7IF5-CFI7LT";
/// The fewest decimals of prices.
const PRICE_DECIMALS_MIN: u32 = 5;

/// Writes one page of fills, newest first.
pub(super) fn trades_history(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let is_any = call.fields.read("type", |text| match text {
        "all" | "no position" => Some(true),
        "any position" | "closed position" | "closing position" => Some(false),
        _ => None,
    })?;
    let query = ExecutionQuery {
        span: span(&call.fields)?,
        is_taker_consolidated: call.fields.flag("consolidate_taker", true)?,
    };
    let is_counted = !call.fields.flag("without_count", false)?;
    let page = match is_any.unwrap_or(true) {
        true => call.desk.executions(call.trader, &query),
        false => Page { rows: Vec::new(), count: 0 },
    };
    json.object(|json| {
        json.key("trades").object(|json| {
            page.rows.iter().for_each(|trade| write_trade(call.desk, trade, json));
        });
        if is_counted {
            json.key("count").number(page.count);
        }
    });
    Ok(())
}

/// Writes fills by their ids.
pub(super) fn query_trades(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let ids = asked_ids(call, "txid")?;
    let find = |id| call.desk.execution(call.trader, id).ok_or(KrakenError::InvalidArguments);
    let trades: Vec<&Arc<Execution>> = ids.into_iter().map(find).collect::<DeskResult<_>>()?;
    json.object(|json| trades.iter().for_each(|trade| write_trade(call.desk, trade, json)));
    Ok(())
}

/// Writes one page of ledger entries, newest first.
pub(super) fn ledgers(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let catalogue = call.desk.catalogue();
    let assets = call.fields.list("asset");
    let assets: Vec<String> = if assets == ["all"] {
        Vec::new()
    } else {
        let find = |name| catalogue.find_asset(name).map(|asset| asset.id.to_string());
        assets.into_iter().map(find).collect::<Option<_>>().ok_or(KrakenError::UnknownAsset)?
    };
    let kind = call.fields.scalar("type")?.filter(|kind| *kind != "all").map(str::to_owned);
    let query = LedgerQuery { span: span(&call.fields)?, assets, kind };
    let is_counted = !call.fields.flag("without_count", false)?;
    let page = call.desk.ledger(call.trader, &query);
    json.object(|json| {
        json.key("ledger").object(|json| {
            page.rows.iter().for_each(|entry| write_entry(entry, json));
        });
        if is_counted {
            json.key("count").number(page.count);
        }
    });
    Ok(())
}

/// Writes ledger entries by their ids.
pub(super) fn query_ledgers(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    let ids = asked_ids(call, "id")?;
    let find = |id| call.desk.ledger_entry(call.trader, id).ok_or(KrakenError::InvalidArguments);
    let entries: Vec<&Arc<LedgerEntry>> = ids.into_iter().map(find).collect::<DeskResult<_>>()?;
    json.object(|json| entries.iter().for_each(|entry| write_entry(entry, json)));
    Ok(())
}

/// Writes that there are no positions: a list when they are consolidated, else a map.
pub(super) fn open_positions(call: &mut Private<'_>, json: &mut Json) -> DeskResult<()> {
    match call.fields.scalar("consolidation")? {
        Some("market") => json.array(|_| ()),
        Some(_) => return Err(KrakenError::InvalidArgument("consolidation")),
        None => json.object(|_| ()),
    }
    Ok(())
}

fn asked_ids<'a>(call: &'a Private<'_>, name: &str) -> DeskResult<Vec<&'a str>> {
    let ids = call.fields.list(name);
    let is_good = (1..=QUERY_MAX).contains(&ids.len());
    if is_good { Ok(ids) } else { Err(KrakenError::InvalidArguments) }
}

fn write_trade(desk: &Desk, trade: &Execution, json: &mut Json) {
    let pair = desk.catalogue().pair(trade.market).map(|pair| &*pair.id).unwrap_or_default();
    let price = fixed(trade.price, trade.price.scale().max(PRICE_DECIMALS_MIN));
    json.key(&trade.exec_id).object(|json| {
        json.key("ordertxid").string(desk.order_id(trade.order).as_str());
        json.key("postxid").string(NO_POSITION);
        json.key("pair").string(pair);
        json.key("time").number(UnixSeconds(trade.time));
        json.key("type").string(side_name(trade.side));
        json.key("ordertype").string(trade.kind.name());
        json.key("price").quoted(price);
        json.key("cost").quoted(trade.cost);
        json.key("fee").quoted(trade.fee);
        json.key("vol").quoted(trade.qty);
        json.key("margin").quoted(Decimal::new(0, trade.cost.scale()));
        json.key("leverage").quoted(0);
        json.key("misc").string("");
        json.key("trade_id").number(trade.trade_id);
        json.key("maker").bool(trade.is_maker);
    });
}

fn write_entry(entry: &LedgerEntry, json: &mut Json) {
    json.key(&entry.ledger_id).object(|json| {
        json.key("refid").string(&entry.ref_id);
        json.key("time").number(UnixSeconds(entry.time));
        json.key("type").string(entry.kind);
        json.key("subtype").string("");
        json.key("aclass").string("currency");
        json.key("asset").string(&entry.asset);
        json.key("amount").quoted(entry.amount);
        json.key("fee").quoted(entry.fee);
        json.key("balance").quoted(entry.balance);
    });
}
