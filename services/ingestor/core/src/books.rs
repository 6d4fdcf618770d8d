//! What was published of each book, on which connection it lives, and whether that connection is heard.

use remora_domain::{BookState, BookTop, DurationNs, InstrumentKey, InvalidBook, Level, Timestamp};
use remora_venue_api::ConnId;
use std::collections::BTreeMap;

/// Is a top of book ready to publish.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Quote {
    pub(crate) top: BookTop,
    pub(crate) venue_time: Option<Timestamp>,
    pub(crate) receive_time: Timestamp,
    /// Whether the book became usable or unusable with it.
    pub(crate) is_state_change: bool,
}

/// Is what is known of one book.
#[derive(Debug)]
struct View {
    /// On which connection it arrives; unknown until a frame brought it.
    conn: Option<ConnId>,
    /// The session's last word.
    top: BookTop,
    venue_time: Option<Timestamp>,
    /// What readers were told last.
    state: BookState,
    sequence: u64,
    published_at: Timestamp,
}

impl View {
    /// Tells whether readers believe the book to be usable.
    const fn is_live(&self) -> bool {
        matches!(self.state, BookState::Live)
    }

    /// Gives the session's last word as news.
    fn publish(&mut self, now: Timestamp, receive_time: Timestamp) -> Quote {
        let is_state_change = self.sequence == 0 || self.state != self.top.state;
        self.sequence = self.sequence.saturating_add(1);
        self.state = self.top.state;
        self.published_at = now;
        self.top.book_sequence = self.sequence;
        let (top, venue_time) = (self.top.clone(), self.venue_time);
        Quote { top, venue_time, receive_time, is_state_change }
    }

    /// Tells readers not to use the book, whatever the session said last.
    fn withdraw(&mut self, now: Timestamp, reason: InvalidBook) -> Quote {
        self.sequence = self.sequence.saturating_add(1);
        self.state = BookState::Invalid(reason);
        self.published_at = now;
        Quote { is_state_change: true, ..self.withdrawal(now) }
    }

    /// Gives what readers of an unusable book are told.
    fn withdrawal(&self, now: Timestamp) -> Quote {
        let top = BookTop {
            instrument: self.top.instrument.clone(),
            book_sequence: self.sequence,
            state: self.state,
            bids: Vec::<Level>::new(),
            asks: Vec::<Level>::new(),
        };
        Quote { top, venue_time: None, receive_time: now, is_state_change: false }
    }
}

/// Is when a connection was last heard.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// By the core's time; silence is measured from here.
    at: Timestamp,
    /// By the socket's time.
    receive_time: Timestamp,
    is_silent: bool,
}

/// Holds all books of a feed and the connections they live on.
#[derive(Debug)]
pub(crate) struct Books {
    silence_max: DurationNs,
    views: BTreeMap<InstrumentKey, View>,
    heard: BTreeMap<ConnId, Heard>,
}

impl Books {
    pub(crate) const fn new(silence_max: DurationNs) -> Self {
        Self { silence_max, views: BTreeMap::new(), heard: BTreeMap::new() }
    }

    /// Takes a top from the session; gives what to publish, if readers do not know it yet.
    pub(crate) fn take(
        &mut self,
        now: Timestamp,
        conn: Option<ConnId>,
        top: BookTop,
        venue_time: Option<Timestamp>,
        receive_time: Timestamp,
    ) -> Option<Quote> {
        let key = top.instrument.clone();
        let Some(view) = self.views.get_mut(&key) else {
            let (state, sequence) = (top.state, 0);
            let view = View { conn, top, venue_time, state, sequence, published_at: now };
            return Some(self.views.entry(key).or_insert(view).publish(now, receive_time));
        };
        view.conn = conn.or(view.conn);
        let is_known =
            view.state == top.state && view.top.bids == top.bids && view.top.asks == top.asks;
        view.top = BookTop { book_sequence: view.sequence, ..top };
        view.venue_time = venue_time;
        if is_known { None } else { Some(view.publish(now, receive_time)) }
    }

    /// Notes that a connection was heard; gives the books that were withdrawn only because it was silent.
    /// Nothing was missed: a connection delivers everything in order or ends.
    pub(crate) fn hear(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        receive_time: Timestamp,
    ) -> Vec<Quote> {
        let heard = Heard { at: now, receive_time, is_silent: false };
        let was_silent = self.heard.insert(conn, heard).is_some_and(|before| before.is_silent);
        if !was_silent {
            return Vec::new();
        }
        let is_back = |view: &&mut View| {
            view.conn == Some(conn)
                && view.state != view.top.state
                && view.top.state == BookState::Live
        };
        let views = self.views.values_mut().filter(is_back);
        views.map(|view| view.publish(now, receive_time)).collect()
    }

    /// Gives the withdrawal of every book whose connection was not heard for too long.
    pub(crate) fn fall_silent(&mut self, now: Timestamp) -> Vec<Quote> {
        let mut quotes = Vec::new();
        for (conn, heard) in &mut self.heard {
            if heard.is_silent || now < heard.at.saturating_add(self.silence_max) {
                continue;
            }
            heard.is_silent = true;
            let views = self.views.values_mut();
            for view in views.filter(|view| view.conn == Some(*conn) && view.is_live()) {
                quotes.push(view.withdraw(now, InvalidBook::Silent));
            }
        }
        quotes
    }

    /// Tells when a connection will have been silent for too long.
    pub(crate) fn silence_deadline(&self) -> Option<Timestamp> {
        let heard = self.heard.values().filter(|heard| !heard.is_silent);
        heard.map(|heard| heard.at.saturating_add(self.silence_max)).min()
    }

    /// Gives the withdrawal of every book of a connection that ended, or of all when `conn` is `None`.
    pub(crate) fn lose(&mut self, now: Timestamp, conn: Option<ConnId>) -> Vec<Quote> {
        let is_lost = |of: Option<ConnId>| conn.is_none() || of == conn;
        self.heard.retain(|heard, _| !is_lost(Some(*heard)));
        let mut quotes = Vec::new();
        for view in self.views.values_mut().filter(|view| is_lost(view.conn)) {
            if view.is_live() {
                quotes.push(view.withdraw(now, InvalidBook::Disconnected));
            }
            // What the session said last is over as well: it must not come back when a connection is heard.
            view.top.state = view.state;
            view.top.bids.clear();
            view.top.asks.clear();
        }
        quotes
    }

    /// Gives again what was last said `age` ago: usable tops whose connection was heard since, and every withdrawal,
    /// since a reader that lost it would trade on a book that is no more.
    pub(crate) fn refresh(&mut self, now: Timestamp, age: DurationNs) -> Vec<Quote> {
        let mut quotes = Vec::new();
        for view in self.views.values_mut() {
            if now < view.published_at.saturating_add(age) {
                continue;
            }
            let heard = view.conn.and_then(|conn| self.heard.get(&conn));
            let heard = heard.filter(|heard| heard.at > view.published_at);
            match (view.state, heard) {
                (BookState::Live, None) => continue,
                (BookState::Live, Some(heard)) => {
                    let (top, venue_time) = (view.top.clone(), view.venue_time);
                    let receive_time = heard.receive_time;
                    quotes.push(Quote { top, venue_time, receive_time, is_state_change: false });
                }
                (BookState::Invalid(_), _) => quotes.push(view.withdrawal(now)),
            }
            view.published_at = now;
        }
        quotes
    }

    /// Tells whether a book may be used; one that was never seen may not.
    pub(crate) fn state(&self, key: &InstrumentKey) -> BookState {
        let unseen = BookState::Invalid(InvalidBook::Disconnected);
        self.views.get(key).map_or(unseen, |view| view.state)
    }

    /// Tells whether any book may be used.
    pub(crate) fn is_any_live(&self) -> bool {
        self.views.values().any(View::is_live)
    }

    /// Gives when the connection of a book was last heard, by the socket's time; without a book, when any was.
    pub(crate) fn last_heard(&self, key: &InstrumentKey) -> Option<Timestamp> {
        let conn = self.views.get(key).and_then(|view| view.conn);
        match conn.and_then(|conn| self.heard.get(&conn)) {
            Some(heard) => Some(heard.receive_time),
            None => self.heard.values().map(|heard| heard.receive_time).max(),
        }
    }
}
