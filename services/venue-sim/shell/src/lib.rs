//! A simulated exchange over real sockets: HTTP and WebSockets around a venue's server half.
//!
//! In: a plan (where to listen, where the market comes from). Out: a running exchange that other people's clients trade
//! on, its addresses and its throw-away keys. `remora-venue-sim` and `remora sim VENUE` start it, tests start
//! it in process on free ports.
//!
//! One thread owns the exchange, a deterministic machine (`drive`). Sockets talk to it over one bounded queue and wait
//! when it is full; it talks to each of them over a bounded queue and cuts off whoever lets it fill up, as venues do.
//! Everything the venue decides is decided in that machine.
//!
//! Operators have a door of their own: `/sim/faults` (GET what is in force and what happened, POST a fault, POST
//! `/sim/faults/clear`), `/sim/accounts` (GET the books of every account, `/NAME`, `/NAME/orders`, `/NAME/executions`;
//! POST a `/NAME/deposit`), `/sim/flow` (POST `{"is_running":false}` stops the crowd), `/sim/status` and `/sim/shell`
//! (GET counters), `/livez`.
//!
//! What must never happen here: a decision of the venue's, a queue without a bound, a call that nobody answers.
//! Test alone: `cargo nextest run -p remora-venue-sim` (loopback only).

mod door;
mod drive;
mod exchange;
mod feed;
mod front;
mod futures;
mod keys;
mod message;
mod settings;
mod socket;
mod tls;
mod world;

pub use exchange::SimVenue;
pub use settings::{ProcessPlan, SimArguments, SimPlan, SimSettings, Source};
pub use world::ThrowAwayKey;

use anyhow::{Context, Result};
use door::{Caller, Door};
use drive::{Drive, Hands};
use front::Front;
use message::Message;
use remora_service_kit::{Clock, Shutdown};
use remora_venue_registry::kraken_spot::io::WsHost;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use world::World;

/// Requests and frames that may wait for the exchange; whoever sends more waits.
const INBOX_MAX: usize = 8_192;

/// Is a running simulated exchange.
#[derive(Debug)]
pub struct Sim {
    /// Where everything is.
    pub addresses: Addresses,
    /// The keys of its accounts.
    pub keys: Vec<ThrowAwayKey>,
    /// v2 symbols of its pairs.
    pub symbols: Vec<String>,
    /// Whether the prices were made by a generator.
    pub is_synthetic: bool,
    venue: SimVenue,
    shutdown: Shutdown,
    drive: JoinHandle<()>,
    doors: Vec<JoinHandle<()>>,
}

/// Is where everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// REST and public WebSocket.
    pub main: SocketAddr,
    /// Private WebSocket; `main` where the venue has none of its own.
    pub auth: SocketAddr,
    /// Order-level book; `main` where the venue has none.
    pub l3: SocketAddr,
    /// Operators.
    pub admin: SocketAddr,
    /// Everything by host name over TLS.
    pub tls: Option<SocketAddr>,
    /// What TLS clients have to trust, as PEM, where the certificate was made at start.
    pub tls_authority_pem: Option<String>,
}

impl Sim {
    /// Builds the exchange, binds every address and begins to serve. `shutdown` ends it as [`Sim::stop`] does.
    ///
    /// # Errors
    /// Tells what is wrong with the settings, the recordings, or an address.
    pub async fn start(plan: SimPlan, shutdown: Shutdown) -> Result<Self> {
        let clock = Clock::new();
        let (settings, now) = (plan.settings.clone(), clock.now());
        // Reading recordings takes a while and blocks.
        let built = tokio::task::spawn_blocking(move || world::build(plan, now)).await;
        let venue = settings.venue;
        let World { server, feed, keys, symbols, is_synthetic } =
            built.context("build the exchange")??;
        let (inbox, received) = mpsc::channel(INBOX_MAX);
        let (addresses, doors) = serve(&settings, inbox, &shutdown).await?;
        let (clock, hands) = (clock.clone(), Hands::default());
        let drive = Drive {
            exchange: server,
            feed,
            clock,
            inbox: received,
            shutdown: shutdown.clone(),
            hands,
        };
        // A thread and timers of its own: matching never waits for sockets, and where the process ends without
        // stopping it, its inbox closes and it ends too.
        let own = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let own = own.context("make the timers of the exchange")?;
        let drive = tokio::task::spawn_blocking(move || own.block_on(drive.run()));
        Ok(Self { addresses, keys, symbols, is_synthetic, venue, shutdown, drive, doors })
    }

    /// Waits until the exchange has ended: every connection told, every call answered.
    ///
    /// # Errors
    /// Tells when the thread that owns the exchange failed.
    pub async fn ended(self) -> Result<()> {
        self.drive.await.context("run the exchange")?;
        for door in self.doors {
            door.abort();
            // It ends because it was told to.
            let _ = door.await;
        }
        Ok(())
    }

    /// Ends the exchange.
    ///
    /// # Errors
    /// Tells when the thread that owns the exchange failed.
    pub async fn stop(self) -> Result<()> {
        self.shutdown.request();
        self.ended().await
    }

    /// Says where everything is and which keys there are, for people.
    #[must_use]
    pub fn description(&self) -> String {
        match self.venue {
            SimVenue::KrakenSpot => self.describe_spot(),
            SimVenue::KrakenFutures => self.describe_futures(),
        }
    }

    fn describe_futures(&self) -> String {
        let Addresses { main, admin, tls, .. } = &self.addresses;
        let mut lines = vec![
            "Simulated Kraken Futures, public side, SYNTHETIC prices: nothing here reaches a real exchange.".to_owned(),
            format!("REST             http://{main}/derivatives/api/v3/ (also /api/charts/v1/, /api/history/v3/)"),
            format!("WebSocket v1     ws://{main}/ws/v1"),
        ];
        lines.extend(tls.map(|tls| format!("TLS              https://{tls}, wss://{tls}/ws/v1")));
        lines.push(format!("Operator         http://{admin}/sim/ (flow, shell, status)"));
        let count = self.symbols.len();
        lines.push(format!("Contracts        {count}: {}", self.symbols.join(", ")));
        lines.push("To read it:".to_owned());
        lines.push(format!("  remora record --venue kraken-futures --url ws://{main}/ws/v1 --pairs PF_XBTUSD -o FILE"));
        lines.push(format!("  remora paper --venue kraken-futures --url ws://{main}/ws/v1"));
        lines.join("\n")
    }

    fn describe_spot(&self) -> String {
        let Addresses { main, auth, l3, admin, tls, .. } = &self.addresses;
        let prices = if self.is_synthetic { "SYNTHETIC prices" } else { "recorded prices" };
        let mut lines = vec![
            format!(
                "Simulated Kraken Spot, {prices}, simulated money: nothing here reaches a real exchange."
            ),
            format!("REST             http://{main}"),
            format!("WebSocket v2     ws://{main}/v2 (public)"),
            format!("                 ws://{auth}/v2 (private and trading)"),
            format!("                 ws://{l3}/v2 (order-level book)"),
        ];
        lines.extend(
            tls.map(|tls| format!("TLS              https://{tls}, wss://{tls}/v2, by host name")),
        );
        let paths = "accounts, faults, flow, shell, status";
        lines.push(format!("Operator         http://{admin}/sim/ ({paths})"));
        let first: Vec<&str> = self.symbols.iter().take(12).map(String::as_str).collect();
        let more = if self.symbols.len() > first.len() { ", ..." } else { "" };
        lines.push(format!("Pairs            {}: {}{more}", self.symbols.len(), first.join(", ")));
        lines.push("To trade on it:".to_owned());
        lines.push(format!("  remora paper --url ws://{main}/v2"));
        let urls =
            format!("--url ws://{main}/v2 --rest-url http://{main} --private-url ws://{auth}/v2");
        lines.push(format!(
            "  remora live --confirm-live {urls} --key-file FILE --secret-file FILE"
        ));
        let both = format!("{{'public': 'http://{main}', 'private': 'http://{main}'}}");
        lines.push(format!(
            "  ccxt.kraken({{'urls': {{'api': {both}}}, 'apiKey': KEY, 'secret': SECRET}})"
        ));
        lines.push("Throw-away keys (they open simulated accounts and nothing else):".to_owned());
        for ThrowAwayKey { account, name, key, secret } in &self.keys {
            lines.push(format!("  {name} of account {account}"));
            lines.push(format!("    key     {key}"));
            lines.push(format!("    secret  {secret}"));
        }
        lines.join("\n")
    }
}

/// Runs a simulated exchange until a signal ends it; `say` prints for people.
///
/// # Errors
/// Tells what is wrong with the settings, the recordings, or an address.
pub async fn run(plan: SimPlan, say: impl Fn(&str)) -> Result<()> {
    let shutdown = Shutdown::on_signals().context("listen for signals")?;
    let authority_file = plan.settings.tls_authority_file.clone();
    let keys_folder = plan.settings.keys_folder.clone();
    let sim = Sim::start(plan, shutdown).await?;
    if let (Some(path), Some(pem)) = (authority_file, &sim.addresses.tls_authority_pem) {
        std::fs::write(&path, pem).with_context(|| format!("write {}", path.display()))?;
        say(&format!("TLS authority to trust: {}", path.display()));
    }
    if let Some(folder) = keys_folder {
        keys::write(&folder, &sim.keys).with_context(|| format!("write {}", folder.display()))?;
        say(&format!("Keys, each as NAME.key and NAME.secret: {}", folder.display()));
    }
    say(&sim.description());
    sim.ended().await?;
    tracing::info!("ended");
    Ok(())
}

async fn serve(
    settings: &SimSettings,
    inbox: mpsc::Sender<Message>,
    shutdown: &Shutdown,
) -> Result<(Addresses, Vec<JoinHandle<()>>)> {
    let places = Arc::new(Semaphore::new(settings.connections_max));
    let front = Front {
        inbox,
        host: WsHost::Public,
        venue: settings.venue,
        queue_max: settings.queue_frames_max,
        next_peer: Arc::new(AtomicU64::new(1)),
    };
    let plain = async |flag: &str, address: SocketAddr| {
        let door = Door::plain(address, Arc::clone(&places)).await;
        door.with_context(|| unheard(flag, address))
    };
    let main = plain("--listen", settings.listen).await?;
    let admin = plain("--admin-listen", settings.admin_listen).await?;
    let mut addresses = Addresses {
        main: main.address(),
        auth: main.address(),
        l3: main.address(),
        admin: admin.address(),
        tls: None,
        tls_authority_pem: None,
    };
    let host = |host: WsHost| Front { host, ..front.clone() }.router();
    let mut doors = vec![
        spawn(main, host(WsHost::Public), shutdown),
        spawn(admin, front.clone().admin_router(), shutdown),
    ];
    if settings.venue == SimVenue::KrakenSpot {
        let auth = plain("--auth-listen", settings.auth_listen).await?;
        let l3 = plain("--l3-listen", settings.l3_listen).await?;
        (addresses.auth, addresses.l3) = (auth.address(), l3.address());
        doors.push(spawn(auth, host(WsHost::Private), shutdown));
        doors.push(spawn(l3, host(WsHost::Level3), shutdown));
    }
    if let Some(address) = settings.tls_listen {
        let identity = match (&settings.tls_certificate_file, &settings.tls_key_file) {
            (Some(chain), Some(key)) => tls::from_files(chain, key)?,
            (None | Some(_), None | Some(_)) => tls::made()?,
        };
        let door = Door::tls(address, Arc::clone(&places), identity.acceptor).await;
        let door = door.with_context(|| unheard("--tls-listen", address))?;
        addresses.tls = Some(door.address());
        addresses.tls_authority_pem = identity.authority_pem;
        doors.push(spawn(door, host(WsHost::Public), shutdown));
    }
    Ok((addresses, doors))
}

/// Says what to do about an address that cannot be had.
fn unheard(flag: &str, address: SocketAddr) -> String {
    format!("listen on {address}; give another address, or port 0 for any free one, with {flag}")
}

fn spawn(door: Door, router: axum::Router, shutdown: &Shutdown) -> JoinHandle<()> {
    let (address, shutdown) = (door.address(), shutdown.clone());
    let service = router.into_make_service_with_connect_info::<Caller>();
    tokio::spawn(async move {
        let served = axum::serve(door, service)
            .with_graceful_shutdown(async move { shutdown.requested().await });
        if let Err(error) = served.await {
            tracing::error!(%address, %error, "serving ended");
        }
    })
}
