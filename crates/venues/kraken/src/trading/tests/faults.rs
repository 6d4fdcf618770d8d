//! A session on bad days: every fault of the simulated exchange. Whatever happens, every fill is told
//! once, no order is there twice or left over, and the books equal the venue's to the last unit.

use super::world::{Options, World};
use remora_domain::DurationNs;

/// What goes wrong now and then, in millionths of the occasions.
const EVERYTHING: &str = r#"[
    {"kind":"reply_lost","probability_ppm":20000},
    {"kind":"request_lost","probability_ppm":20000},
    {"kind":"unavailable","probability_ppm":10000},
    {"kind":"unavailable","probability_ppm":20000,"is_executed":true,"error":"EGeneral:Internal error"},
    {"kind":"error_page","probability_ppm":20000},
    {"kind":"invalid_nonce","probability_ppm":10000},
    {"kind":"reply_delayed","probability_ppm":20000,"delay_ms":3000},
    {"kind":"delayed","probability_ppm":20000,"delay_ms":1500},
    {"kind":"duplicated","probability_ppm":50000},
    {"kind":"reordered","probability_ppm":20000},
    {"kind":"lost","probability_ppm":20000},
    {"kind":"delayed","channel":"balances","probability_ppm":20000,"delay_ms":1500},
    {"kind":"lost","channel":"balances","probability_ppm":20000},
    {"kind":"silent","probability_ppm":100000},
    {"kind":"disconnected","every_ms":17000}
]"#;

fn run(options: Options, faults: &str, seconds: i64) -> World {
    let mut world = World::ready(options);
    world.admin("faults", faults);
    world.trade(DurationNs::from_s(seconds), 20);
    world.admin("faults/clear", "{}");
    world.wind_down();
    world
}

#[test]
fn everything_at_once_on_the_socket() {
    let world = run(Options::of_seed(1), EVERYTHING, 120);
    assert!(world.router.orders.len() > 200, "{}", world.router.orders.len());
}

/// Kills the session again and again under all faults; then it must find everything again.
fn kills(options: Options, orders_per_s: u64, seconds: i64) -> World {
    let mut world = World::ready(options);
    world.admin("faults", EVERYTHING);
    for _ in 0..6 {
        world.trade(DurationNs::from_s(seconds), orders_per_s);
        world.kill();
        let down_ms = i64::try_from(world.random.next_below(8_000)).unwrap();
        world.quiet(DurationNs::from_ms(down_ms));
        world.start();
    }
    world.trade(DurationNs::from_s(seconds), orders_per_s);
    world.kill();
    // The last request that armed the timer may still be under way.
    world.quiet(DurationNs::from_s(61));
    assert_eq!(world.server.desk().open_orders(world.trader()).count(), 0, "after the timer");
    world.start();
    world.recover(DurationNs::from_s(120));
    world.admin("faults/clear", "{}");
    world.wind_down();
    world
}

#[test]
fn six_kills_under_all_faults_on_the_socket() {
    for seed in 1..=4 {
        let world = kills(Options::of_seed(100 + seed), 20, 30);
        assert!(world.router.orders.len() > 500, "{}", world.router.orders.len());
        assert_eq!(world.throttled, Vec::<String>::new());
    }
}

#[test]
fn six_kills_under_all_faults_by_calls_alone() {
    for seed in 1..=4 {
        let options = Options { is_rest_only: true, ..Options::of_seed(200 + seed) };
        let world = kills(options, 3, 30);
        assert!(world.router.orders.len() > 150, "{}", world.router.orders.len());
        assert_eq!(world.throttled, Vec::<String>::new());
    }
}
