//! The one transition table: where an order stands × what was heard about it. Every pair is listed.

use remora_domain::OrdStatus;

/// Is what was heard about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The venue took it.
    Accepted,
    /// The venue refused it.
    Rejected,
    /// A new execution that leaves something open.
    PartFill,
    /// A new execution that completes it.
    FullFill,
    /// The venue ended it.
    Cancelled,
    /// The venue refused the cancel.
    CancelRejected,
    /// No answer came in time.
    NoAnswer,
    /// The venue lists it as open.
    SeenOpen,
    /// The venue does not list it, and should if it were open.
    SeenAbsent,
}

/// Is what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The order stands there now; said to everybody.
    To(OrdStatus),
    /// Nothing new; said to nobody.
    Stay,
    /// A fill after the end: booked, the order stays terminal.
    LateFill(OrdStatus),
    /// We hold it for terminal and the venue holds it for live: take it back.
    Reap,
    /// Cannot be: counted, nothing believed; the next query of open orders settles it.
    Impossible,
}

/// Gives what follows from hearing `heard` about an order that stands at `status`.
pub(crate) const fn step(status: OrdStatus, heard: Heard) -> Step {
    use Heard as H;
    use OrdStatus as S;
    match (status, heard) {
        // The venue has not spoken yet: anything it says settles the question.
        (S::InFlight | S::SubmitUnknown, H::Accepted | H::SeenOpen | H::PartFill) => {
            Step::To(S::Working)
        }
        (S::InFlight | S::SubmitUnknown, H::Rejected) => Step::To(S::Rejected),
        (S::InFlight, H::NoAnswer) => Step::To(S::SubmitUnknown),
        // Not news, or a cancel that was faster than its order.
        (S::SubmitUnknown, H::NoAnswer) | (S::InFlight | S::SubmitUnknown, H::CancelRejected) => {
            Step::Stay
        }
        (S::Working, H::PartFill) | (S::CancelPending, H::CancelRejected) => Step::To(S::Working),
        (S::CancelPending, H::PartFill) => Step::To(S::CancelPending),
        (S::Working | S::CancelPending, H::Accepted | H::NoAnswer | H::SeenOpen)
        | (S::Working, H::CancelRejected) => Step::Stay,
        // A venue that took an order cannot refuse it any more.
        (S::Working | S::CancelPending, H::Rejected) => Step::Impossible,
        (S::InFlight | S::SubmitUnknown | S::Working | S::CancelPending, H::FullFill) => {
            Step::To(S::Filled)
        }
        (
            S::InFlight | S::SubmitUnknown | S::Working | S::CancelPending,
            H::Cancelled | H::SeenAbsent,
        ) => Step::To(S::Cancelled),
        // After the end.
        (S::Cancelled, H::PartFill) => Step::LateFill(S::Cancelled),
        (S::Rejected, H::PartFill) => Step::LateFill(S::Rejected),
        (S::Expired, H::PartFill) => Step::LateFill(S::Expired),
        (S::Cancelled | S::Rejected | S::Expired, H::FullFill)
        // More than was asked for; it was filled all the same.
        | (S::Filled, H::PartFill | H::FullFill) => Step::LateFill(S::Filled),
        (S::Cancelled | S::Rejected | S::Expired, H::Accepted | H::SeenOpen) => Step::Reap,
        (S::Filled, H::Accepted | H::SeenOpen)
        | (
            S::Filled | S::Cancelled | S::Rejected | S::Expired,
            H::Rejected | H::Cancelled | H::CancelRejected | H::NoAnswer | H::SeenAbsent,
        ) => Step::Stay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Heard as H;
    use OrdStatus as S;

    const STATUSES: [S; 8] = [
        S::InFlight,
        S::SubmitUnknown,
        S::Working,
        S::CancelPending,
        S::Filled,
        S::Cancelled,
        S::Rejected,
        S::Expired,
    ];
    const HEARD: [H; 9] = [
        H::Accepted,
        H::Rejected,
        H::PartFill,
        H::FullFill,
        H::Cancelled,
        H::CancelRejected,
        H::NoAnswer,
        H::SeenOpen,
        H::SeenAbsent,
    ];

    #[test]
    fn nothing_but_a_fill_moves_a_terminal_order() {
        for status in STATUSES.into_iter().filter(|s| s.is_terminal()) {
            for heard in HEARD {
                match step(status, heard) {
                    Step::LateFill(to) => {
                        assert!(to.is_terminal() && matches!(heard, H::PartFill | H::FullFill));
                    }
                    Step::To(to) => panic!("{status:?} {heard:?} moved to {to:?}"),
                    Step::Stay | Step::Reap | Step::Impossible => {}
                }
            }
        }
    }

    #[test]
    fn an_unknown_send_is_left_only_by_the_venue() {
        assert_eq!(step(S::SubmitUnknown, H::NoAnswer), Step::Stay);
        for heard in HEARD.into_iter().filter(|h| !matches!(h, H::NoAnswer | H::CancelRejected)) {
            assert!(matches!(step(S::SubmitUnknown, heard), Step::To(_)), "{heard:?}");
        }
    }
}
