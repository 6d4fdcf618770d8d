//! From a plan to an exchange and the flow that moves it.

use crate::exchange::{Exchange, SimVenue};
use crate::feed::{self, Feed};
use crate::futures;
use crate::settings::{SimPlan, SimSettings, Source};
use anyhow::{Context, Result, bail};
use remora_domain::{SettingProblem, Timestamp, VenueId};
use remora_flow::{FlowPair, FlowSettings, Generator};
use remora_venue_link::Player;
use remora_venue_registry::kraken_spot::catalogue::{Catalogue, PairDef};
use remora_venue_registry::kraken_spot::settings::{DeskSettings, PostOnlyMode, Tier};
use remora_venue_registry::kraken_spot::{
    MessageRate, Server, ServerSettings, WsSettings, listing, synthetic,
};
use remora_venue_registry::{is_synthetic, of_recording};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The venue that is simulated.
const VENUE: &str = "kraken-spot";

/// Is a throw-away key: it opens a simulated account and nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct ThrowAwayKey {
    /// The account's name.
    pub account: String,
    /// The key's name.
    pub name: String,
    /// The public part.
    pub key: String,
    /// The private part.
    pub secret: String,
}

impl std::fmt::Debug for ThrowAwayKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ThrowAwayKey({}, ***)", self.name)
    }
}

/// Is an exchange that is ready to open.
pub(crate) struct World {
    pub(crate) server: Exchange,
    pub(crate) feed: Feed,
    pub(crate) keys: Vec<ThrowAwayKey>,
    pub(crate) symbols: Vec<String>,
    /// Whether the prices were made by a generator, here or in a recording.
    pub(crate) is_synthetic: bool,
}

/// Builds everything; reads recordings through once to know their pairs.
pub(crate) fn build(plan: SimPlan, now: Timestamp) -> Result<World> {
    let SimPlan { settings, source } = plan;
    if settings.venue == SimVenue::KrakenFutures {
        return futures::build(&settings, &source, now);
    }
    let venue = VenueId::new(VENUE).context("name the venue")?;
    match source {
        Source::Seed { seed, invented } => {
            let listed = listing::invented(synthetic::settings(seed), invented);
            let desk = adjusted(listed, &settings)?;
            let values = values(&desk);
            let (server, keys, symbols) = open(desk, &settings, now)?;
            let catalogue = server.catalogue();
            let pairs = catalogue.pairs().iter().filter_map(|pair| flow_pair(catalogue, pair));
            let pairs: Vec<FlowPair> = pairs.collect();
            let flow = settings.flow.unwrap_or_else(|| FlowSettings::usual(&values, &pairs));
            let plan = flow.validate(&pairs).map_err(refused)?;
            let feed = Feed::generated(Generator::new(plan, seed, now));
            let server = Exchange::Spot(Box::new(server));
            Ok(World { server, feed, keys, symbols, is_synthetic: true })
        }
        Source::Recordings { paths, pace, is_repeated, seed } => {
            let is_synthetic = check_venues(&paths)?;
            let pairs = feed::pairs(&paths, &venue)?;
            if pairs.is_empty() {
                bail!("the recordings hold no pair with both a definition and a book");
            }
            let desk = adjusted(listing::recorded(seed, &pairs), &settings)?;
            let (server, keys, symbols) = open(desk, &settings, now)?;
            let feed = feed::play(paths, venue, pairs, pace, is_repeated, now);
            let server = Exchange::Spot(Box::new(server));
            Ok(World { server, feed, keys, symbols, is_synthetic })
        }
    }
}

/// Refuses recordings of another venue; tells whether any holds made-up prices.
fn check_venues(paths: &[PathBuf]) -> Result<bool> {
    let player = Player::open(paths).context("open the recordings")?;
    for name in player.venues() {
        if of_recording(name).is_none_or(|entry| entry.id != VENUE) {
            bail!("a recording of {name:?} cannot be played by a simulated {VENUE}");
        }
    }
    Ok(player.venues().into_iter().any(is_synthetic))
}

fn open(
    desk: DeskSettings,
    settings: &SimSettings,
    now: Timestamp,
) -> Result<(Server, Vec<ThrowAwayKey>, Vec<String>)> {
    let keys = desk.accounts.iter().flat_map(|account| {
        account.keys.iter().map(|key| ThrowAwayKey {
            account: account.name.clone(),
            name: key.name.clone(),
            key: key.key.clone(),
            secret: key.secret.reveal().to_owned(),
        })
    });
    let keys = keys.collect();
    let symbols = desk.pairs.iter().map(|pair| pair.symbol.clone()).collect();
    let burst = settings.messages_burst_max;
    let message_rate = settings.messages_per_s_max.map(|per_s| MessageRate { per_s, burst });
    let faults = settings.faults.clone();
    let all = ServerSettings { desk, ws: WsSettings { message_rate }, faults };
    Ok((Server::new(&all, now).map_err(refused)?, keys, symbols))
}

fn adjusted(mut desk: DeskSettings, settings: &SimSettings) -> Result<DeskSettings> {
    desk.post_only = match &*settings.post_only {
        "late_cancel" => PostOnlyMode::LateCancel,
        "immediate_error" => PostOnlyMode::ImmediateError,
        other => bail!("venue_sim.post_only = {other:?}: want late_cancel or immediate_error"),
    };
    let tier = match settings.tier.as_deref() {
        None => None,
        Some("starter") => Some(Tier::Starter),
        Some("intermediate") => Some(Tier::Intermediate),
        Some("pro") => Some(Tier::Pro),
        Some("unlimited") => Some(Tier::Unlimited),
        Some(other) => {
            bail!("venue_sim.tier = {other:?}: want starter, intermediate, pro or unlimited")
        }
    };
    for account in &mut desk.accounts {
        account.tier = tier.unwrap_or(account.tier);
        account.volume_usd = settings.volume_usd.map_or(account.volume_usd, Into::into);
    }
    Ok(desk)
}

pub(crate) fn refused(problems: Vec<SettingProblem>) -> anyhow::Error {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    anyhow::anyhow!("the settings are impossible:\n  {}", lines.join("\n  "))
}

/// Gives the US dollar value of every asset, by its v2 name, as the start of the generated prices.
fn values(desk: &DeskSettings) -> BTreeMap<String, f64> {
    let value = |rate: &str| rate.parse::<f64>().ok();
    let assets = desk.assets.iter();
    let valued = assets.filter_map(|it| Some((it.v2.clone(), value(&it.usd_rate?.to_string())?)));
    valued.collect()
}

fn flow_pair(catalogue: &Catalogue, pair: &PairDef) -> Option<FlowPair> {
    let name = |ix| catalogue.asset(ix).map(|asset| asset.v2.to_string());
    let (tick, lot, qty_min) = pair.steps()?;
    Some(FlowPair {
        symbol: pair.symbol.clone(),
        base: name(pair.base)?,
        quote: name(pair.quote)?,
        price_decimals: pair.price_decimals,
        qty_decimals: pair.qty_decimals,
        tick,
        lot,
        qty_min,
    })
}
