//! Profiles: the shipped ones by name, others from files; and how one becomes a world.

use crate::output;
use anyhow::{Context, Result, bail};
use remora_domain::Timestamp;
use remora_service_kit::config::{Config, Effective, EffectiveRow};
use remora_sim::{Plan, Playback, RunFacts, RunSetting, Tally, World};
use remora_venue_registry::{VenueEntry, find};
use std::path::Path;

/// Profiles that ship with Remora: name and text.
const SHIPPED: [(&str, &str); 3] = [
    ("demo", include_str!("../../../../profiles/demo.toml")),
    ("recordings", include_str!("../../../../profiles/recordings.toml")),
    ("paper", include_str!("../../../../profiles/paper.toml")),
];

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

/// Reads a profile: a shipped name, or the path of a TOML file. Every problem is reported at once.
pub(crate) fn load(name: &str) -> Result<Loaded> {
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
    let mut config = Config::parse(&file, &text, environment())?;
    let plan = Plan::read(&mut config);
    let (plan, effective) = config.finish(plan)?;
    Ok(Loaded { plan, effective })
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
    let tally = Tally::new(plan.facts.reporting.clone());
    let cores = plan.assemble((entry.feed)(settings), seed).context("assemble the services")?;
    Ok(Playback::new(World::new(cores, now), tally, facts))
}
