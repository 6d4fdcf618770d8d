//! The ingestor's section of a profile.

use remora_domain::{DurationNs, SettingCheck, SettingProblem, VenueId};
use remora_venue_api::FeedSettings;
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

/// Is the `[ingestor]` section as written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct IngestorSettings {
    /// Which venue, such as `kraken-spot`.
    pub venue: String,
    /// Base address of the feed, `ws://` or `wss://`; without it, the venue's own.
    #[serde(default)]
    pub url: Option<String>,
    /// Venue symbols to subscribe, such as `BTC/USD`; without it, every tradable one of this shard.
    #[serde(default)]
    pub symbols: Option<Vec<String>>,
    /// Levels a side to subscribe, 1 to 1,000 and from the venue's own list; 25 when absent.
    #[serde(default = "depth_default")]
    pub depth: u32,
    /// Levels a side to publish, 1 to `depth` and at most 100; 10 when absent.
    #[serde(default = "levels_published_default")]
    pub levels_published: u32,
    /// This shard's number, from 0 and below `shards`; 0 when absent.
    #[serde(default)]
    pub shard: u32,
    /// How many shards share the venue's instruments, 1 to 256; 1 when absent.
    #[serde(default = "shards_default")]
    pub shards: u32,
    /// After how long without any frame on its connection a book is invalid, 500 to 60,000 ms. It bounds the age
    /// of what is traded on, so it has no default.
    pub silence_ms_max: i64,
    /// A file to record the venue's frames in; without it nothing is recorded.
    #[serde(default)]
    pub record: Option<PathBuf>,
}

/// Says what kind of feed a run has: a part of its settings that is no key of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedKind {
    /// Whether it is a recording.
    pub is_recorded: bool,
    /// Whether its prices were made by a generator.
    pub is_synthetic: bool,
}

impl FeedKind {
    /// Gives the kind that the settings of a flight recording end with; `None` where they do not say.
    #[must_use]
    pub fn of_settings(settings: &str) -> Option<Self> {
        let said = |kind: &Self| {
            let line = format!("# {kind}");
            settings.lines().rev().find(|line| line.starts_with("# feed: ")) == Some(&*line)
        };
        let words = [(false, false), (false, true), (true, false), (true, true)];
        let kinds = words.map(|(is_recorded, is_synthetic)| Self { is_recorded, is_synthetic });
        kinds.into_iter().find(said)
    }
}

impl fmt::Display for FeedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_recorded, is_synthetic } = self;
        write!(f, "feed: is_recorded = {is_recorded}, is_synthetic = {is_synthetic}")
    }
}

const fn depth_default() -> u32 {
    25
}

const fn levels_published_default() -> u32 {
    10
}

const fn shards_default() -> u32 {
    1
}

/// Is the checked configuration of an ingestor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestorConfig {
    /// Which venue.
    pub venue: VenueId,
    /// Where its feed is, when it is not where the venue says.
    pub url: Option<String>,
    /// Which venue symbols; `None` is every tradable one of this shard.
    pub symbols: Option<BTreeSet<String>>,
    /// Levels a side to subscribe.
    pub depth: u32,
    /// Levels a side to publish.
    pub levels_published: usize,
    /// This shard's number, from 0, and how many there are.
    pub shard: (u32, u32),
    /// After how long without any frame on its connection a book is invalid.
    pub silence_max: DurationNs,
    /// Where to record frames.
    pub record: Option<PathBuf>,
}

impl IngestorConfig {
    /// Gives what the venue's session is told; `url_default` is the venue's own address.
    #[must_use]
    pub fn feed_settings(
        &self,
        url_default: &str,
        is_recorded: bool,
        is_synthetic: bool,
        seed: u64,
    ) -> FeedSettings {
        FeedSettings {
            venue: self.venue.clone(),
            symbols: self.symbols.clone(),
            shard: self.shard,
            depth: self.depth,
            levels_published: self.levels_published,
            url: self.url.clone().unwrap_or_else(|| url_default.to_owned()),
            is_recorded,
            is_synthetic,
            seed,
        }
    }
}

impl IngestorSettings {
    /// Checks every setting.
    ///
    /// # Errors
    /// Gives all problems at once.
    pub fn validate(&self) -> Result<IngestorConfig, Vec<SettingProblem>> {
        let mut check = SettingCheck::new("ingestor");
        let name = "1 to 32 characters from a-z 0-9 -";
        let venue = check.text("venue", &self.venue, name, |_: &VenueId| true);
        if let Some(url) = self.url.as_ref().filter(|url| !is_feed_url(url)) {
            check.problem("url", excerpt(url), "an address that begins with ws:// or wss://");
        }
        let symbols = self.checked_symbols(&mut check);
        check.range("depth", self.depth, 1, 1_000);
        check.range("levels_published", self.levels_published, 1, self.depth.clamp(1, 100));
        check.range("shards", self.shards, 1, 256);
        check.range("shard", self.shard, 0, self.shards.max(1).saturating_sub(1));
        let silence_max = check.ms("silence_ms_max", self.silence_ms_max, 500, 60_000);
        let levels_published = usize::try_from(self.levels_published).ok();
        let config = venue.zip(levels_published).map(|(venue, levels_published)| IngestorConfig {
            venue,
            url: self.url.clone(),
            symbols,
            depth: self.depth,
            levels_published,
            shard: (self.shard, self.shards),
            silence_max,
            record: self.record.clone(),
        });
        check.finish(config)
    }

    fn checked_symbols(&self, check: &mut SettingCheck) -> Option<BTreeSet<String>> {
        let given = self.symbols.as_ref()?;
        if given.is_empty() {
            check.problem("symbols", "[]", "at least one symbol, or no such key for all of them");
        }
        let mut symbols = BTreeSet::new();
        for symbol in given {
            let is_sound = (1..=48).contains(&symbol.len())
                && symbol.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
            if !is_sound {
                check.problem("symbols", excerpt(symbol), "1 to 48 visible ASCII characters each");
            } else if !symbols.insert(symbol.clone()) {
                check.problem("symbols", symbol, "each symbol once");
            }
        }
        Some(symbols)
    }
}

/// Cuts text for a report.
fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Tells whether text may be the address of a feed.
fn is_feed_url(url: &str) -> bool {
    let host = url.strip_prefix("wss://").or_else(|| url.strip_prefix("ws://"));
    host.is_some_and(|host| !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> IngestorSettings {
        IngestorSettings {
            venue: "kraken-spot".to_owned(),
            url: None,
            symbols: Some(vec!["BTC/USD".to_owned(), "ETH/USD".to_owned()]),
            depth: 25,
            levels_published: 10,
            shard: 1,
            shards: 2,
            silence_ms_max: 5_000,
            record: None,
        }
    }

    #[test]
    fn sound_settings_become_what_the_session_is_told() {
        let config = sound().validate().unwrap();
        let feed = config.feed_settings("wss://venue.example/v2", true, false, 7);
        assert_eq!((feed.depth, feed.levels_published, feed.shard), (25, 10, (1, 2)));
        assert_eq!(feed.url, "wss://venue.example/v2");
        assert_eq!(config.silence_max, DurationNs::from_s(5));
    }

    #[test]
    fn the_kind_of_a_feed_is_read_from_its_own_line_not_from_any_text() {
        let kind = FeedKind { is_recorded: false, is_synthetic: true };
        let of = FeedKind::of_settings;
        let text = format!("description = \"is_recorded = true\"\n# {kind}\n");
        assert_eq!(of(&text), Some(kind));
        let misleading = "# feed: is_recorded = true, is_synthetic = false\n".to_owned() + &text;
        assert_eq!(of(&misleading), Some(kind));
        assert_eq!(of("description = \"is_recorded = true\"\n"), None);
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let settings = IngestorSettings {
            venue: "Kraken Spot".to_owned(),
            url: Some("http://venue.example".to_owned()),
            symbols: Some(vec!["BTC/USD".to_owned(), "BTC/USD".to_owned(), String::new()]),
            depth: 0,
            levels_published: 2,
            shard: 2,
            shards: 2,
            silence_ms_max: 0,
            record: None,
        };
        let keys: Vec<String> =
            settings.validate().unwrap_err().into_iter().map(|problem| problem.key).collect();
        let want = [
            "venue",
            "url",
            "symbols",
            "symbols",
            "depth",
            "levels_published",
            "shard",
            "silence_ms_max",
        ];
        assert_eq!(keys, want.map(|key| format!("ingestor.{key}")));
    }
}
