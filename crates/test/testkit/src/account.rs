//! Balances, fee tier, control.

use crate::{account, amount, asset, bps, venue};
use remora_domain::{
    AccountFees, Amount, Balance, Balances, ControlAction, ControlCommand, ControlScope,
    ControlState, FeeSchedule, Heartbeat, NamedAccount, Service, ServiceState,
};
use std::collections::BTreeMap;

/// Makes complete balances from (asset, total), nothing held.
#[must_use]
pub fn balances(totals: &[(&str, &str)]) -> Balances {
    let mut entries: Vec<Balance> = totals
        .iter()
        .map(|(name, total)| Balance {
            asset: asset(name),
            total: amount(total),
            held: Amount::ZERO,
        })
        .collect();
    entries.sort_by(|a, b| a.asset.cmp(&b.asset));
    Balances { account: account(), venue: venue(), entries }
}

/// Makes the fee tier of the account from basis points.
#[must_use]
pub fn fees(maker_bps: &str, taker_bps: &str) -> AccountFees {
    AccountFees {
        account: account(),
        venue: venue(),
        schedule: FeeSchedule { maker_bps: bps(maker_bps), taker_bps: bps(taker_bps) },
    }
}

/// Makes the command that halts a scope.
#[must_use]
pub fn halt(scope: ControlScope) -> ControlCommand {
    command(ControlAction::Halt, scope)
}

/// Makes the command that halts everything and takes back every order of our account, whoever placed it.
#[must_use]
pub fn cancel_account() -> ControlCommand {
    let command = command(ControlAction::CancelAccount, ControlScope::Global);
    ControlCommand { account: Some(NamedAccount { id: account(), venue: None }), ..command }
}

/// Makes the command that resumes a scope.
#[must_use]
pub fn resume(scope: ControlScope) -> ControlCommand {
    command(ControlAction::Resume, scope)
}

/// Makes the command that allows only reducing orders in a scope.
#[must_use]
pub fn reduce(scope: ControlScope) -> ControlCommand {
    command(ControlAction::Reduce, scope)
}

fn command(action: ControlAction, scope: ControlScope) -> ControlCommand {
    let (actor, reason) = ("tester".to_owned(), "a test".to_owned());
    ControlCommand { action, scope, actor, reason, limits: None, account: None }
}

/// Makes the state a service publishes, nothing halted.
#[must_use]
pub fn control_state(service: Service, state: ServiceState, epoch: u64) -> ControlState {
    ControlState {
        service: service.name().to_owned(),
        account: account(),
        venue: (service == Service::OrderRouter).then(venue),
        state,
        epoch,
        halted: Vec::new(),
        reason: String::new(),
        orders_open: None,
        restricted: Vec::new(),
        is_guarded: None,
        breaks: Vec::new(),
        equity: None,
        beyond_fills: BTreeMap::new(),
        account_cancelled: None,
    }
}

/// Makes the state of the venue's router.
#[must_use]
pub fn router_state(state: ServiceState, epoch: u64) -> ControlState {
    control_state(Service::OrderRouter, state, epoch)
}

/// Makes the state of an active router that acknowledges `epoch`.
#[must_use]
pub fn router_ready(epoch: u64) -> ControlState {
    router_state(ServiceState::Active, epoch)
}

/// Makes the sign of life of a service at work.
#[must_use]
pub fn heartbeat(service: Service) -> Heartbeat {
    Heartbeat {
        service: service.name().to_owned(),
        version: "1.0.0".to_owned(),
        state: ServiceState::Active,
        data_age: None,
    }
}
