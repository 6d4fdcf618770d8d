//! How a run is shown while it goes on: a dashboard, or a progress bar with lines.

use crate::cli::ShowArguments;
use crate::dashboard::{Dashboard, Wish};
use crate::{output, report, summary};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use remora_domain::{DurationNs, Timestamp};
use remora_service_kit::config::TelemetrySettings;
use remora_service_kit::{Clock, Telemetry};
use remora_sim::{Holdings, RunFacts, Tally};
use std::io::IsTerminal as _;

/// How often the dashboard is drawn.
const FRAME: DurationNs = DurationNs::from_ms(100);

/// Refuses places that nothing can be written to, before anything is played, and starts the log.
pub(crate) fn prepare(arguments: &ShowArguments) -> Result<()> {
    let asked = [
        ("--json", &arguments.json),
        ("--report", &arguments.report),
        ("--history", &arguments.history),
    ];
    for (flag, path) in asked {
        let Some(path) = path else { continue };
        // A bare name has an empty parent: the folder we are in.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            bail!("{flag} {}: its folder does not exist", path.display());
        }
        if path.is_dir() {
            bail!("{flag} {}: is a folder, want a file", path.display());
        }
    }
    if wants_dashboard(arguments) {
        // Lines would tear the dashboard apart.
        return Ok(());
    }
    let settings =
        TelemetrySettings { log_filter: arguments.log.clone(), ..TelemetrySettings::default() };
    Telemetry::start(&settings, "remora", "remora", env!("CARGO_PKG_VERSION"))
        .map(drop)
        .context("start the log")
}

fn wants_dashboard(arguments: &ShowArguments) -> bool {
    !arguments.headless && std::io::stdout().is_terminal()
}

/// Shows a run while it goes on.
pub(crate) struct Show {
    screen: Screen,
    clock: Clock,
    drawn: Timestamp,
}

enum Screen {
    Dashboard(Dashboard),
    Bar(ProgressBar),
}

impl Show {
    /// Takes the terminal, or starts a progress bar when headless or when there is no terminal.
    pub(crate) fn open(arguments: &ShowArguments, frames_total: Option<u64>) -> Result<Self> {
        let screen = if wants_dashboard(arguments) {
            Screen::Dashboard(Dashboard::open()?)
        } else {
            Screen::Bar(bar(frames_total))
        };
        let clock = Clock::new();
        Ok(Self { screen, drawn: clock.now(), clock })
    }

    /// Tells whether it is time to draw again; keeps drawing out of the way of playing.
    pub(crate) fn is_due(&self) -> bool {
        self.clock.now().since(self.drawn) >= FRAME
    }

    /// Tells whether a dashboard is shown.
    pub(crate) const fn is_dashboard(&self) -> bool {
        matches!(self.screen, Screen::Dashboard(_))
    }

    /// Draws the run as it stands.
    pub(crate) fn draw(&mut self, facts: &RunFacts, tally: &Tally) -> Result<Wish> {
        self.drawn = self.clock.now();
        match &mut self.screen {
            Screen::Dashboard(dashboard) => dashboard.draw(facts, tally),
            Screen::Bar(bar) => {
                bar.set_position(facts.frames_played);
                bar.set_message(line(tally));
                Ok(Wish::GoOn)
            }
        }
    }

    /// Gives the terminal back.
    pub(crate) fn close(self) {
        if let Screen::Bar(bar) = self.screen {
            bar.finish_and_clear();
        }
    }
}

fn bar(frames_total: Option<u64>) -> ProgressBar {
    let bar = frames_total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let template = if frames_total.is_some() {
        "{bar:30} {pos}/{len} frames  {elapsed}  {msg}"
    } else {
        "{spinner} {pos} frames  {elapsed}  {msg}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    // Standard error keeps standard output clean for results; nothing is drawn where it is not a terminal.
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar
}

fn line(tally: &Tally) -> String {
    let (mut approved, mut refused, mut fills) = (0_u64, 0_u64, 0_u64);
    for (_, pair) in tally.pairs() {
        approved = approved.saturating_add(pair.approvals);
        refused = refused.saturating_add(pair.refusals.values().sum());
        fills = fills.saturating_add(pair.fills);
    }
    let totals = tally.totals();
    let currency = &tally.reporting().currency;
    let net = totals.net_mid.map_or("unknown".to_owned(), |net| summary::money(net, currency));
    format!("approved {approved}  refused {refused}  fills {fills}  net {net}")
}

/// Shows the end of a run and writes what was asked for.
pub(crate) fn finish(
    arguments: &ShowArguments,
    facts: &RunFacts,
    tally: &Tally,
    holdings: &Holdings,
) -> Result<()> {
    output::line(&summary::table(facts, tally));
    if let Some(path) = &arguments.json {
        summary::write_json(path, facts, tally, holdings)?;
        output::note(&format!("results: {}", path.display()));
    }
    if let Some(path) = &arguments.report {
        report::write(path, facts, tally)?;
        output::note(&format!("report: {}", path.display()));
    }
    Ok(())
}
