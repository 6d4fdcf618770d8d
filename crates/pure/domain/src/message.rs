//! The envelope every bus message travels in, and the numbering that makes it unique.

use crate::{
    AccountBreak, AccountFees, Balances, Bar, BookTop, ControlCommand, ControlState,
    DecisionRecord, FeedStatus, Heartbeat, Instrument, MarketStatus, MarketTrade, MessageId,
    OrderApproval, OrderCancel, OrderEvent, OrderRefusal, OrderRequest, PositionSnapshot,
    ProducerId, SessionId, Ticker, Timestamp, Universe,
};

/// Says who published a message, in which run, what caused it, and when.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Header {
    /// Who.
    pub producer: ProducerId,
    /// In which run.
    pub session: SessionId,
    /// The how-manieth of that run, from 1.
    pub sequence: u64,
    /// The message that led to this one.
    pub cause: Option<MessageId>,
    /// When the venue says it happened.
    pub venue_time: Option<Timestamp>,
    /// When the frame behind it arrived at our socket.
    pub receive_time: Option<Timestamp>,
    /// When it was published.
    pub publish_time: Timestamp,
}

impl Header {
    /// Gives the identity of the message.
    #[must_use]
    pub fn message_id(&self) -> MessageId {
        MessageId {
            producer: self.producer.clone(),
            session: self.session,
            sequence: self.sequence,
        }
    }
}

/// Is the content of a message (closed).
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Top of book.
    Book(BookTop),
    /// Public trade.
    Trade(MarketTrade),
    /// 24-hour summary.
    Ticker(Ticker),
    /// Venue status.
    MarketStatus(MarketStatus),
    /// Feed health of one instrument.
    FeedStatus(FeedStatus),
    /// Instrument definition.
    Instrument(Instrument),
    /// One-minute bar.
    Bar(Bar),
    /// Universe in force.
    Universe(Universe),
    /// Request to the gate.
    OrderRequest(OrderRequest),
    /// Signed yes.
    OrderApproval(OrderApproval),
    /// No.
    OrderRefusal(OrderRefusal),
    /// Order taken back.
    OrderCancel(OrderCancel),
    /// Statement about an order.
    OrderEvent(OrderEvent),
    /// Venue truth of holdings.
    Balances(Balances),
    /// Our view of a holding.
    Position(PositionSnapshot),
    /// Fee tier.
    AccountFees(AccountFees),
    /// Difference between the venue's account and ours.
    AccountBreak(AccountBreak),
    /// Decision with its reason.
    DecisionRecord(DecisionRecord),
    /// Halt or resume.
    ControlCommand(ControlCommand),
    /// Condition of a service.
    ControlState(ControlState),
    /// Sign of life.
    Heartbeat(Heartbeat),
}

/// Is one bus message.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// Who, when, why.
    pub header: Header,
    /// What.
    pub body: Body,
}

/// Numbers the messages of one run of one producer. Held by the core, so that a replay numbers alike.
#[derive(Clone, Debug)]
pub struct Sequencer {
    producer: ProducerId,
    session: SessionId,
    last: u64,
}

impl Sequencer {
    /// Starts numbering at 1.
    #[must_use]
    pub const fn new(producer: ProducerId, session: SessionId) -> Self {
        Self { producer, session, last: 0 }
    }

    /// Wraps a body that no single message caused.
    pub fn wrap(&mut self, now: Timestamp, body: Body) -> Envelope {
        self.next(now, body, None, None, None)
    }

    /// Wraps a body caused by `cause`; venue and receive time are carried on, so that latency can be
    /// measured at each hop.
    pub fn reply(&mut self, now: Timestamp, cause: &Header, body: Body) -> Envelope {
        self.next(now, body, Some(cause.message_id()), cause.venue_time, cause.receive_time)
    }

    /// Wraps a body made from a venue frame.
    pub fn from_venue(
        &mut self,
        now: Timestamp,
        venue_time: Option<Timestamp>,
        receive_time: Timestamp,
        body: Body,
    ) -> Envelope {
        self.next(now, body, None, venue_time, Some(receive_time))
    }

    /// Gives who numbers.
    #[must_use]
    pub const fn producer(&self) -> &ProducerId {
        &self.producer
    }

    /// Gives the run.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    fn next(
        &mut self,
        now: Timestamp,
        body: Body,
        cause: Option<MessageId>,
        venue_time: Option<Timestamp>,
        receive_time: Option<Timestamp>,
    ) -> Envelope {
        self.last = self.last.saturating_add(1);
        let header = Header {
            producer: self.producer.clone(),
            session: self.session,
            sequence: self.last,
            cause,
            venue_time,
            receive_time,
            publish_time: now,
        };
        Envelope { header, body }
    }
}
