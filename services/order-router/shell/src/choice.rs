//! Which venue stands beside the router, checked before anything is opened: simulated, or the real one.

use anyhow::{Context as _, Result};
use remora_domain::{SessionId, SettingProblem};
use remora_order_router_core::{OrderRouterConfig, TradingMode};
use remora_service_kit::config::{Config, read_secret};
use remora_service_kit::{Clock, Secret};
use remora_venue_api::Credentials;
use remora_venue_link::{
    LiveAccount, LivePlan, LiveSettings, LiveVenue, OrderEntryDriver, ReceiveClock,
};
use remora_venue_registry::find;
use remora_venue_registry::paper::{PaperConfig, PaperSettings, PaperVenue};
use std::path::PathBuf;
use std::sync::Arc;

/// What trading live needs beside the profile.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LiveArguments {
    /// The operator's word that this process may send real orders; needed where `order_router.mode` is `live`.
    #[arg(long)]
    confirm_live: bool,
    /// The file that holds the API key.
    #[arg(long, env = "REMORA_VENUE_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The file that holds the key's secret.
    #[arg(long, env = "REMORA_VENUE_SECRET_FILE", value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

/// Is the venue, checked and not opened.
pub(crate) enum Choice {
    /// Simulated on the public market data.
    Paper(Box<PaperConfig>),
    /// The real one.
    Live(Box<LivePlan>),
}

impl Choice {
    /// Reads what the mode needs. `None` when something is wrong; what, is kept for `Config::finish`.
    pub(crate) fn read(
        config: &mut Config,
        mode: TradingMode,
        core: Option<&OrderRouterConfig>,
        arguments: &LiveArguments,
    ) -> Option<Self> {
        match mode {
            TradingMode::Paper => {
                let settings = config.section::<PaperSettings>("paper");
                settings.zip(core).and_then(|(settings, core)| {
                    // The run is known once the process has started.
                    let paper = settings.validate(&core.account, &core.venue, SessionId::default());
                    config.check("paper", paper).map(|paper| Self::Paper(Box::new(paper)))
                })
            }
            TradingMode::Live => live(config, core, arguments),
        }
    }

    /// Says what the venue is, for the log and for health.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Paper(_) => "simulated on the public market data".to_owned(),
            Self::Live(plan) => format!(
                "LIVE: calls to {}, private socket {}; {}",
                plan.rest_url(),
                plan.private_url(),
                plan.dead_man()
            ),
        }
    }

    /// Tells whether the venue fills against market data on the bus.
    pub(crate) const fn is_simulated(&self) -> bool {
        matches!(self, Self::Paper(_))
    }

    /// Makes the session and what drives it.
    pub(crate) fn open(self, run: SessionId, seed: u64, clock: &Clock) -> Result<OrderEntryDriver> {
        let stamp = clock.clone();
        let clock: ReceiveClock = Arc::new(move || stamp.now());
        Ok(match self {
            Self::Paper(paper) => {
                let venue = PaperVenue::new(PaperConfig { run, ..*paper }, seed);
                OrderEntryDriver::new(Box::new(venue), None, clock)
            }
            Self::Live(plan) => {
                let opened = plan.open(run, seed, Arc::clone(&clock));
                let (session, wire) = opened.context("open the order-entry session")?;
                OrderEntryDriver::new(session, Some(wire), clock)
            }
        })
    }
}

fn live(
    config: &mut Config,
    core: Option<&OrderRouterConfig>,
    arguments: &LiveArguments,
) -> Option<Choice> {
    let settings = config.section::<LiveSettings>("live");
    let word = if arguments.confirm_live {
        Ok(())
    } else {
        let allowed = "--confirm-live on the command line as well, since real orders are sent; or \
                       \"paper\", to trade with simulated money";
        Err(vec![problem("order_router.mode", "live", allowed)])
    };
    let word = config.check("order_router", word);
    let key = secret(config, "key_file", arguments.key_file.as_ref(), "REMORA_VENUE_KEY_FILE");
    let secret_file = arguments.secret_file.as_ref();
    let secret = secret(config, "secret_file", secret_file, "REMORA_VENUE_SECRET_FILE");
    let (settings, core, key, secret) = (settings?, core?, key?, secret?);
    let Some(entry) = find(&core.venue) else {
        let unknown = problem("order_router.venue", core.venue.as_str(), "a known venue");
        return config.check("order_router", Err(vec![unknown]));
    };
    let account = LiveAccount {
        venue: core.venue.clone(),
        account: core.account.clone(),
        cl_ord_id_prefix: core.cl_ord_id_prefix.clone(),
        credentials: Credentials {
            key: key.expose().as_str().into(),
            secret: secret.expose().as_str().into(),
        },
    };
    let (rest_url, private_url, orders) = (entry.rest_url, entry.private_url, entry.orders);
    let venue = LiveVenue { rest_url, private_url, orders };
    let plan = config.check("live", LivePlan::check(settings, venue, account))?;
    word.map(|()| Choice::Live(Box::new(plan)))
}

fn secret(
    config: &mut Config,
    key: &str,
    path: Option<&PathBuf>,
    variable: &str,
) -> Option<Secret<String>> {
    let read = match path {
        Some(path) => read_secret(key, path),
        None => {
            let flag = key.replace('_', "-");
            Err(problem(key, "(missing)", &format!("--{flag} FILE, or {variable}")))
        }
    };
    config.check("live", read.map_err(|problem| vec![problem]))
}

fn problem(key: &str, value: &str, allowed: &str) -> SettingProblem {
    let (key, value, allowed) = (key.to_owned(), value.to_owned(), allowed.to_owned());
    SettingProblem { key, value, allowed }
}
