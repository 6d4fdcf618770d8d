//! The page of `remora edge validate`: who leads whom with the band of chance, and what following is worth.

use super::edge::{edge_words, lead_words, rule_words};
use super::page::{Axes, BLUE, Curve, ORANGE, Page, escape, line_plot};
use anyhow::Result;
use remora_research::edge::{DirectionReport, EdgeReport, LeadReport, RelationReport};
use std::collections::BTreeMap;

/// Builds the page.
pub(crate) fn html(report: &EdgeReport, refused: &BTreeMap<String, String>) -> Result<String> {
    let mut page = Page::new("Remora: does one market lead another?");
    page.note(
        "An edge counts only if it was chosen on the first part of the recording and still pays on the second, after the spread we would pay, \
         both fees and our latency. Everything else is shown so that it can be judged, and promises nothing.",
    );
    markets(&mut page, report, refused);
    for relation in &report.relations {
        lead(&mut page, relation)?;
    }
    page.heading("What following is worth");
    values(&mut page, report);
    for direction in &report.directions {
        following(&mut page, direction, report)?;
    }
    Ok(page.finish())
}

fn markets(page: &mut Page, report: &EdgeReport, refused: &BTreeMap<String, String>) {
    page.heading("Markets");
    for market in &report.markets {
        for problem in &market.problems {
            page.warn(&format!("{}: {problem}.", market.market));
        }
    }
    for (name, why) in refused {
        page.warn(&format!("{name} was refused: {why}"));
    }
    let rows = report.markets.iter().map(|market| {
        vec![
            market.market.clone(),
            market.base.clone(),
            market.quotes.to_string(),
            format!("{:.0}", market.seconds),
            market.spread_bps.map_or_else(String::new, |x| format!("{x:.3}")),
            format!("{:.1}", market.gap_ms),
            format!("{:.0}", market.gap_ms_max),
        ]
    });
    let header = ["market", "asset", "quotes", "seconds", "spread, bps", "gap, ms", "longest, ms"];
    page.table(&header, rows);
}

fn lead(page: &mut Page, relation: &RelationReport) -> Result<()> {
    page.heading(&format!("{}: {} and {}", relation.base, relation.first, relation.second));
    let Some(lead) = &relation.lead else {
        page.note(&format!("Not estimated: {}", relation.refused.clone().unwrap_or_default()));
        return Ok(());
    };
    page.note(&sentence(relation, lead));
    let points: Vec<(f64, f64)> = lead.curve.iter().map(|p| (p.lag_ms, p.rho)).collect();
    let band = points.iter().map(|(lag, _)| (*lag, -lead.band_95, lead.band_95)).collect();
    let axes = Axes {
        x: "lag, ms (right of zero: the first market leads)",
        y: "correlation",
        height: 260,
        band,
        has_zero_lines: true,
    };
    let curve = Curve { name: "", points, color: BLUE, width: 2 };
    page.push(&line_plot(&axes, &[curve])?);
    Ok(())
}

fn sentence(relation: &RelationReport, lead: &LeadReport) -> String {
    let reasons = if lead.reasons.is_empty() {
        String::new()
    } else {
        format!(" ({})", lead.reasons.join(", "))
    };
    let share = relation.information_share_first.map_or_else(String::new, |(low, high)| {
        format!(
            " Of what moves the common price, {} finds {:.0} to {:.0} %.",
            relation.first,
            100.0 * low,
            100.0 * high
        )
    });
    format!(
        "{}{reasons}. Largest correlation {:.2} at {:+.0} ms, known to {:.0} ms; {:.2} without a lag; the grey band holds 95 of 100 curves of \
         unrelated prices, adjusted p {:.2}. The sign repeats in {:.0} % of {} parts. The first part's peak, {:+.0} ms, has a correlation of \
         {:.2} on the second, whose own peak is at {:+.0} ms.{share}",
        lead_words(lead.outcome),
        lead.rho,
        lead.lag_ms,
        lead.resolution_ms,
        lead.rho_zero,
        lead.p_adjusted,
        100.0 * lead.same_sign_share,
        lead.parts,
        lead.fitted_lag_ms,
        lead.confirmed_rho,
        lead.confirmed_lag_ms,
    )
}

fn values(page: &mut Page, report: &EdgeReport) {
    let number = |x: Option<f64>| x.map_or_else(String::new, |x| format!("{x:+.2}"));
    let rows = report.directions.iter().map(|direction| {
        let value = direction.confirmed;
        vec![
            format!("{} -> {}", direction.leader, direction.follower),
            edge_words(direction.outcome).to_owned(),
            rule_words(direction),
            value.map_or_else(String::new, |v| v.events.to_string()),
            value.map_or_else(String::new, |v| format!("{:.0} %", 100.0 * v.probability)),
            number(value.and_then(|v| v.gain_bps)),
            number(value.and_then(|v| v.loss_bps.map(|loss| -loss))),
            value.map_or_else(String::new, |v| format!("{:.2}", v.cost_bps)),
            value.map_or_else(String::new, |v| {
                format!("{:+.2} [{:+.2}, {:+.2}]", v.mean_bps, v.low_bps, v.high_bps)
            }),
            direction.p_adjusted.map_or_else(String::new, |p| format!("{p:.3}")),
            number(direction.break_even_fee_bps),
            value.map_or_else(String::new, |v| format!("{:.2} %", 100.0 * v.stake)),
            direction.reasons.join(", "),
        ]
    });
    let header = [
        "leader -> follower",
        "verdict",
        "rule",
        "events",
        "gain in",
        "gain",
        "loss",
        "cost",
        "result, bps",
        "adjusted p",
        "pays at a fee of",
        "stake",
        "why",
    ];
    page.table(&header, rows);
}

fn following(page: &mut Page, direction: &DirectionReport, report: &EdgeReport) -> Result<()> {
    if direction.after_jump.is_empty() {
        return Ok(());
    }
    page.push(&format!(
        "<h3>{} after a jump of {} ({})</h3>",
        escape(&direction.follower),
        escape(&direction.leader),
        escape(&rule_words(direction))
    ));
    let caught = direction.catch_up.map_or_else(String::new, |(share, error)| {
        format!(
            " It closes {:.0} % (+-{:.0}) of a gap within a second.",
            100.0 * share,
            100.0 * error
        )
    });
    page.note(&format!(
        "Mean move of the mid towards the jump, before costs, with its {:.0} % interval; orange: what a round trip costs.{caught}",
        100.0 * report.settings.confidence
    ));
    let points = |pick: fn(&remora_research::edge::EventPoint) -> f64| -> Vec<(f64, f64)> {
        direction.after_jump.iter().map(|p| (millis(p.after_ms), pick(p))).collect()
    };
    let band = direction.after_jump.iter().map(|p| (millis(p.after_ms), p.low_bps, p.high_bps));
    let mut curves =
        vec![Curve { name: "move", points: points(|p| p.mean_bps), color: BLUE, width: 2 }];
    if let Some(value) = direction.confirmed {
        let ends = points(|_| 0.0).into_iter().map(|(x, _)| (x, value.cost_bps)).collect();
        curves.push(Curve { name: "costs", points: ends, color: ORANGE, width: 1 });
    }
    let axes = Axes {
        x: "after the jump, powers of ten of a millisecond",
        y: "bps",
        height: 220,
        band: band.collect(),
        has_zero_lines: true,
    };
    page.push(&line_plot(&axes, &curves)?);
    let latencies: Vec<String> = direction
        .by_latency
        .iter()
        .map(|p| {
            let mean = p.mean_bps.map_or_else(|| "none".to_owned(), |x| format!("{x:+.2}"));
            format!("{} ms: {mean}", p.latency_ms)
        })
        .collect();
    page.note(&format!("On the second part after costs, by latency: {}.", latencies.join(", ")));
    Ok(())
}

/// Gives the logarithm, so that both ends of the curve can be read.
fn millis(ms: i64) -> f64 {
    i32::try_from(ms.max(1)).map_or(0.0, f64::from).log10()
}
