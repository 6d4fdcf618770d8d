//! Market data: what drives a feed session and what it gives.

use remora_domain::{
    BookTop, FeedCounters, Instrument, InstrumentKey, MarketStatus, MarketTrade, Ticker, Timestamp,
    VenueId,
};
use remora_machine::Machine;
use std::collections::{BTreeMap, BTreeSet};

/// Names a connection of a session; a session may use several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(u16);

impl ConnId {
    /// Takes the number of a connection.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Gives the number of the connection.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// The most characters of a problem's detail.
const DETAIL_CHARS: usize = 300;

/// Is what a feed session is told at its start.
#[derive(Clone, Debug)]
pub struct FeedSettings {
    /// Which venue the instruments belong to.
    pub venue: VenueId,
    /// Which venue symbols to subscribe; `None` means every tradable one of this shard.
    pub symbols: Option<BTreeSet<String>>,
    /// This shard's number, from 0, and how many there are. An instrument belongs to exactly one shard.
    pub shard: (u32, u32),
    /// Levels a side to subscribe, from the venue's list.
    pub depth: u32,
    /// Levels a side to publish.
    pub levels_published: usize,
    /// Base address of the feed, such as `wss://ws.kraken.com/v2`.
    pub url: String,
    /// Whether the feed is a recording: the session neither subscribes nor reconnects, and a subscription
    /// acknowledgement in it counts as its own.
    pub is_recorded: bool,
    /// Whether prices were made by a generator, not by a market.
    pub is_synthetic: bool,
    /// Seeds the jitter of reconnects.
    pub seed: u64,
}

impl FeedSettings {
    /// Gives those of a whole venue's recording of a real market, at so many levels a side.
    #[must_use]
    pub const fn recorded(venue: VenueId, depth: u32, levels_published: usize) -> Self {
        Self {
            venue,
            symbols: None,
            shard: (0, 1),
            depth,
            levels_published,
            url: String::new(),
            is_recorded: true,
            is_synthetic: false,
            seed: 0,
        }
    }
}

/// Is anything that can happen to a feed session.
#[derive(Clone, Debug)]
pub enum FeedInput {
    /// Start: connect.
    Start,
    /// A connection is open.
    Connected {
        /// Which.
        conn: ConnId,
    },
    /// A frame arrived; `receive_time` was stamped at the socket.
    Frame {
        /// On which connection.
        conn: ConnId,
        /// When.
        receive_time: Timestamp,
        /// Its text.
        text: String,
    },
    /// A connection closed or could not be opened.
    Disconnected {
        /// Which.
        conn: ConnId,
        /// Why, for people.
        detail: String,
    },
    /// A recording ended or jumps to another session: books are dropped without reconnecting.
    SessionEnded,
}

/// Is anything a feed session asks for or reports.
#[derive(Clone, Debug, PartialEq)]
pub enum FeedOutput {
    /// Open a connection, or ask a question: see [`LinkCommand::Connect`].
    Connect {
        /// Which.
        conn: ConnId,
        /// Where to.
        url: String,
    },
    /// Send a frame.
    Send {
        /// On which connection.
        conn: ConnId,
        /// Its text.
        text: String,
    },
    /// Close a connection; a `Disconnected` follows.
    Close {
        /// Which.
        conn: ConnId,
    },
    /// Something was learnt about the market.
    Event(MarketEvent),
    /// Something was wrong with what the venue sent.
    Problem(Problem),
}

impl FeedOutput {
    /// Reports a problem; what is beyond 300 characters of its detail is cut.
    #[must_use]
    pub fn problem(
        kind: ProblemKind,
        instrument: Option<InstrumentKey>,
        conn: ConnId,
        mut detail: String,
    ) -> Self {
        if let Some((end, _)) = detail.char_indices().nth(DETAIL_CHARS) {
            detail.truncate(end);
        }
        Self::Problem(Problem { kind, instrument, conn, detail })
    }
}

/// Is what can be asked of the sockets of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkCommand {
    /// Open a connection; answered by `Connected` or `Disconnected`. Replaces one of the same id, of which
    /// nothing more is heard. Where the address is `http://` or `https://` it is asked once, with GET: answered by one
    /// `Frame` with the body of its answer, or by `Disconnected` where there is none.
    Connect {
        /// Which.
        conn: ConnId,
        /// Where to: `ws://`, `wss://`, `http://` or `https://`.
        url: String,
    },
    /// Send a text frame. Without an open connection it is discarded: its `Disconnected` has been given.
    Send {
        /// On which connection.
        conn: ConnId,
        /// Its text.
        text: String,
    },
    /// Close a connection; answered by `Disconnected`.
    Close {
        /// Which.
        conn: ConnId,
    },
}

impl LinkCommand {
    /// Takes the part of a session's outputs that sockets carry out; `None` for what is only reported.
    #[must_use]
    pub fn of(output: FeedOutput) -> Option<Self> {
        match output {
            FeedOutput::Connect { conn, url } => Some(Self::Connect { conn, url }),
            FeedOutput::Send { conn, text } => Some(Self::Send { conn, text }),
            FeedOutput::Close { conn } => Some(Self::Close { conn }),
            FeedOutput::Event(_) | FeedOutput::Problem(_) => None,
        }
    }
}

/// Is something learnt about the market.
#[derive(Clone, Debug, PartialEq)]
pub enum MarketEvent {
    /// A definition is new or changed.
    Instrument(Instrument),
    /// The published top of a book changed, or the book became unusable.
    Book {
        /// The top.
        top: BookTop,
        /// When the venue says so.
        venue_time: Option<Timestamp>,
        /// When the frame arrived.
        receive_time: Timestamp,
    },
    /// Somebody traded.
    Trade {
        /// The trade.
        trade: MarketTrade,
        /// When the venue says so.
        venue_time: Option<Timestamp>,
        /// When the frame arrived.
        receive_time: Timestamp,
    },
    /// The venue's 24-hour summary changed.
    Ticker {
        /// The summary.
        ticker: Ticker,
        /// When the venue says so.
        venue_time: Option<Timestamp>,
        /// When the frame arrived.
        receive_time: Timestamp,
    },
    /// The venue as a whole changed its status, or our connection did.
    Status(MarketStatus),
}

/// Says what kind of problem a frame had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// Not the venue's language.
    Malformed,
    /// An instrument we have no definition of.
    UnknownInstrument,
    /// A checksum that did not fit.
    Checksum,
    /// A definition that a verified book contradicts.
    StaleDefinition,
    /// A missing message.
    SequenceGap,
    /// A book with bid at or above ask.
    CrossedBook,
    /// The venue refused a request.
    RequestRefused,
    /// The venue fell silent.
    Silent,
}

/// Is a problem with what the venue sent: where, what, and an excerpt for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind.
    pub kind: ProblemKind,
    /// Of which instrument, when known.
    pub instrument: Option<InstrumentKey>,
    /// On which connection.
    pub conn: ConnId,
    /// Field and value, and what is allowed; at most 300 characters.
    pub detail: String,
}

/// Is one venue's market-data session: subscribe, heartbeat, verify, resync, reconnect.
pub trait FeedSession: Machine<Input = FeedInput, Output = FeedOutput> + Send {
    /// Gives what was counted for each instrument since the session began; of an instrument that was not heard of, nothing.
    fn counters(&self) -> BTreeMap<InstrumentKey, FeedCounters>;

    /// Gives what was counted for one instrument; zeros where it was not heard of.
    fn counters_of(&self, instrument: &InstrumentKey) -> FeedCounters;
}
