//! What the venue's error texts mean. Compared by their beginning: details vary.
//! Source: Kraken, "Spot REST errors" and the WebSocket v2 reference (checked June 2026).

use remora_domain::OrderEventReason as Reason;

/// Is what follows from a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing was done, for this reason.
    Refused(Reason),
    /// Nobody knows whether it was done.
    Unknown,
    /// Nothing was done: the token is no good any more.
    Session,
    /// Nothing was done: too much at once.
    Throttled,
    /// Nothing was done, and nothing will be with this key: repeating it leads to a lock-out.
    Locked,
}

const TABLE: [(&str, Meaning); 32] = [
    ("EOrder:Insufficient", Meaning::Refused(Reason::InsufficientFunds)),
    ("EOrder:Order minimum not met", Meaning::Refused(Reason::InstrumentRule)),
    ("EOrder:Cost minimum not met", Meaning::Refused(Reason::InstrumentRule)),
    ("EOrder:Tick size check failed", Meaning::Refused(Reason::InstrumentRule)),
    ("EOrder:Invalid price", Meaning::Refused(Reason::InstrumentRule)),
    ("EOrder:Post only order", Meaning::Refused(Reason::PostOnlyWouldCross)),
    ("EOrder:Rate limit exceeded", Meaning::Refused(Reason::RateLimited)),
    ("EOrder:Domain rate limit exceeded", Meaning::Refused(Reason::RateLimited)),
    ("EOrder:Orders limit exceeded", Meaning::Refused(Reason::RateLimited)),
    ("EOrder:Unknown order", Meaning::Refused(Reason::UnknownOrder)),
    ("EOrder:Invalid order", Meaning::Refused(Reason::UnknownOrder)),
    ("EOrder:", Meaning::Refused(Reason::VenueOther)),
    ("EGeneral:Invalid arguments", Meaning::Refused(Reason::InstrumentRule)),
    ("EGeneral:Too many requests", Meaning::Throttled),
    ("EGeneral:Permission denied", Meaning::Refused(Reason::VenueOther)),
    ("EGeneral:Unknown method", Meaning::Refused(Reason::VenueOther)),
    ("EGeneral:Temporary lockout", Meaning::Locked),
    ("EGeneral:", Meaning::Unknown),
    ("EQuery:", Meaning::Refused(Reason::InstrumentRule)),
    ("EService:Market in", Meaning::Refused(Reason::VenueOther)),
    ("EService:Deadline elapsed", Meaning::Refused(Reason::ApprovalExpired)),
    ("EService:Throttled", Meaning::Throttled),
    ("EService:", Meaning::Unknown),
    ("EAPI:Rate limit exceeded", Meaning::Throttled),
    // The order may exist all the same: another try of the same bytes may have come first.
    ("EAPI:Invalid nonce", Meaning::Unknown),
    ("EAPI:Invalid key", Meaning::Locked),
    ("EAPI:Invalid signature", Meaning::Locked),
    ("ESession:", Meaning::Session),
    ("EAccount:", Meaning::Refused(Reason::VenueOther)),
    ("EAuth:", Meaning::Locked),
    ("ETrade:", Meaning::Refused(Reason::VenueOther)),
    ("Unsupported field", Meaning::Refused(Reason::VenueOther)),
];

/// Gives what an error text means; one that we do not know leaves the outcome open.
pub(super) fn meaning(text: &str) -> Meaning {
    TABLE.iter().find(|(start, _)| text.starts_with(start)).map_or(Meaning::Unknown, |(_, m)| *m)
}

/// Gives why an order ended, from the venue's words.
pub(super) fn end_reason(words: Option<&str>) -> Reason {
    match words {
        None => Reason::None,
        Some("User requested" | "User canceled") => Reason::UserRequested,
        Some(words) if words.contains("Post only") => Reason::PostOnlyWouldCross,
        Some(words) if words.contains("nsufficient") => Reason::InsufficientFunds,
        Some(_) => Reason::VenueOther,
    }
}

/// Tells whether an order that we did not take back may have been ended by the venue's timer. What it says then is not
/// documented: every reason counts that is not known for another.
pub(super) fn may_be_timer(words: Option<&str>) -> bool {
    const OTHERS: [&str; 5] = ["User", "Post only", "nsufficient", "elf", "STP"];
    !OTHERS.iter().any(|other| words.unwrap_or_default().contains(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_knows_leaves_the_outcome_open() {
        for text in
            ["EService:Unavailable", "EService:Busy", "EGeneral:Internal error[:7]", "", "EFoo:Bar"]
        {
            assert_eq!(meaning(text), Meaning::Unknown, "{text}");
        }
    }

    #[test]
    fn refusals_have_reasons() {
        for (text, want) in [
            ("EOrder:Insufficient funds", Meaning::Refused(Reason::InsufficientFunds)),
            ("EOrder:Post only order", Meaning::Refused(Reason::PostOnlyWouldCross)),
            (
                "EOrder:Invalid price:XXBTZUSD price can only be specified up to 1 decimals.",
                Meaning::Refused(Reason::InstrumentRule),
            ),
            ("EOrder:Something new", Meaning::Refused(Reason::VenueOther)),
            ("EService:Market in cancel_only mode", Meaning::Refused(Reason::VenueOther)),
            ("EService:Deadline elapsed", Meaning::Refused(Reason::ApprovalExpired)),
            ("EService:Throttled: 1771234567", Meaning::Throttled),
            ("ESession:Invalid session", Meaning::Session),
            ("EAPI:Invalid signature", Meaning::Locked),
        ] {
            assert_eq!(meaning(text), want, "{text}");
        }
    }

    #[test]
    fn ends_have_reasons() {
        assert_eq!(end_reason(Some("Post only order")), Reason::PostOnlyWouldCross);
        assert_eq!(end_reason(Some("User requested")), Reason::UserRequested);
        assert_eq!(end_reason(Some("Cancel all orders after timeout")), Reason::VenueOther);
        assert_eq!(end_reason(None), Reason::None);
        assert!(may_be_timer(Some("Cancel all orders after timeout")) && may_be_timer(None));
        assert!(!may_be_timer(Some("User requested")) && !may_be_timer(Some("Post only order")));
    }
}
