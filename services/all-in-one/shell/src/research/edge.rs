//! `remora edge validate`.

use super::args::EdgeArguments;
use super::feed::Feed;
use super::inputs::Input;
use super::quotes::{Market, heard_markets, markets};
use super::{edge_page, inputs, pool, write};
use crate::output;
use anyhow::{Context, Result, bail};
use comfy_table::{Table, presets};
use remora_research::edge::{
    DirectionReport, EdgeOutcome, EdgeReport, EdgeSettings, LeadOutcome, QuoteTape, RelationReport,
    ValueReport, judge_edges, relations, study,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Is the file of results: what was studied, and what was not and why.
#[derive(Serialize)]
struct Results<'a> {
    format: u32,
    #[serde(flatten)]
    report: &'a EdgeReport,
    refused: &'a BTreeMap<String, String>,
}

/// Reads, studies, judges and shows.
pub(crate) async fn validate(arguments: EdgeArguments) -> Result<()> {
    write::check(&arguments.out)?;
    let fees = Fees::parse(&arguments.taker_fee_bps)?;
    let settings = EdgeSettings {
        q: arguments.q,
        surrogates: usize::try_from(arguments.surrogates)?,
        seed: arguments.seed,
        days_min: arguments.days_min,
        ..EdgeSettings::standard(arguments.latency_ms)
    };
    let (tapes, refused) = read(&arguments).await?;
    for (name, why) in &refused {
        output::note(&format!("refused {name}: {why}"));
    }
    let pairs = relations(&tapes);
    if pairs.is_empty() {
        bail!("no two markets of one asset: {} usable", tapes.len());
    }
    let mut work = Vec::new();
    for pair in pairs {
        let both = tapes.get(pair.first).zip(tapes.get(pair.second));
        let (first, second) = both.context("a market is missing")?;
        let fees = (fees.of(&first.market)?, fees.of(&second.market)?);
        work.push((first.clone(), second.clone(), fees));
    }
    let asked = settings.clone();
    let studied = pool::each(work, "relations", move |(first, second, fees)| {
        Ok(study(first, second, *fees, &asked))
    });
    let studied: Result<Vec<_>> = studied.await?.into_iter().map(|(_, result)| result).collect();
    let report = judge_edges(&tapes, studied?, &settings)?;
    show(&report);
    let results = Results { format: 1, report: &report, refused: &refused };
    let rows = report.directions.iter().map(row);
    write::all(&arguments.out, &results, rows, || edge_page::html(&report, &refused))
}

/// Is what could be read, and what could not and why.
type Tapes = (Vec<QuoteTape>, BTreeMap<String, String>);

/// Reads recordings, or listens to every feed at once.
async fn read(arguments: &EdgeArguments) -> Result<Tapes> {
    let (mut tapes, mut refused) = (Vec::new(), BTreeMap::new());
    let mut keep = |markets: Vec<Market>| {
        let mut refused = BTreeMap::new();
        for (market, tape) in markets {
            match tape {
                Ok(tape) => tapes.push(tape),
                Err(why) => drop(refused.insert(market, why)),
            }
        }
        refused
    };
    if let Some(seconds) = arguments.seconds {
        let feeds = arguments.url.iter().map(|text| Feed::parse(text, seconds));
        let feeds = feeds.collect::<Result<Vec<_>>>()?;
        refused.extend(keep(heard_markets(feeds, seconds).await?));
        return Ok((tapes, refused));
    }
    let files = inputs::list(&arguments.data, &[".jsonl", ".jsonl.gz"])?;
    for (Input { name, .. }, read) in pool::each(files, "files", markets).await? {
        match read {
            Ok(markets) => refused.extend(keep(markets)),
            Err(cause) => drop(refused.insert(name, format!("{cause:#}"))),
        }
    }
    Ok((tapes, refused))
}

/// Holds the fee of each venue, or of all.
struct Fees {
    all: Option<f64>,
    venues: BTreeMap<String, f64>,
}

impl Fees {
    fn parse(texts: &[String]) -> Result<Self> {
        let mut fees = Self { all: None, venues: BTreeMap::new() };
        for text in texts {
            let (venue, bps) =
                text.split_once('=').map_or((None, text.as_str()), |(v, b)| (Some(v), b));
            let bps: f64 = bps
                .parse()
                .ok()
                .filter(|bps: &f64| bps.is_finite() && bps.abs() < 1_000.0)
                .with_context(|| {
                    format!("--taker-fee-bps {text}: want basis points, such as 10 or kraken=26")
                })?;
            match venue {
                Some(venue) => drop(fees.venues.insert(venue.to_owned(), bps)),
                None => fees.all = Some(bps),
            }
        }
        Ok(fees)
    }

    fn of(&self, market: &str) -> Result<f64> {
        let venue = market.split(' ').next().unwrap_or(market);
        let known = self.venues.get(venue).copied().or(self.all);
        known.with_context(|| format!("no fee for {venue}: --taker-fee-bps {venue}=BPS"))
    }
}

fn show(report: &EdgeReport) {
    for market in &report.markets {
        for problem in &market.problems {
            output::note(&format!("{}: {problem}", market.market));
        }
    }
    let mut leads = plain(&[
        "asset",
        "first",
        "second",
        "who leads",
        "lag",
        "correlation",
        "p",
        "finds the price",
        "why not",
    ]);
    for relation in &report.relations {
        leads.add_row(lead_row(relation));
    }
    output::line(&leads.to_string());
    output::line("");
    let mut edges = plain(&[
        "leader",
        "follower",
        "verdict",
        "best rule of the first part",
        "there",
        "on the second part",
        "p",
        "why",
    ]);
    for direction in &report.directions {
        edges.add_row(edge_row(direction));
    }
    output::line(&edges.to_string());
    output::line(&format!(
        "Results are bps of value per event after spread, both fees and {} ms; \"there\" chose the rule and promises nothing.",
        report.settings.latency_ms
    ));
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(header);
    table
}

fn lead_row(relation: &RelationReport) -> Vec<String> {
    let Some(lead) = &relation.lead else {
        let mut row = vec![relation.base.clone(), relation.first.clone(), relation.second.clone()];
        row.push(format!("not estimated: {}", relation.refused.clone().unwrap_or_default()));
        row.resize(9, String::new());
        return row;
    };
    let share = relation.information_share_first.map_or_else(String::new, |(low, high)| {
        format!("first {:.0} to {:.0} %", 100.0 * low, 100.0 * high)
    });
    vec![
        relation.base.clone(),
        relation.first.clone(),
        relation.second.clone(),
        lead_words(lead.outcome).to_owned(),
        format!("{:+.0} +-{:.0} ms", lead.lag_ms, lead.resolution_ms),
        format!("{:.2} ({:.2} at 0)", lead.rho, lead.rho_zero),
        format!("{:.2}", lead.p_adjusted),
        share,
        lead.reasons.join(", "),
    ]
}

pub(crate) const fn lead_words(outcome: LeadOutcome) -> &'static str {
    match outcome {
        LeadOutcome::FirstLeads => "first leads",
        LeadOutcome::SecondLeads => "second leads",
        LeadOutcome::NotEstablished => "not established",
    }
}

pub(crate) const fn edge_words(outcome: EdgeOutcome) -> &'static str {
    match outcome {
        EdgeOutcome::Established => "edge",
        EdgeOutcome::NoEdge => "no edge",
        EdgeOutcome::NotEstablished => "not established",
    }
}

fn edge_row(direction: &DirectionReport) -> Vec<String> {
    let value = |value: Option<ValueReport>| {
        value.map_or_else(String::new, |v| format!("{:+.2} ({} events)", v.mean_bps, v.events))
    };
    let confirmed = direction.confirmed.map_or_else(String::new, |v| {
        format!("{:+.2} [{:+.2}, {:+.2}] ({} events)", v.mean_bps, v.low_bps, v.high_bps, v.events)
    });
    vec![
        direction.leader.clone(),
        direction.follower.clone(),
        edge_words(direction.outcome).to_owned(),
        rule_words(direction),
        value(direction.fitted),
        confirmed,
        direction.p_adjusted.map_or_else(String::new, |p| format!("{p:.2}")),
        direction.reasons.join(", "),
    ]
}

pub(crate) fn rule_words(direction: &DirectionReport) -> String {
    direction.rule.map_or_else(String::new, |rule| {
        format!(
            "{} bps in {:.0} ms, held {:.0} ms",
            rule.threshold_bps, rule.window_ms, rule.hold_ms
        )
    })
}

/// Is one row of the CSV file.
#[derive(Serialize)]
struct Row<'a> {
    base: &'a str,
    leader: &'a str,
    follower: &'a str,
    outcome: EdgeOutcome,
    reasons: String,
    taker_fee_bps: f64,
    threshold_bps: Option<f64>,
    window_ms: Option<f64>,
    hold_ms: Option<f64>,
    latency_ms: Option<f64>,
    tried: usize,
    fitted_mean_bps: Option<f64>,
    events: Option<usize>,
    probability: Option<f64>,
    gain_bps: Option<f64>,
    loss_bps: Option<f64>,
    cost_bps: Option<f64>,
    mean_bps: Option<f64>,
    low_bps: Option<f64>,
    high_bps: Option<f64>,
    p_value: Option<f64>,
    p_adjusted: Option<f64>,
    stake: Option<f64>,
    break_even_fee_bps: Option<f64>,
    break_even_latency_ms: Option<i64>,
}

fn row(direction: &DirectionReport) -> Row<'_> {
    let (rule, value) = (direction.rule, direction.confirmed);
    Row {
        base: &direction.base,
        leader: &direction.leader,
        follower: &direction.follower,
        outcome: direction.outcome,
        reasons: direction.reasons.join("; "),
        taker_fee_bps: direction.taker_fee_bps,
        threshold_bps: rule.map(|rule| rule.threshold_bps),
        window_ms: rule.map(|rule| rule.window_ms),
        hold_ms: rule.map(|rule| rule.hold_ms),
        latency_ms: rule.map(|rule| rule.latency_ms),
        tried: direction.tried,
        fitted_mean_bps: direction.fitted.map(|fitted| fitted.mean_bps),
        events: value.map(|value| value.events),
        probability: value.map(|value| value.probability),
        gain_bps: value.and_then(|value| value.gain_bps),
        loss_bps: value.and_then(|value| value.loss_bps),
        cost_bps: value.map(|value| value.cost_bps),
        mean_bps: value.map(|value| value.mean_bps),
        low_bps: value.map(|value| value.low_bps),
        high_bps: value.map(|value| value.high_bps),
        p_value: value.map(|value| value.p_value),
        p_adjusted: direction.p_adjusted,
        stake: value.map(|value| value.stake),
        break_even_fee_bps: direction.break_even_fee_bps,
        break_even_latency_ms: direction.break_even_latency_ms,
    }
}
