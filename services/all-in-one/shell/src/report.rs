//! The HTML report: one self-contained page with the equity curve, inventory, and quotes against the market per pair.

use anyhow::{Context, Result};
use plotters::prelude::*;
use remora_domain::{Notional, Price, Side, Timestamp};
use remora_sim::{PairTally, RunFacts, Tally};
use std::fmt::Write as _;

const WIDTH: u32 = 1_040;
const STYLE: &str = include_str!("report.css");

/// Net result at mid and at liquidation.
type Equity = (Option<Notional>, Option<Notional>);

/// A line of a plot: points of (seconds since the start, value).
type Line = Vec<(f64, f64)>;

/// Builds the page.
pub(crate) fn html(facts: &RunFacts, tally: &Tally) -> Result<String> {
    let mut page = String::new();
    let title = format!("Remora run: profile {}", escape(&facts.profile));
    write!(page, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">")?;
    write!(page, "<meta name=\"viewport\" content=\"width=device-width\">")?;
    write!(page, "<title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>")?;
    if facts.is_synthetic {
        write!(page, "<p class=\"warn\">Synthetic market data: prices were made by a generator, ")?;
        write!(page, "not by a market. Results say nothing about profitability.</p>")?;
    } else {
        write!(page, "<p class=\"note\">A short recording on a simulated venue: ")?;
        write!(page, "an engineering check, not evidence of profitability.</p>")?;
    }
    write!(page, "<h2>Summary</h2>{}", summary_table(facts, tally)?)?;
    write!(page, "<h2>Net result over time ({})</h2>", tally.reporting().currency)?;
    write!(page, "<p>At mid prices, and when flattened at the touch with the taker fee paid.</p>")?;
    write!(page, "{}", equity_plot(tally)?)?;
    let start = start(tally);
    for (key, pair) in tally.pairs().filter(|(_, pair)| pair.quotes > 0) {
        write!(page, "<h2>{}</h2>", escape(&key.to_string()))?;
        write!(page, "<h3>Quotes and market ({})</h3>", pair.instrument.quote)?;
        write!(page, "{}", quotes_plot(start, pair)?)?;
        write!(page, "<h3>Inventory ({})</h3>", pair.instrument.base)?;
        write!(page, "{}", inventory_plot(start, pair)?)?;
    }
    write!(page, "<h2>Settings</h2>{}</body></html>", settings_table(facts)?)?;
    Ok(page)
}

/// Lists the values in force, with the variable where one was laid over the profile.
fn settings_table(facts: &RunFacts) -> Result<String> {
    let mut rows = format!(
        "<p>seed {}</p><table><tr><th>key</th><th>value</th><th>overridden by</th></tr>",
        facts.seed
    );
    for setting in &facts.settings {
        let variable = setting.variable.as_deref().unwrap_or_default();
        let cells = [&setting.key, &setting.value, variable].map(escape);
        write!(rows, "<tr><td>{}</td></tr>", cells.join("</td><td>"))?;
    }
    rows.push_str("</table>");
    Ok(rows)
}

fn start(tally: &Tally) -> Timestamp {
    tally.equity().points().first().map_or(Timestamp::EPOCH, |(at, _)| *at)
}

fn summary_table(facts: &RunFacts, tally: &Tally) -> Result<String> {
    let mut rows = String::from(
        "<table><tr><th>pair</th><th>why in or out</th><th>frames</th><th>checksums ok / bad</th>\
         <th>quotes</th><th>approved</th><th>refused</th><th>fills</th><th>fees</th>\
         <th>net P&amp;L</th><th>inventory</th></tr>",
    );
    for (key, pair) in tally.pairs().filter(|(key, _)| facts.counters.contains_key(*key)) {
        let counters = facts.counters.get(key).copied().unwrap_or_default();
        let result = tally.result(key);
        let quote = &pair.instrument.quote;
        let reason = crate::summary::standing(pair);
        let net = result.and_then(|r| r.net_mid()).map_or_else(|| "unknown".to_owned(), show);
        let fees = result.map_or("unknown".to_owned(), |r| show(r.fees));
        let inventory = result.map_or("unknown".to_owned(), |r| r.position.to_string());
        write!(
            rows,
            "<tr><td>{}</td><td>{reason}</td><td>{}</td><td>{} / {}</td><td>{}</td><td>{}</td>\
             <td>{}</td><td>{}</td><td>{fees} {quote}</td><td>{net} {quote}</td><td>{inventory}</td></tr>",
            escape(&key.to_string()),
            counters.frames,
            counters.checksums_passed,
            counters.checksums_failed,
            pair.quotes,
            pair.approvals,
            refusals(pair),
            pair.fills,
        )?;
    }
    rows.push_str("</table>");
    Ok(rows)
}

fn refusals(pair: &PairTally) -> String {
    if pair.refusals.is_empty() {
        return "0".to_owned();
    }
    let parts: Vec<String> = pair.refusals.iter().map(|(r, n)| format!("{n} {r}")).collect();
    parts.join(", ")
}

fn show(value: Notional) -> String {
    value.to_decimal().round_dp(8).normalize().to_string()
}

fn equity_plot(tally: &Tally) -> Result<String> {
    let start = start(tally);
    let points = tally.equity().points();
    let line = |pick: fn(&Equity) -> Option<Notional>| -> Line {
        let point =
            |(at, value): &(Timestamp, _)| Some((seconds(start, *at), pick(value)?.to_est()));
        points.iter().filter_map(point).collect()
    };
    let curves = [
        ("at mid", line(|v| v.0), RGBColor(20, 90, 160)),
        ("at liquidation", line(|v| v.1), RGBColor(190, 110, 20)),
    ];
    plot(260, &curves, &[])
}

fn quotes_plot(start: Timestamp, pair: &PairTally) -> Result<String> {
    let points = pair.samples.points();
    let line = |pick: fn(&remora_sim::QuoteSample) -> Option<Price>| -> Line {
        let point = |(at, s): &(Timestamp, remora_sim::QuoteSample)| {
            Some((seconds(start, *at), pick(s)?.to_est()))
        };
        points.iter().filter_map(point).collect()
    };
    let curves = [
        ("market bid", line(|s| s.market_bid), RGBColor(150, 150, 150)),
        ("market ask", line(|s| s.market_ask), RGBColor(90, 90, 90)),
        ("our bid", line(|s| s.bid), RGBColor(20, 140, 70)),
        ("our ask", line(|s| s.ask), RGBColor(190, 40, 40)),
    ];
    let fill = |point: &remora_sim::FillPoint| {
        let color = match point.side {
            Side::Buy => RGBColor(20, 140, 70),
            Side::Sell => RGBColor(190, 40, 40),
        };
        ((seconds(start, point.at), point.price.to_est()), color)
    };
    let fills: Vec<_> = pair.fill_points.iter().map(fill).collect();
    plot(300, &curves, &fills)
}

fn inventory_plot(start: Timestamp, pair: &PairTally) -> Result<String> {
    let mut line: Line = Vec::new();
    for (at, sample) in pair.samples.points() {
        let Some(position) = sample.position else { continue };
        // Drawn as steps: a holding does not drift between fills.
        if let Some((_, last)) = line.last().copied() {
            line.push((seconds(start, *at), last));
        }
        line.push((seconds(start, *at), position.to_est()));
    }
    plot(160, &[("inventory", line, RGBColor(110, 60, 150))], &[])
}

/// Draws lines and dots into one SVG.
fn plot(
    height: u32,
    curves: &[(&str, Line, RGBColor)],
    dots: &[((f64, f64), RGBColor)],
) -> Result<String> {
    let Some((x, y)) = ranges(curves) else {
        return Ok("<p class=\"note\">Nothing to draw.</p>".to_owned());
    };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE).context("draw plot")?;
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .x_label_area_size(28)
            .y_label_area_size(84)
            .build_cartesian_2d(x, y)
            .context("draw axes")?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(228, 228, 228))
            .x_desc("seconds")
            .draw()
            .context("draw mesh")?;
        for (name, line, color) in curves {
            let color = *color;
            chart
                .draw_series(LineSeries::new(line.iter().copied(), color.stroke_width(1)))
                .context("draw line")?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color));
        }
        let dots = dots.iter().map(|(at, color)| Circle::new(*at, 3, color.filled()));
        chart.draw_series(dots).context("draw fills")?;
        if curves.len() > 1 {
            let mut labels = chart.configure_series_labels();
            labels.background_style(WHITE.mix(0.8)).border_style(RGBColor(200, 200, 200));
            labels.draw().context("draw legend")?;
        }
        area.present().context("finish plot")?;
    }
    Ok(svg)
}

type Ranges = (std::ops::Range<f64>, std::ops::Range<f64>);

/// Gives the ranges that hold all lines with a little room; `None` when there is no point.
fn ranges(curves: &[(&str, Line, RGBColor)]) -> Option<Ranges> {
    let points = || curves.iter().flat_map(|(_, line, _)| line.iter().copied());
    points().next()?;
    let span = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)))
    };
    let (x0, x1) = span(&mut points().map(|p| p.0));
    let (y0, y1) = span(&mut points().map(|p| p.1));
    let room = if y1 > y0 { (y1 - y0) * 0.06 } else { y0.abs().max(1.0) * 0.001 };
    Some((x0..x1.max(x0 + 1e-3), y0 - room..y1 + room))
}

fn seconds(start: Timestamp, at: Timestamp) -> f64 {
    at.since(start).as_seconds_est()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Writes the page.
pub(crate) fn write(path: &std::path::Path, facts: &RunFacts, tally: &Tally) -> Result<()> {
    let page = html(facts, tally)?;
    std::fs::write(path, page).with_context(|| format!("write report {}", path.display()))
}
