//! The words of closed sets as they are stored. Never changed, only added to: old rows hold them.

use remora_domain::{
    BreakKind, CancelReason, ContractKind, ControlAction, ControlScope, ExecType, InstrumentStatus,
    Liquidity, OrdStatus, OrderEventReason, PatternTarget, ServiceState, TimeInForce,
};

/// Declares the stored word of every variant of a closed set.
macro_rules! words {
    ($($name:ident($kind:ident) { $($variant:ident = $word:literal),* $(,)? })*) => {$(
        pub(super) const fn $name(value: $kind) -> &'static str {
            match value { $($kind::$variant => $word,)* }
        }
    )*};
}

words! {
    tif(TimeInForce) { Gtc = "gtc", Ioc = "ioc" }
    liquidity(Liquidity) { Maker = "maker", Taker = "taker" }
    ord_status(OrdStatus) {
        InFlight = "in_flight", SubmitUnknown = "submit_unknown", Working = "working",
        CancelPending = "cancel_pending", Filled = "filled", Cancelled = "cancelled",
        Rejected = "rejected", Expired = "expired",
    }
    exec_type(ExecType) {
        Sending = "sending", SubmitUnknown = "submit_unknown", New = "new", Trade = "trade",
        CancelPending = "cancel_pending", CancelRejected = "cancel_rejected",
        Cancelled = "cancelled", Rejected = "rejected", Expired = "expired",
        RouterRefused = "router_refused", Replaced = "replaced",
    }
    event_reason(OrderEventReason) {
        None = "none", BadSignature = "bad_signature", ApprovalExpired = "approval_expired",
        OldEpoch = "old_epoch", Reused = "reused", Halted = "halted", WrongVenue = "wrong_venue",
        PostOnlyWouldCross = "post_only_would_cross", InsufficientFunds = "insufficient_funds",
        InstrumentRule = "instrument_rule", RateLimited = "rate_limited",
        UnknownOrder = "unknown_order", UserRequested = "user_requested",
        VenueOther = "venue_other", Unknown = "unknown",
    }
    cancel_reason(CancelReason) {
        Requote = "requote", PairDeselected = "pair_deselected",
        MarketDataLost = "market_data_lost", Halted = "halted",
        InventoryLimit = "inventory_limit", Shutdown = "shutdown", Orphaned = "orphaned",
        Unknown = "unknown",
    }
    break_kind(BreakKind) {
        Order = "order", Execution = "execution", Balance = "balance",
    }
    contract_kind(ContractKind) {
        Spot = "spot", LinearPerpetual = "linear_perpetual",
        InversePerpetual = "inverse_perpetual", LinearFuture = "linear_future",
        InverseFuture = "inverse_future",
    }
    instrument_status(InstrumentStatus) {
        Online = "online", CancelOnly = "cancel_only", PostOnly = "post_only",
        LimitOnly = "limit_only", ReduceOnly = "reduce_only", Closed = "closed",
    }
    control_action(ControlAction) {
        Halt = "halt", Resume = "resume", Reduce = "reduce", ChangeLimits = "change_limits",
        ConfirmLimits = "confirm_limits", CancelAccount = "cancel_account",
    }
    pattern_target(PatternTarget) {
        Volume = "volume", Volatility = "volatility", Spread = "spread",
    }
    service_state(ServiceState) { Starting = "starting", Active = "active", Halted = "halted" }
}

/// Gives `global`, `venue:<venue>`, `instrument:<venue>/<instrument>` or `strategy:<strategy>`.
pub(super) fn scope(scope: &ControlScope) -> String {
    match scope {
        ControlScope::Global => "global".to_owned(),
        ControlScope::Venue(venue) => format!("venue:{venue}"),
        ControlScope::Instrument(key) => format!("instrument:{key}"),
        ControlScope::Strategy(strategy) => format!("strategy:{strategy}"),
    }
}
