//! `kill -9` of every service in turn under load, and of whichever gate leads: how long no quote reaches the exchange, and
//! whether every promise still holds.
//!
//! Real processes over real sockets, as in a fault run, without its faults. A service that was killed is started again at
//! once, as a supervisor would. The time without quotes ends with the first order that the exchange accepts later than
//! what was on its way when the service died.

use crate::fault_run::exchange::Exchange;
use crate::fault_run::{Folder, Run, Size, seed};
use crate::standby::{check_epochs, leader};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const SIZE: Size = Size::quiet(8, true);
/// How often each service is killed, and how often the leader is.
const TIMES: &str = "REMORA_KILL_TIMES";
const LEADER: &str = "REMORA_KILL_LEADER";
/// What is on its way when a service dies has arrived by then.
const UNDER_WAY: Duration = Duration::from_millis(100);
/// Longer than any takeover or recovery may take.
const QUOTES_WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Between two kills everybody trades for this long.
const CALM: Duration = Duration::from_millis(500);

/// Gives how many orders the exchange has accepted.
fn accepted(exchange: &Exchange) -> usize {
    let books = exchange.books();
    books.orders_open + books.orders_ended
}

/// Waits for the next quote; gives how long after `killed` it stood.
fn next_quote(exchange: &Exchange, killed: Instant) -> Option<Duration> {
    std::thread::sleep(UNDER_WAY);
    let before = accepted(exchange);
    while accepted(exchange) == before {
        if killed.elapsed() > QUOTES_WITHIN {
            return None;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Some(killed.elapsed())
}

/// Kills a service, starts it again and waits until it is ready and quotes stand again.
fn kill(run: &mut Run, name: &str) -> Duration {
    let Run { exchange, deployment, .. } = run;
    let killed = Instant::now();
    deployment.kill(name).unwrap();
    let quoted = std::thread::scope(|scope| {
        let watching = scope.spawn(|| next_quote(exchange, killed));
        deployment.start_again(name).unwrap();
        watching.join().unwrap()
    });
    let quoted = quoted.unwrap_or_else(|| {
        let log = run.deployment.log(name).unwrap_or_default();
        panic!("no quote within {QUOTES_WITHIN:?} of the death of {name}:\n{log}")
    });
    run.deployment.wait_ready(name).unwrap();
    run.deployment.check_running().unwrap();
    std::thread::sleep(CALM);
    quoted
}

fn number(variable: &str, default: u32) -> u32 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// Gives the value below which this share of sorted values lies.
fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

fn table(gaps: &BTreeMap<String, Vec<Duration>>) -> String {
    let mut rows = vec![
        "| Killed | Kills | Median s | 95 % s | Longest s |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    for (name, gaps) in gaps {
        let mut sorted = gaps.clone();
        sorted.sort_unstable();
        let [half, most, all] =
            [50, 95, 100].map(|percent| quantile(&sorted, percent).as_secs_f64());
        rows.push(format!("| {name} | {} | {half:.2} | {most:.2} | {all:.2} |", sorted.len()));
    }
    rows.join("\n")
}

#[test]
#[ignore = "takes from minutes to hours: cargo xtask kills"]
fn kills_of_every_service_and_of_the_leader_break_no_promise() {
    let (times, of_leader) = (number(TIMES, 1), number(LEADER, 1));
    let folder = Folder::new();
    let mut run = Run::start(seed(), &SIZE, folder.0.path());
    let names = run.deployment.names();
    let mut gaps: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    for round in 0..times.max(of_leader) {
        if round < times {
            for name in &names {
                let gap = kill(&mut run, name);
                gaps.entry(name.clone()).or_default().push(gap);
            }
        }
        if round < of_leader {
            let (leads, _) = leader(&run.deployment);
            let gap = kill(&mut run, leads);
            gaps.entry("the gate that leads".to_owned()).or_default().push(gap);
        }
        run.note(format!("round {} of {}\n{}", round + 1, times.max(of_leader), table(&gaps)));
    }
    run.exchange.set_crowd(false);
    run.set_halted(true);
    run.compare("after the kills");
    run.check_limits();
    let epochs = check_epochs(&run.watcher);
    run.note(format!("approvals of {epochs} epochs, none sent after a newer one was known"));
    let Run { mut deployment, .. } = run;
    for name in deployment.names().into_iter().rev() {
        deployment.stop_service(&name).unwrap();
    }
    for name in deployment.names() {
        let said = deployment.replay(&name).unwrap();
        let (runs, good) = (said.lines().count(), said.matches("reproduced").count());
        assert_eq!(runs, good, "{name}: {said}");
        eprintln!("kills: {name}: {good} runs replayed");
    }
    deployment.verify_journals().unwrap();
    eprintln!("{}", table(&gaps));
    deployment.stop().unwrap();
}
