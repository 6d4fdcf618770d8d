//! Profiles: the shipped ones by name, others from files; and how one becomes a world.

use crate::cli::LiveArguments;
use crate::output;
use anyhow::{Context, Result, bail};
use remora_domain::{SessionId, SettingProblem, Timestamp};
use remora_risk_gate_core::{RiskGateConfig, RiskGateSettings};
use remora_service_kit::config::{Config, ControlSettings, Effective, EffectiveRow, read_secret};
use remora_sim::{Plan, Playback, RunFacts, RunSetting, Tally, VenuePlan, VenueSeat, World};
use remora_venue_api::{Credentials, FeedSession, OrderEntry};
use remora_venue_link::{LiveAccount, LivePlan, LiveSettings, LiveVenue};
use remora_venue_registry::{VenueEntry, find};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Profiles that ship with Remora: name and text.
const SHIPPED: [(&str, &str); 5] = [
    ("demo", include_str!("../../../../profiles/demo.toml")),
    ("recordings", include_str!("../../../../profiles/recordings.toml")),
    ("paper", include_str!("../../../../profiles/paper.toml")),
    ("live", include_str!("../../../../profiles/live.toml")),
    ("kraken-futures", include_str!("../../../../profiles/kraken-futures.toml")),
];

/// Gives the shipped profile that is named as a venue, or the one for all that have none of their own.
pub(crate) fn of_venue(venue: &str, otherwise: &'static str) -> &'static str {
    let own = SHIPPED.iter().find(|(name, _)| *name == venue);
    own.map_or(otherwise, |(name, _)| *name)
}

/// Is a checked profile with what is shown of it.
pub(crate) struct Loaded {
    pub(crate) plan: Plan,
    pub(crate) effective: Effective,
}

/// Says where market data comes from.
pub(crate) struct Feed {
    pub(crate) is_recorded: bool,
    pub(crate) is_synthetic: bool,
    pub(crate) url: Option<String>,
    pub(crate) frames_total: Option<u64>,
}

/// Is a checked profile of a live run.
pub(crate) struct LiveProfile {
    pub(crate) loaded: Loaded,
    pub(crate) live: LivePlan,
    pub(crate) feed_url: String,
    /// How long the end may take.
    pub(crate) stop_within: Duration,
}

/// Reads a profile: a shipped name, or the path of a TOML file. Every problem is reported at once.
pub(crate) fn load(name: &str) -> Result<Loaded> {
    let mut config = open(name)?;
    let plan = Plan::read(&mut config);
    let (plan, effective) = config.finish(plan)?;
    Ok(Loaded { plan, effective })
}

/// Reads the limits of a profile alone, as the gate does that they are meant for.
pub(crate) fn limits(name: &str) -> Result<RiskGateConfig> {
    let mut config = open(name)?;
    let (facts, settings) = (config.profile(), config.section::<RiskGateSettings>("risk_gate"));
    let limits = settings.zip(facts).and_then(|(settings, facts)| {
        config.check("risk_gate", settings.validate(&facts.account, &facts.reporting))
    });
    Ok(config.finish(limits)?.0)
}

/// Reads the profile of a live run with the credentials it needs. Every problem of both is reported at once.
pub(crate) fn load_live(arguments: &LiveArguments) -> Result<LiveProfile> {
    let mut config = open(&arguments.profile)?;
    let control = config.section::<ControlSettings>("control");
    let plan = Plan::read(&mut config);
    let mut file = |key: &str, path: &Option<PathBuf>, flag: &str| {
        let read = match path {
            Some(path) => read_secret(key, path),
            None => Err(SettingProblem {
                key: key.to_owned(),
                value: "(missing)".to_owned(),
                allowed: format!("the path of a file, as {flag} or in its variable"),
            }),
        };
        let read = read.map_err(|problem| vec![problem]);
        config.check("live", read).map(|secret| secret.expose().as_str().into())
    };
    let key = file("key_file", &arguments.key_file, "--key-file");
    let secret = file("secret_file", &arguments.secret_file, "--secret-file");
    let credentials = key.zip(secret).map(|(key, secret)| Credentials { key, secret });
    let live = plan.as_ref().zip(credentials);
    let live = live.and_then(|(plan, credentials)| {
        config.check("live", check_live(plan, credentials, arguments))
    });
    let ((plan, (live, control)), effective) = config.finish(plan.zip(live.zip(control)))?;
    let entry = venue(&plan)?;
    let url = arguments.url.as_deref().or(plan.ingestor.url.as_deref());
    let feed_url = url.unwrap_or(entry.public_url).to_owned();
    let stop_within = Duration::from_secs(u64::from(control.stop_s_max));
    Ok(LiveProfile { loaded: Loaded { plan, effective }, live, feed_url, stop_within })
}

fn check_live(
    plan: &Plan,
    credentials: Credentials,
    arguments: &LiveArguments,
) -> Result<LivePlan, Vec<SettingProblem>> {
    let problem = |key: &str, value: String, allowed: &str| {
        vec![SettingProblem { key: key.to_owned(), value, allowed: allowed.to_owned() }]
    };
    let VenuePlan::Live(live) = &plan.venue else {
        let allowed = "mode = \"live\" and a section [live]: this profile trades on paper";
        return Err(problem("order_router.mode", "paper".to_owned(), allowed));
    };
    let router = &plan.router;
    if plan.ingestor.venue != router.venue {
        let allowed = "the venue of the ingestor: one process trades where it listens";
        return Err(problem("order_router.venue", router.venue.to_string(), allowed));
    }
    let Some(entry) = find(&router.venue) else {
        return Err(problem("order_router.venue", router.venue.to_string(), "a known venue"));
    };
    let live = LiveSettings {
        rest_url: arguments.rest_url.clone().or_else(|| live.rest_url.clone()),
        private_url: arguments.private_url.clone().or_else(|| live.private_url.clone()),
        ..live.clone()
    };
    let account = LiveAccount {
        venue: router.venue.clone(),
        account: router.account.clone(),
        cl_ord_id_prefix: router.cl_ord_id_prefix.clone(),
        credentials,
    };
    let (rest_url, private_url, orders) = (entry.rest_url, entry.private_url, entry.orders);
    LivePlan::check(live, LiveVenue { rest_url, private_url, orders }, account)
}

/// Opens a profile: a shipped name, or the path of a TOML file.
fn open(name: &str) -> Result<Config> {
    let shipped = SHIPPED.iter().find(|(shipped, _)| *shipped == name);
    let (file, text) = match shipped {
        Some((name, text)) => (format!("profile {name}"), (*text).to_owned()),
        None => {
            let path = Path::new(name);
            if !path.is_file() {
                let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
                bail!("{name}: neither a shipped profile ({}) nor a file", names.join(", "));
            }
            let text = std::fs::read_to_string(path).with_context(|| format!("read {name}"))?;
            (name.to_owned(), text)
        }
    };
    Ok(Config::parse(&file, &text, environment())?)
}

/// Variables of this process that are text.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Prints a profile: what it is for, then every value in force with its source.
pub(crate) fn explain(loaded: &Loaded) {
    let facts = &loaded.plan.facts;
    output::note(&format!("profile {}: {}", facts.name, facts.description));
    output::note(&loaded.effective.to_string());
}

/// Gives the venue whose session the profile drives; refuses levels that it does not offer or does not verify.
pub(crate) fn venue(plan: &Plan) -> Result<&'static VenueEntry> {
    let (venue, depth) = (&plan.ingestor.venue, plan.ingestor.depth);
    let entry = find(venue).with_context(|| format!("ingestor.venue {venue}: no such venue"))?;
    let published = u32::try_from(plan.ingestor.levels_published).unwrap_or(u32::MAX);
    if let Some(problem) = entry.check_levels("ingestor", depth, published).first() {
        bail!("{} {}: {}", problem.key, problem.value, problem.allowed);
    }
    Ok(entry)
}

/// Writes the depths a venue offers.
pub(crate) fn depths(entry: &VenueEntry) -> String {
    let texts: Vec<String> = entry.depths.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// Takes a value in force. Of its source only a variable is kept: a run is a function of what was set, not of where
/// the file lies.
fn setting(row: EffectiveRow) -> RunSetting {
    let variable = row.is_override().then_some(row.source);
    RunSetting { key: row.key, value: row.value, variable }
}

/// Makes a world of a profile, ready to be given frames.
pub(crate) fn playback(loaded: Loaded, feed: &Feed, seed: u64, now: Timestamp) -> Result<Playback> {
    let (session, plan, facts) = prepare(loaded, feed, seed)?;
    let tally = Tally::new(plan.facts.reporting.clone());
    let cores = plan.assemble(session, seed).context("assemble the services")?;
    Ok(Playback::new(World::new(cores, now), tally, facts))
}

/// Makes a world of a live profile around an order-entry session, ready to start.
pub(crate) fn live_playback(
    profile: LiveProfile,
    venue: Box<dyn OrderEntry>,
    run: SessionId,
    now: Timestamp,
) -> Result<Playback> {
    let url = Some(profile.feed_url);
    let feed = Feed { is_recorded: false, is_synthetic: false, url, frames_total: None };
    let (session, plan, facts) = prepare(profile.loaded, &feed, run.get())?;
    let tally = Tally::new(plan.facts.reporting.clone());
    let mut gate_key = [0; 32];
    getrandom::fill(&mut gate_key).context("draw the gate's key")?;
    let seat = VenueSeat { venue, run, gate_key };
    let cores = plan.assemble_live(session, seat).context("assemble the services")?;
    Ok(Playback::new(World::new(cores, now), tally, facts))
}

fn prepare(
    loaded: Loaded,
    feed: &Feed,
    seed: u64,
) -> Result<(Box<dyn FeedSession>, Plan, RunFacts)> {
    let Loaded { mut plan, effective } = loaded;
    if let Some(url) = &feed.url {
        plan.ingestor.url = Some(url.clone());
    }
    let entry = venue(&plan)?;
    let settings =
        plan.ingestor.feed_settings(entry.public_url, feed.is_recorded, feed.is_synthetic, seed);
    let facts = RunFacts {
        profile: plan.facts.name.clone(),
        seed,
        is_synthetic: feed.is_synthetic,
        settings: effective.rows.into_iter().map(setting).collect(),
        frames_total: feed.frames_total,
        ..RunFacts::default()
    };
    Ok(((entry.feed)(settings), plan, facts))
}
