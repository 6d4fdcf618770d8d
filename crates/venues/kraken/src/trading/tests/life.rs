//! A session without faults, or with a single one: up, orders, fills, cancels, the timer, the end.

use super::world::{Options, World};
use remora_domain::{DurationNs, OrdStatus};
use remora_testkit::instrument;
use remora_venue_api::{DeadMan, VenueInput};

#[test]
fn a_session_comes_up_and_its_books_equal_the_venues() {
    let mut world = World::ready(Options::of_seed(1));
    world.trade(DurationNs::from_s(120), 20);
    world.wind_down();
    assert_eq!(world.problems, Vec::<String>::new());
    assert_eq!(world.throttled, Vec::<String>::new());
    assert!(world.router.orders.len() > 500, "{}", world.router.orders.len());
    assert!(world.router.replaced > 50, "{}", world.router.replaced);
}

#[test]
fn by_calls_alone_the_books_equal_the_venues_too() {
    let mut world = World::ready(Options { is_rest_only: true, ..Options::of_seed(2) });
    world.trade(DurationNs::from_s(60), 5);
    world.wind_down();
    assert_eq!(world.frames, 0);
    assert!(world.router.replaced > 0, "{}", world.router.replaced);
    assert_eq!(world.throttled, Vec::<String>::new());
}

#[test]
fn the_dearest_pair_counts_however_many_pairs_there_are() {
    let invented = 60;
    let options = Options { invented, volume_usd: 2_500_000.into(), ..Options::of_seed(17) };
    let mut world = World::new(options);
    world.start();
    // More than one call asks for, the dearest last.
    let made = (1..=invented).map(|number| format!("SIM{number:04}"));
    for base in made.chain(["USDT".to_owned()]) {
        world.session_input(VenueInput::Instrument(instrument(&base, "USD")));
    }
    world.quiet(DurationNs::from_s(30));
    // The others cost 4 and 14 basis points.
    let fees = world.router.fees.unwrap();
    assert_eq!(
        (fees.maker_bps.to_string(), fees.taker_bps.to_string()),
        ("20".into(), "20".into())
    );
}

#[test]
fn after_a_kill_the_timer_takes_everything() {
    let mut world = World::ready(Options::of_seed(3));
    world.trade(DurationNs::from_s(30), 20);
    let trader = world.trader();
    assert!(world.server.desk().open_orders(trader).count() > 0);
    world.kill();
    world.quiet(DurationNs::from_s(61));
    assert_eq!(world.server.desk().open_orders(trader).count(), 0);
    // The next run hears of it, and of what was filled meanwhile.
    world.start();
    world.quiet(DurationNs::from_s(5));
    world.wind_down();
}

#[test]
fn without_a_timer_orders_outlive_a_kill_and_are_found_again() {
    let mut world = World::ready(Options { dead_man: DeadMan::Off, ..Options::of_seed(4) });
    world.trade(DurationNs::from_s(10), 20);
    world.kill();
    world.quiet(DurationNs::from_s(90));
    let trader = world.trader();
    assert!(world.server.desk().open_orders(trader).count() > 0);
    world.start();
    world.wind_down();
}

#[test]
fn an_order_whose_reply_is_lost_is_settled_by_asking() {
    let mut world = World::ready(Options::of_seed(5));
    let lost = r#"{"kind":"reply_lost","scope":{"method":"add_order"},"count":3}"#;
    world.admin("faults", lost);
    let lost = r#"{"kind":"request_lost","scope":{"method":"add_order"},"count":3}"#;
    world.admin("faults", lost);
    world.trade(DurationNs::from_s(10), 10);
    world.wind_down();
    let orders = world.router.orders.values();
    let absent = orders.filter(|order| order.status == OrdStatus::Rejected).count();
    assert!(absent >= 3, "{absent}");
}

#[test]
fn an_orderly_end_takes_the_timer_off() {
    let mut world = World::ready(Options::of_seed(6));
    world.trade(DurationNs::from_s(5), 10);
    world.wind_down();
    world.session_input(VenueInput::Stop);
    world.quiet(DurationNs::from_s(2));
    assert!(world.has_stopped);
}

#[test]
fn the_timer_is_told_armed_from_the_start_and_only_while_it_runs_at_the_venue() {
    let mut world = World::ready(Options::of_seed(19));
    assert_eq!(world.router.is_guarded, Some(true));
    let lost = r#"{"kind":"request_lost","scope":{"method":"cancel_all_orders_after"},"count":40}"#;
    let mut untold = 0;
    for round in 0..2 {
        if round == 0 {
            world.admin("faults", lost);
        }
        world.pass(DurationNs::from_s(90), |world| {
            let fires = world.server.desk().cancel_all_at(world.trader());
            if world.router.is_guarded == Some(true) {
                assert!(fires.is_some_and(|at| at > world.now), "{fires:?} at {:?}", world.now);
            } else {
                untold += 1;
            }
        });
    }
    assert!(untold > 0, "the lost requests did not matter");
}

#[test]
fn a_session_without_a_timer_tells_that_it_has_none() {
    let world = World::ready(Options { dead_man: DeadMan::Off, ..Options::of_seed(20) });
    assert_eq!(world.router.is_guarded, Some(false));
}

#[test]
fn a_session_keeps_its_secrets() {
    let mut world = World::ready(Options::of_seed(7));
    world.trade(DurationNs::from_s(5), 10);
    let shown = format!("{:?} {:?}", world.session.as_ref().unwrap(), world.settings());
    world.assert_public(&shown);
    let token = world.session.as_ref().unwrap().link.token.clone().unwrap();
    assert!(!shown.contains(token.expose()));
}

#[test]
fn a_change_whose_reply_is_lost_is_settled_by_what_the_venue_lists() {
    let mut world = World::ready(Options::of_seed(18));
    for kind in ["reply_lost", "request_lost"] {
        let lost = format!(r#"{{"kind":"{kind}","scope":{{"method":"amend_order"}},"count":4}}"#);
        world.admin("faults", &lost);
    }
    world.trade(DurationNs::from_s(30), 10);
    world.wind_down();
    let changes = world.router.orders.values().filter(|one| one.request.orig_cl_ord_id.is_some());
    let refused = changes.filter(|order| order.status == OrdStatus::Rejected).count();
    assert!(refused >= 4 && world.router.replaced > 4, "{refused} {}", world.router.replaced);
}
