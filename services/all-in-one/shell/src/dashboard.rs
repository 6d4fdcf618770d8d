//! The live terminal dashboard: pairs with market and quotes, positions, P&L after fees, approvals and refusals by
//! reason, feed health, progress. It shows; it decides nothing.

use anyhow::{Context, Result};
use ratatui::DefaultTerminal;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Gauge, Paragraph, Row, Sparkline, Table};
use remora_domain::{BookState, Notional, Price, Side};
use remora_sim::{PairTally, RunFacts, Tally};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the person at the terminal asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nothing.
    GoOn,
    /// Stop now.
    Quit,
}

/// Holds the terminal while a run is shown, and gives it back on drop.
pub(crate) struct Dashboard {
    terminal: DefaultTerminal,
}

impl Dashboard {
    /// Takes the terminal.
    pub(crate) fn open() -> Result<Self> {
        let terminal = ratatui::try_init().context("open the terminal (try --headless)")?;
        Ok(Self { terminal })
    }

    /// Draws the run as it stands and reads the keyboard without waiting.
    pub(crate) fn draw(&mut self, facts: &RunFacts, tally: &Tally) -> Result<Wish> {
        self.terminal.draw(|frame| view(frame, facts, tally)).context("draw the dashboard")?;
        let mut wish = Wish::GoOn;
        while event::poll(Duration::ZERO).context("read the keyboard")? {
            if let Event::Key(key) = event::read().context("read the keyboard")? {
                let is_ctrl_c =
                    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if is_ctrl_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                    wish = Wish::Quit;
                }
            }
        }
        Ok(wish)
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn view(frame: &mut Frame, facts: &RunFacts, tally: &Tally) {
    let [head, pairs, low, foot] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Min(6),
        Constraint::Length(9),
        Constraint::Length(3),
    ])
    .areas(frame.area());
    let [left, right] =
        Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(low);
    frame.render_widget(headline(facts, tally), head);
    frame.render_widget(pair_table(facts, tally), pairs);
    frame.render_widget(gate(tally), left);
    equity(frame, right, tally);
    let progress = Gauge::default()
        .block(Block::bordered().title(" progress (q stops) "))
        .gauge_style(Style::new().fg(Color::Cyan))
        .ratio(facts.progress_est().clamp(0.0, 1.0))
        .label(facts.progress_text());
    frame.render_widget(progress, foot);
}

fn headline(facts: &RunFacts, tally: &Tally) -> Paragraph<'static> {
    let totals = tally.totals();
    let currency = tally.reporting().currency.to_string();
    let show = |value: Option<Notional>| {
        value.map_or("unknown".to_owned(), |v| format!("{} {currency}", v.to_decimal().round_dp(2)))
    };
    let mut spans = vec![
        Span::styled(" REMORA ", Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(format!("profile {}  ", facts.profile)),
        Span::raw("net after fees "),
        Span::styled(show(totals.net_mid), tint(totals.net_mid)),
        Span::raw(format!(
            " at mid, {} flattened  fees {}",
            show(totals.net_liquidation),
            show(totals.fees)
        )),
    ];
    if facts.is_synthetic {
        spans.push(Span::styled("  SYNTHETIC DATA", Style::new().fg(Color::Yellow)));
    }
    Paragraph::new(Line::from(spans)).block(Block::bordered())
}

fn tint(value: Option<Notional>) -> Style {
    match value {
        Some(value) if value < Notional::ZERO => Style::new().fg(Color::Red),
        Some(value) if value > Notional::ZERO => Style::new().fg(Color::Green),
        Some(_) | None => Style::new(),
    }
}

fn pair_table(facts: &RunFacts, tally: &Tally) -> Table<'static> {
    let header = Row::new([
        "pair",
        "feed",
        "bid",
        "ask",
        "spread bps",
        "our bid",
        "our ask",
        "inventory",
        "net P&L",
        "ok",
        "no",
        "fills",
        "why",
    ])
    .style(Style::new().add_modifier(Modifier::BOLD));
    let shown = tally.pairs().filter(|(key, _)| facts.counters.contains_key(*key));
    let rows = shown.map(|(key, pair)| {
        let result = tally.result(key);
        let net = result.and_then(|result| result.net_mid());
        let held = result.map_or(crate::summary::UNKNOWN.to_owned(), |result| {
            result.position.to_decimal().normalize().to_string()
        });
        let quote = |side| best_quote(pair, side).map_or("-".to_owned(), |price| price.to_string());
        let live = pair.top.as_ref().filter(|top| top.state == BookState::Live);
        let bid = live.and_then(|top| top.best_bid()).map(|level| level.price);
        let ask = live.and_then(|top| top.best_ask()).map(|level| level.price);
        let text = |price: Option<Price>| price.map_or("-".to_owned(), |price| price.to_string());
        let net_text = net.map_or(crate::summary::UNKNOWN.to_owned(), |net| {
            crate::summary::money(net, &pair.instrument.quote)
        });
        Row::new([
            Cell::new(key.instrument.to_string()),
            feed(pair),
            Cell::new(text(bid)),
            Cell::new(text(ask)),
            Cell::new(spread_bps(bid, ask)),
            Cell::new(quote(Side::Buy)).style(Style::new().fg(Color::Green)),
            Cell::new(quote(Side::Sell)).style(Style::new().fg(Color::Red)),
            Cell::new(held),
            Cell::new(net_text).style(tint(net)),
            Cell::new(pair.approvals.to_string()),
            Cell::new(pair.refusals.values().sum::<u64>().to_string()),
            Cell::new(pair.fills.to_string()),
            Cell::new(why(pair)),
        ])
    });
    let widths = [
        Constraint::Length(13),
        Constraint::Length(9),
        Constraint::Length(11),
        Constraint::Length(11),
        Constraint::Length(10),
        Constraint::Length(11),
        Constraint::Length(11),
        Constraint::Length(12),
        Constraint::Length(16),
        Constraint::Length(5),
        Constraint::Length(4),
        Constraint::Length(5),
        Constraint::Min(12),
    ];
    Table::new(rows, widths).header(header).block(Block::bordered().title(" pairs "))
}

fn feed(pair: &PairTally) -> Cell<'static> {
    match pair.top.as_ref().map(|top| top.state) {
        None => Cell::new("waiting"),
        Some(BookState::Live) => Cell::new("live").style(Style::new().fg(Color::Green)),
        Some(BookState::Invalid(why)) => {
            Cell::new(format!("{why:?}").to_lowercase()).style(Style::new().fg(Color::Red))
        }
    }
}

fn why(pair: &PairTally) -> String {
    match (pair.universe, pair.decision) {
        (Some((true, _)), Some(decision)) => decision.to_string(),
        (Some((_, reason)), _) => reason.to_string(),
        (None, _) => "not assessed yet".to_owned(),
    }
}

fn best_quote(pair: &PairTally, side: Side) -> Option<Price> {
    let prices = pair.working.values().filter(|(s, _, _)| *s == side).map(|(_, price, _)| *price);
    match side {
        Side::Buy => prices.max(),
        Side::Sell => prices.min(),
    }
}

fn spread_bps(bid: Option<Price>, ask: Option<Price>) -> String {
    let (Some(bid), Some(ask)) = (bid, ask) else { return "-".to_owned() };
    let (bid_est, ask_est) = (bid.to_est(), ask.to_est());
    let mid_est = (bid_est + ask_est) / 2.0;
    format!("{:.2}", (ask_est - bid_est) / mid_est * 1e4)
}

fn gate(tally: &Tally) -> Paragraph<'static> {
    let approvals: u64 = tally.pairs().map(|(_, pair)| pair.approvals).sum();
    let mut reasons: BTreeMap<&'static str, u64> = BTreeMap::new();
    for (_, pair) in tally.pairs() {
        for (reason, n) in &pair.refusals {
            let count = reasons.entry(reason.as_str()).or_default();
            *count = count.saturating_add(*n);
        }
    }
    let mut lines = vec![Line::raw(format!("approved {approvals}"))];
    lines.extend(reasons.iter().map(|(reason, n)| Line::raw(format!("refused  {n}  {reason}"))));
    Paragraph::new(lines).block(Block::bordered().title(" risk gate "))
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bar heights on a terminal, already clamped to 0..=1000"
)]
fn equity(frame: &mut Frame, area: Rect, tally: &Tally) {
    let values: Vec<f64> =
        tally.equity().points().iter().filter_map(|(_, (mid, _))| Some((*mid)?.to_est())).collect();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = if high > low { high - low } else { 1.0 };
    let width = usize::from(area.width.saturating_sub(2)).max(1);
    let step = values.len().div_ceil(width).max(1);
    let bars: Vec<u64> = values
        .iter()
        .step_by(step)
        .map(|value| ((value - low) / span * 1_000.0).clamp(0.0, 1_000.0) as u64)
        .collect();
    let title = if values.is_empty() {
        " net at mid ".to_owned()
    } else {
        format!(" net at mid, {low:.2} to {high:.2} {} ", tally.reporting().currency)
    };
    let spark = Sparkline::default()
        .block(Block::bordered().title(title))
        .style(Style::new().fg(Color::Cyan))
        .data(bars)
        .max(1_000);
    frame.render_widget(spark, area);
}
