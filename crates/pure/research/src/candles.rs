//! Candles from rows of text, cleaned: what cannot be used is excluded with its kind, count and first line, or refuses the whole series.
//!
//! Columns by name: `t` (open of the bar, epoch seconds, UTC), `o`, `h`, `l`, `c` (quote currency), `v` (base units); optional `spread_bps`
//! (time-weighted, basis points); others are ignored.
//! The bar's length is the most frequent step between rows. Missing bars are counted, runs of ten and more are named as outages; they are
//! never filled. A spike is a close more than 20 % off both neighbours that themselves agree within 5 %: one row, not a market.
//! Refused as a whole: no row of use, another unit of time, more than 1 % of the rows excluded, fewer bars than `coverage_min` of those that
//! the span should have, most bars without volume. Bound: one series is held in memory, 64 bytes a bar.

use crate::utc;
use serde::Serialize;

/// Seconds of 2100: beyond it a time is in another unit.
const TIME_MAX: i64 = 4_102_444_800;
/// Missing bars in a row from which the gap is named.
const OUTAGE_BARS: u64 = 10;
/// Share of rows excluded from which the series is refused.
const EXCLUDED_MAX: f64 = 0.01;
/// Share of bars without volume above which the series is refused.
const EMPTY_MAX: f64 = 0.5;
/// A close this far off both neighbours is a spike ...
const SPIKE: f64 = 0.2;
/// ... where these agree so well; natural logs, both.
const NEIGHBOURS: f64 = 0.05;

/// Is one usable bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// When it opened, epoch seconds.
    pub open_s: i64,
    /// First price, quote currency.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Volume, base units.
    pub volume: f64,
    /// Time-weighted spread, basis points, where the file has it.
    pub spread_bps: Option<f64>,
}

/// Says why a row is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Excluded {
    /// A cell is missing or no number.
    Unreadable,
    /// A price is not above zero, or `low ≤ open, close ≤ high` does not hold, or the volume is below zero.
    Impossible,
    /// The same bar again, with the same values.
    Duplicate,
    /// The same bar again, with other values: the first one counts.
    Conflict,
    /// It opened before the row above.
    Unordered,
    /// It does not open on a multiple of the bar's length.
    OffGrid,
    /// Its price left both neighbours and came back at once.
    Spike,
}

/// Counts one kind of excluded rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Exclusion {
    /// The kind.
    pub kind: Excluded,
    /// How many rows.
    pub rows: u64,
    /// The first of them, from 1 with the header.
    pub first_line: u64,
}

/// Is a run of missing bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// Open of the first missing bar, epoch seconds.
    pub from_s: i64,
    /// Open of the next bar that is there.
    pub until_s: i64,
    /// Missing bars.
    pub bars: u64,
}

/// Is what a file held.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Rows below the header.
    pub rows: u64,
    /// Bars used.
    pub bars: u64,
    /// Length of a bar, seconds.
    pub bar_s: i64,
    /// Open of the first bar, epoch seconds.
    pub first_s: i64,
    /// Open of the last bar.
    pub last_s: i64,
    /// Bars that the span should have and the file has not.
    pub missing: u64,
    /// Share of the span's bars that are there, 0 to 1.
    pub coverage: f64,
    /// Gaps of ten bars and more, longest first, at most twenty.
    pub outages: Vec<Outage>,
    /// How many there are in all.
    pub outages_total: u64,
    /// Bars without volume; they stay in.
    pub zero_volume: u64,
    /// Rows that were left out.
    pub excluded: Vec<Exclusion>,
}

/// Is a cleaned series.
#[derive(Clone, Debug, PartialEq)]
pub struct CandleSeries {
    /// Bars, rising.
    pub bars: Vec<Bar>,
    /// What the file held.
    pub quality: Quality,
}

/// Says why a file is not used at all.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CandleRefusal {
    /// A column that is needed is not there.
    #[error("no column {column:?}; want a header with t,o,h,l,c,v")]
    Column {
        /// Its name.
        column: &'static str,
    },
    /// Times are beyond 2100 or before the epoch.
    #[error(
        "line {line}: t = {value} is no epoch second before 2100; want seconds, UTC, not milliseconds"
    )]
    TimeUnit {
        /// The line, from 1.
        line: u64,
        /// What it says.
        value: i64,
    },
    /// Not two bars are left.
    #[error("no two usable rows among {rows}{}", most(*.worst))]
    Empty {
        /// Rows read.
        rows: u64,
        /// What most of them were, if anything was wrong.
        worst: Option<Exclusion>,
    },
    /// Too many rows cannot be used.
    #[error("{excluded} of {rows} rows cannot be used{}", most(Some(*.worst)))]
    TooManyExcluded {
        /// Rows left out.
        excluded: u64,
        /// Rows read.
        rows: u64,
        /// What most of them were.
        worst: Exclusion,
    },
    /// Too many bars are missing.
    #[error("{:.1} % of its bars are there, want {:.1} %: bars without a trade and bars without data look alike", 100.0 * coverage, 100.0 * want)]
    Coverage {
        /// Share that is there.
        coverage: f64,
        /// Share that is wanted.
        want: f64,
    },
    /// Most bars have no volume.
    #[error("{:.1} % of its bars have no volume", 100.0 * share)]
    NoVolume {
        /// Their share.
        share: f64,
    },
}

fn most(worst: Option<Exclusion>) -> String {
    worst.map_or_else(String::new, |worst| {
        let Exclusion { kind, rows, first_line } = worst;
        format!(": {rows} {} (first in line {first_line})", kind.words())
    })
}

impl Excluded {
    /// Names it for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Impossible => "with impossible prices or volume",
            Self::Duplicate => "twice",
            Self::Conflict => "twice with other values",
            Self::Unordered => "out of order",
            Self::OffGrid => "off the bar's grid",
            Self::Spike => "with an absurd price",
        }
    }
}

/// Reads rows one by one.
#[derive(Clone, Debug)]
pub struct CandleReader {
    places: [usize; 6],
    spread: Option<usize>,
    rows: u64,
    bars: Vec<(u64, Bar)>,
    excluded: Vec<Exclusion>,
}

/// The columns that are needed, in the order of [`CandleReader::places`].
const COLUMNS: [&str; 6] = ["t", "o", "h", "l", "c", "v"];

impl CandleReader {
    /// Takes the header.
    ///
    /// # Errors
    /// Names the column that is missing.
    pub fn new<'a>(header: impl Iterator<Item = &'a str>) -> Result<Self, CandleRefusal> {
        let header: Vec<&str> =
            header.map(|name| name.trim().trim_start_matches('\u{feff}')).collect();
        let find = |name: &str| header.iter().position(|cell| cell.eq_ignore_ascii_case(name));
        let mut places = [0; 6];
        for (place, column) in places.iter_mut().zip(COLUMNS) {
            *place = find(column).ok_or(CandleRefusal::Column { column })?;
        }
        Ok(Self {
            places,
            spread: find("spread_bps"),
            rows: 0,
            bars: Vec::new(),
            excluded: Vec::new(),
        })
    }

    /// Takes one row; `line` counts from 1 with the header.
    ///
    /// # Errors
    /// Refuses the series at a time in another unit.
    pub fn row<'a>(
        &mut self,
        line: u64,
        cells: impl Iterator<Item = &'a str>,
    ) -> Result<(), CandleRefusal> {
        self.rows = self.rows.saturating_add(1);
        let (mut texts, mut spread) = ([""; 6], None);
        for (i, cell) in cells.enumerate() {
            let wanted = self.places.iter().zip(&mut texts).filter(|(place, _)| **place == i);
            wanted.for_each(|(_, text)| *text = cell);
            spread = if self.spread == Some(i) { Some(cell) } else { spread };
        }
        let [t, o, h, l, c, v] = texts.map(str::trim);
        let Some(open_s) = time(t) else {
            self.exclude(Excluded::Unreadable, line);
            return Ok(());
        };
        if !(0..TIME_MAX).contains(&open_s) {
            return Err(CandleRefusal::TimeUnit { line, value: open_s });
        }
        let numbers = [o, h, l, c, v].map(|text| text.parse::<f64>().ok());
        let [Some(open), Some(high), Some(low), Some(close), Some(volume)] = numbers else {
            self.exclude(Excluded::Unreadable, line);
            return Ok(());
        };
        let spread_bps = spread.and_then(|text| text.trim().parse::<f64>().ok());
        let bar = Bar { open_s, open, high, low, close, volume, spread_bps };
        if let Some(kind) = self.fault(&bar) {
            self.exclude(kind, line);
        } else {
            self.bars.push((line, bar));
        }
        Ok(())
    }

    fn fault(&self, bar: &Bar) -> Option<Excluded> {
        let prices = [bar.low, bar.open, bar.close, bar.high];
        let is_possible = prices.iter().all(|p| p.is_finite() && *p > 0.0)
            && bar.low <= bar.open.min(bar.close)
            && bar.high >= bar.open.max(bar.close)
            && bar.volume.is_finite()
            && bar.volume >= 0.0;
        let last = self.bars.last().map(|(_, last)| last);
        let last_s = last.map_or(-1, |last| last.open_s);
        if !is_possible {
            Some(Excluded::Impossible)
        } else if last == Some(bar) {
            Some(Excluded::Duplicate)
        } else if last_s == bar.open_s {
            Some(Excluded::Conflict)
        } else if last_s > bar.open_s {
            Some(Excluded::Unordered)
        } else {
            None
        }
    }

    fn exclude(&mut self, kind: Excluded, line: u64) {
        if let Some(known) = self.excluded.iter_mut().find(|known| known.kind == kind) {
            known.rows = known.rows.saturating_add(1);
            known.first_line = known.first_line.min(line);
        } else {
            self.excluded.push(Exclusion { kind, rows: 1, first_line: line });
        }
    }

    /// Gives the cleaned series; `coverage_min` is the share of bars that must be there, 0 to 1.
    ///
    /// # Errors
    /// Refuses what no analysis should read, with the reason.
    pub fn finish(mut self, coverage_min: f64) -> Result<CandleSeries, CandleRefusal> {
        let bar_s = bar_length(&self.bars).ok_or(self.empty())?;
        self.drop_off_grid(bar_s);
        self.drop_spikes();
        let (Some((_, first)), Some((_, last))) = (self.bars.first(), self.bars.last()) else {
            return Err(self.empty());
        };
        let (first_s, last_s) = (first.open_s, last.open_s);
        let excluded: u64 = self.excluded.iter().map(|kind| kind.rows).sum();
        if let Some(worst) = self.worst().filter(|_| est(excluded) > EXCLUDED_MAX * est(self.rows))
        {
            return Err(CandleRefusal::TooManyExcluded { excluded, rows: self.rows, worst });
        }
        let bars: Vec<Bar> = self.bars.into_iter().map(|(_, bar)| bar).collect();
        let used = u64::try_from(bars.len()).unwrap_or(u64::MAX);
        let span = u64::try_from((last_s - first_s) / bar_s + 1).unwrap_or(0);
        let coverage = est(used) / est(span.max(1));
        if coverage < coverage_min {
            return Err(CandleRefusal::Coverage { coverage, want: coverage_min });
        }
        let zero_volume = bars.iter().filter(|bar| bar.volume == 0.0).count();
        let zero_volume = u64::try_from(zero_volume).unwrap_or(u64::MAX);
        if est(zero_volume) > EMPTY_MAX * est(used) {
            return Err(CandleRefusal::NoVolume { share: est(zero_volume) / est(used) });
        }
        let (outages, outages_total) = outages(&bars, bar_s);
        let quality = Quality {
            rows: self.rows,
            bars: used,
            bar_s,
            first_s,
            last_s,
            missing: span.saturating_sub(used),
            coverage,
            outages,
            outages_total,
            zero_volume,
            excluded: self.excluded,
        };
        Ok(CandleSeries { bars, quality })
    }

    fn worst(&self) -> Option<Exclusion> {
        self.excluded.iter().copied().max_by_key(|kind| kind.rows)
    }

    fn empty(&self) -> CandleRefusal {
        CandleRefusal::Empty { rows: self.rows, worst: self.worst() }
    }

    fn drop_off_grid(&mut self, bar_s: i64) {
        let (kept, off): (Vec<_>, Vec<_>) = std::mem::take(&mut self.bars)
            .into_iter()
            .partition(|(_, bar)| bar.open_s.rem_euclid(bar_s) == 0);
        self.bars = kept;
        off.iter().for_each(|(line, _)| self.exclude(Excluded::OffGrid, *line));
    }

    fn drop_spikes(&mut self) {
        let closes: Vec<f64> = self.bars.iter().map(|(_, bar)| libm::log(bar.close)).collect();
        let is_spike = |i: usize| {
            let near = |place: Option<usize>| place.and_then(|place| closes.get(place));
            let around = near(i.checked_sub(1)).zip(near(Some(i + 1))).zip(closes.get(i));
            around.is_some_and(|((before, after), own)| {
                (own - before).abs() > SPIKE
                    && (own - after).abs() > SPIKE
                    && (before - after).abs() < NEIGHBOURS
            })
        };
        let spikes: Vec<usize> = (0..closes.len()).filter(|i| is_spike(*i)).collect();
        for place in spikes.iter().rev() {
            let (line, _) = self.bars.remove(*place);
            self.exclude(Excluded::Spike, line);
        }
    }
}

/// Reads epoch seconds, also where a program wrote them with a decimal point.
fn time(text: &str) -> Option<i64> {
    let whole = text.split_once('.').map_or(text, |(whole, rest)| {
        if rest.bytes().all(|digit| digit == b'0') { whole } else { text }
    });
    whole.parse().ok()
}

/// Gives the most frequent step; the shorter one of equally frequent ones.
fn bar_length(bars: &[(u64, Bar)]) -> Option<i64> {
    let mut steps: Vec<i64> =
        bars.iter().zip(bars.iter().skip(1)).map(|((_, a), (_, b))| b.open_s - a.open_s).collect();
    steps.sort_unstable();
    let runs = steps.chunk_by(|a, b| a == b);
    let best = runs.reduce(|best, run| if run.len() > best.len() { run } else { best })?;
    best.first().copied()
}

fn outages(bars: &[Bar], bar_s: i64) -> (Vec<Outage>, u64) {
    let mut outages: Vec<Outage> = bars
        .iter()
        .zip(bars.iter().skip(1))
        .filter_map(|(a, b)| {
            let bars = u64::try_from((b.open_s - a.open_s) / bar_s - 1).ok()?;
            let outage = Outage { from_s: a.open_s + bar_s, until_s: b.open_s, bars };
            (bars >= OUTAGE_BARS).then_some(outage)
        })
        .collect();
    let total = u64::try_from(outages.len()).unwrap_or(u64::MAX);
    outages.sort_by_key(|outage| std::cmp::Reverse(outage.bars));
    outages.truncate(20);
    (outages, total)
}

/// Gives a count as a float: exact up to 2^53.
#[expect(clippy::as_conversions, reason = "counts stay far below 2^53")]
pub(crate) const fn est(n: u64) -> f64 {
    n as f64
}

impl std::fmt::Display for Outage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {} ({} bars)", utc(self.from_s), utc(self.until_s), self.bars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_700_000_040;

    /// A minute series around 100 with small moves; `edit` changes its rows before they are read.
    fn read(minutes: i64, edit: impl Fn(&mut Vec<String>)) -> Result<CandleSeries, CandleRefusal> {
        let row = |i: i64| format!("{},100,101,99,{},{}", T + 60 * i, 100 + i % 2, 5 + i % 3);
        let mut rows: Vec<String> = (0..minutes).map(row).collect();
        edit(&mut rows);
        let mut reader = CandleReader::new("t,o,h,l,c,v".split(','))?;
        for (line, row) in (2..).zip(&rows) {
            reader.row(line, row.split(','))?;
        }
        reader.finish(0.9)
    }

    fn check_excluded(kind: Excluded, line: u64, edit: impl Fn(&mut Vec<String>)) {
        let got = read(1_000, edit).unwrap();
        assert_eq!(got.quality.excluded, [Exclusion { kind, rows: 1, first_line: line }]);
        assert!(got.bars.windows(2).all(|pair| pair[0].open_s < pair[1].open_s));
    }

    #[test]
    fn bad_rows_are_excluded_named_and_counted_with_their_line() {
        check_excluded(Excluded::Unreadable, 12, |rows| rows[10] = "x,1,1,1,1,1".to_owned());
        check_excluded(Excluded::Unreadable, 12, |rows| rows[10] = format!("{},1", T + 600));
        check_excluded(Excluded::Impossible, 12, |rows| {
            rows[10] = format!("{},100,99,98,97,1", T + 600)
        });
        check_excluded(Excluded::Impossible, 12, |rows| {
            rows[10] = format!("{},0,1,0,1,1", T + 600)
        });
        check_excluded(Excluded::Impossible, 12, |rows| {
            rows[10] = format!("{},1,1,1,1,-1", T + 600)
        });
        check_excluded(Excluded::Impossible, 12, |rows| {
            rows[10] = format!("{},NaN,1,1,1,1", T + 600)
        });
        check_excluded(Excluded::Duplicate, 13, |rows| rows.insert(11, rows[10].clone()));
        check_excluded(Excluded::Conflict, 13, |rows| {
            rows.insert(11, format!("{},1,1,1,1,1", T + 600))
        });
        check_excluded(Excluded::Unordered, 22, |rows| rows.insert(20, rows[3].clone()));
        check_excluded(Excluded::OffGrid, 12, |rows| {
            rows.insert(10, format!("{},1,1,1,1,1", T + 571))
        });
        check_excluded(Excluded::Spike, 12, |rows| {
            rows[10] = format!("{},100,1e6,99,1e6,5", T + 600)
        });
    }

    #[test]
    fn gaps_are_counted_and_long_ones_named() {
        let got = read(1_000, |rows| {
            rows.drain(500..515);
            rows.remove(100);
        });
        let quality = got.unwrap().quality;
        assert_eq!((quality.missing, quality.bar_s, quality.outages_total), (16, 60, 1));
        let (from_s, until_s) = (T + 60 * 500, T + 60 * 515);
        assert_eq!(quality.outages, [Outage { from_s, until_s, bars: 15 }]);
    }

    #[test]
    fn a_large_move_that_stays_is_a_market_not_a_spike() {
        let crash = |rows: &mut Vec<String>| {
            for i in 500..1_000 {
                rows[usize::try_from(i).unwrap()] = format!("{},60,61,59,60,5", T + 60 * i);
            }
        };
        assert_eq!(read(1_000, crash).unwrap().quality.excluded, []);
    }

    #[test]
    fn series_that_cannot_be_trusted_are_refused_with_the_reason() {
        let milliseconds = |rows: &mut Vec<String>| rows[0] = format!("{}000,1,1,1,1,1", T);
        assert_eq!(
            read(100, milliseconds),
            Err(CandleRefusal::TimeUnit { line: 2, value: T * 1_000 })
        );
        let backwards = read(1_000, |rows| rows.reverse()).unwrap_err();
        assert!(matches!(backwards, CandleRefusal::Empty { .. }), "{backwards}");
        assert!(backwards.to_string().contains("out of order (first in line 3)"), "{backwards}");
        let holes = read(1_000, |rows| rows.retain(|row| !row.contains(",101,"))).unwrap_err();
        assert!(matches!(holes, CandleRefusal::Empty { .. }), "{holes}");
        let every_third = |rows: &mut Vec<String>| {
            let mut i = 0;
            rows.retain(|_| {
                i += 1;
                i % 3 != 0
            });
        };
        assert!(matches!(read(1_000, every_third), Err(CandleRefusal::Coverage { .. })));
        let dry = |rows: &mut Vec<String>| {
            rows.iter_mut().for_each(|row| *row = format!("{},0", row.rsplit_once(',').unwrap().0));
        };
        assert!(matches!(read(1_000, dry), Err(CandleRefusal::NoVolume { .. })));
        let broken =
            |rows: &mut Vec<String>| rows[..20].iter_mut().for_each(|row| *row = "?".to_owned());
        assert!(matches!(
            read(1_000, broken),
            Err(CandleRefusal::TooManyExcluded { excluded: 20, .. })
        ));
        let column = CandleReader::new("time,o,h,l,c,v".split(',')).unwrap_err();
        assert_eq!(column, CandleRefusal::Column { column: "t" });
    }

    #[test]
    fn columns_are_found_by_name_and_a_spread_is_read() {
        let mut reader = CandleReader::new("v,spread_bps,c,l,h,o,t".split(',')).unwrap();
        for (line, at) in [(2, 0), (3, 60), (4, 120)] {
            reader.row(line, format!("7,1.5,2,1,3,2,{at}").split(',')).unwrap();
        }
        let got = reader.finish(0.9).unwrap();
        let bar = got.bars[0];
        assert_eq!((bar.volume, bar.spread_bps, bar.low, bar.high), (7.0, Some(1.5), 1.0, 3.0));
    }
}
