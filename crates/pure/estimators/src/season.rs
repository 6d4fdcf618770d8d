//! Values by the clock: one value for each (day or week, bucket), with the level of the day taken out (section 15).
//!
//! Families (UTC): minute of hour (60 buckets), hour of day (24), day of week (7, Monday first), hour of week (168). Groups are days
//! for the first two, weeks for the others; everything that falls into one bucket of one group is averaged first, because serial
//! dependence would otherwise pass for evidence.
//! Model `ln y_{d,b} = level_d + season_b + noise`: the level is the median of the group. `Plain` values (drift, spread in ticks) are not
//! logged. Robust profile: median of a bucket over the median of all buckets' medians.
//! Worked number: one day with 1, 2, 4 in three buckets: logs 0, 0.693, 1.386, level 0.693, seasons −0.693, 0, 0.693.
//! Bound: the builder keeps at most `groups_max` groups, dropping the oldest, and one open group; a table filled by hand holds
//! what it is given.
//! Missing data: a cell with too few observations, a log of nothing and a group with less than half of its buckets are left out and
//! counted, never filled. Source: Andersen, Bollerslev (1997).

use crate::NotReady;
use crate::estimate::check;
use crate::numeric::{count_est, median};
use remora_domain::Timestamp;
use std::collections::VecDeque;

const HOUR_NS: i64 = 3_600_000_000_000;
const DAY_NS: i64 = 24 * HOUR_NS;
/// The epoch was a Thursday; weeks begin on Monday.
const EPOCH_WEEKDAY: i64 = 3;

/// Is a way to cut the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BucketFamily {
    /// 60 buckets in groups of a day.
    MinuteOfHour,
    /// 24 buckets in groups of a day.
    HourOfDay,
    /// 7 buckets in groups of a week.
    DayOfWeek,
    /// 168 buckets in groups of a week.
    HourOfWeek,
}

impl BucketFamily {
    /// Gives how many buckets there are.
    #[must_use]
    pub const fn buckets(self) -> usize {
        match self {
            Self::MinuteOfHour => 60,
            Self::HourOfDay => 24,
            Self::DayOfWeek => 7,
            Self::HourOfWeek => 168,
        }
    }

    /// Gives the bucket of an instant, from 0.
    #[must_use]
    pub fn bucket(self, at: Timestamp) -> usize {
        let ns = at.as_ns();
        let weekday = (ns.div_euclid(DAY_NS) + EPOCH_WEEKDAY).rem_euclid(7);
        let hour = ns.rem_euclid(DAY_NS) / HOUR_NS;
        let bucket = match self {
            Self::MinuteOfHour => ns.rem_euclid(HOUR_NS) / (HOUR_NS / 60),
            Self::HourOfDay => hour,
            Self::DayOfWeek => weekday,
            Self::HourOfWeek => weekday * 24 + hour,
        };
        usize::try_from(bucket).unwrap_or(0)
    }

    /// Gives the day or week of an instant.
    #[must_use]
    pub const fn group(self, at: Timestamp) -> i64 {
        let day = at.as_ns().div_euclid(DAY_NS);
        match self {
            Self::MinuteOfHour | Self::HourOfDay => day,
            Self::DayOfWeek | Self::HourOfWeek => (day + EPOCH_WEEKDAY).div_euclid(7),
        }
    }

    /// Gives the day, counted from the epoch, on which a bucket of a group falls.
    #[must_use]
    pub fn day_of(self, group: i64, bucket: usize) -> i64 {
        let bucket = i64::try_from(bucket).unwrap_or(0);
        let monday = group.saturating_mul(7).saturating_sub(EPOCH_WEEKDAY);
        match self {
            Self::MinuteOfHour | Self::HourOfDay => group,
            Self::DayOfWeek => monday.saturating_add(bucket),
            Self::HourOfWeek => monday.saturating_add(bucket / 24),
        }
    }

    /// Gives the weeks that so many groups span.
    #[must_use]
    pub fn weeks(self, groups: usize) -> f64 {
        match self {
            Self::MinuteOfHour | Self::HourOfDay => count_est(groups) / 7.0,
            Self::DayOfWeek | Self::HourOfWeek => count_est(groups),
        }
    }
}

/// Says what a value is made into before levels are taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Its logarithm: volume, volatility, spread, depth. Patterns are factors.
    Log,
    /// Itself: drift. Patterns are offsets.
    Plain,
}

/// Is one group: a value for each bucket that has one.
pub(crate) type Row = Vec<Option<f64>>;

/// Holds values by group and bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct SeasonTable {
    family: BucketFamily,
    scale: Scale,
    raw: VecDeque<(i64, Row)>,
    left_out: usize,
}

impl SeasonTable {
    /// Starts empty.
    #[must_use]
    pub const fn new(family: BucketFamily, scale: Scale) -> Self {
        Self { family, scale, raw: VecDeque::new(), left_out: 0 }
    }

    /// Takes the one value of a cell; groups come in order. Cells whose value cannot be used are left out and counted.
    ///
    /// # Errors
    /// Refuses a bucket that the family does not have and groups that run back.
    pub fn add(&mut self, group: i64, bucket: usize, value: f64) -> Result<(), NotReady> {
        let is_ordered = self.raw.back().is_none_or(|(last, _)| *last <= group);
        if bucket >= self.family.buckets() || !is_ordered {
            return Err(NotReady::Input { what: "bucket or order of groups" });
        }
        let is_usable = match self.scale {
            Scale::Log => value.is_finite() && value > 0.0,
            Scale::Plain => value.is_finite(),
        };
        if !is_usable {
            self.left_out += 1;
            return Ok(());
        }
        if self.raw.back().is_none_or(|(last, _)| *last < group) {
            self.raw.push_back((group, vec![None; self.family.buckets()]));
        }
        if let Some(cell) = self.raw.back_mut().and_then(|(_, row)| row.get_mut(bucket)) {
            *cell = Some(value);
        }
        Ok(())
    }

    /// Gives the family.
    #[must_use]
    pub const fn family(&self) -> BucketFamily {
        self.family
    }

    /// Gives the scale.
    #[must_use]
    pub const fn scale(&self) -> Scale {
        self.scale
    }

    /// Gives how many cells were left out.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// Gives how many groups (days or weeks) have enough buckets to have a level.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.levelled().len()
    }

    /// Gives the groups in order, logged where the scale says so and less their median. Groups with less than half of their
    /// buckets have no level and are left out.
    pub(crate) fn levelled(&self) -> Vec<Row> {
        self.levelled_groups().into_iter().map(|(_, row)| row).collect()
    }

    /// The same with the number of each group.
    pub(crate) fn levelled_groups(&self) -> Vec<(i64, Row)> {
        let half = self.family.buckets().div_ceil(2);
        let of = |row: &Row| -> Option<Row> {
            let value = |cell: &Option<f64>| {
                cell.map(|x| match self.scale {
                    Scale::Log => libm::log(x),
                    Scale::Plain => x,
                })
            };
            let values: Row = row.iter().map(value).collect();
            let known: Vec<f64> = values.iter().flatten().copied().collect();
            let level = median(&known).filter(|_| known.len() >= half)?;
            Some(values.into_iter().map(|x| x.map(|x| x - level)).collect())
        };
        self.raw.iter().filter_map(|(group, row)| Some((*group, of(row)?))).collect()
    }

    /// Gives the median of every bucket over the median of those medians, of values as they are.
    ///
    /// # Errors
    /// Not ready while a bucket has no value; not finite where the middle bucket is zero.
    pub fn robust_profile(&self) -> Result<Vec<f64>, NotReady> {
        let medians: Option<Vec<f64>> = (0..self.family.buckets())
            .map(|b| {
                let column = self.raw.iter().filter_map(|(_, row)| row.get(b).copied().flatten());
                median(&column.collect::<Vec<_>>())
            })
            .collect();
        let medians = medians.ok_or(NotReady::NoObservation)?;
        let middle = median(&medians).ok_or(NotReady::NoObservation)?;
        medians.iter().map(|m| crate::estimate::finite(m / middle)).collect()
    }
}

/// Builds a [`SeasonTable`] from observations as they come. O(1) per observation.
#[derive(Clone, Debug, PartialEq)]
pub struct SeasonBuilder {
    table: SeasonTable,
    observations_min: u32,
    groups_max: usize,
    open: Option<i64>,
    sums: Vec<(u32, f64)>,
}

impl SeasonBuilder {
    /// Starts empty: a cell wants `observations_min` observations, at most `groups_max` groups are kept.
    ///
    /// # Errors
    /// Refuses to keep no group or to want no observation.
    pub fn new(
        family: BucketFamily,
        scale: Scale,
        observations_min: u32,
        groups_max: usize,
    ) -> Result<Self, NotReady> {
        check("observations of a cell", f64::from(observations_min), observations_min > 0)?;
        check("groups kept", count_est(groups_max), groups_max > 0)?;
        Ok(Self {
            table: SeasonTable::new(family, scale),
            observations_min,
            groups_max,
            open: None,
            sums: vec![(0, 0.0); family.buckets()],
        })
    }

    /// Takes an observation, such as the volume of a minute. What is not finite is ignored.
    ///
    /// # Errors
    /// Refuses observations of a group before the newest.
    pub fn observe(&mut self, at: Timestamp, value: f64) -> Result<(), NotReady> {
        let group = self.table.family.group(at);
        if self.open.is_some_and(|open| group < open) {
            return Err(NotReady::Input { what: "order of observations" });
        }
        if self.open.is_some_and(|open| group > open) {
            self.close();
        }
        self.open = Some(group);
        let cell = self.sums.get_mut(self.table.family.bucket(at));
        if let Some((n, sum)) = cell.filter(|_| value.is_finite()) {
            *n = n.saturating_add(1);
            *sum += value;
        }
        Ok(())
    }

    /// Gives the closed groups; the open one is not over and does not count.
    #[must_use]
    pub const fn table(&self) -> &SeasonTable {
        &self.table
    }

    /// Ends the open group and gives the table.
    #[must_use]
    pub fn finish(mut self) -> SeasonTable {
        self.close();
        self.table
    }

    fn close(&mut self) {
        let Some(group) = self.open.take() else { return };
        let sums = std::mem::replace(&mut self.sums, vec![(0, 0.0); self.table.family.buckets()]);
        for (bucket, (n, sum)) in sums.into_iter().enumerate() {
            if n < self.observations_min {
                self.table.left_out += usize::from(n > 0);
                continue;
            }
            // The group is newer than all before it and the bucket is of the family.
            let added = self.table.add(group, bucket, sum / f64::from(n));
            self.table.left_out += usize::from(added.is_err());
        }
        while self.table.raw.len() > self.groups_max {
            self.table.raw.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(day: i64, hour: i64, minute: i64) -> Timestamp {
        Timestamp::from_ns(day * DAY_NS + hour * HOUR_NS + minute * 60_000_000_000)
    }

    #[test]
    fn instants_fall_into_their_buckets() {
        // 2024-01-01 was a Monday, 19,723 days after the epoch.
        let monday = at(19_723, 13, 45);
        let buckets = |t| {
            use BucketFamily::{DayOfWeek, HourOfDay, HourOfWeek, MinuteOfHour};
            [MinuteOfHour, HourOfDay, DayOfWeek, HourOfWeek].map(|f| f.bucket(t))
        };
        assert_eq!(buckets(monday), [45, 13, 0, 13]);
        assert_eq!(buckets(at(19_729, 0, 0)), [0, 0, 6, 144]);
        assert_eq!(
            BucketFamily::DayOfWeek.group(monday) + 1,
            BucketFamily::DayOfWeek.group(at(19_730, 0, 0))
        );
        assert_eq!(
            BucketFamily::DayOfWeek.group(monday),
            BucketFamily::DayOfWeek.group(at(19_729, 23, 59))
        );
    }

    #[test]
    fn the_worked_number_of_the_header_holds() {
        let mut table = SeasonTable::new(BucketFamily::DayOfWeek, Scale::Log);
        for (bucket, value) in [(0, 1.0), (1, 2.0), (2, 4.0), (3, 2.0)] {
            table.add(0, bucket, value).unwrap();
        }
        let rows = table.levelled();
        assert!((rows[0][0].unwrap() + 2f64.ln()).abs() < 1e-12 && rows[0][1] == Some(0.0));
        assert_eq!(rows[0][4], None);
    }

    #[test]
    fn zeros_short_cells_and_short_groups_are_left_out_and_counted() {
        let mut builder = SeasonBuilder::new(BucketFamily::HourOfDay, Scale::Log, 2, 10).unwrap();
        for hour in 0..24 {
            for minute in 0..(if hour == 5 { 1 } else { 2 }) {
                let value = if hour == 7 { 0.0 } else { 3.0 };
                builder.observe(at(0, hour, minute), value).unwrap();
            }
        }
        builder.observe(at(1, 3, 0), 1.0).unwrap();
        assert!(builder.observe(at(0, 3, 0), 1.0).is_err());
        let table = builder.finish();
        assert_eq!((table.groups(), table.left_out()), (1, 3));
        assert!(table.robust_profile().is_err());
    }

    #[test]
    fn the_oldest_groups_go_when_there_are_too_many() {
        let mut builder = SeasonBuilder::new(BucketFamily::HourOfDay, Scale::Plain, 1, 3).unwrap();
        for day in 0..9 {
            (0..24).for_each(|hour| builder.observe(at(day, hour, 0), 1.0).unwrap());
        }
        assert_eq!(builder.finish().groups(), 3);
    }

    proptest! {
        #[test]
        fn the_level_of_a_day_does_not_matter(
            values in prop::collection::vec(0.1f64..10.0, 24 * 4), factors in prop::collection::vec(0.01f64..100.0, 4),
        ) {
            let table = |scaled: bool| {
                let mut table = SeasonTable::new(BucketFamily::HourOfDay, Scale::Log);
                for (i, value) in values.iter().enumerate() {
                    let factor = if scaled { factors[i / 24] } else { 1.0 };
                    table.add(i64::try_from(i / 24).unwrap(), i % 24, value * factor).unwrap();
                }
                table.levelled()
            };
            for (a, b) in table(false).iter().flatten().zip(table(true).iter().flatten()) {
                prop_assert!((a.unwrap() - b.unwrap()).abs() < 1e-9);
            }
        }
    }
}
