//! The `[venue_sim]` section and the command line over it.

use crate::exchange::SimVenue;
use remora_domain::SettingProblem;
use remora_flow::FlowSettings;
use remora_service_kit::config::{Config, Effective, TelemetrySettings};
use remora_venue_link::Pace;
use remora_venue_registry::kraken_spot::faults::FaultSettings;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Is the section as written. Everything in it is about a simulation: no money is real.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimSettings {
    /// Which venue is simulated: `kraken-spot` when absent, or `kraken-futures`, whose doors are `listen`, `admin_listen` and
    /// `tls_listen`. The subcommand of `remora sim` decides.
    pub venue: SimVenue,
    /// REST and public WebSocket. Port 0 takes any free one; 127.0.0.1:9080 when absent.
    pub listen: SocketAddr,
    /// Private WebSocket; 127.0.0.1:9081 when absent.
    pub auth_listen: SocketAddr,
    /// The order-level book; 127.0.0.1:9082 when absent.
    pub l3_listen: SocketAddr,
    /// Operators of the simulation; 127.0.0.1:9083 when absent. Whoever reaches it may do anything: keep it private.
    pub admin_listen: SocketAddr,
    /// All of the venue's hosts over TLS, told apart by name; none when absent.
    pub tls_listen: Option<SocketAddr>,
    /// The certificate chain of the TLS door, PEM; one is made at start when absent.
    pub tls_certificate_file: Option<PathBuf>,
    /// Its private key, PEM.
    pub tls_key_file: Option<PathBuf>,
    /// Where to write the authority that clients have to trust when the certificate is made at start.
    pub tls_authority_file: Option<PathBuf>,
    /// The folder to write the throw-away keys to, two files a key; none are written when absent.
    pub keys_folder: Option<PathBuf>,
    /// Connections at once over all doors, 1 to 100,000; 4,096 when absent.
    pub connections_max: usize,
    /// Frames that may wait for a client to read them, 16 to 1,000,000; 16,384 when absent. A client that lets more
    /// wait is cut off.
    pub queue_frames_max: usize,
    /// Messages a second that a connection may send, and at once; no limit when absent.
    pub messages_per_s_max: Option<u32>,
    /// See `messages_per_s_max`; 100 when absent.
    pub messages_burst_max: u32,
    /// Limits of the throw-away accounts: `starter`, `intermediate`, `pro` or `unlimited`; those of the accounts when
    /// absent.
    pub tier: Option<String>,
    /// What each throw-away account has traded in the last 30 days, in US dollars: it sets their fees. That of the accounts
    /// when absent.
    pub volume_usd: Option<u64>,
    /// How a post-only order that would take is refused: `late_cancel` or `immediate_error`.
    pub post_only: String,
    /// What the crowd does, with `--seed`; what such pairs usually do when absent.
    pub flow: Option<FlowSettings>,
    /// What goes wrong by itself.
    pub faults: FaultSettings,
}

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

impl Default for SimSettings {
    fn default() -> Self {
        Self {
            venue: SimVenue::KrakenSpot,
            listen: local(9080),
            auth_listen: local(9081),
            l3_listen: local(9082),
            admin_listen: local(9083),
            tls_listen: None,
            tls_certificate_file: None,
            tls_key_file: None,
            tls_authority_file: None,
            keys_folder: None,
            connections_max: 4_096,
            queue_frames_max: 16_384,
            messages_per_s_max: None,
            messages_burst_max: 100,
            tier: None,
            volume_usd: None,
            post_only: "late_cancel".to_owned(),
            flow: None,
            faults: FaultSettings::default(),
        }
    }
}

impl SimSettings {
    /// Listens on free ports of this machine, for tests.
    #[must_use]
    pub fn on_free_ports() -> Self {
        let any = local(0);
        Self { listen: any, auth_listen: any, l3_listen: any, admin_listen: any, ..Self::default() }
    }

    /// Checks what does not depend on the pairs.
    ///
    /// # Errors
    /// Gives every problem found.
    fn validate(self) -> Result<Self, Vec<SettingProblem>> {
        let mut problems = self.faults.problems();
        let mut check = |is_good: bool, key: &str, value: String, allowed: &str| {
            if !is_good {
                let (key, allowed) = (key.to_owned(), allowed.to_owned());
                problems.push(SettingProblem { key, value, allowed });
            }
        };
        let (connections, queue) = (self.connections_max, self.queue_frames_max);
        let is_possible = (1..=100_000).contains(&connections);
        check(is_possible, "connections_max", connections.to_string(), "1 to 100000");
        let is_possible = (16..=1_000_000).contains(&queue);
        check(is_possible, "queue_frames_max", queue.to_string(), "16 to 1000000");
        let (rate, burst) = (self.messages_per_s_max, self.messages_burst_max);
        check(rate != Some(0), "messages_per_s_max", "0".to_owned(), "1 or more, or absent");
        check(burst > 0, "messages_burst_max", "0".to_owned(), "1 or more");
        let has_both = self.tls_certificate_file.is_some() == self.tls_key_file.is_some();
        let allowed = "tls_certificate_file and tls_key_file, or neither";
        check(has_both, "tls_certificate_file", "alone".to_owned(), allowed);
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }
}

/// Is where the market comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Everything is made from a seed.
    Seed {
        /// The seed.
        seed: u64,
        /// Invented pairs beside the usual ones.
        invented: u32,
    },
    /// Recorded book and trade frames.
    Recordings {
        /// The files, in order.
        paths: Vec<PathBuf>,
        /// How fast.
        pace: Pace,
        /// Whether to begin anew at the end.
        is_repeated: bool,
        /// Keys and ids derive from it.
        seed: u64,
    },
}

/// Is the command line, of the program of its own and of `remora sim`.
#[derive(Clone, Debug, clap::Args)]
pub struct SimArguments {
    /// Where the market comes from: recordings, played in this order. Default: a market made from the seed.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub data: Vec<PathBuf>,
    /// Seed of the market, of the throw-away keys and of every chance.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Invented pairs beside the usual ones, at most 9,999.
    #[arg(long, default_value_t = 0, value_name = "COUNT", conflicts_with = "data")]
    #[arg(value_parser = clap::value_parser!(u32).range(..=9_999))]
    pub pairs: u32,
    /// How fast recordings are played: `max`, `1x`, `10x`.
    #[arg(long, default_value = "1x", value_name = "PACE", requires = "data")]
    pub pace: Pace,
    /// Play the recordings again and again.
    #[arg(long, requires = "data")]
    pub repeat: bool,
    /// Settings in a TOML file, section `[venue_sim]`.
    #[arg(long, env = "REMORA_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// REST and public WebSocket.
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<SocketAddr>,
    /// Private WebSocket.
    #[arg(long, value_name = "HOST:PORT")]
    pub auth_listen: Option<SocketAddr>,
    /// Order-level book.
    #[arg(long, value_name = "HOST:PORT")]
    pub l3_listen: Option<SocketAddr>,
    /// Operators of the simulation.
    #[arg(long, value_name = "HOST:PORT")]
    pub admin_listen: Option<SocketAddr>,
    /// All hosts over TLS, told apart by name.
    #[arg(long, value_name = "HOST:PORT")]
    pub tls_listen: Option<SocketAddr>,
    /// Where to write the authority that TLS clients have to trust.
    #[arg(long, value_name = "FILE.pem", requires = "tls_listen")]
    pub tls_authority: Option<PathBuf>,
    /// Write each throw-away key to this folder, as NAME.key and NAME.secret: what `remora live` takes.
    #[arg(long, value_name = "FOLDER")]
    pub keys_dir: Option<PathBuf>,
    /// Limits of the throw-away accounts: `starter`, `intermediate`, `pro`, `unlimited`.
    #[arg(long, value_name = "TIER")]
    pub tier: Option<String>,
    /// What each throw-away account has traded in the last 30 days: it sets their fees. From 10000000 a maker pays none.
    #[arg(long, value_name = "USD")]
    pub volume_usd: Option<u64>,
}

/// Is everything a simulated exchange is started with.
#[derive(Clone, Debug)]
pub struct SimPlan {
    /// The section.
    pub settings: SimSettings,
    /// Where the market comes from.
    pub source: Source,
}

/// Is what a process needs beside the plan.
#[derive(Debug)]
pub struct ProcessPlan {
    /// The plan.
    pub sim: SimPlan,
    /// How it logs.
    pub telemetry: TelemetrySettings,
    /// What is in force, for people.
    pub effective: Effective,
}

impl SimArguments {
    /// Reads the settings and lays the command line over them; the venue is the settings' where none is given.
    ///
    /// # Errors
    /// Gives everything that is wrong with the settings.
    pub fn plan(self, venue: Option<SimVenue>) -> anyhow::Result<ProcessPlan> {
        let mut config = match &self.config {
            Some(path) => Config::open(path)?,
            None => Config::parse("(no file)", "", std::env::vars_os().filter_map(text))?,
        };
        let telemetry = config.section::<TelemetrySettings>("telemetry");
        let settings = config.section::<SimSettings>("venue_sim").map(|file| {
            let venue = venue.unwrap_or(file.venue);
            self.over(SimSettings { venue, ..file })
        });
        let settings = settings.and_then(|all| config.check("venue_sim", all.validate()));
        let ((telemetry, settings), effective) = config.finish(telemetry.zip(settings))?;
        let Self { data: paths, seed, pairs: invented, pace, repeat: is_repeated, .. } = self;
        let source = if paths.is_empty() {
            Source::Seed { seed, invented }
        } else {
            Source::Recordings { paths, pace, is_repeated, seed }
        };
        Ok(ProcessPlan { sim: SimPlan { settings, source }, telemetry, effective })
    }

    fn over(&self, file: SimSettings) -> SimSettings {
        SimSettings {
            listen: self.listen.unwrap_or(file.listen),
            auth_listen: self.auth_listen.unwrap_or(file.auth_listen),
            l3_listen: self.l3_listen.unwrap_or(file.l3_listen),
            admin_listen: self.admin_listen.unwrap_or(file.admin_listen),
            tls_listen: self.tls_listen.or(file.tls_listen),
            tls_authority_file: self.tls_authority.clone().or(file.tls_authority_file),
            keys_folder: self.keys_dir.clone().or(file.keys_folder),
            tier: self.tier.clone().or(file.tier),
            volume_usd: self.volume_usd.or(file.volume_usd),
            ..file
        }
    }
}

/// A variable that is not text cannot be one of ours.
fn text((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}
