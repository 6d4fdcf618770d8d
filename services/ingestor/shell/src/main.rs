//! The ingestor process: a venue's feed, live or recorded, joined to its core and the bus.
//!
//! In: the profile; frames of the venue's sockets, or of recordings with `--recording`. Out: market data.
//! Both kinds of frames enter the core as the same input. A recording is played once; then the process stays up, so
//! that its totals can be read. Wiring only. Test: `remora-deployment` runs it with all others.

mod effects;
mod live;
mod origins;
mod recorded;

use anyhow::{Context as _, Result};
use effects::{FeedEffects, Progress};
use origins::Origins;
use remora_bus::Stream;
use remora_domain::{Kind, Sequencer, Service, SettingProblem};
use remora_ingestor_core::{
    FeedKind, IngestorConfig, IngestorCore, IngestorInput, IngestorSettings,
};
use remora_service_kit::config::Config;
use remora_service_kit::drive::{LocalEvent, LogSubscription, Plan};
use remora_service_kit::{About, Host, Inputs, Publisher, ServiceArgs, run_main};
use remora_venue_link::{Pace, Player};
use remora_venue_registry::{VenueEntry, find, is_synthetic};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::mpsc;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Inputs that may wait for the loop; whoever feeds it waits when they do.
const INPUTS_WAITING_MAX: usize = 64;
/// Requests to sockets that may wait: connects and subscriptions only.
const COMMANDS_WAITING_MAX: usize = 1_024;

#[derive(clap::Parser)]
struct Arguments {
    #[command(flatten)]
    service: ServiceArgs,
    /// Plays these recordings, in order, instead of connecting to the venue; time is moved to now.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    recording: Vec<PathBuf>,
    /// How fast a recording is played: `max`, `1x`, `10x`. Time is compressed with it.
    #[arg(long, value_name = "PACE", default_value = "1x")]
    pace: Pace,
}

fn main() -> ExitCode {
    run_main("remora-ingestor", VERSION, "Turns a venue's frames into validated market data", run)
}

async fn run(args: Arguments) -> Result<()> {
    let mut config = Config::open(&args.service.config)?;
    let (process, settings) = (config.process(), config.section::<IngestorSettings>("ingestor"));
    let core = settings.and_then(|settings| config.check("ingestor", settings.validate()));
    let core = core.and_then(|core| {
        let venue = venue(&core);
        config.check("ingestor", venue).map(|venue| (core, venue))
    });
    let ((process, (core, venue)), effective) = config.finish(process.zip(core))?;
    if args.service.is_only_check(&effective)? {
        return Ok(());
    }
    let player = open(args.recording, venue).await?;
    let user = format!("{}-{}", Service::Ingestor.name(), core.venue);
    let producer = format!("{user}-{}", core.shard.0);
    let about = About {
        service: Service::Ingestor.name(),
        user: &user,
        producer: &producer,
        version: VERSION,
        is_controllable: false,
        route: None,
        needs_market_data: true,
    };
    let mut host = Host::start(process, &effective, about).await?;
    let is_recorded = player.is_some();
    let is_synthetic = player.as_ref().is_some_and(|p| p.venues().into_iter().any(is_synthetic));
    host.note(&FeedKind { is_recorded, is_synthetic }.to_string());
    let Some(bus) = host.connect().await? else {
        host.stop().await;
        return Ok(());
    };
    let id = host.identity();
    let feed = core.feed_settings(venue.public_url, is_recorded, is_synthetic, id.seed());
    let sequencer = Sequencer::new(id.producer().clone(), id.session());
    // Its own definitions of earlier runs, so that their versions go on; it reads nothing else.
    let own = Kind::MdInstrument.pattern().replace('>', &format!("{}.>", core.venue));
    let definitions = LogSubscription::latest(Stream::Instruments).only(vec![own]);
    let plan = Plan { logs: vec![definitions], ..Plan::default() };
    let record = core.record.clone().filter(|_| !is_recorded);
    let core = IngestorCore::new(core, (venue.feed)(feed), sequencer);
    let (inputs, locals) = mpsc::channel::<LocalEvent<IngestorInput>>(INPUTS_WAITING_MAX);
    let (commands, commanded) = mpsc::channel(COMMANDS_WAITING_MAX);
    let progress = Progress::new(player.as_ref().map(Player::frames_total));
    let (clock, health) = (host.clock().clone(), host.health().clone());
    let origins = Origins::default();
    let (sender, played) = (inputs.clone(), progress.clone());
    let effects = FeedEffects::new(commands, sender, played, health.clone(), origins.clone());
    match player {
        Some(player) => {
            tokio::spawn(recorded::play(player, args.pace, clock, inputs, progress, origins));
        }
        None => {
            let recorder = record.map(|path| live::Recorder::create(&path, venue)).transpose()?;
            tokio::spawn(live::Feed { clock, health, inputs, commanded, recorder }.run());
        }
    }
    let publisher = Publisher::start(Arc::clone(&bus));
    Ok(host.drive(bus, publisher, core, Box::new(effects), plan, Inputs::locals(locals)).await?)
}

fn venue(core: &IngestorConfig) -> Result<&'static VenueEntry, Vec<SettingProblem>> {
    let venue = find(&core.venue).ok_or_else(|| {
        let (key, value) = ("ingestor.venue".to_owned(), core.venue.to_string());
        vec![SettingProblem { key, value, allowed: "a venue of the registry".to_owned() }]
    })?;
    let levels = u32::try_from(core.levels_published).unwrap_or(u32::MAX);
    let problems = venue.check_levels("ingestor", core.depth, levels);
    if problems.is_empty() { Ok(venue) } else { Err(problems) }
}

/// Checks recordings before anything else is touched.
async fn open(paths: Vec<PathBuf>, venue: &VenueEntry) -> Result<Option<Player>> {
    if paths.is_empty() {
        return Ok(None);
    }
    // Summing up a recording reads all of it.
    let player = tokio::task::spawn_blocking(move || Player::open(&paths)).await?;
    let player = player.context("open the recording")?;
    let sessions = player.plans().iter().map(|plan| &plan.recording);
    for recording in sessions.chain(player.definitions()) {
        let path = recording.path.display();
        let checked = recording.venues.iter().try_for_each(|name| venue.check_recording(name));
        checked.with_context(|| path.to_string())?;
        if let Some(line) = recording.cut_at_line {
            tracing::warn!(%path, line, "the recording is cut; what is before that line is played");
        }
    }
    Ok(Some(player))
}
