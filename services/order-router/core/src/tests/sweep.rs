//! Taking back the whole account: who may, until when, and what a restart makes of it.

use super::{Rig, cancelled, open};
use remora_domain::{
    AccountId, Body, ControlCommand, ControlScope, DurationNs, NamedAccount, OpenOrder,
    ServiceState, VenueId, VenueReport,
};
use remora_machine::ServiceInput;
use remora_testkit::{Producer, account, at_ms, cancel_account, halt, request, resume, venue};
use std::sync::Arc;

fn told(rig: &Rig) -> (u64, Option<u64>, Option<DurationNs>) {
    let told = rig.driver.machine.account_cancel();
    (told.begun, told.orders_open, told.emptied_after)
}

/// An order of somebody else.
fn foreign() -> OpenOrder {
    OpenOrder { cl_ord_id: None, ..open(&request("x-1"), "0") }
}

#[test]
fn the_whole_account_is_asked_for_until_the_venue_lists_no_order_of_anybody() {
    let mut rig = Rig::ready();
    let order = request("r-1");
    rig.work(2_000, &order);
    let said = rig.gate_says(2_010, Body::ControlCommand(cancel_account()));
    assert_eq!((said.account_cancels, said.cancels.len(), said.queries), (1, 1, 1));
    assert_eq!(said.states[0].state, ServiceState::Halted);
    assert_eq!(told(&rig), (1, None, None));
    rig.open_orders(2_020, vec![open(&order, "0"), foreign()]);
    assert_eq!(told(&rig), (1, Some(2), None));
    rig.report(2_030, cancelled(&order, 2_025));
    let said = rig.advance(4_010);
    assert_eq!((said.account_cancels, said.queries), (1, 1));
    rig.open_orders(4_030, vec![foreign()]);
    assert_eq!(told(&rig), (1, Some(1), None));
    assert_eq!(rig.driver.machine.counters().foreign_open, 1);
    assert_eq!(rig.driver.machine.taken_back().1, Some(0), "ours are gone");
    assert_eq!(rig.advance(6_040).account_cancels, 1);
    assert_eq!(rig.open_orders(6_050, vec![]).account_cancels_forgotten, 1);
    assert_eq!(told(&rig), (1, Some(0), Some(DurationNs::from_ms(4_040))));
    assert_eq!(rig.advance(20_000).account_cancels, 0, "what is confirmed is not asked again");
}

#[test]
fn a_halt_leaves_what_is_not_ours_alone() {
    let mut rig = Rig::ready();
    let said = rig.gate_says(2_000, Body::ControlCommand(halt(ControlScope::Global)));
    assert_eq!(said.account_cancels, 0);
    rig.open_orders(2_010, vec![foreign()]);
    assert_eq!(rig.advance(20_000).account_cancels, 0);
    assert_eq!(told(&rig), (0, None, None));
}

#[test]
fn who_names_another_account_or_none_does_nothing() {
    let mut rig = Rig::ready();
    let other = AccountId::new("other").unwrap();
    let other = NamedAccount { id: other, venue: None };
    for account in [Some(other), None] {
        let command = ControlCommand { account, ..cancel_account() };
        assert!(rig.gate_says(2_000, Body::ControlCommand(command)).is_silent());
    }
    assert!(!rig.driver.machine.is_halted());
    assert_eq!(rig.driver.machine.counters().not_ours, 2);
}

#[test]
fn at_another_venue_the_account_is_left_alone() {
    let mut rig = Rig::ready();
    let scope = ControlScope::Venue(VenueId::new("elsewhere").unwrap());
    let command = ControlCommand { scope, ..cancel_account() };
    let said = rig.gate_says(2_000, Body::ControlCommand(command));
    assert_eq!((said.account_cancels, rig.driver.machine.is_halted()), (0, false));
}

#[test]
fn a_command_that_was_given_to_another_router_halts_and_takes_nothing_back() {
    for (at, wanted) in [("elsewhere", 0), ("sim-spot", 1)] {
        let mut rig = Rig::ready();
        let at = Some(VenueId::new(at).unwrap());
        let account = Some(NamedAccount { id: account(), venue: at });
        let command = ControlCommand { account, ..cancel_account() };
        let said = rig.gate_says(2_000, Body::ControlCommand(command));
        assert_eq!((said.account_cancels, rig.driver.machine.is_halted()), (wanted, true));
    }
}

#[test]
fn what_the_venue_lists_and_nobody_can_read_is_open_all_the_same() {
    let mut rig = Rig::ready();
    rig.gate_says(2_000, Body::ControlCommand(cancel_account()));
    rig.listed(2_010, vec![], 2);
    assert_eq!(told(&rig), (1, Some(2), None));
    assert_eq!(rig.driver.machine.taken_back().1, Some(0), "none of them is ours");
    assert_eq!(rig.advance(4_020).account_cancels, 1);
    rig.open_orders(4_030, vec![]);
    assert_eq!(told(&rig), (1, Some(0), Some(DurationNs::from_ms(2_030))));
}

#[test]
fn a_list_that_was_asked_for_before_the_command_confirms_nothing() {
    let mut rig = Rig::ready();
    assert_eq!(rig.advance(31_000).queries, 1);
    rig.gate_says(31_010, Body::ControlCommand(cancel_account()));
    rig.open_orders(31_020, vec![]);
    assert_eq!(told(&rig), (1, None, None));
    rig.open_orders(31_030, vec![]);
    assert_eq!(told(&rig), (1, Some(0), Some(DurationNs::from_ms(20))));
}

#[test]
fn it_leaves_while_the_session_is_down_and_is_confirmed_once_it_is_up() {
    let mut rig = Rig::ready();
    // As where orders of others forbid sending ours.
    rig.report(2_000, VenueReport::Session { is_up: false });
    let said = rig.gate_says(2_010, Body::ControlCommand(cancel_account()));
    assert_eq!((said.account_cancels, said.queries), (1, 0));
    assert_eq!(rig.advance(4_010).account_cancels, 1, "nobody tells that it had an effect");
    assert_eq!(rig.advance(8_009).account_cancels, 0, "with growing patience");
    assert_eq!(rig.report(8_009, VenueReport::Session { is_up: true }).queries, 1);
    rig.open_orders(8_020, vec![]);
    assert_eq!(told(&rig), (1, Some(0), Some(DurationNs::from_ms(6_010))));
}

#[test]
fn where_the_venue_lists_nothing_for_a_minute_it_is_given_up() {
    let mut rig = Rig::ready();
    rig.gate_says(2_000, Body::ControlCommand(cancel_account()));
    rig.open_orders(3_000, vec![foreign()]);
    rig.report(4_000, VenueReport::Session { is_up: false });
    assert!(rig.advance(62_999).account_cancels > 1);
    assert!(!rig.driver.machine.account_cancel().is_given_up);
    let said = rig.advance(63_000);
    assert!(rig.driver.machine.account_cancel().is_given_up);
    assert_eq!(told(&rig), (1, Some(1), None), "given up is not emptied");
    assert_eq!(said.account_cancels_forgotten, 1);
    let over = said.states.last().and_then(|state| state.account_cancelled.clone());
    assert!(over.is_some(), "nor does the next run begin it again");
    assert_eq!(rig.advance(600_000).account_cancels, 0);
    rig.report(600_001, VenueReport::Session { is_up: true });
    rig.open_orders(600_002, vec![]);
    assert_eq!(told(&rig), (1, Some(1), None));
}

#[test]
fn a_command_that_is_too_old_once_the_log_is_read_only_halts() {
    let mut rig = Rig::new();
    rig.gate_says(2_000, Body::ControlCommand(cancel_account()));
    rig.report(2_000, VenueReport::Session { is_up: true });
    let said = rig.input(62_000, ServiceInput::CaughtUp);
    assert_eq!(said.states[0].state, ServiceState::Halted);
    assert_eq!(rig.advance(70_000).account_cancels, 0);
    assert!(rig.driver.machine.account_cancel().is_given_up);
}

#[test]
fn who_resumes_ends_it() {
    let mut rig = Rig::ready();
    rig.gate_says(2_000, Body::ControlCommand(cancel_account()));
    rig.open_orders(2_010, vec![foreign()]);
    for scope in [ControlScope::Venue(venue()), ControlScope::Instrument(request("x").instrument)] {
        rig.gate_says(2_020, Body::ControlCommand(resume(scope)));
        assert!(rig.driver.machine.is_halted(), "the halt of everything is still in force");
    }
    assert_eq!(rig.advance(4_020).account_cancels, 1, "and what came with it goes on");
    let said = rig.gate_says(4_030, Body::ControlCommand(resume(ControlScope::Global)));
    assert_eq!(said.states[0].state, ServiceState::Active);
    assert_eq!(said.account_cancels_forgotten, 1, "one that waits in the session leaves no more");
    assert_eq!(rig.advance(20_000).account_cancels, 0);
}

#[test]
fn after_a_restart_a_fresh_command_goes_on_and_an_old_one_only_halts() {
    // The last by a clock that is behind that of whoever gave the command, by little and by much.
    for (caught_up_ms, wanted) in [(70_500, 1), (72_000, 0), (6_000, 1), (5_999, 0)] {
        let mut rig = Rig::new();
        let mut operator = Producer::new("order-router-sim-spot-shell", 77);
        let command = operator.wrap(at_ms(11_000), Body::ControlCommand(cancel_account()));
        rig.input(caught_up_ms, ServiceInput::Message(command));
        rig.report(caught_up_ms, VenueReport::Session { is_up: true });
        let said = rig.input(caught_up_ms, ServiceInput::CaughtUp);
        assert_eq!(said.states[0].state, ServiceState::Halted);
        assert_eq!(rig.advance(caught_up_ms + 1).account_cancels, wanted);
    }
}

#[test]
fn what_an_earlier_run_has_carried_out_is_not_begun_again() {
    let mut operator = Producer::new("order-router-sim-spot-shell", 77);
    let mut command = |ms| operator.wrap(at_ms(ms), Body::ControlCommand(cancel_account()));
    let (earlier, first, later) = (command(1_500), command(2_000), command(2_500));
    let mut rig = Rig::ready();
    rig.input(1_500, ServiceInput::Message(earlier.clone()));
    rig.input(2_000, ServiceInput::Message(first.clone()));
    rig.open_orders(2_005, vec![]);
    let over = rig.open_orders(2_010, vec![]).states.pop().unwrap();
    assert_eq!(over.account_cancelled, Some(first.header.message_id()));

    let mut producer = Producer::new("order-router-sim-spot", 1);
    let over = producer.wrap(at_ms(2_010), Body::ControlState(over));
    for (log, wanted) in [
        (vec![&earlier, &first, &over], 0),
        // Each log has its own reader: the state may come first.
        (vec![&over, &earlier, &first], 0),
        (vec![&earlier, &first, &later, &over], 1),
        (vec![&earlier, &first], 1),
    ] {
        let mut rig = Rig::new();
        for message in log {
            rig.input(3_000, ServiceInput::Message(Arc::clone(message)));
        }
        let said = rig.input(3_000, ServiceInput::CaughtUp);
        assert_eq!(said.states[0].state, ServiceState::Halted);
        if wanted == 0 {
            let told = &said.states[0].account_cancelled;
            assert_eq!(
                *told,
                Some(first.header.message_id()),
                "the run after this one reads it too"
            );
        }
        assert_eq!(rig.advance(3_001).account_cancels, wanted);
    }
}
