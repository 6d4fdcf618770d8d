//! The one list of venues; the only file to edit when adding one. Holds nothing but the list.
//!
//! In: a venue id, or the name a recording gives its venue. Out: its `VenueEntry`.
//! What must never happen here: anything a venue decides. Test alone: `cargo test -p remora-venue-registry`.
#![deny(missing_docs)]

use remora_domain::{IdError, SettingCheck, SettingProblem, VenueId};
use remora_kraken::{KrakenFeed, KrakenTrading};
use remora_kraken_futures::KrakenFuturesFeed;
use remora_venue_api::{FeedSession, FeedSettings, OrderEntry, OrderEntrySettings};

/// The venue of paper trading. Router shells reach it through this list, as they reach every other venue.
pub use remora_paper as paper;

/// The simulated Kraken Spot. The shell of simulated exchanges reaches it through this list, as it reaches every other.
pub use remora_kraken::server as kraken_spot;

/// What Kraken Futures answers over REST, for who reads it outside a session.
pub use remora_kraken_futures::rest as kraken_futures_rest;

/// The simulated Kraken Futures.
pub use remora_kraken_futures::server as kraken_futures;

/// Pages of past trades, as Kraken Spot writes them: today the only venue that history is fetched from.
pub use remora_kraken::history;

/// What recordings of prices that our own generator made call their venue; `VENUES` says whose session reads them.
pub const SYNTHETIC_RECORDING: &str = "remora_synthetic";

/// Is one venue.
#[derive(Clone, Copy, Debug)]
pub struct VenueEntry {
    /// Its id, as in `VenueId`.
    pub id: &'static str,
    /// Its name for people.
    pub display_name: &'static str,
    /// Where its public feed is served unless configured otherwise.
    pub public_url: &'static str,
    /// The depths a book can be subscribed at, in levels a side, ascending.
    pub depths: &'static [u32],
    /// How many levels a side the venue's checksum or sequence covers: what lies behind them is not verified, so it is
    /// not published.
    pub verified_levels: u32,
    /// What recordings that this venue's session reads call their venue.
    pub recording_names: &'static [&'static str],
    /// Makes its market-data session.
    pub feed: fn(FeedSettings) -> Box<dyn FeedSession>,
    /// Where its calls are served unless configured otherwise, without a trailing slash.
    pub rest_url: &'static str,
    /// Where its private socket is unless configured otherwise.
    pub private_url: &'static str,
    /// The rate tiers of its accounts, by the venue's names, lowest first.
    pub rate_tiers: &'static [&'static str],
    /// Whether orders can be sent there; without them it is a venue whose market data alone is read.
    pub has_order_entry: bool,
    /// Makes its order-entry session; gives every problem of the settings, with keys below `live`.
    pub orders: fn(OrderEntrySettings) -> Opened,
}

/// Is an order-entry session, or every problem of its settings.
pub type Opened = Result<Box<dyn OrderEntry>, Vec<SettingProblem>>;

/// Every venue.
pub const VENUES: &[VenueEntry] = &[
    VenueEntry {
        id: "kraken-spot",
        display_name: "Kraken Spot",
        public_url: remora_kraken::PUBLIC_URL,
        depths: &remora_kraken::DEPTHS,
        verified_levels: remora_kraken::CHECKSUM_LEVELS,
        recording_names: &[
            "kraken",
            "binance_as_kraken",
            "bitstamp_as_kraken",
            SYNTHETIC_RECORDING,
        ],
        feed: |settings| Box::new(KrakenFeed::new(settings)),
        rest_url: remora_kraken::REST_URL,
        private_url: remora_kraken::PRIVATE_URL,
        rate_tiers: &remora_kraken::RATE_TIERS,
        has_order_entry: true,
        orders: |settings| {
            KrakenTrading::new(settings).map(|session| -> Box<dyn OrderEntry> { Box::new(session) })
        },
    },
    VenueEntry {
        id: "kraken-futures",
        display_name: "Kraken Futures",
        public_url: remora_kraken_futures::PUBLIC_URL,
        depths: &remora_kraken_futures::DEPTHS,
        verified_levels: remora_kraken_futures::VERIFIED_LEVELS,
        recording_names: &["kraken_futures"],
        feed: |settings| Box::new(KrakenFuturesFeed::new(settings)),
        rest_url: remora_kraken_futures::REST_URL,
        private_url: remora_kraken_futures::PRIVATE_URL,
        rate_tiers: &[],
        has_order_entry: false,
        orders: |settings| {
            let (key, value) = ("live.venue".to_owned(), settings.venue.to_string());
            let allowed = "a venue with order entry: this one has market data only".to_owned();
            Err(vec![SettingProblem { key, value, allowed }])
        },
    },
];

/// Says that a recording is not of the venue it would be played as.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("recording of venue {name:?}; the profile is about {venue}, which reads recordings of {}", wanted.join(", "))]
pub struct ForeignRecording {
    name: String,
    venue: &'static str,
    wanted: &'static [&'static str],
}

impl VenueEntry {
    /// Checks that the venue's session reads recordings of that name.
    ///
    /// # Errors
    /// Says which ones it reads.
    pub fn check_recording(&self, name: &str) -> Result<(), ForeignRecording> {
        if self.recording_names.contains(&name) {
            return Ok(());
        }
        let (name, wanted) = (name.to_owned(), self.recording_names);
        Err(ForeignRecording { name, venue: self.id, wanted })
    }

    /// Checks the depth that is subscribed and the levels that are published; gives every problem.
    #[must_use]
    pub fn check_levels(
        &self,
        section: &'static str,
        depth: u32,
        published: u32,
    ) -> Vec<SettingProblem> {
        let mut check = SettingCheck::new(section);
        if !self.depths.contains(&depth) {
            let depths: Vec<String> = self.depths.iter().map(ToString::to_string).collect();
            let allowed = format!("{} offers {}", self.id, depths.join(", "));
            check.problem("depth", depth.to_string(), &allowed);
        }
        if published > self.verified_levels {
            let levels = self.verified_levels;
            let allowed = format!("at most {levels}: what verifies {} covers no more", self.id);
            check.problem("levels_published", published.to_string(), &allowed);
        }
        check.finish(Some(())).err().unwrap_or_default()
    }
}

/// Finds a venue by its id.
#[must_use]
pub fn find(venue: &VenueId) -> Option<&'static VenueEntry> {
    VENUES.iter().find(|entry| entry.id == venue.as_str())
}

/// Gives the ids of the venues that have order entry, or of those that have market data only.
///
/// # Errors
/// Tells when the list holds what is no id.
pub fn ids(has_order_entry: bool) -> Result<Vec<VenueId>, IdError> {
    let wanted = VENUES.iter().filter(|entry| entry.has_order_entry == has_order_entry);
    wanted.map(|entry| VenueId::new(entry.id)).collect()
}

/// Finds the venue whose session reads recordings of that name.
#[must_use]
pub fn of_recording(name: &str) -> Option<&'static VenueEntry> {
    VENUES.iter().find(|entry| entry.recording_names.contains(&name))
}

/// Tells whether recordings of that name hold prices made by a generator, not by a market.
#[must_use]
pub fn is_synthetic(recording_name: &str) -> bool {
    recording_name == SYNTHETIC_RECORDING
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_domain::{Instrument, Timestamp};
    use remora_venue_api::{ConnId, FeedInput, FeedOutput, MarketEvent};
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn ids_are_valid_and_no_name_is_listed_twice() {
        let ids: BTreeSet<_> = VENUES.iter().map(|entry| entry.id).collect();
        assert_eq!(ids.len(), VENUES.len());
        let names: Vec<_> = VENUES.iter().flat_map(|entry| entry.recording_names).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let listed = super::ids(true).unwrap().len() + super::ids(false).unwrap().len();
        assert_eq!(listed, VENUES.len());
        for entry in VENUES {
            let found = find(&VenueId::new(entry.id).unwrap()).unwrap();
            assert_eq!(found.id, entry.id);
        }
    }

    #[test]
    fn recordings_find_their_session() {
        for name in ["kraken", "binance_as_kraken", "bitstamp_as_kraken", "remora_synthetic"] {
            assert_eq!(of_recording(name).map(|entry| entry.id), Some("kraken-spot"));
        }
        assert_eq!(of_recording("kraken_futures").map(|entry| entry.id), Some("kraken-futures"));
        assert!(of_recording("binance_spot").is_none());
    }

    /// Gives what a venue's session makes of the definitions in a frame, by symbol.
    fn defined(venue: &str, text: &str) -> BTreeMap<String, Instrument> {
        let venue = VenueId::new(venue).unwrap();
        let mut session = (find(&venue).unwrap().feed)(FeedSettings::recorded(venue, 10, 10));
        let (conn, receive_time) = (ConnId::new(0), Timestamp::from_ns(1));
        let mut out = Vec::new();
        let text = text.to_owned();
        session.handle(receive_time, FeedInput::Frame { conn, receive_time, text }, &mut out);
        let instrument = |output| {
            let FeedOutput::Event(MarketEvent::Instrument(made)) = output else { return None };
            Some((made.symbol.clone(), made))
        };
        out.into_iter().filter_map(instrument).collect()
    }

    #[test]
    fn a_pair_and_its_contracts_name_the_same_assets_however_their_venues_spell_them() {
        let spot = defined(
            "kraken-spot",
            r#"{"channel":"instrument","type":"snapshot","data":{"assets":[],"pairs":[{"symbol":"BTC/USD","base":"BTC","quote":"USD","status":"online","qty_precision":8,"qty_increment":1E-8,"price_precision":1,"price_increment":0.1,"qty_min":0.0001}]}}"#,
        );
        let contracts = defined(
            "kraken-futures",
            r#"{"result":"success","instruments":[{"symbol":"pi_xbtusd","type":"futures_inverse","tickSize":0.5,"contractSize":1,"tradeable":true},{"symbol":"PF_XBTUSD","type":"flexible_futures","tickSize":1,"contractSize":1,"tradeable":true,"contractValueTradePrecision":4,"base":"BTC","quote":"USD"}]}"#,
        );
        let pair = spot.get("BTC/USD").unwrap();
        assert_eq!(contracts.len(), 2);
        for contract in contracts.values() {
            assert_eq!((&contract.base, &contract.quote), (&pair.base, &pair.quote));
            assert_ne!(contract.key, pair.key);
        }
    }

    #[test]
    fn no_level_is_published_that_the_checksum_does_not_cover() {
        let venue = find(&VenueId::new("kraken-spot").unwrap()).unwrap();
        assert_eq!(venue.check_levels("ingestor", 25, 10), []);
        let problems = venue.check_levels("ingestor", 26, 11);
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["ingestor.depth", "ingestor.levels_published"]);
        assert!(problems[1].allowed.starts_with("at most 10"));
    }

    #[test]
    fn only_recordings_of_our_generator_are_synthetic() {
        let names = VENUES.iter().flat_map(|entry| entry.recording_names);
        assert_eq!(names.filter(|name| is_synthetic(name)).count(), 1);
        assert!(is_synthetic("remora_synthetic"));
    }
}
