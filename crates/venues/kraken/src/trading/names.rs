//! Names of pairs and assets: what REST calls them, what v2 calls them, what we call them.
//!
//! Nothing is guessed: `AssetPairs` and `Assets` are the map; only two v2 names differ from REST's, `BTC` (`XBT`) and
//! `DOGE` (`XDG`). Source: Kraken REST reference and WebSocket v2 guide (checked June 2026).

use super::codec::{Unreadable, object};
use remora_domain::{Asset, Instrument, InstrumentId, InstrumentKey, VenueId};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Is a pair as REST names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// What orders and queries name it by.
    pub(super) altname: String,
    /// What v2 calls it.
    pub(super) symbol: String,
    /// What we call it.
    pub(super) key: InstrumentKey,
    /// What it is paid in.
    pub(super) quote: Asset,
}

/// Holds all names.
#[derive(Debug)]
pub(super) struct Names {
    venue: VenueId,
    pairs: BTreeMap<InstrumentKey, Pair>,
    /// Ids, altnames, wsnames and symbols.
    spellings: BTreeMap<String, InstrumentKey>,
    /// REST asset ids and v2 names to ours.
    assets: BTreeMap<String, Asset>,
    /// Instruments that are defined, by the feed.
    defined: BTreeMap<InstrumentKey, Instrument>,
}

#[derive(Deserialize)]
struct PairText<'a> {
    #[serde(borrow)]
    altname: Cow<'a, str>,
    #[serde(borrow, default)]
    wsname: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct AssetText<'a> {
    #[serde(borrow)]
    altname: Cow<'a, str>,
}

impl Names {
    pub(super) const fn new(venue: VenueId) -> Self {
        Self {
            venue,
            pairs: BTreeMap::new(),
            spellings: BTreeMap::new(),
            assets: BTreeMap::new(),
            defined: BTreeMap::new(),
        }
    }

    /// Tells whether both lists were read.
    pub(super) fn is_complete(&self) -> bool {
        !self.pairs.is_empty() && !self.assets.is_empty()
    }

    /// Notes a definition of the feed.
    pub(super) fn define(&mut self, instrument: Instrument) {
        self.defined.insert(instrument.key.clone(), instrument);
    }

    /// Tells whether the feed defined it.
    pub(super) fn is_defined(&self, key: &InstrumentKey) -> bool {
        self.defined.contains_key(key)
    }

    /// Gives pairs that are defined, in order.
    pub(super) fn defined(&self) -> impl Iterator<Item = &Pair> {
        self.defined.keys().filter_map(|key| self.pairs.get(key))
    }

    pub(super) fn of_key(&self, key: &InstrumentKey) -> Option<&Pair> {
        self.pairs.get(key)
    }

    /// Takes a pair away, like one that the venue lists only after its lists were read.
    #[cfg(test)]
    pub(super) fn forget(&mut self, name: &str) {
        let key = self.spellings.get(name);
        self.pairs.retain(|known, _| Some(known) != key);
    }

    /// Finds a pair by any spelling.
    pub(super) fn find(&self, name: &str) -> Option<&Pair> {
        self.pairs.get(self.spellings.get(name)?)
    }

    /// Gives our name of an asset; one that no list has keeps the venue's.
    pub(super) fn asset(&self, name: &str) -> Option<Asset> {
        self.assets.get(name).cloned().or_else(|| Asset::from_venue(name).ok())
    }

    /// Reads `Assets`.
    pub(super) fn read_assets(&mut self, result: &str) -> Result<(), Unreadable> {
        let assets: BTreeMap<String, &RawValue> = object("Assets", result)?;
        for (id, raw) in assets {
            let text: AssetText<'_> = object("asset", raw.get())?;
            let Ok(asset) = Asset::from_venue(Asset::common_name(&text.altname)) else { continue };
            self.assets.insert(Asset::common_name(&text.altname).to_owned(), asset.clone());
            self.assets.insert(id, asset);
        }
        Ok(())
    }

    /// Reads `AssetPairs`; dark-pool pairs have no `wsname` and are left out.
    pub(super) fn read_pairs(&mut self, result: &str) -> Result<(), Unreadable> {
        let pairs: BTreeMap<String, &RawValue> = object("AssetPairs", result)?;
        for (id, raw) in pairs {
            let text: PairText<'_> = object("pair", raw.get())?;
            let Some(wsname) = text.wsname else { continue };
            let Some((base, quote)) = wsname.split_once('/') else { continue };
            let (base, quote) = (Asset::common_name(base), Asset::common_name(quote));
            let made = (InstrumentId::of_pair(base, quote), Asset::from_venue(quote));
            let (Ok(instrument), Ok(quote_asset)) = made else { continue };
            let key = InstrumentKey::new(self.venue.clone(), instrument);
            let symbol = format!("{base}/{quote}");
            for name in [id, text.altname.clone().into_owned(), wsname.into_owned(), symbol.clone()]
            {
                self.spellings.insert(name, key.clone());
            }
            let altname = text.altname.into_owned();
            self.pairs.insert(key.clone(), Pair { altname, symbol, key, quote: quote_asset });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_pair_finds_it() {
        let mut names = Names::new(VenueId::new("kraken-spot").unwrap());
        names
            .read_pairs(
                r#"{"XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD"},"XDGUSD":{"altname":"XDGUSD","wsname":"XDG/USD"},"XTZUSD":{"altname":"XTZUSD","wsname":"XTZ/USD"},"XXBTZUSD.d":{"altname":"XBTUSD.d"}}"#,
            )
            .unwrap();
        for name in ["XXBTZUSD", "XBTUSD", "XBT/USD", "BTC/USD"] {
            assert_eq!(names.find(name).unwrap().key.to_string(), "kraken-spot/BTC-USD", "{name}");
        }
        assert_eq!(names.find("XDGUSD").unwrap().symbol, "DOGE/USD");
        assert_eq!(names.find("XTZUSD").unwrap().symbol, "XTZ/USD", "no prefix is stripped");
        assert!(names.find("XXBTZUSD.d").is_none());
    }

    #[test]
    fn assets_are_named_by_the_list_and_reward_balances_apart() {
        let mut names = Names::new(VenueId::new("kraken-spot").unwrap());
        names
            .read_assets(
                r#"{"XXBT":{"altname":"XBT"},"ZUSD":{"altname":"USD"},"XTZ":{"altname":"XTZ"}}"#,
            )
            .unwrap();
        let asset = |name: &str| names.asset(name).unwrap().to_string();
        assert_eq!((asset("XXBT"), asset("BTC")), ("BTC".to_owned(), "BTC".to_owned()));
        assert_eq!((asset("ZUSD"), asset("XTZ")), ("USD".to_owned(), "XTZ".to_owned()));
        assert_eq!(asset("XBT.F"), "XBT_2EF");
    }
}
