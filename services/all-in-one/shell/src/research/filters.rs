//! The hard filters of `pairs select` as a person asks for them: defaults, replaced or left out by name, then the given ones.

use super::args::SelectArguments;
use anyhow::{Context, Result, bail};
use remora_research::pairs::{Card, ClusterLimit, Evidence, Filter, Pattern};

/// Defaults that every kind of data answers.
const ALWAYS: [(&str, f64); 3] =
    [("volume_min", 5e6), ("edge_bps_min", 0.0), ("history_days_min", 30.0)];
/// Defaults of data with definitions and books; the budget of a smallest order is the capital.
const OF_BOOKS: [&str; 3] = ["minimum_order_max", "feed_health_min", "status"];
/// Share of the time with a usable book (strategy facts, section 3.3).
const FEED_HEALTH_MIN: f64 = 0.995;
/// The default where our own history is given: nothing that lost beyond chance.
const OF_HISTORY: &str = "realised_day_min";

/// Holds what was asked for, checked before anything is read.
pub(crate) struct Wishes {
    given: Vec<Filter>,
    left_out: Vec<String>,
}

/// Reads what was asked for.
pub(crate) fn wishes(arguments: &SelectArguments) -> Result<Wishes> {
    let known = || ALWAYS.iter().map(|(name, _)| *name).chain(OF_BOOKS).chain([OF_HISTORY]);
    for name in &arguments.no_filter {
        if !known().any(|known| known == name) {
            bail!("--no-filter {name}: defaults are {}", known().collect::<Vec<_>>().join(", "));
        }
    }
    let mut given = Vec::new();
    for text in &arguments.filters {
        let (name, limit) =
            text.split_once('=').with_context(|| format!("--filter {text}: want NAME=LIMIT"))?;
        let limit: f64 = limit
            .parse()
            .ok()
            .filter(|limit: &f64| limit.is_finite())
            .with_context(|| format!("--filter {text}: {limit:?} is no number"))?;
        let filter = Filter::of(name, limit).with_context(|| {
            format!("--filter {text}: no such filter; known are {}", Filter::NAMES.join(", "))
        })?;
        if name == OF_HISTORY && arguments.pairs.past.history.is_none() {
            bail!("--filter {text}: past performance is read from --history");
        }
        given.push(filter);
    }
    let patterns = |texts: &[String]| texts.iter().cloned().map(Pattern).collect::<Vec<_>>();
    if !arguments.allow.is_empty() {
        given.push(Filter::Allow(patterns(&arguments.allow)));
    }
    if !arguments.deny.is_empty() {
        given.push(Filter::Deny(patterns(&arguments.deny)));
    }
    if arguments.has_future {
        given.push(Filter::HasFuture);
    }
    if arguments.has_record {
        given.push(Filter::HasRecord);
    }
    Ok(Wishes { given, left_out: arguments.no_filter.clone() })
}

impl Wishes {
    /// Gives the filters for what was read: the given ones, and the defaults that such data answer.
    pub(crate) fn filters(self, arguments: &SelectArguments, cards: &[Card]) -> Vec<Filter> {
        let has_books = cards.iter().any(|card| card.facts.evidence == Evidence::Recording);
        let mut defaults: Vec<Filter> =
            ALWAYS.iter().filter_map(|(name, limit)| Filter::of(name, *limit)).collect();
        if has_books {
            defaults.extend([
                Filter::Status,
                Filter::MinimumOrderMax(arguments.pairs.capital),
                Filter::FeedHealthMin(FEED_HEALTH_MIN),
            ]);
        }
        if arguments.pairs.past.history.is_some() {
            defaults.push(Filter::RealisedDayMin(0.0));
        }
        let Self { given: mut filters, left_out } = self;
        let is_wanted = |default: &Filter| {
            let name = default.name();
            !filters.iter().any(|filter| filter.name() == name)
                && !left_out.iter().any(|left_out| left_out == name)
        };
        let defaults: Vec<Filter> = defaults.into_iter().filter(is_wanted).collect();
        filters.extend(defaults);
        filters
    }
}

/// Reads the limit of a cluster.
pub(crate) fn cluster(arguments: &SelectArguments) -> Result<Option<ClusterLimit>> {
    let limit = |pairs_max| {
        let correlation = arguments.cluster_correlation;
        Ok(ClusterLimit { correlation, pairs_max: usize::try_from(pairs_max)? })
    };
    arguments.cluster_max.map(limit).transpose()
}
