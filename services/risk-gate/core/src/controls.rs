//! The controls, by group, and the order in which an order meets them.
//!
//! Each is a function of the facts and the order: it gives what it read, or refuses with limit and value. It allows
//! exactly its limit and refuses one unit more. What it needs and does not know is a refusal.

mod data;
mod flow;
mod identity;
mod loss;
mod position;
mod price;
mod size;
mod state;

use crate::ask::Ask;
use crate::catalogue::Control;
use crate::denial::{Denial, Reading};

/// Is one rule of a control.
pub(crate) type Rule = for<'a> fn(&'a Ask<'a>) -> Result<Reading<'a>, Denial>;

/// Every rule, in the order in which they are asked: first who and what, then whether anything may be traded at all, then
/// what the decision rests on, then the order itself, then what it adds up to. A control may have two.
pub(crate) const RULES: [(Control, Rule); 44] = [
    (Control::G01, identity::authorised),
    (Control::G04, identity::single_use),
    (Control::G36, state::state),
    (Control::G41, state::limits_in_force),
    (Control::G02, identity::tradable),
    (Control::G03, identity::precision),
    (Control::G37, state::venue_status),
    (Control::G36, state::router),
    (Control::G39, state::dead_man),
    (Control::G38, state::reconciliation),
    (Control::G32, data::book_state),
    (Control::G31, data::book_age),
    (Control::G33, data::clock_skew),
    (Control::G34, data::reference),
    (Control::G35, data::signal_age),
    (Control::G08, price::collar),
    (Control::G09, price::last_trade_band),
    (Control::G10, price::own_cross),
    (Control::G11, price::post_only),
    (Control::G06, size::notional),
    (Control::G05, size::quantity),
    (Control::G07, size::depth_share),
    (Control::G07, size::volume_share),
    (Control::G36, state::reduce_only),
    (Control::G13, position::pair),
    (Control::G15, position::gross),
    (Control::G14, position::asset),
    (Control::G16, position::net),
    (Control::G17, position::venue),
    (Control::G18, position::group),
    (Control::G40, position::ramp),
    (Control::G19, position::funds),
    (Control::G12, price::edge),
    (Control::G20, flow::message_rate),
    (Control::G21, flow::cancel_rate),
    (Control::G22, flow::open_orders),
    (Control::G23, flow::unfilled_orders),
    (Control::G24, flow::duplicates),
    (Control::G25, flow::executions),
    (Control::G26, flow::venue_budget),
    (Control::G27, loss::day_loss),
    (Control::G28, loss::drawdown),
    (Control::G29, loss::streak),
    (Control::G30, loss::fees),
];

/// Says whether the order may exist, on the facts received so far: the first refusal decides.
pub(crate) fn check(ask: &Ask<'_>) -> Result<(), Denial> {
    RULES.iter().try_for_each(|(_, rule)| rule(ask).map(drop))
}
