//! The catalogue: every control of the gate with its number, unit, rule and the settings it follows.
//!
//! The list is closed. What a control answers is in the module of its group; which of its reasons a refusal carries is
//! in `remora_domain::RefusalReason`. A test goes through this list and wants a scene for each entry.

use remora_domain::{ControlId, RefusalReason};

/// Says what a control looks at, and so for what its current value can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// One order: without one there is no value.
    Order,
    /// One pair.
    Pair,
    /// The whole account.
    Account,
}

/// Groups controls by what they look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Who asks, for what, in which form.
    Identity,
    /// How much.
    Size,
    /// At which price.
    Price,
    /// What the account may come to hold.
    Position,
    /// How many messages.
    Flow,
    /// What was lost and paid.
    Loss,
    /// What the decision rests on.
    Data,
    /// In which condition everything is.
    State,
}

impl Group {
    /// Gives the word used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Size => "size",
            Self::Price => "price",
            Self::Position => "position",
            Self::Flow => "flow",
            Self::Loss => "loss",
            Self::Data => "data",
            Self::State => "state",
        }
    }
}

macro_rules! controls {
    ($($name:ident = $number:literal, $group:ident, $level:ident, $title:literal, $unit:literal, $rule:literal,
       [$($source:literal),*];)*) => {
        /// Is a control of the gate.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Control {
            $(#[doc = $rule] $name,)*
        }

        impl Control {
            /// All controls, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Gives the number, as refusals carry it.
            #[must_use]
            pub const fn id(self) -> ControlId {
                match self { $(Self::$name => ControlId::new($number),)* }
            }

            /// Gives what it is called.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Gives the unit of limit and value; `state` where they are words.
            #[must_use]
            pub const fn unit(self) -> &'static str {
                match self { $(Self::$name => $unit,)* }
            }

            /// Gives the rule in one sentence.
            #[must_use]
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$name => $rule,)* }
            }

            /// Gives the keys of the limits it follows; empty where the venue or the message itself sets the limit.
            #[must_use]
            pub const fn sources(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($source),*],)* }
            }

            /// Gives its group.
            #[must_use]
            pub const fn group(self) -> Group {
                match self { $(Self::$name => Group::$group,)* }
            }

            /// Tells what it looks at.
            #[must_use]
            pub const fn level(self) -> Level {
                match self { $(Self::$name => Level::$level,)* }
            }
        }
    };
}

controls! {
    G01 = 1, Identity, Order, "authorised", "state",
        "Account and strategy are ours.", ["strategies"];
    G02 = 2, Identity, Order, "instrument", "state",
        "The instrument is known, permitted, of an enabled kind and open for this order.", ["instruments"];
    G03 = 3, Identity, Order, "precision", "state",
        "Price and quantity are exact, on their steps and at least the venue's minimum.", [];
    G04 = 4, Identity, Account, "single use", "state",
        "The id was never used and the request is answered within its deadline.", ["approval_ttl_ms"];
    G05 = 5, Size, Order, "order quantity", "base",
        "The quantity is at most a multiple of the smallest order of the instrument.", ["order_qty_mins_max"];
    G06 = 6, Size, Order, "order value", "USD",
        "The value of one order is at most the limit.", ["order_notional_usd_max"];
    G07 = 7, Size, Order, "share of the market", "base",
        "The quantity is at most a share of the thinner side of the book and of the volume of 24 hours.",
        ["order_depth_share_bps_max", "order_volume_share_bps_max"];
    G08 = 8, Price, Order, "collar", "quote",
        "The price is at most the collar away from the mid.", ["price_collar_bps"];
    G09 = 9, Price, Order, "last trade band", "quote",
        "The price is at most the band away from the last trade.", ["last_trade_band_bps"];
    G10 = 10, Price, Order, "own crossing", "quote",
        "The order meets none of our own.", [];
    G11 = 11, Price, Order, "post only", "quote",
        "A post-only order takes nothing from the book as last seen.", [];
    G12 = 12, Price, Order, "edge", "bps",
        "An order that can open a position earns at least the limit against the mid, after its fee.",
        ["edge_bps_min"];
    G13 = 13, Position, Pair, "pair position", "USD",
        "The worst case of the pair is at most its limit, or not raised.",
        ["pair_position_usd_max", "pair_position_usd_max_overrides"];
    G14 = 14, Position, Pair, "asset position", "USD",
        "The worst cases of all pairs of one base asset are together at most the limit, or not raised.",
        ["asset_position_usd_max", "asset_position_usd_max_overrides"];
    G15 = 15, Position, Account, "gross position", "USD",
        "The worst cases of all pairs are together at most the limit, or not raised.", ["total_position_usd_max"];
    G16 = 16, Position, Account, "net position", "USD",
        "Longs minus shorts are in the worst case at most the limit either way, or not raised.",
        ["net_position_usd_max"];
    G17 = 17, Position, Pair, "venue position", "USD",
        "The worst cases of all pairs of one venue are together at most the limit, or not raised.",
        ["venue_position_usd_max", "venue_position_usd_max_overrides"];
    G18 = 18, Position, Pair, "group position", "USD",
        "The worst cases of assets that move together are together at most the limit of each of their groups, or not raised.",
        ["groups"];
    G19 = 19, Position, Order, "funds", "asset",
        "The balance covers the order, its fee and everything that may still fill, orders of unknown fate included.",
        [];
    G20 = 20, Flow, Account, "message rate", "messages",
        "Orders and cancels in the window, this one included, are at most the limit.",
        ["orders_per_window_max", "order_window_ms"];
    G21 = 21, Flow, Account, "cancel rate", "cancels",
        "Cancels in the window are at most the limit; cancels themselves always pass.",
        ["cancels_per_window_max", "order_window_ms"];
    G22 = 22, Flow, Pair, "open orders", "orders",
        "Orders that may still fill, this one included, are at most the limits of account and pair.",
        ["open_orders_max", "open_orders_pair_max"];
    G23 = 23, Flow, Account, "unfilled orders", "orders",
        "Orders of the day, this one included, are at most a free number and so many for each execution.",
        ["unfilled_orders_max", "orders_per_fill_max"];
    G24 = 24, Flow, Order, "duplicates", "orders",
        "Orders of one pair, side, price and quantity in the window, this one included, are at most the limit.",
        ["duplicates_max", "duplicate_window_ms"];
    G25 = 25, Flow, Pair, "repeated executions", "executions",
        "Executions of the pair in the window are at most the limit; beyond it the pair is halted until a person resumes it.",
        ["executions_per_window_max", "execution_window_ms"];
    G26 = 26, Flow, Pair, "venue budget", "messages",
        "The venue still takes this message by our count; a venue that complains has no budget for one window.",
        ["venue_budget_messages", "venue_budget_window_ms"];
    G27 = 27, Loss, Account, "loss of the day", "USD",
        "Equity at its worst is at most the limit below that of the start of the UTC day; beyond it all is halted.",
        ["loss_day_usd_max", "loss_day_reduce_usd", "stale_mark_haircut_bps"];
    G28 = 28, Loss, Account, "drawdown", "USD",
        "Equity at its worst is at most the limit below its peak; beyond it all is halted.",
        ["drawdown_usd_max", "stale_mark_haircut_bps"];
    G29 = 29, Loss, Pair, "loss streak", "losses",
        "Closing executions that lost in a row are at most the limit; beyond it the pair pauses.",
        ["loss_streak_max", "loss_streak_pause_ms"];
    G30 = 30, Loss, Account, "fees of the day", "USD",
        "Fees of the UTC day are at most the limit; beyond it only reducing orders pass.", ["fees_day_usd_max"];
    G31 = 31, Data, Pair, "book age", "ms",
        "The book was received at most so long ago; held pairs that count in a sum have a mark that is not too old.",
        ["book_age_ms_max", "mark_age_ms_max"];
    G32 = 32, Data, Pair, "book state", "state",
        "The book is verified, two-sided and not crossed.", [];
    G33 = 33, Data, Pair, "clock skew", "ms",
        "The clocks of venue, ingestor and gate differ by at most the limit.", ["clock_skew_ms_max"];
    G34 = 34, Data, Pair, "reference", "bps",
        "At least so many venues tell a fresh mid of the pair, and they differ by at most the limit.",
        ["reference_venues_min", "reference_disagreement_bps_max"];
    G35 = 35, Data, Order, "signal age", "ms",
        "The market event behind the request, or the request itself where none is told, is at most so old.",
        ["signal_age_ms_max"];
    G36 = 36, State, Order, "state", "state",
        "Nothing that holds the order is halted or, unless it reduces, restricted to reducing; the router lives and knows our epoch.",
        ["router_silence_ms_max"];
    G37 = 37, State, Pair, "venue status", "state",
        "The venue is open for this order.", [];
    G38 = 38, State, Pair, "reconciliation", "state",
        "No break is open between the venue's account of the pair and ours.", [];
    G39 = 39, State, Pair, "dead-man switch", "state",
        "Where it is demanded, the venue's timer that cancels our orders is armed.", ["dead_man_venues"];
    G40 = 40, State, Account, "start-up ramp", "USD",
        "The worst cases of all pairs are together at most what is allowed so long after the start, or not raised.",
        ["ramp_ms", "ramp_start_bps"];
    G41 = 41, State, Account, "limits in force", "state",
        "The limits are the newest recorded ones, have not run out, and are signed where the gate wants that.",
        ["version", "valid_until", "limits_signature"];
}

impl Control {
    /// Gives the control a reason belongs to; `None` for a reason that this version does not know.
    #[must_use]
    pub fn of(reason: RefusalReason) -> Option<Self> {
        let number = usize::from(reason.control().number());
        number.checked_sub(1).and_then(|place| Self::ALL.get(place)).copied()
    }

    /// Gives the reasons its refusals carry.
    pub fn reasons(self) -> impl Iterator<Item = RefusalReason> {
        let id = self.id();
        RefusalReason::ALL.iter().copied().filter(move |reason| reason.control() == id)
    }
}

impl std::fmt::Display for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.id().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_numbered_in_order_and_each_has_a_reason() {
        assert_eq!(Control::ALL.len(), 41);
        for (place, control) in Control::ALL.iter().enumerate() {
            assert_eq!(usize::from(control.id().number()), place + 1);
            assert!(control.reasons().count() > 0, "{control} can give no reason");
            assert!(control.reasons().all(|reason| Control::of(reason) == Some(*control)));
            assert!(!control.title().is_empty() && control.rule().ends_with('.'));
        }
        assert_eq!(Control::of(RefusalReason::Unknown), None);
    }
}
