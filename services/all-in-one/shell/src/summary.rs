//! The end of a run: a table for people and a JSON file for programs. The same input gives the same bytes: no wall
//! time, path or host name is in it.

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets};
use remora_domain::{Amount, Notional, PairReason, Position};
use remora_sim::{Holding, Holdings, PairResult, PairTally, RunFacts, Tally, VenueHoldings};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The layout of the JSON file; raised when a field changes its meaning.
const FORMAT: u32 = 1;

/// What stands in the place of an amount that is not known.
pub(crate) const UNKNOWN: &str = "unknown";

const AGREE: &str = "the venue's balances and our books agree to the last unit";
const DIFFER: &str = "the venue's balances and our books DIFFER: deposits, withdrawals, other orders on the account, or \
                      a fault";
const INEXACT: &str = "balances cannot be compared exactly";

#[derive(Serialize)]
struct Run {
    format: u32,
    profile: String,
    seed: u64,
    /// What was laid over the profile: variable and value, secrets hidden.
    overrides: BTreeMap<String, String>,
    is_synthetic: bool,
    reporting_currency: String,
    sessions: u64,
    first_frame_ns: Option<i64>,
    last_frame_ns: Option<i64>,
    frames_played: u64,
    messages: u64,
    pairs: BTreeMap<String, Pair>,
    totals: Totals,
    /// What each venue holds for us, by asset, beside our own books.
    balances: BTreeMap<String, Option<BTreeMap<String, Held>>>,
    problems: BTreeMap<String, u64>,
}

/// Is one asset at a venue: by its first word, moved by our executions since, by its last word, and what is left over.
#[derive(Serialize)]
struct Held {
    start: String,
    executions: String,
    end: String,
    difference: String,
}

/// Amounts are decimal text: exact, in the currency named beside them; `null` is unknown, never zero.
#[derive(Serialize)]
struct Pair {
    frames: u64,
    checksums_passed: u64,
    checksums_failed: u64,
    market_trades: u64,
    resyncs: u64,
    malformed: u64,
    was_selected: bool,
    reason: String,
    reason_with_data: String,
    decision: Option<String>,
    quotes: u64,
    approvals: u64,
    refusals: BTreeMap<String, u64>,
    cancels: u64,
    rejects: u64,
    fills: u64,
    quote_currency: String,
    bought: Option<String>,
    sold: Option<String>,
    fees: Option<String>,
    realised_pnl: Option<String>,
    unrealised_pnl_mid: Option<String>,
    unrealised_pnl_liquidation: Option<String>,
    net_pnl_mid: Option<String>,
    net_pnl_liquidation: Option<String>,
    final_inventory: Option<String>,
    final_inventory_currency: String,
}

#[derive(Serialize)]
struct Totals {
    quotes: u64,
    approvals: u64,
    refusals: u64,
    fills: u64,
    checksums_passed: u64,
    checksums_failed: u64,
    fees: Option<String>,
    net_pnl_mid: Option<String>,
    net_pnl_liquidation: Option<String>,
}

/// Writes the JSON file.
pub(crate) fn write_json(
    path: &Path,
    facts: &RunFacts,
    tally: &Tally,
    holdings: &Holdings,
) -> Result<()> {
    let run = run(facts, tally, holdings);
    let mut text = serde_json::to_string_pretty(&run).context("encode results")?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("write results to {}", path.display()))
}

fn run(facts: &RunFacts, tally: &Tally, holdings: &Holdings) -> Run {
    let shown = tally.pairs().filter(|(key, _)| facts.counters.contains_key(*key));
    let pairs = shown.map(|(key, pair)| {
        let counters = facts.counters.get(key).copied().unwrap_or_default();
        (key.to_string(), pair_of(pair, tally.result(key).as_ref(), counters))
    });
    let overrides = facts.settings.iter().filter_map(|setting| {
        let variable = setting.variable.clone()?;
        Some((variable, setting.value.clone()))
    });
    let totals = tally.totals();
    let sum = |value: fn(&PairTally) -> u64| tally.pairs().map(|(_, pair)| value(pair)).sum();
    Run {
        format: FORMAT,
        profile: facts.profile.clone(),
        seed: facts.seed,
        overrides: overrides.collect(),
        is_synthetic: facts.is_synthetic,
        reporting_currency: tally.reporting().currency.to_string(),
        sessions: facts.sessions,
        first_frame_ns: facts.first_frame.map(remora_domain::Timestamp::as_ns),
        last_frame_ns: facts.last_frame.map(remora_domain::Timestamp::as_ns),
        frames_played: facts.frames_played,
        messages: tally.messages(),
        pairs: pairs.collect(),
        totals: Totals {
            quotes: sum(|pair| pair.quotes),
            approvals: sum(|pair| pair.approvals),
            refusals: sum(|pair| pair.refusals.values().sum()),
            fills: sum(|pair| pair.fills),
            checksums_passed: facts.counters.values().map(|c| c.checksums_passed).sum(),
            checksums_failed: facts.counters.values().map(|c| c.checksums_failed).sum(),
            fees: totals.fees.map(exact),
            net_pnl_mid: totals.net_mid.map(exact),
            net_pnl_liquidation: totals.net_liquidation.map(exact),
        },
        balances: holdings
            .venues()
            .map(|(venue, held)| (venue.to_string(), held_of(held)))
            .collect(),
        problems: facts.problems.clone(),
    }
}

fn held_of(held: &VenueHoldings) -> Option<BTreeMap<String, Held>> {
    let of = |holding: Holding| {
        let text = |amount: Amount| amount.to_decimal().normalize().to_string();
        let (start, executions) = (text(holding.start), text(holding.moved));
        let (end, difference) = (text(holding.end), text(holding.difference));
        (holding.asset.to_string(), Held { start, executions, end, difference })
    };
    held.assets().map(|assets| assets.into_iter().map(of).collect())
}

fn pair_of(
    pair: &PairTally,
    result: Option<&PairResult>,
    counters: remora_domain::FeedCounters,
) -> Pair {
    let refusals = pair.refusals.iter().map(|(reason, n)| (reason.to_string(), *n));
    Pair {
        frames: counters.frames,
        checksums_passed: counters.checksums_passed,
        checksums_failed: counters.checksums_failed,
        market_trades: counters.trades,
        resyncs: counters.resyncs,
        malformed: counters.malformed,
        was_selected: pair.was_selected,
        reason: pair.standing().to_owned(),
        reason_with_data: pair.standing_with_data().to_owned(),
        decision: pair.decision.map(|reason| reason.to_string()),
        quotes: pair.quotes,
        approvals: pair.approvals,
        refusals: refusals.collect(),
        cancels: pair.cancels,
        rejects: pair.rejects,
        fills: pair.fills,
        quote_currency: pair.instrument.quote.to_string(),
        bought: pair.bought.map(exact),
        sold: pair.sold.map(exact),
        fees: result.map(|result| exact(result.fees)),
        realised_pnl: result.map(|result| exact(result.realised)),
        unrealised_pnl_mid: result.and_then(|result| result.unrealised_mid).map(exact),
        unrealised_pnl_liquidation: result
            .and_then(|result| result.unrealised_liquidation)
            .map(exact),
        net_pnl_mid: result.and_then(PairResult::net_mid).map(exact),
        net_pnl_liquidation: result.and_then(PairResult::net_liquidation).map(exact),
        final_inventory: result.map(|result| inventory(result.position)),
        final_inventory_currency: pair.instrument.base.to_string(),
    }
}

fn exact(value: Notional) -> String {
    value.to_decimal().normalize().to_string()
}

/// Builds the table that ends a run.
pub(crate) fn table(facts: &RunFacts, tally: &Tally) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header([
        "pair",
        "in?",
        "frames",
        "checksums",
        "quotes",
        "approved",
        "refused",
        "fills",
        "fees",
        "net P&L",
        "inventory",
    ]);
    for (key, pair) in tally.pairs().filter(|(key, _)| facts.counters.contains_key(*key)) {
        let counters = facts.counters.get(key).copied().unwrap_or_default();
        let result = tally.result(key);
        let quote = &pair.instrument.quote;
        let show = |value: Option<Notional>| value.map_or(UNKNOWN.to_owned(), |v| money(v, quote));
        let held = result.map(|result| inventory(result.position));
        table.add_row([
            key.instrument.to_string(),
            standing(pair),
            counters.frames.to_string(),
            format!("{} ok, {} bad", counters.checksums_passed, counters.checksums_failed),
            pair.quotes.to_string(),
            pair.approvals.to_string(),
            pair.refusals.values().sum::<u64>().to_string(),
            pair.fills.to_string(),
            show(result.map(|result| result.fees)),
            show(result.and_then(|result| result.net_mid())),
            format!("{} {}", held.unwrap_or(UNKNOWN.to_owned()), pair.instrument.base),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n{}", closing(facts, tally))
}

/// Builds the table of what each venue holds for us, beside our own books.
pub(crate) fn holdings(holdings: &Holdings) -> String {
    let mut text = String::new();
    for (venue, held) in holdings.venues() {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header([
            "asset",
            "at the start",
            "our executions",
            "at the end",
            "difference",
        ]);
        let Some(assets) = held.assets() else {
            text.push_str(&format!("{venue}: {INEXACT}\n"));
            continue;
        };
        for holding in assets {
            let amounts = [holding.start, holding.moved, holding.end, holding.difference];
            let cells = amounts.map(|amount| amount.to_decimal().normalize().to_string());
            table.add_row(std::iter::once(holding.asset.to_string()).chain(cells));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let verdict = problem(held).unwrap_or_else(|| AGREE.to_owned());
        text.push_str(&format!("{venue}\n{table}\n{verdict}\n"));
    }
    text.trim_end().to_owned()
}

/// Gives why our books and the balances of some venue are not one, where they are not.
pub(crate) fn disagreement(holdings: &Holdings) -> Option<String> {
    let of_venue = |(venue, held)| problem(held).map(|problem| format!("{venue}: {problem}"));
    holdings.venues().find_map(of_venue)
}

fn problem(held: &VenueHoldings) -> Option<String> {
    let Some(assets) = held.assets() else { return Some(INEXACT.to_owned()) };
    let has_difference = assets.iter().any(|holding| holding.difference != Amount::ZERO);
    match (has_difference, held.fills_untold()) {
        (false, _) => None,
        (true, 0) => Some(DIFFER.to_owned()),
        (true, fills) => {
            Some(format!("the venue has not told its balances since our last {fills} executions"))
        }
    }
}

/// Says why a pair was in or out while its data lasted, and whether it had been in before.
pub(crate) fn standing(pair: &PairTally) -> String {
    let word = pair.standing_with_data();
    let has_left = pair.was_selected && word != PairReason::Selected.as_str();
    if has_left { format!("{word} (was selected)") } else { word.to_owned() }
}

fn inventory(position: Position) -> String {
    position.to_decimal().normalize().to_string()
}

fn closing(facts: &RunFacts, tally: &Tally) -> String {
    let currency = &tally.reporting().currency;
    let totals = tally.totals();
    let show = |value: Option<Notional>| value.map_or(UNKNOWN.to_owned(), |v| money(v, currency));
    let label = if facts.is_synthetic { " (synthetic market data)" } else { "" };
    let mut text = format!(
        "net after fees: {} at mid, {} when flattened; fees {}{label}",
        show(totals.net_mid),
        show(totals.net_liquidation),
        show(totals.fees),
    );
    let mut refusals: BTreeMap<&'static str, u64> = BTreeMap::new();
    for (_, pair) in tally.pairs() {
        for (reason, n) in &pair.refusals {
            let count = refusals.entry(reason.as_str()).or_default();
            *count = count.saturating_add(*n);
        }
    }
    if !refusals.is_empty() {
        let parts: Vec<String> =
            refusals.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
        text.push_str(&format!("\nrefused by the gate: {}", parts.join(", ")));
    }
    for (what, n) in &facts.problems {
        let last = facts.problem_details.get(what).map_or("", String::as_str);
        text.push_str(&format!("\nproblem in the feed: {n} {what}; the last: {last}"));
    }
    text
}

/// Shows an amount with at most eight decimals, for people.
pub(crate) fn money(value: Notional, currency: &remora_domain::Asset) -> String {
    let decimals = if matches!(currency.as_str(), "BTC" | "ETH") { 8 } else { 4 };
    format!("{} {currency}", value.to_decimal().round_dp(decimals).normalize())
}
