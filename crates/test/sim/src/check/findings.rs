//! Promises of a run, and where one was broken.

use remora_domain::{Header, MessageId, Timestamp};
use std::fmt;

/// The most findings that are kept; a broken run repeats itself.
const FINDINGS_MAX: usize = 50;

/// Is a promise that every run keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// Publish times never decrease.
    TimeRunsForward,
    /// The messages of one run of one producer count 1, 2, 3.
    MessagesAreNumbered,
    /// A client order id is asked for once.
    IdsAreFresh,
    /// A request gets exactly one approval or refusal, and neither comes without a request.
    RequestsAreAnsweredOnce,
    /// An approval allows exactly what was asked for.
    ApprovedAsAsked,
    /// A refusal says which value met which limit.
    RefusalsSayWhy,
    /// An order is sent once, after exactly one approval.
    SentOnceAndApproved,
    /// Every approval is heard of by the router.
    ApprovalsAreHandled,
    /// An event is about an order that was asked for, with the terms asked for.
    EventsAreOfOurOrders,
    /// Filled plus open is the asked quantity while an order lives; nothing is open after its end.
    QuantitiesAddUp,
    /// Nothing but a late fill follows the end of an order.
    TheEndIsFinal,
    /// An execution is booked once per id.
    FillsAreBookedOnce,
    /// An execution is at the limit price or better.
    FillsAreWithinTheLimit,
    /// Nobody asks for an order on a book that may not be used.
    NoQuoteOnAnInvalidBook,
    /// Nothing trades against a book that may not be used.
    NoFillOnAnInvalidBook,
    /// A live book is neither crossed nor locked.
    LiveBooksAreUncrossed,
    /// Our bids stay below our asks.
    OwnQuotesNeverCross,
    /// One order stays within its limit.
    OrdersAreWithinTheLimit,
    /// The worst case of a pair stays within its limit.
    PairsAreWithinTheLimit,
    /// The worst cases of all pairs together stay within their limit.
    TheTotalIsWithinTheLimit,
    /// What the account has of an asset covers every open order that spends it.
    FundsCoverWhatIsOpen,
    /// Balances are the first balances plus executions minus fees, to the last digit.
    BalancesAddUp,
    /// A quiet end leaves no order behind.
    NothingIsLeftOpen,
    /// No amount leaves the exact range.
    AmountsStayExact,
}

impl Promise {
    /// Tells whether the durable log alone shows it: the streams of instruments, balances and orders, without market
    /// data and without one order over all of them.
    #[must_use]
    pub const fn is_shown_by_the_log(self) -> bool {
        match self {
            Self::IdsAreFresh
            | Self::RequestsAreAnsweredOnce
            | Self::ApprovedAsAsked
            | Self::RefusalsSayWhy
            | Self::SentOnceAndApproved
            | Self::ApprovalsAreHandled
            | Self::EventsAreOfOurOrders
            | Self::QuantitiesAddUp
            | Self::TheEndIsFinal
            | Self::FillsAreBookedOnce
            | Self::FillsAreWithinTheLimit
            | Self::OwnQuotesNeverCross
            | Self::BalancesAddUp
            | Self::NothingIsLeftOpen
            | Self::AmountsStayExact => true,
            Self::TimeRunsForward
            | Self::MessagesAreNumbered
            | Self::NoQuoteOnAnInvalidBook
            | Self::NoFillOnAnInvalidBook
            | Self::LiveBooksAreUncrossed
            | Self::OrdersAreWithinTheLimit
            | Self::PairsAreWithinTheLimit
            | Self::TheTotalIsWithinTheLimit
            | Self::FundsCoverWhatIsOpen => false,
        }
    }
}

/// Is one broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which promise.
    pub promise: Promise,
    /// When.
    pub at: Timestamp,
    /// The message that broke it; `None` for what is missing at the end.
    pub message: Option<MessageId>,
    /// What was found.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { promise, at, message, detail } = self;
        match message {
            Some(message) => write!(f, "{promise:?} at {at}, {message}: {detail}"),
            None => write!(f, "{promise:?} at the end: {detail}"),
        }
    }
}

/// Collects findings about the message being looked at.
#[derive(Default)]
pub(super) struct Findings {
    is_log_only: bool,
    at: Timestamp,
    message: Option<MessageId>,
    kept: Vec<Finding>,
    total: u64,
}

impl Findings {
    /// Keeps what the durable log alone shows.
    pub(super) fn of_log() -> Self {
        Self { is_log_only: true, ..Self::default() }
    }

    pub(super) const fn is_log_only(&self) -> bool {
        self.is_log_only
    }

    pub(super) fn about(&mut self, header: &Header) {
        self.at = header.publish_time;
        self.message = Some(header.message_id());
    }

    pub(super) fn about_end(&mut self) {
        self.message = None;
    }

    pub(super) fn add(&mut self, promise: Promise, detail: impl Into<String>) {
        if self.is_log_only && !promise.is_shown_by_the_log() {
            return;
        }
        self.total = self.total.saturating_add(1);
        if self.kept.len() < FINDINGS_MAX {
            let (at, message) = (self.at, self.message.clone());
            self.kept.push(Finding { promise, at, message, detail: detail.into() });
        }
    }

    /// Notes an amount that could not be computed, and gives the others.
    pub(super) fn exact<T, E: fmt::Display>(&mut self, computed: Result<T, E>) -> Option<T> {
        match computed {
            Ok(value) => Some(value),
            Err(cause) => {
                self.add(Promise::AmountsStayExact, cause.to_string());
                None
            }
        }
    }

    pub(super) fn into_parts(self) -> (Vec<Finding>, u64) {
        (self.kept, self.total)
    }
}
