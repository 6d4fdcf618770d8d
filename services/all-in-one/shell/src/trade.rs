//! `remora live`: the same services as `paper`, in front of the real venue.
//!
//! Phases: trading, until somebody asks it to end; stopping, until the services have taken everything back and the venue,
//! asked, lists none of it; asking for the last balances; closing the session. The end is bounded as a whole by
//! `control.stop_s_max`; what is not confirmed by then is said, and the process fails.

use crate::cli::LiveArguments;
use crate::dashboard::Wish;
use crate::history::History;
use crate::live::{self, Heard};
use crate::show::{self, Show};
use crate::{output, profiles, summary};
use anyhow::{Context as _, Result, bail};
use profiles::LiveProfile;
use remora_domain::SessionId;
use remora_ingestor_core::IngestorEffect;
use remora_service_kit::{Clock, Shutdown};
use remora_sim::Playback;
use remora_venue_api::{Problem, VenueCommand, VenueInput};
use remora_venue_link::{OrderWire, ReceiveClock, Said, VenueSockets};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, Interval};

/// How often the run is shown.
const FRAME: Duration = Duration::from_millis(100);
/// How long the order-entry session may take to come up at the start. Later it may take as long as it takes.
const START_MAX: Duration = Duration::from_secs(20);

/// Trades live until stopped.
pub(crate) async fn run(arguments: LiveArguments) -> Result<()> {
    show::prepare(&arguments.show)?;
    let profile = profiles::load_live(&arguments)?;
    profiles::explain(&profile.loaded);
    let feed_url = profile.feed_url.clone();
    live::check_url(&feed_url)?;
    for line in [
        format!("feed: {feed_url}"),
        format!("calls: {}", profile.live.rest_url()),
        format!("private socket: {}", profile.live.private_url()),
        format!("if this process dies: {}", profile.live.dead_man()),
    ] {
        output::note(&line);
    }
    if !arguments.confirm_live {
        bail!(
            "nothing was sent: this command places real orders for real money at {}, within the limits above. \
             Add --confirm-live to do so",
            profile.live.rest_url()
        );
    }
    let shutdown = Shutdown::on_signals().context("listen for signals")?;
    let history = History::open(arguments.show.history.as_deref()).await?;
    let mut trading = Trading::open(profile, history)?;
    let mut show = Show::open(&arguments.show, None)?;
    let ended = trading.run(&mut show, &shutdown, arguments.seconds).await;
    let Trading { mut playback, history, heard, problems, dead_man, .. } = trading;
    let kept = history.close(&mut playback).await;
    show.close();
    let is_empty = playback.is_confirmed_empty();
    let holdings = playback.holdings().clone();
    let (facts, tally) = playback.into_parts();
    show::finish(&arguments.show, &facts, &tally, &holdings)?;
    output::line(&summary::holdings(&holdings));
    for (kind, (count, last)) in &problems {
        output::line(&format!(
            "problem of the order-entry session: {count} {kind}; the last: {last}"
        ));
    }
    if is_empty {
        output::line(
            "our orders open at the venue: none (the venue was asked after the last cancel)",
        );
    }
    ended?;
    if !is_empty {
        bail!(
            "NOT CONFIRMED: orders of ours may still be open at the venue. Look there, and cancel them; {dead_man}"
        );
    }
    kept?;
    if let Some(why) = summary::disagreement(&holdings) {
        bail!("{why}");
    }
    heard.frames(&feed_url).map(drop)
}

/// Says how far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Trading,
    /// The services take everything back.
    Stopping,
    /// The venue was asked for the balances once more; this is how often it had told them before.
    Asking {
        told: u64,
    },
    /// The session was asked to end.
    Closing,
    /// It has ended.
    Closed,
}

/// Is a live run.
struct Trading {
    playback: Playback,
    wire: OrderWire,
    history: History,
    clock: Clock,
    heard: Heard,
    /// By kind: how many, and what the last one was.
    problems: BTreeMap<String, (u64, String)>,
    phase: Phase,
    stop_within: Duration,
    /// When the end is over, done or not.
    until: Option<Instant>,
    dead_man: String,
}

impl Trading {
    fn open(profile: LiveProfile, history: History) -> Result<Self> {
        let clock = Clock::new();
        let now = clock.now();
        let seed = u64::try_from(now.as_ns()).unwrap_or_default();
        let run = SessionId::new(seed);
        let dead_man = profile.live.dead_man();
        let stop_within = profile.stop_within;
        let stamp = clock.clone();
        let receive_clock: ReceiveClock = Arc::new(move || stamp.now());
        let opened = profile.live.clone().open(run, seed, receive_clock);
        let (venue, wire) = opened.context("open the order-entry session")?;
        let playback = profiles::live_playback(profile, venue, run, now)?;
        Ok(Self {
            playback,
            wire,
            history,
            clock,
            heard: Heard::default(),
            problems: BTreeMap::new(),
            phase: Phase::Trading,
            stop_within,
            until: None,
            dead_man,
        })
    }

    /// Trades until told to end, then ends in order. A failure ends it in order too, as far as that still goes.
    async fn run(
        &mut self,
        show: &mut Show,
        shutdown: &Shutdown,
        seconds: Option<u64>,
    ) -> Result<()> {
        let began = Instant::now();
        let mut sources = Sources {
            sockets: live::sockets(&self.clock),
            frame: tokio::time::interval(FRAME),
            shutdown: shutdown.clone(),
            late_at: Some(began + START_MAX),
            ends_at: seconds.map(|seconds| began + Duration::from_secs(seconds)),
        };
        let mut failure = None;
        let mut outcome = self.playback.start(self.clock.now()).map_err(anyhow::Error::from);
        loop {
            if let Err(error) = outcome {
                if failure.is_some() {
                    break; // the end fails as well: nothing more can be done from here
                }
                failure = Some(error);
                sources.ends_at = Some(Instant::now());
            }
            if self.phase == Phase::Closed || self.until.is_some_and(|at| at <= Instant::now()) {
                break;
            }
            outcome = match self.carry_out(&mut sources.sockets, show).await {
                Ok(()) => self.listen(&mut sources, show).await,
                Err(error) => Err(error),
            };
        }
        failure.map_or(Ok(()), Err)
    }

    /// Carries out what is wanted of sockets, wire and history. Not to be given up half way.
    async fn carry_out(&mut self, sockets: &mut VenueSockets, show: &Show) -> Result<()> {
        for IngestorEffect(command) in self.playback.take_feed_commands() {
            sockets.perform(command);
        }
        for effect in self.playback.take_venue_effects() {
            match self.wire.perform(effect) {
                Some(Said::Problem(problem)) => self.note(&problem, show),
                Some(Said::Stopped) => self.phase = Phase::Closed,
                // The scheduler has given them to the router already.
                Some(Said::Report(_)) | None => {}
            }
        }
        self.history.write(&mut self.playback).await
    }

    /// Takes in the next thing that happens.
    async fn listen(&mut self, sources: &mut Sources, show: &mut Show) -> Result<()> {
        let is_trading = self.phase == Phase::Trading;
        if self.playback.is_ready() || !is_trading {
            sources.late_at = None; // it came up; it may be lost and found again from here on
        }
        tokio::select! {
            biased; // the end, due work, then news
            () = sleep_until(self.until) => {}
            () = sources.shutdown.requested(), if is_trading => self.stop()?,
            () = sleep_until(sources.ends_at), if is_trading => self.stop()?,
            () = sleep_until(sources.late_at) => bail!(
                "the order-entry session did not come up in {START_MAX:?}{}",
                self.last_problem()
            ),
            () = self.clock.sleep_until(self.playback.next_deadline()) => {
                self.playback.advance(self.clock.now())?;
            }
            input = self.wire.recv() => {
                let input = input?;
                self.hear(&input, show);
                self.playback.venue(self.clock.now(), input)?;
            }
            input = sources.sockets.recv() => {
                if let Some(line) = self.heard.note(&input) {
                    say(show, &line);
                }
                self.playback.live(self.clock.now(), input)?;
            }
            _ = sources.frame.tick() => {
                let wish = self.playback.draw(|facts, tally| show.draw(facts, tally))?;
                if wish == Wish::Quit && is_trading {
                    self.stop()?;
                }
            }
        }
        self.go_on()
    }

    /// Begins the end.
    fn stop(&mut self) -> Result<()> {
        self.phase = Phase::Stopping;
        self.until = Some(Instant::now() + self.stop_within);
        Ok(self.playback.stop(self.clock.now())?)
    }

    /// Goes on to the next phase where the present one is done.
    fn go_on(&mut self) -> Result<()> {
        let now = self.clock.now();
        match self.phase {
            Phase::Stopping if self.playback.has_stopped() => {
                self.phase = Phase::Asking { told: self.playback.balances_told() };
                let ask = VenueInput::Command(VenueCommand::QueryAccount);
                self.playback.venue(now, ask)?;
            }
            Phase::Asking { told } if self.playback.balances_told() > told => {
                self.phase = Phase::Closing;
                self.playback.venue(now, VenueInput::Stop)?;
            }
            Phase::Trading
            | Phase::Stopping
            | Phase::Asking { .. }
            | Phase::Closing
            | Phase::Closed => {}
        }
        Ok(())
    }

    /// Tells a person about the private connections.
    fn hear(&self, input: &VenueInput, show: &Show) {
        if let VenueInput::Disconnected { detail, .. } = input
            && self.phase == Phase::Trading
        {
            say(show, &format!("private connection lost: {detail}"));
        }
    }

    fn note(&mut self, problem: &Problem, show: &Show) {
        tracing::warn!(kind = ?problem.kind, detail = problem.detail, "order-entry problem");
        let (count, last) = self.problems.entry(format!("{:?}", problem.kind)).or_default();
        *count = count.saturating_add(1);
        if *last != problem.detail {
            last.clone_from(&problem.detail);
            say(show, &format!("order-entry session: {}", problem.detail));
        }
    }

    fn last_problem(&self) -> String {
        let last: Vec<&str> = self.problems.values().map(|(_, last)| last.as_str()).collect();
        if last.is_empty() { String::new() } else { format!(": {}", last.join("; ")) }
    }
}

/// Is what is listened to beside the order-entry session.
struct Sources {
    sockets: VenueSockets,
    frame: Interval,
    shutdown: Shutdown,
    /// When the session should have come up.
    late_at: Option<Instant>,
    ends_at: Option<Instant>,
}

/// Prints a line where no dashboard would be torn apart by it.
fn say(show: &Show, line: &str) {
    if !show.is_dashboard() {
        output::note(line);
    }
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}
