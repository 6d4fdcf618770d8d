//! `cargo xtask up`: the whole system on this machine, every service as its own process over real servers.

use crate::{say, steps};
use anyhow::{Context as _, Result, bail};
use remora_deployment::{Deployment, Options, Role};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Recordings to play, in order. Default: the synthetic recording that ships with Remora.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    data: Vec<PathBuf>,
    /// How fast to play: `1x`, `10x`, `max`. Time is compressed with it.
    #[arg(long, value_name = "PACE", default_value = "1x")]
    pace: String,
    /// Limits, fees, balances and pair selection: the name of a shipped profile or a TOML file. Default: `demo`, or
    /// `recordings` with --data.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// How many ingestors share the venue's instruments.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    shards: u32,
    /// Builds and runs optimised programs.
    #[arg(long)]
    release: bool,
    /// Keeps logs and flight recordings in this folder; otherwise they go when the system stops.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// Stops by itself once the recording has been played, instead of on Ctrl-C.
    #[arg(long)]
    until_played: bool,
}

/// Builds, starts, tells where everything is, follows progress, stops on Ctrl-C.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    remora_test_servers::ensure_tools().context("get the servers")?;
    let programs = steps::build_programs(root, arguments.release)?;
    let profile = arguments.profile.clone();
    let has_data = !arguments.data.is_empty();
    let profile =
        profile.unwrap_or_else(|| if has_data { "recordings" } else { "demo" }.to_owned());
    let options = Options {
        profile: find_profile(root, &profile)?,
        recordings: arguments.data.iter().map(|path| absolute(path)).collect::<Result<_>>()?,
        pace: arguments.pace.clone(),
        shards: arguments.shards,
        programs,
        folder: arguments.keep.clone(),
        ..Options::demo()?
    };
    say("starting; this takes some seconds");
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let mut deployment = Deployment::start(options)?;
    tell(&mut deployment)?;
    let followed = runtime.block_on(follow(&mut deployment, arguments.until_played));
    if let Err(error) = &followed {
        say(&format!("FAILED: {error:#}"));
    }
    say("stopping");
    let kept = deployment.folder().to_owned();
    deployment.stop()?;
    if arguments.keep.is_some() {
        say(&format!("logs and flight recordings are kept in {}", kept.display()));
    }
    say("stopped");
    followed
}

fn find_profile(root: &Path, name: &str) -> Result<PathBuf> {
    let shipped = root.join("profiles").join(format!("{name}.toml"));
    for path in [shipped, absolute(Path::new(name))?] {
        if path.is_file() {
            return Ok(path);
        }
    }
    bail!("{name}: neither a shipped profile nor a file")
}

/// Services run in this folder too, but a path that is told must be found from anywhere.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("find {}", path.display()))
}

/// Says where everything is.
fn tell(deployment: &mut Deployment) -> Result<()> {
    let folder = deployment.folder().to_owned();
    say("\nservices:");
    for name in deployment.names() {
        let (http, grpc) = (deployment.http(&name)?, deployment.grpc(&name)?);
        say(&format!("  {name:26} http://{http} (livez readyz metrics status)  grpc {grpc}"));
    }
    say(&format!("\nNATS         {}", deployment.nats().url()));
    say(&format!("Redis        {}", deployment.redis().url()));
    say(&format!("PostgreSQL   {}", deployment.postgres_url()));
    say(&format!("logs         {}", folder.join("logs").display()));
    say(&format!("recordings   {}", deployment.flight_folder().display()));
    let secrets = folder.join("secrets");
    say(&format!("secrets      {} (control.tokens, <user>.password)", secrets.display()));
    let decision = deployment.http("decision")?;
    let token = deployment.token(Role::Viewer)?;
    say("\nlook at it:");
    say(&format!("  curl -H 'Authorization: Bearer {token}' http://{decision}/status"));
    say(&format!("  psql {} -c 'SELECT * FROM fills'", deployment.postgres_url()));
    say("\nthe market data is a recording; nothing is sent to an exchange. Ctrl-C stops.\n");
    Ok(())
}

/// Tells how far everything is until somebody stops it or a service ends, which none does unasked.
async fn follow(deployment: &mut Deployment, until_played: bool) -> Result<()> {
    let mut interval = tokio::time::interval(PROGRESS_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            stop = tokio::signal::ctrl_c() => return stop.context("listen for Ctrl-C"),
            _ = interval.tick() => {
                deployment.check_running()?;
                let progress = progress(deployment)?;
                say(&progress.line);
                if until_played && progress.is_over {
                    return Ok(());
                }
            }
        }
    }
}

struct Progress {
    line: String,
    is_over: bool,
}

fn progress(deployment: &Deployment) -> Result<Progress> {
    let (mut frames, mut total, mut is_over) = (0_u64, 0_u64, true);
    for name in deployment.names().iter().filter(|name| name.starts_with("ingestor-")) {
        let details = deployment.details(name)?;
        let number = |key: &str| details.get(key).and_then(serde_json::Value::as_u64).unwrap_or(0);
        frames = frames.saturating_add(number("frames"));
        total = total.saturating_add(number("frames_total"));
        is_over &= details.get("finished") == Some(&serde_json::Value::Bool(true));
    }
    let counts = deployment.query(
        "SELECT 'requests '||(SELECT count(*) FROM order_requests)\
         ||'  approvals '||(SELECT count(*) FROM order_approvals)\
         ||'  refusals '||(SELECT count(*) FROM order_refusals)\
         ||'  events '||(SELECT count(*) FROM order_events)\
         ||'  fills '||(SELECT count(*) FROM fills)",
    );
    // The tables are there once the persister has made them.
    let counts = counts.unwrap_or_else(|_| "no history yet".to_owned());
    Ok(Progress { line: format!("frames {frames} of {total}  {}", counts.trim()), is_over })
}
