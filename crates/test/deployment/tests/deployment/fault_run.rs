//! Live trading on the simulated exchange on its worst days: every fault it knows, the router killed and started again,
//! and in the end two sets of books that are one.
//!
//! Real processes over real sockets: nats-server with the shipped permissions, PostgreSQL, Redis, `remora sim
//! kraken-spot`, and every service. The truth about orders, executions and balances is the exchange's, told by its
//! operator's door; ours is the durable log, history and the gate.
//!
//! Both sizes are constants below: the small one runs with every test, the full one by `cargo xtask fault-run`.

mod books;
pub(crate) mod exchange;
mod limits;
pub(crate) mod profile;
mod script;
mod secrets;
mod wiretap;

use crate::common::{ROUTER, Watcher, plan};
use books::{Theirs, check_gate, differences, history_differs, ours};
use exchange::Exchange;
use limits::{Limits, Mids, follow};
use remora_bus::Stream;
use remora_deployment::{Deployment, Options, Role, wait_for};
use remora_domain::ControlScope;
use remora_machine::SplitMix64;
use remora_rpc::ControlClient;
use script::Round;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use wiretap::Wiretap;

/// How much there is of everything.
pub(crate) struct Size {
    /// Invented pairs beside the usual eight in US dollars.
    pub(crate) invented: u32,
    /// Whether a second gate stands by.
    pub(crate) has_standby: bool,
    /// Orders that the exchange has accepted before the run may end.
    orders: usize,
    /// How often the router is killed on the way.
    kills: u32,
    /// Rounds of faults that are over before the run may end: a round has each kind at least once.
    rounds: u32,
    round: Round,
    /// The longest that may take.
    within: Duration,
}

impl Size {
    /// Is a run without faults over so many invented pairs.
    pub(crate) const fn quiet(invented: u32, has_standby: bool) -> Self {
        let round = Round { ms: 0, divisor: 1 };
        Self {
            invented,
            has_standby,
            orders: 0,
            kills: 0,
            rounds: 0,
            round,
            within: Duration::ZERO,
        }
    }
}

const SMALL: Size = Size {
    invented: 16,
    has_standby: false,
    orders: 300,
    kills: 2,
    rounds: 1,
    round: Round { ms: 30_000, divisor: 1 },
    within: Duration::from_secs(480),
};
/// With as many faults for each order a router would read back all day, at the pace of the exchange's rate limits.
const FULL: Size = Size {
    invented: 104,
    has_standby: false,
    orders: 10_000,
    kills: 6,
    rounds: 2,
    round: Round { ms: 120_000, divisor: 4 },
    within: Duration::from_secs(3_600),
};

/// The seed of another run.
const SEED: &str = "REMORA_FAULT_SEED";

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Until everything is settled once the faults have ended: the router compares each half minute.
const QUIET_WITHIN: Duration = Duration::from_secs(120);
/// What the venue's timer may be late by: its own tick, and the last sign of life that was on its way.
const TIMER_LATE_MS: i64 = 2_000;

/// Keeps every log of a run that fails.
pub(crate) struct Folder(pub(crate) tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("remora-fault-run-").tempdir().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.disable_cleanup(true);
            eprintln!("fault run: everything is kept in {}", self.0.path().display());
        }
    }
}

/// Is one run.
pub(crate) struct Run {
    pub(crate) exchange: Exchange,
    wiretap: Wiretap,
    pub(crate) deployment: Deployment,
    pub(crate) watcher: Watcher,
    mids: Mids,
    chance: SplitMix64,
    rounds: u32,
    round_ends: Instant,
    report: String,
}

impl Run {
    pub(crate) fn start(seed: u64, size: &Size, folder: &Path) -> Self {
        let programs = Options::demo().unwrap().programs;
        let exchange = Exchange::start(&programs, folder, seed, size.invented);
        let wiretap = Wiretap::before(&exchange.address("REST"));
        let mut options = Options::live(exchange.live(wiretap.url())).unwrap();
        options.profile = profile::write(folder, size.invented);
        options.has_standby = size.has_standby;
        let deployed = folder.join("deployment");
        std::fs::create_dir(&deployed).unwrap();
        options.folder = Some(deployed);
        let mut deployment = Deployment::start(options).unwrap();
        let watcher = Watcher::new(&mut deployment);
        let mids = Mids::note(&watcher.runtime, &watcher.bus);
        let mut run = Self {
            exchange,
            wiretap,
            deployment,
            watcher,
            mids,
            chance: SplitMix64::new(seed),
            rounds: 0,
            round_ends: Instant::now(),
            report: String::new(),
        };
        run.note(format!("seed {seed}, {} invented pairs", size.invented));
        run
    }

    pub(crate) fn note(&mut self, line: impl AsRef<str>) {
        writeln!(self.report, "{}", line.as_ref()).unwrap();
        eprintln!("fault run: {}", line.as_ref());
    }

    /// Trades through rounds of faults, the router killed on the way, until there were enough orders.
    fn storm(&mut self, size: &Size) {
        let began = Instant::now();
        let (mut kills, mut told) = (0, Instant::now());
        loop {
            self.go_round(&size.round);
            let books = self.exchange.books();
            let orders = books.orders_open + books.orders_ended;
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                let (open, fills) = (books.orders_open, books.executions);
                self.note(format!(
                    "{:?}: {orders} orders, {open} open, {fills} fills",
                    began.elapsed()
                ));
            }
            if orders >= size.orders && kills == size.kills && self.rounds > size.rounds {
                break;
            }
            let due = size.orders * usize::try_from(kills + 1).unwrap();
            if kills < size.kills && orders * usize::try_from(size.kills + 1).unwrap() >= due {
                self.kill_router();
                kills += 1;
            }
            if let Err(error) = self.deployment.check_running() {
                panic!("{error:#}\n{}", self.report);
            }
            assert!(began.elapsed() < size.within, "{orders} orders only\n{}", self.report);
            std::thread::sleep(LOOK_EVERY);
        }
        self.note(format!("{kills} kills in {:?}", began.elapsed()));
    }

    /// Puts the next round of faults in force when the last one is over.
    fn go_round(&mut self, round: &Round) {
        if self.round_ends <= Instant::now() {
            script::play(&self.exchange, round);
            self.rounds += 1;
            let lasts = Duration::from_millis(u64::try_from(round.ms).unwrap());
            self.round_ends = Instant::now() + lasts;
        }
    }

    /// Kills the router, lets the world go on for a while without it, and starts it again.
    fn kill_router(&mut self) {
        self.deployment.kill(ROUTER).unwrap();
        std::thread::sleep(Duration::from_millis(self.chance.next_below(3_000)));
        // It may come up late: the faults go on.
        self.deployment.start_again(ROUTER).unwrap();
    }

    fn control(&self, service: &str) -> ControlClient {
        let uri = format!("http://{}", self.deployment.grpc(service).unwrap());
        let token = self.deployment.token(Role::Operator).unwrap();
        self.watcher.runtime.block_on(ControlClient::connect(&uri, &token, None)).unwrap()
    }

    pub(crate) fn set_halted(&self, is_halted: bool) {
        let (mut gate, all) = (self.control("risk-gate"), ControlScope::Global);
        let told = async {
            if is_halted {
                gate.halt(&all, "the books are compared", "fault-run").await.map(drop)
            } else {
                gate.resume(&all, "the books are compared", "fault-run").await.map(drop)
            }
        };
        self.watcher.runtime.block_on(told).unwrap();
    }

    /// Ends the faults, writes down what happened, stops the crowd and takes every order back.
    fn calm(&mut self) {
        let injected = self.exchange.injected();
        script::end(&self.exchange);
        self.note(format!("{} rounds of faults; happened: {injected:?}", self.rounds));
        let mut missing = script::kinds();
        missing.retain(|kind| !injected.contains_key(kind));
        assert_eq!(missing, Vec::<String>::new(), "kinds that never happened");
        self.exchange.set_crowd(false);
        self.set_halted(true);
    }

    /// Waits until both sets of books are one, and says what is not when that does not come.
    pub(crate) fn compare(&mut self, when: &str) -> Theirs {
        let mut found = Vec::new();
        let outcome = wait_for("the books are one", QUIET_WITHIN, || {
            let (theirs, ours) = (Theirs::read(&self.exchange), ours(&self.watcher));
            found = differences(&theirs, &ours);
            found.extend(history_differs(&self.deployment, &theirs, &ours));
            Ok(found.is_empty().then_some(theirs))
        });
        let theirs = outcome.unwrap_or_else(|error| {
            found.truncate(40);
            panic!("{when}: {error:#}\n{}\n{}", found.join("\n"), self.report)
        });
        self.watcher.check_log(&self.deployment);
        check_gate(&self.deployment, &theirs);
        let (orders, fills, pairs) = (theirs.orders.len(), theirs.executions.len(), theirs.pairs());
        self.note(format!(
            "{when}: {orders} orders on {pairs} pairs, {fills} fills, one set of books"
        ));
        theirs
    }

    pub(crate) fn check_limits(&mut self) {
        let gate = plan(&self.deployment.options().profile).gate;
        let limits = Limits {
            order: gate.order_notional_max.to_decimal(),
            pair: gate.pair_position_max.to_decimal(),
            total: gate.total_position_max.to_decimal(),
        };
        let exposure = follow(&self.watcher.log(Stream::Orders), &self.mids, &limits);
        assert_eq!(exposure.above, Vec::<String>::new(), "{limits:?}");
        let most = [exposure.order_most, exposure.pair_most, exposure.total_most];
        let [order, pair, total] = most.map(|most| most.round_dp(2));
        self.note(format!("worst cases: order {order}, pair {pair}, total {total} of {limits:?}"));
    }

    /// Kills the router with orders at the exchange and leaves it dead: the venue's timer has to take everything.
    fn leave_to_the_timer(&mut self) {
        self.exchange.set_crowd(true);
        self.set_halted(false);
        wait_for("orders rest again", QUIET_WITHIN, || {
            Ok((self.exchange.books().orders_open >= 10).then_some(()))
        })
        .unwrap();
        self.deployment.kill(ROUTER).unwrap();
        let killed_ms = now_ms();
        let open = self.exchange.books().orders_open;
        assert!(open > 0, "the router was killed with nothing at the exchange");
        let timer = Duration::from_millis(u64::try_from(profile::DEAD_MAN_MS).unwrap());
        wait_for("the timer takes everything", timer * 2, || {
            Ok((self.exchange.books().orders_open == 0).then_some(()))
        })
        .unwrap();
        // By the exchange's own word on when each order ended.
        let ended = self.exchange.orders().into_iter().filter_map(|order| order.closed_ns).max();
        let after_ms = ended.unwrap() / 1_000_000 - killed_ms;
        assert!(after_ms <= profile::DEAD_MAN_MS + TIMER_LATE_MS, "{after_ms} ms after the kill");
        self.note(format!("{open} orders were gone {after_ms} ms after the last kill"));
    }
}

pub(crate) fn seed() -> u64 {
    std::env::var(SEED).map_or(1, |seed| seed.parse().unwrap())
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn check(seed: u64, size: &Size) {
    let began = Instant::now();
    let folder = Folder::new();
    let mut run = Run::start(seed, size, folder.0.path());
    run.storm(size);
    run.calm();
    let theirs = run.compare("after the faults");
    assert!(theirs.orders.len() >= size.orders, "{}", theirs.orders.len());
    assert!(theirs.pairs() >= usize::try_from(size.invented).unwrap(), "{} pairs", theirs.pairs());
    assert!(!theirs.executions.is_empty(), "nothing was filled");
    let has_fee = theirs.executions.iter().any(|execution| !execution.fee.is_zero());
    assert!(has_fee, "no fill cost a fee: a fee that is booked wrong would not be seen");
    run.leave_to_the_timer();
    // What was filled while nobody listened is booked by the next router, once.
    run.set_halted(true);
    run.exchange.set_crowd(false);
    run.deployment.restart(ROUTER).unwrap();
    run.compare("after the last kill");
    run.check_limits();
    let Run { exchange, wiretap, mut deployment, watcher, report, .. } = run;
    let hidden: BTreeMap<String, &str> = secrets::hidden(&exchange, &wiretap);
    for name in deployment.names().into_iter().rev() {
        deployment.stop_service(&name).unwrap();
    }
    let searched = secrets::search(&deployment, &watcher, folder.0.path(), &report, &hidden);
    eprintln!("fault run: {} secrets in none of {searched}", hidden.len());
    deployment.stop().unwrap();
    eprintln!("{report}fault run: {:?} in all", began.elapsed());
}

#[test]
fn a_small_fault_run_ends_with_one_set_of_books_within_the_limits_and_shows_no_secret() {
    check(seed(), &SMALL);
}

#[test]
#[ignore = "takes some minutes: cargo xtask fault-run"]
fn a_full_fault_run_ends_with_one_set_of_books_within_the_limits_and_shows_no_secret() {
    check(seed(), &FULL);
}
