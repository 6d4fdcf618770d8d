//! The balances channel: a snapshot of what an account owns, then one entry for each change.
//!
//! Source: Kraken WebSocket v2, channel "balances" (checked June 2026), and captures of 2024.

use crate::server::date::Rfc3339;
use crate::server::desk::{BalanceRow, LedgerEntry};
use crate::server::json::Json;

/// Writes one asset of the snapshot.
pub(crate) fn snapshot_row(json: &mut Json, row: &BalanceRow<'_>) {
    json.object(|json| {
        json.key("asset").string(&row.asset.v2);
        json.key("asset_class").string("currency");
        json.key("balance").number(row.total);
        json.key("wallets").array(|json| {
            json.object(|json| {
                json.key("type").string("spot");
                json.key("id").string("main");
                json.key("balance").number(row.total);
            });
        });
    });
}

/// Writes one change.
pub(crate) fn entry(json: &mut Json, entry: &LedgerEntry) {
    json.object(|json| {
        json.key("ledger_id").string(&entry.ledger_id);
        json.key("ref_id").string(&entry.ref_id);
        json.key("timestamp").quoted(Rfc3339::micros(entry.time));
        json.key("type").string(entry.kind);
        json.key("asset").string(&entry.asset_v2);
        json.key("asset_class").string("currency");
        json.key("category").string(entry.kind);
        json.key("wallet_type").string("spot");
        json.key("wallet_id").string("main");
        json.key("amount").number(entry.amount);
        json.key("fee").number(entry.fee);
        json.key("balance").number(entry.balance);
    });
}
