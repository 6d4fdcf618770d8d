//! When the definitions are asked for: the socket does not tell them, a document on the feed's host does.

use crate::INSTRUMENTS_PATH;
use remora_domain::{DurationNs, Timestamp};
use remora_venue_api::ConnId;

/// The connection that the question has: the socket's attempts are numbered from 0, and reach this one after 65,535.
pub(super) const CONN: ConnId = ConnId::new(u16::MAX);

/// Listings, delistings and states are looked up so often.
const REFRESH: DurationNs = DurationNs::from_s(300);
/// A question that has neither answer nor error by then is asked again.
const ANSWER_WAIT: DurationNs = DurationNs::from_s(45);
/// First and last pause behind a failed question.
const RETRY_FIRST: DurationNs = DurationNs::from_s(1);
const RETRY_MAX: DurationNs = DurationNs::from_s(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Off,
    Asked { until: Timestamp },
    Waiting { until: Timestamp },
}

/// Says what is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// Ask.
    Ask {
        /// Where.
        url: String,
    },
    /// The question has no answer; it is asked again later.
    NoAnswer,
}

/// Is the question for definitions.
#[derive(Debug)]
pub(super) struct Definitions {
    url: String,
    state: State,
    pause: DurationNs,
}

impl Definitions {
    /// Takes the address of the feed; the venue serves both on one host.
    pub(super) fn of_feed(url: &str) -> Self {
        let (scheme, rest) = url.strip_prefix("wss://").map_or_else(
            || ("http", url.strip_prefix("ws://").unwrap_or(url)),
            |rest| ("https", rest),
        );
        let host = rest.split('/').next().unwrap_or(rest);
        let url = format!("{scheme}://{host}{INSTRUMENTS_PATH}");
        Self { url, state: State::Off, pause: RETRY_FIRST }
    }

    /// Begins; a second start changes nothing and gives `false`.
    pub(super) fn start(&mut self, now: Timestamp) -> bool {
        let is_off = self.state == State::Off;
        if is_off {
            self.state = State::Waiting { until: now };
        }
        is_off
    }

    pub(super) const fn end(&mut self) {
        self.state = State::Off;
    }

    pub(super) const fn is_asked(&self) -> bool {
        matches!(self.state, State::Asked { .. })
    }

    pub(super) fn answered(&mut self, now: Timestamp) {
        self.pause = RETRY_FIRST;
        self.state = State::Waiting { until: now.saturating_add(REFRESH) };
    }

    pub(super) fn failed(&mut self, now: Timestamp) {
        if self.is_asked() {
            self.state = State::Waiting { until: now.saturating_add(self.pause) };
            self.pause = self.pause.saturating_mul(2).min(RETRY_MAX);
        }
    }

    pub(super) fn tick(&mut self, now: Timestamp) -> Due {
        match self.state {
            State::Waiting { until } if until <= now => {
                self.state = State::Asked { until: now.saturating_add(ANSWER_WAIT) };
                Due::Ask { url: self.url.clone() }
            }
            State::Asked { until } if until <= now => {
                self.failed(now);
                Due::NoAnswer
            }
            State::Off | State::Asked { .. } | State::Waiting { .. } => Due::Nothing,
        }
    }

    pub(super) const fn next_deadline(&self) -> Option<Timestamp> {
        match self.state {
            State::Off => None,
            State::Asked { until } | State::Waiting { until } => Some(until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_on_the_host_of_the_feed() {
        for (feed, want) in [
            (
                "wss://futures.kraken.com/ws/v1",
                "https://futures.kraken.com/derivatives/api/v3/instruments",
            ),
            ("ws://127.0.0.1:9090/ws/v1", "http://127.0.0.1:9090/derivatives/api/v3/instruments"),
        ] {
            assert_eq!(Definitions::of_feed(feed).url, want);
        }
    }
}
