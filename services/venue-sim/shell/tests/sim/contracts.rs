//! A simulated Kraken Futures over real sockets: our own session on it, and what it tells over REST.

use crate::common::{PATIENCE, get, json, post, start};
use remora_domain::{BookState, BookTop, ContractKind, Instrument, Level, Side, VenueId};
use remora_service_kit::Clock;
use remora_venue_api::{
    FeedInput, FeedOutput, FeedSession, FeedSettings, LinkCommand, MarketEvent, Problem,
};
use remora_venue_link::{SocketSettings, VenueSockets};
use remora_venue_registry::{find, kraken_futures_rest as rest};
use remora_venue_sim::{Sim, SimVenue};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Is our own session on the exchange, with what it has heard.
struct Listener {
    session: Box<dyn FeedSession>,
    sockets: VenueSockets,
    clock: Clock,
    out: Vec<FeedOutput>,
    instruments: BTreeMap<String, Instrument>,
    tops: BTreeMap<String, BookTop>,
    trades: usize,
    tickers: BTreeMap<String, remora_domain::Ticker>,
    problems: Vec<Problem>,
}

impl Listener {
    fn new(sim: &Sim) -> Self {
        let venue = VenueId::new("kraken-futures").unwrap();
        let session = (find(&venue).unwrap().feed)(FeedSettings {
            venue,
            symbols: None,
            shard: (0, 1),
            depth: 10,
            levels_published: 1000,
            url: format!("ws://{}/ws/v1", sim.addresses.main),
            is_recorded: false,
            is_synthetic: true,
            seed: 1,
        });
        let clock = Clock::new();
        let own = clock.clone();
        let sockets = VenueSockets::new(SocketSettings::default(), Arc::new(move || own.now()));
        Self {
            session,
            sockets,
            clock,
            out: Vec::new(),
            instruments: BTreeMap::new(),
            tops: BTreeMap::new(),
            trades: 0,
            tickers: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    /// Runs until it has heard enough.
    async fn until(&mut self, is_enough: impl Fn(&Self) -> bool) {
        let run = async {
            while !is_enough(self) {
                for output in std::mem::take(&mut self.out) {
                    self.take(output);
                }
                let deadline = self.session.next_deadline();
                tokio::select! {
                    input = self.sockets.recv() => {
                        self.session.handle(self.clock.now(), input, &mut self.out);
                    }
                    () = self.clock.sleep_until(deadline) => {
                        self.session.tick(self.clock.now(), &mut self.out);
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, run).await.expect("the feed goes on");
    }

    fn start(&mut self) {
        self.session.handle(self.clock.now(), FeedInput::Start, &mut self.out);
    }

    fn take(&mut self, output: FeedOutput) {
        match &output {
            FeedOutput::Event(MarketEvent::Instrument(made)) => {
                self.instruments.insert(made.symbol.clone(), made.clone());
            }
            FeedOutput::Event(MarketEvent::Book { top, .. }) => {
                self.tops.insert(top.instrument.instrument.to_string(), top.clone());
            }
            FeedOutput::Event(MarketEvent::Trade { .. }) => self.trades += 1,
            FeedOutput::Event(MarketEvent::Ticker { ticker, .. }) => {
                self.tickers.insert(ticker.instrument.instrument.to_string(), ticker.clone());
            }
            FeedOutput::Problem(problem) => self.problems.push(problem.clone()),
            FeedOutput::Event(MarketEvent::Status(_))
            | FeedOutput::Connect { .. }
            | FeedOutput::Send { .. }
            | FeedOutput::Close { .. } => {}
        }
        if let Some(command) = LinkCommand::of(output) {
            self.sockets.perform(command);
        }
    }

    fn changes(&self) -> u64 {
        self.session.counters().values().map(|it| it.checksums_passed).sum()
    }
}

async fn futures() -> Sim {
    start(|settings| settings.venue = SimVenue::KrakenFutures).await
}

#[tokio::test]
async fn our_own_session_follows_every_contract_without_a_gap_and_has_the_books_of_rest() {
    let sim = futures().await;
    let mut listener = Listener::new(&sim);
    listener.start();
    listener
        .until(|it| it.tops.len() == sim.symbols.len() && it.trades >= 5 && it.changes() > 2_000)
        .await;
    assert_eq!(listener.problems, []);
    assert_eq!(listener.instruments.len(), sim.symbols.len());
    let kind = |symbol: &str| listener.instruments.get(symbol).unwrap().kind;
    assert_eq!(kind("PF_XBTUSD"), ContractKind::LinearPerpetual);
    assert_eq!(kind("PI_XBTUSD"), ContractKind::InversePerpetual);
    // The crowd stops; then the session has every level that REST tells.
    let (main, admin) = (sim.addresses.main, sim.addresses.admin);
    let stopped = post(&format!("http://{admin}/sim/flow"), r#"{"is_running":false}"#).await;
    assert_eq!(stopped["flow"], "paused");
    for symbol in ["PF_XBTUSD", "PI_ETHUSD", "PF_DOGEUSD"] {
        let url = format!("http://{main}/derivatives/api/v3/orderbook?symbol={symbol}");
        let (bids, asks) = rest::order_book(&get(&url).await.1).unwrap();
        assert!(bids.len() > 5 && asks.len() > 5, "{symbol}");
        let name = listener.instruments.get(symbol).unwrap().key.instrument.to_string();
        let is_same = |ours: &[Level], theirs: &[Level]| ours == theirs;
        listener
            .until(|it| {
                let top = it.tops.get(&name).unwrap();
                is_same(&top.bids, &bids) && is_same(&top.asks, &asks)
            })
            .await;
    }
    assert_eq!(listener.problems, []);
    assert!(listener.tops.values().all(|top| top.state == BookState::Live));
    sim.stop().await.unwrap();
}

#[tokio::test]
async fn tickers_tell_mark_index_open_interest_and_funding() {
    let sim = futures().await;
    let mut listener = Listener::new(&sim);
    listener.start();
    listener.until(|it| it.tickers.contains_key("BTC-USD-PERP")).await;
    let ticker = listener.tickers.get("BTC-USD-PERP").unwrap();
    let contract = ticker.contract.as_ref().unwrap();
    assert!(contract.funding.unwrap().next_time.is_some() && !contract.open_interest.is_zero());
    let (mark, index) = (contract.mark.to_est(), contract.index.to_est());
    assert!((mark / index - 1.0).abs() <= 0.01, "{mark} {index}");
    sim.stop().await.unwrap();
}

#[tokio::test]
async fn rest_tells_what_the_codec_reads() {
    let sim = futures().await;
    let mut listener = Listener::new(&sim);
    listener.start();
    // Trades have happened once the session has heard of some.
    listener.until(|it| it.trades >= 3).await;
    let base = format!("http://{}", sim.addresses.main);
    let tickers = get(&format!("{base}/derivatives/api/v3/tickers")).await.1;
    let tickers = rest::tickers(&tickers).unwrap();
    assert_eq!(tickers.len(), sim.symbols.len());
    let traded = tickers.iter().find(|ticker| ticker.last.is_some()).unwrap();
    let symbol = &traded.symbol;
    let history = get(&format!("{base}/derivatives/api/v3/history?symbol={symbol}")).await.1;
    let trades = rest::trades(&history).unwrap();
    assert!(trades.iter().all(|trade| matches!(trade.taker_side, Side::Buy | Side::Sell)));
    assert!(!trades.is_empty());
    let chart = get(&format!("{base}/api/charts/v1/trade/{symbol}/1m")).await.1;
    assert!(!rest::candles(&chart).unwrap().candles.is_empty());
    let past = get(&format!("{base}/api/history/v3/market/{symbol}/executions")).await.1;
    assert!(!rest::executions(&past).unwrap().trades.is_empty());
    for version in ["v3/historical-funding-rates", "v4/historicalfundingrates"] {
        let url = format!("{base}/derivatives/api/{version}?symbol=PF_XBTUSD");
        // The first period ends with the hour.
        rest::funding(&get(&url).await.1).unwrap();
    }
    sim.stop().await.unwrap();
}

#[tokio::test]
async fn strangers_are_refused_and_what_is_not_there_is_not_found() {
    let sim = futures().await;
    let base = format!("http://{}", sim.addresses.main);
    let refused = json(&format!("{base}/derivatives/api/v3/openorders")).await;
    assert_eq!(
        (&refused["result"], &refused["error"]),
        (&"error".into(), &"authenticationError".into())
    );
    assert_eq!(get(&format!("{base}/0/public/Time")).await.0, 404);
    assert_eq!(get(&format!("{base}/api/charts/v1/trade/PF_NOWHERE/1m")).await.0, 404);
    sim.stop().await.unwrap();
}
