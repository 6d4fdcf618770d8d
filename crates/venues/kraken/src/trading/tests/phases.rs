//! A session joined with the exchange on days with one thing wrong: phases, clocks, nonces, throttling, other clients,
//! the timer, the key.

use super::world::{Options, TRADED, World};
use crate::server::auth::Permission;
use crate::server::settings::Tier;
use remora_domain::{DurationNs, OrdStatus};
use remora_venue_api::{DeadMan, VenueCommand, VenueInput};

/// Gives a session by the socket and one by calls alone, both up.
fn both(seed: u64, tune: impl Fn(&mut Options)) -> impl Iterator<Item = World> {
    [false, true].into_iter().map(move |is_rest_only| {
        let mut options = Options { is_rest_only, ..Options::of_seed(seed) };
        tune(&mut options);
        World::ready(options)
    })
}

/// Trades through a fault, and on afterwards: new orders are taken again, and all books are right.
fn through(mut world: World, fault: &str, seconds: i64) {
    world.trade(DurationNs::from_s(10), 4);
    world.admin("faults", fault);
    world.trade(DurationNs::from_s(seconds), 4);
    world.admin("faults/clear", "{}");
    world.trade(DurationNs::from_s(20), 4);
    let before = world.taken();
    world.trade(DurationNs::from_s(20), 4);
    assert!(world.taken() > before + 10, "{} {before}: {:?}", world.taken(), world.problems);
    world.wind_down();
}

#[test]
fn a_session_lives_through_maintenance() {
    for world in both(41, |_| ()) {
        through(world, r#"{"kind":"phase","mode":"maintenance","duration_ms":30000}"#, 35);
    }
}

#[test]
fn maintenance_that_outlasts_the_timer_takes_every_order() {
    for mut world in both(42, |_| ()) {
        world.trade(DurationNs::from_s(10), 4);
        world.admin("faults", r#"{"kind":"phase","mode":"maintenance","duration_ms":90000}"#);
        world.admin("faults", TIMER_REFUSED);
        world.quiet(DurationNs::from_s(90));
        world.admin("faults/clear", "{}");
        world.quiet(DurationNs::from_s(20));
        assert_eq!(world.router.live().count(), 0, "everything that was open is told to be gone");
        world.wind_down();
    }
}

#[test]
fn a_session_lives_through_post_only_and_cancel_only() {
    for mode in ["post_only", "cancel_only"] {
        for world in both(43, |_| ()) {
            let fault = format!(r#"{{"kind":"phase","mode":"{mode}","duration_ms":20000}}"#);
            through(world, &fault, 25);
        }
    }
}

#[test]
fn pairs_that_are_not_listed_at_the_start_are_known_once_they_are() {
    for mut world in both(46, |_| ()) {
        world.trade(DurationNs::from_s(10), 4);
        world.kill();
        for traded in &TRADED {
            let phase = r#"{"kind":"phase","mode":"maintenance","duration_ms":20000,"scope":{"pair":"PAIR"}}"#;
            world.admin("faults", &phase.replace("PAIR", traded.symbol));
        }
        world.start();
        world.quiet(DurationNs::from_s(40));
        assert!(world.router.is_ready(), "{:?}", world.problems);
        world.trade(DurationNs::from_s(10), 4);
        world.wind_down();
    }
}

#[test]
fn cancels_work_while_nothing_else_does() {
    for mut world in both(44, |_| ()) {
        world.trade(DurationNs::from_s(10), 4);
        world.admin("faults", r#"{"kind":"phase","mode":"cancel_only"}"#);
        world.quiet(DurationNs::from_ms(500));
        world.router.cancel_everything(world.now);
        world.quiet(DurationNs::from_s(15));
        assert_eq!(world.router.live().count(), 0);
        world.admin("faults/clear", "{}");
        world.wind_down();
    }
}

#[test]
fn clocks_that_disagree_stop_orders_for_seconds_only() {
    for offset_ms in [30_000, -90_000] {
        // A clock that is to be behind stands until then, and the venue's counters with it.
        for world in both(45, |options| options.tier = Tier::Unlimited) {
            let fault = format!(r#"{{"kind":"clock_offset","offset_ms":{offset_ms}}}"#);
            let mut world = world;
            world.trade(DurationNs::from_s(10), 4);
            world.admin("faults", &fault);
            world.trade(DurationNs::from_s(30), 4);
            let before = world.taken();
            world.trade(DurationNs::from_s(20), 4);
            let taken = world.taken();
            assert!(taken > before + 10, "{offset_ms}: {before} {taken} {:?}", world.problems);
            world.admin("faults/clear", "{}");
            world.quiet(DurationNs::from_s(100));
            world.wind_down();
        }
    }
}

#[test]
fn refused_nonces_lose_nothing() {
    for nonce_window in [0, 5_000_000_000] {
        for world in both(46, |options| options.nonce_window = nonce_window) {
            through(world, r#"{"kind":"invalid_nonce","probability_ppm":200000}"#, 40);
        }
    }
}

#[test]
fn throttling_by_the_venue_loses_nothing() {
    for world in both(47, |_| ()) {
        through(world, r#"{"kind":"throttled","probability_ppm":100000}"#, 40);
    }
}

const OTHERS_ORDER: &str =
    "pair=XBTUSD&type=buy&ordertype=limit&volume=0.01&price=59000.0&oflags=post";

#[test]
fn orders_and_fills_of_another_client_are_told_and_never_touched() {
    for mut world in both(48, |options| options.dead_man = DeadMan::Off) {
        world.other_client("AddOrder", OTHERS_ORDER);
        let others: Vec<_> = world.server.desk().open_orders(world.trader()).collect();
        for _ in 0..10 {
            world.trade(DurationNs::from_s(2), 4);
            // A fill of theirs: the router would fail on a report of an order that it does not know.
            let taken = "pair=ETHUSD&type=buy&ordertype=market&volume=0.01";
            world.other_client("AddOrder", taken);
        }
        for _ in 0..4 {
            world.router.cancel_everything(world.now);
            world.quiet(DurationNs::from_s(5));
        }
        assert_eq!(world.router.live().count(), 0);
        let left: Vec<_> = world.server.desk().open_orders(world.trader()).collect();
        assert_eq!(left, others, "ours are gone, theirs is there");
        world.router.query(world.now);
        world.quiet(DurationNs::from_s(20));
        let listed: Vec<_> = world.router.last_listing.iter().collect();
        assert_eq!(listed.len(), 1);
        assert!(listed[0].cl_ord_id.is_none());
    }
}

#[test]
fn what_the_timer_would_take_of_another_client_stops_ours() {
    for mut world in both(49, |_| ()) {
        world.trade(DurationNs::from_s(5), 4);
        let answer = world.other_client("AddOrder", OTHERS_ORDER);
        let txid = answer.split(r#""txid":[""#).nth(1).unwrap().split('"').next().unwrap();
        world.quiet(DurationNs::from_s(40));
        assert!(!world.router.is_up, "nothing is sent beside it");
        assert!(world.problems.iter().any(|text| text.contains("are not ours")));
        world.other_client("CancelOrder", &format!("txid={txid}"));
        world.quiet(DurationNs::from_s(15));
        assert!(world.router.is_up, "{:?}", world.problems);
        world.trade(DurationNs::from_s(5), 4);
        world.wind_down();
    }
}

#[test]
fn the_whole_account_is_taken_back_also_where_orders_of_another_client_block_ours() {
    for mut world in both(50, |_| ()) {
        world.trade(DurationNs::from_s(5), 4);
        world.other_client("AddOrder", OTHERS_ORDER);
        world.quiet(DurationNs::from_s(40));
        assert!(!world.router.is_up, "nothing is sent beside it");
        world.session_input(VenueInput::Command(VenueCommand::CancelAccount));
        world.quiet(DurationNs::from_s(2));
        assert_eq!(world.server.desk().open_orders(world.trader()).count(), 0);
        world.quiet(DurationNs::from_s(5));
        assert!(world.router.is_up, "nothing is in the way any more: {:?}", world.problems);
        world.trade(DurationNs::from_s(5), 4);
        world.wind_down();
    }
}

#[test]
fn open_orders_of_others_that_cannot_be_read_are_told() {
    for mut world in both(52, |options| options.dead_man = DeadMan::Off) {
        world.session.as_mut().unwrap().names.forget("XBTUSD");
        world.other_client("AddOrder", OTHERS_ORDER);
        world.router.query(world.now);
        world.quiet(DurationNs::from_s(10));
        assert_eq!((world.router.last_listing.len(), world.router.last_unread), (0, 1));
        world.session_input(VenueInput::Command(VenueCommand::CancelAccount));
        // The list must not overtake it.
        world.quiet(DurationNs::from_s(2));
        world.router.query(world.now);
        world.quiet(DurationNs::from_s(10));
        assert_eq!((world.router.last_listing.len(), world.router.last_unread), (0, 0));
    }
}

#[test]
fn taking_the_whole_account_back_leaves_no_more_once_it_is_not_wanted() {
    for (is_forgotten, left) in [(false, 0), (true, 1)] {
        let options = Options { is_rest_only: true, ..Options::of_seed(53) };
        let mut world = World::ready(Options { dead_man: DeadMan::Off, ..options });
        world.other_client("AddOrder", OTHERS_ORDER);
        // It waits for a call that is under way.
        world.session_input(VenueInput::Command(VenueCommand::QueryAccount));
        world.session_input(VenueInput::Command(VenueCommand::CancelAccount));
        if is_forgotten {
            world.session_input(VenueInput::Command(VenueCommand::ForgetCancelAccount));
        }
        world.quiet(DurationNs::from_s(10));
        assert_eq!(world.server.desk().open_orders(world.trader()).count(), left);
    }
}

#[test]
fn taking_the_whole_account_back_may_get_lost_and_is_asked_for_again() {
    for mut world in both(51, |options| options.dead_man = DeadMan::Off) {
        for method in ["cancel_all", "CancelAll"] {
            let lost =
                format!(r#"{{"kind":"request_lost","scope":{{"method":"{method}"}},"count":1}}"#);
            world.admin("faults", &lost);
        }
        world.trade(DurationNs::from_s(5), 4);
        world.other_client("AddOrder", OTHERS_ORDER);
        world.session_input(VenueInput::Command(VenueCommand::CancelAccount));
        world.quiet(DurationNs::from_s(10));
        assert!(world.server.desk().open_orders(world.trader()).count() > 0);
        let said = "taking back every order of the account: without an answer";
        assert!(world.problems.iter().any(|text| text.contains(said)), "{:?}", world.problems);
        world.session_input(VenueInput::Command(VenueCommand::CancelAccount));
        world.quiet(DurationNs::from_s(10));
        assert_eq!(world.server.desk().open_orders(world.trader()).count(), 0);
        world.wind_down();
    }
}

const TIMER_REFUSED: &str = r#"[
    {"kind":"unavailable","scope":{"method":"CancelAllOrdersAfter"}},
    {"kind":"unavailable","scope":{"method":"cancel_all_orders_after"}}
]"#;

#[test]
fn no_order_leaves_before_the_timer_is_armed() {
    for is_rest_only in [false, true] {
        let mut world = World::new(Options { is_rest_only, ..Options::of_seed(50) });
        world.admin("faults", TIMER_REFUSED);
        world.start();
        world.quiet(DurationNs::from_s(30));
        assert!(!world.router.is_up);
        assert!(world.problems.iter().any(|text| text.contains("the timer was refused")));
        world.admin("faults/clear", "{}");
        world.quiet(DurationNs::from_s(10));
        world.trade(DurationNs::from_s(10), 4);
        assert!(world.taken() > 10);
        world.wind_down();
    }
}

#[test]
fn a_timer_that_lapses_is_noticed_and_armed_again_before_the_next_order() {
    for mut world in both(51, |_| ()) {
        world.trade(DurationNs::from_s(10), 4);
        assert!(world.router.live().count() > 0);
        world.admin("faults", TIMER_REFUSED);
        world.trade(DurationNs::from_s(80), 4);
        assert!(!world.router.is_up, "nothing is sent without a timer");
        assert_eq!(world.server.desk().open_orders(world.trader()).count(), 0);
        assert_eq!(world.router.live().count(), 0, "everything is told to be gone");
        world.admin("faults/clear", "{}");
        world.quiet(DurationNs::from_s(10));
        world.trade(DurationNs::from_s(10), 4);
        // It guards again: what a kill leaves is gone in time.
        assert!(world.server.desk().open_orders(world.trader()).count() > 0);
        world.kill();
        world.quiet(DurationNs::from_s(61));
        assert_eq!(world.server.desk().open_orders(world.trader()).count(), 0);
        world.start();
        world.quiet(DurationNs::from_s(10));
        world.wind_down();
    }
}

#[test]
fn a_timer_that_fires_early_takes_the_session_down_until_it_is_armed_again() {
    for mut world in both(52, |_| ()) {
        world.trade(DurationNs::from_s(10), 4);
        let ups = world.router.ups;
        // Somebody else sets it to a second, and it fires.
        world.other_client("CancelAllOrdersAfter", "timeout=1");
        world.quiet(DurationNs::from_s(12));
        assert_eq!(world.router.live().count(), 0);
        assert!(world.router.is_up && world.router.ups > ups, "down, armed again, up");
        world.trade(DurationNs::from_s(5), 4);
        world.kill();
        world.quiet(DurationNs::from_s(61));
        assert_eq!(world.server.desk().open_orders(world.trader()).count(), 0);
        world.start();
        world.quiet(DurationNs::from_s(10));
        world.wind_down();
    }
}

#[test]
fn a_key_that_may_take_money_out_or_may_too_little_is_not_used() {
    let trading = [
        Permission::QueryFunds,
        Permission::QueryOpenTrades,
        Permission::QueryClosedTrades,
        Permission::ModifyTrades,
        Permission::CloseTrades,
        Permission::CreateWsToken,
    ];
    let with = |more: Permission| trading.into_iter().chain([more]).collect::<Vec<_>>();
    let without = trading.into_iter().filter(|one| *one != Permission::CloseTrades).collect();
    for (permissions, word) in
        [(with(Permission::WithdrawFunds), "take money out"), (without, "close-trades")]
    {
        let permissions = Some(permissions);
        let mut world = World::new(Options { permissions, ..Options::of_seed(53) });
        world.start();
        world.quiet(DurationNs::from_s(150));
        assert_eq!(world.router.ups, 0);
        let said = world.problems.iter().filter(|text| text.contains(word)).count();
        assert_eq!(said, 1, "said once: {:?}", world.problems);
    }
    let permissions = Some(with(Permission::QueryLedger));
    let mut world = World::ready(Options { permissions, ..Options::of_seed(53) });
    world.trade(DurationNs::from_s(5), 4);
    let working = world.router.orders.values().filter(|one| one.status == OrdStatus::Working);
    assert!(working.count() > 0);
    world.wind_down();
}
