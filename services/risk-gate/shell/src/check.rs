//! `remora risk check`: reads an order from JSON and tells what the gate would answer to it.

use crate::controls;
use remora_domain::{
    ClOrdId, DurationNs, InstrumentId, InstrumentKey, OrderRequest, Price, Qty, Side, StrategyId,
    TimeInForce, Timestamp, VenueId,
};
use remora_risk_gate_core::{LimitsError, LimitsOutcome, RiskGateCore};
use remora_service_kit::Question;
use serde::Deserialize;
use serde_json::{Value, json};
use std::str::FromStr;

/// How long the order in question would be good for; nothing waits for it.
const GOOD_FOR: DurationNs = DurationNs::from_s(60);
/// The id of an order that is only asked about; no order of ours looks like it.
const ID: &str = "check-only";

/// Is an order as a person writes it. Everything that decides must be said.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    strategy: String,
    instrument: String,
    side: String,
    price: String,
    qty: String,
    is_post_only: bool,
}

/// Answers a question of an operator.
///
/// # Errors
/// Tells why there is no answer: what cannot be read, or why the change would be refused.
pub(crate) fn answer(
    now: Timestamp,
    core: &RiskGateCore,
    question: &Question,
) -> Result<Value, String> {
    match question {
        Question::Order(text) => of_order(now, core, text),
        Question::Limits(change) => {
            let outcome = core.consider_limits(change).map_err(|error| error.to_string())?;
            Ok(json!({ "needs_second": outcome == LimitsOutcome::NeedsSecond }))
        }
        Question::Confirm { version, actor } => {
            let word = core.consider_confirmation(now, *version, actor);
            word.map(|()| json!({})).map_err(|error| error.to_string())
        }
    }
}

/// Writes what became of the last command about limits.
pub(crate) fn limits_to_json(
    (version, outcome): &(u64, Result<LimitsOutcome, LimitsError>),
) -> Value {
    let said = match outcome {
        Ok(LimitsOutcome::InForce) => "in force".to_owned(),
        Ok(LimitsOutcome::NeedsSecond) => "waits for a second person".to_owned(),
        Err(error) => format!("refused: {error}"),
    };
    json!({ "version": version, "outcome": said })
}

fn of_order(now: Timestamp, core: &RiskGateCore, text: &str) -> Result<Value, String> {
    let order = read(now, core, text)?;
    let considered = core.consider(now, &order);
    let denial = considered.denial.map(|denial| {
        json!({
            "control": denial.control().map(|control| control.to_string()),
            "rule": denial.control().map(|control| control.rule()),
            "reason": denial.reason.as_str(),
            "limit": denial.limit,
            "value": denial.value,
        })
    });
    Ok(json!({
        "would_approve": denial.is_none(),
        "refusal": denial,
        "controls": controls::to_json(&considered.lines),
    }))
}

fn read(now: Timestamp, core: &RiskGateCore, text: &str) -> Result<OrderRequest, String> {
    let written: Written = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let (venue, name) = written
        .instrument
        .split_once('/')
        .ok_or_else(|| format!("instrument {:?}: want venue/INSTRUMENT", written.instrument))?;
    let side = match written.side.as_str() {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        other => return Err(format!("side {other:?}: want buy or sell")),
    };
    Ok(OrderRequest {
        cl_ord_id: parse::<ClOrdId>("cl_ord_id", ID)?,
        account: core.account().clone(),
        strategy: parse::<StrategyId>("strategy", &written.strategy)?,
        instrument: InstrumentKey::new(
            parse::<VenueId>("instrument", venue)?,
            parse::<InstrumentId>("instrument", name)?,
        ),
        side,
        price: Price::parse(&written.price).map_err(|error| format!("price: {error}"))?,
        qty: Qty::parse(&written.qty).map_err(|error| format!("qty: {error}"))?,
        tif: TimeInForce::Gtc,
        is_post_only: written.is_post_only,
        deadline: now.saturating_add(GOOD_FOR),
        orig_cl_ord_id: None,
        orig_cum_qty: Qty::ZERO,
    })
}

fn parse<T>(key: &str, text: &str) -> Result<T, String>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| format!("{key}: {error}"))
}
