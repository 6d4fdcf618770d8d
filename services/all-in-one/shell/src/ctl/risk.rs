//! `remora risk explain`, `remora risk check`: what every control of the gate says, and what it would say to an order.

use super::control::{Peer, kept_words};
use super::sign::{self, KeygenArguments, Seal, SignArguments};
use crate::output;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use remora_domain::LimitsChange;
use remora_rpc::Role;
use serde_json::Value;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(crate) enum RiskCommand {
    /// Print every control of the gate: rule, limit, current value, what is left, last refusal.
    Explain(ExplainArguments),
    /// Tell what the gate would answer to an order, and why, without asking for it.
    Check(CheckArguments),
    /// Change limits of a running gate: the whole is checked, recorded with its reason, and in force at once.
    Set(SetArguments),
    /// Confirm a change that raises a limit and that another person asked for.
    Confirm(ConfirmArguments),
    /// Make the key pair with which the owner of the limits signs them; what is there stays.
    Keygen(KeygenArguments),
    /// Sign the limits of a profile: prints the line that its `[risk_gate]` then needs.
    Sign(SignArguments),
}

#[derive(Args)]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    peer: Peer,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct CheckArguments {
    /// The order as JSON: strategy, instrument (`kraken-spot/BTC-USD`), side, price and qty as text, `is_post_only`.
    #[arg(value_name = "ORDER.json")]
    order: PathBuf,
    #[command(flatten)]
    peer: Peer,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct SetArguments {
    /// Limits as in `[risk_gate]` of a profile; those of groups and overrides with dots.
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = setting)]
    limits: Vec<(String, String)>,
    /// The version the change makes: one more than the one in force, which `remora ctl status --json` tells.
    #[arg(long, value_name = "NUMBER")]
    version: u64,
    #[command(flatten)]
    seal: Seal,
    #[command(flatten)]
    peer: Peer,
    /// Why; it is recorded.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who; it is recorded beside the name of the token. Default: the name of the token.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
}

#[derive(Args)]
pub(crate) struct ConfirmArguments {
    /// The version to confirm.
    #[arg(long, value_name = "NUMBER")]
    version: u64,
    #[command(flatten)]
    peer: Peer,
    /// Why; it is recorded.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who; it is recorded beside the name of the token. Default: the name of the token.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
}

/// Reads `KEY=VALUE`.
fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("want KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// Runs a command about the gate's controls.
pub(crate) async fn run(command: RiskCommand) -> Result<()> {
    match command {
        RiskCommand::Explain(arguments) => explain(arguments).await,
        RiskCommand::Check(arguments) => check(arguments).await,
        RiskCommand::Set(arguments) => set(arguments).await,
        RiskCommand::Confirm(arguments) => confirm(arguments).await,
        RiskCommand::Keygen(arguments) => sign::keygen(&arguments),
        RiskCommand::Sign(arguments) => sign::sign(&arguments),
    }
}

async fn explain(arguments: ExplainArguments) -> Result<()> {
    let peer = arguments.peer;
    let (mut client, token) = peer.connect(Role::Viewer).await?;
    let status = client.status().await.map_err(|error| peer.explain(error, &token))?;
    let details: Value = serde_json::from_str(&status.details_json)
        .with_context(|| format!("read what {} says of itself", status.service))?;
    let Some(controls) = details.get("controls").filter(|controls| controls.is_array()) else {
        bail!("{} has no controls: ask the risk gate", status.service);
    };
    tell(controls, arguments.json)
}

async fn check(arguments: CheckArguments) -> Result<()> {
    let CheckArguments { order, peer, json } = arguments;
    let text =
        std::fs::read_to_string(&order).with_context(|| format!("read {}", order.display()))?;
    let (mut client, token) = peer.connect(Role::Viewer).await?;
    let answer = client.check_order(&text).await.map_err(|error| peer.explain(error, &token))?;
    let answer: Value = serde_json::from_str(&answer).context("read the answer of the gate")?;
    if json {
        output::line(&serde_json::to_string_pretty(&answer)?);
        return Ok(());
    }
    match answer.get("refusal").filter(|refusal| !refusal.is_null()) {
        None => output::line("the gate would approve it"),
        Some(refusal) => {
            let line = format!(
                "the gate would refuse it: {} ({}), value {}, limit {}",
                word(refusal, "control"),
                word(refusal, "reason"),
                word(refusal, "value"),
                or_none(word(refusal, "limit")),
            );
            output::line(&line);
        }
    }
    tell(answer.get("controls").unwrap_or(&Value::Null), false)
}

async fn set(arguments: SetArguments) -> Result<()> {
    let SetArguments { limits, version, seal, peer, reason, actor } = arguments;
    let change = seal.sign(LimitsChange { version, limits: limits.into_iter().collect() })?;
    let (mut client, token) = peer.connect(Role::Operator).await?;
    let actor = actor.unwrap_or_else(|| token.name.clone());
    let answer = client.change_limits(&change, &reason, &actor).await;
    let (kept, needs_second) = answer.map_err(|error| peer.explain(error, &token))?;
    output::line(&if needs_second {
        format!(
            "limits of version {version} wait for a second person: remora risk confirm --version {version}"
        )
    } else {
        format!("limits of version {version}: {}", kept_words(kept))
    });
    Ok(())
}

async fn confirm(arguments: ConfirmArguments) -> Result<()> {
    let ConfirmArguments { version, peer, reason, actor } = arguments;
    let (mut client, token) = peer.connect(Role::Operator).await?;
    let actor = actor.unwrap_or_else(|| token.name.clone());
    let kept = client.confirm_limits(version, &reason, &actor).await;
    let kept = kept.map_err(|error| peer.explain(error, &token))?;
    output::line(&format!("limits of version {version}: {}", kept_words(kept)));
    Ok(())
}

fn tell(controls: &Value, is_json: bool) -> Result<()> {
    if is_json {
        output::line(&serde_json::to_string_pretty(controls)?);
        return Ok(());
    }
    for control in controls.as_array().into_iter().flatten() {
        describe(control).iter().for_each(|line| output::line(line));
    }
    Ok(())
}

/// Says in words what one control says.
fn describe(control: &Value) -> Vec<String> {
    let name = format!("{} {}", word(control, "control"), word(control, "title"));
    let refuses = word(control, "refuses");
    let mark = if refuses.is_empty() { String::new() } else { format!("  REFUSES: {refuses}") };
    let left = word(control, "headroom");
    let left = if left.is_empty() { String::new() } else { format!(", left {left}") };
    let mut lines = vec![
        format!("{name:<24} {}{left}{mark}", word(control, "value")),
        format!("    limit {} ({})", or_none(word(control, "limit")), word(control, "subject")),
        format!("    {}", word(control, "rule")),
    ];
    if let Some(last) = control.get("last").filter(|last| !last.is_null()) {
        let count = control.get("denials").and_then(Value::as_u64).unwrap_or(0);
        let at = last.get("at_ns").and_then(Value::as_i64).unwrap_or(0);
        let (reason, value) = (word(last, "reason"), word(last, "value"));
        lines.push(format!("    refused {count}, last at {at} ns: {reason}, {value}"));
    }
    lines
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_limit_is_written_as_key_and_value() {
        let pair = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(setting("open_orders_max = 5"), pair("open_orders_max", "5"));
        assert!(setting("open_orders_max").is_err());
    }

    #[test]
    fn a_control_is_told_with_its_limit_what_is_left_and_its_last_refusal() {
        let control = json!({
            "control": "G15", "title": "gross position", "rule": "A rule.", "subject": "account",
            "limit": "12000 USD", "value": "1500 USD", "headroom": "10500 USD", "refuses": null,
            "denials": 2,
            "last": { "at_ns": 7, "reason": "total_position_above_max", "value": "12001 USD" },
        });
        assert_eq!(
            describe(&control),
            [
                "G15 gross position       1500 USD, left 10500 USD",
                "    limit 12000 USD (account)",
                "    A rule.",
                "    refused 2, last at 7 ns: total_position_above_max, 12001 USD",
            ]
        );
    }

    #[test]
    fn a_control_that_refuses_says_so_and_needs_no_limit() {
        let control = json!({
            "control": "G37", "title": "venue status", "rule": "A rule.", "subject": "kraken-spot/BTC-USD",
            "limit": "", "value": "kraken-spot is Maintenance", "headroom": null,
            "refuses": "venue_not_open", "denials": 0, "last": null,
        });
        let lines = describe(&control);
        assert!(lines[0].ends_with("kraken-spot is Maintenance  REFUSES: venue_not_open"));
        assert_eq!(lines[1], "    limit none (kraken-spot/BTC-USD)");
    }
}
