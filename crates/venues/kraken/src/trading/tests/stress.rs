//! More is asked than the venue allows: nothing is throttled by its own counters, and cancels wait for no placement.

use super::world::{Options, World};
use crate::server::settings::Tier;
use remora_domain::{DurationNs, OrderEventReason as Reason};
use rust_decimal::Decimal;

/// Asks for twice what the tier's counters allow if nothing were ever taken back; what is taken back costs more.
fn overloaded(options: Options) -> World {
    let per_s = match options.tier {
        Tier::Starter => 2,
        Tier::Intermediate => 5,
        Tier::Pro | Tier::Unlimited => 8,
    };
    let max = Decimal::from(options.tier.engine().unwrap().points_max);
    let mut world = World::ready(options);
    let highest = world.overload(DurationNs::from_s(120), per_s);
    assert!(highest > max * Decimal::new(9, 1), "the counters were at {highest} of {max} at most");
    assert_eq!(world.throttled, Vec::<String>::new());
    let refused = world.router.orders.values().filter(|order| order.reason == Reason::RateLimited);
    assert!(refused.count() > 100, "more was asked than allowed, and refused here");
    assert!(world.router.cancel_waits.len() > 100, "{}", world.router.cancel_waits.len());
    world
}

fn longest_wait(world: &World) -> DurationNs {
    world.router.cancel_waits.iter().copied().max().unwrap()
}

#[test]
fn twice_what_is_allowed_is_never_throttled_on_the_socket() {
    for tier in [Tier::Starter, Tier::Intermediate, Tier::Pro] {
        let mut world = overloaded(Options { tier, ..Options::of_seed(31) });
        // One way to the venue takes 60 ms at most here: a cancel is there before anything else of ours could be.
        assert!(longest_wait(&world) <= DurationNs::from_ms(70), "{:?}", longest_wait(&world));
        world.wind_down();
    }
}

#[test]
fn twice_what_is_allowed_is_never_throttled_by_calls_alone() {
    for tier in [Tier::Intermediate, Tier::Pro] {
        let options = Options { tier, is_rest_only: true, ..Options::of_seed(32) };
        let mut world = overloaded(options);
        // Calls leave one after another, so that nonces arrive in order; a call takes 120 ms at most here. A cancel waits
        // for the one that is under way, a read whose turn it is and a cancel before it, and is on its way for 60 ms;
        // orders wait seconds meanwhile.
        assert!(longest_wait(&world) <= DurationNs::from_ms(420), "{:?}", longest_wait(&world));
        world.wind_down();
    }
}
