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
    {"kind":"disconnected","every_ms":17000}
]"#;

fn run(options: Options, faults: &str, seconds: i64) -> World {
    let mut world = World::new(options);
    world.start();
    world.quiet(DurationNs::from_s(5));
    assert!(world.router.is_ready(), "{:?}", world.problems);
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
