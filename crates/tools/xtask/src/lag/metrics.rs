//! Reads the text that services answer on `/metrics` and gives what changed between two answers.

use std::collections::BTreeMap;

/// Is what a service has counted so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// Messages and own events that its core handled.
    pub(super) handled: f64,
    /// Messages it put on the bus.
    pub(super) published: f64,
    /// Market data it did not get to, and lost.
    pub(super) dropped: f64,
    /// How old messages were when their turn came: count of those up to a bound, by the bound in tenths of a microsecond.
    ages: BTreeMap<u64, f64>,
    /// Those older than every bound.
    aged: f64,
}

impl Sample {
    pub(super) fn read(text: &str) -> Self {
        let mut sample = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            let (name, labels) = name.split_once('{').unwrap_or((name, ""));
            match name {
                "remora_core_handle_us_count" => sample.handled += value,
                "remora_bus_published_total" => sample.published += value,
                "remora_bus_dropped_total" => sample.dropped += value,
                "remora_bus_hop_us_count" => sample.aged += value,
                "remora_bus_hop_us_bucket" => {
                    let bound = labels.split_once("le=\"").and_then(|(_, le)| le.split_once('"'));
                    if let Some(bound) = bound.and_then(|(le, _)| tenths(le)) {
                        *sample.ages.entry(bound).or_default() += value;
                    }
                }
                _ => {}
            }
        }
        sample
    }

    /// Gives what was counted since an earlier sample of the same run.
    pub(super) fn since(&self, before: &Self) -> Self {
        let count = |bound: &u64| before.ages.get(bound).copied().unwrap_or(0.0);
        Self {
            handled: self.handled - before.handled,
            published: self.published - before.published,
            dropped: self.dropped - before.dropped,
            ages: self.ages.iter().map(|(bound, n)| (*bound, n - count(bound))).collect(),
            aged: self.aged - before.aged,
        }
    }

    /// Gives the bound below which this share of messages was handled, microseconds; infinite where it is above all bounds, none
    /// where nothing was handled.
    pub(super) fn age_us(&self, share: f64) -> Option<f64> {
        if self.aged <= 0.0 {
            return None;
        }
        let wanted = share * self.aged;
        let bound = self.ages.iter().find(|(_, count)| **count >= wanted);
        let us = |tenths: u64| u32::try_from(tenths).map_or(f64::INFINITY, f64::from) / 10.0;
        Some(bound.map_or(f64::INFINITY, |(bound, _)| us(*bound)))
    }
}

/// Reads a bound; `+Inf` is none.
fn tenths(bound: &str) -> Option<u64> {
    let (whole, fraction) = bound.split_once('.').unwrap_or((bound, "0"));
    let first = fraction.get(..1)?.parse::<u64>().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(10)?.checked_add(first)
}

/// Writes an age as a bound, such as `<5 ms`.
pub(super) fn text(age_us: Option<f64>) -> String {
    match age_us {
        None => "-".to_owned(),
        Some(us) if us.is_infinite() => ">10 s".to_owned(),
        Some(us) if us < 1_000.0 => format!("<{us:.0} us"),
        Some(us) if us < 1_000_000.0 => format!("<{:.0} ms", us / 1_000.0),
        Some(us) => format!("<{:.0} s", us / 1_000_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(fast: u32, all: u32) -> String {
        format!(
            "# HELP remora_bus_hop_us x\nremora_core_handle_us_count 7\n\
             remora_bus_published_total{{kind=\"md.book\"}} 3\nremora_bus_published_total{{kind=\"pairs.universe\"}} 2\n\
             remora_bus_dropped_total 1\n\
             remora_bus_hop_us_bucket{{kind=\"md.book\",le=\"100\"}} {fast}\n\
             remora_bus_hop_us_bucket{{kind=\"md.book\",le=\"5000\"}} {all}\n\
             remora_bus_hop_us_bucket{{kind=\"md.book\",le=\"+Inf\"}} {all}\n\
             remora_bus_hop_us_count{{kind=\"md.book\"}} {all}\n"
        )
    }

    #[test]
    fn ages_are_those_between_two_answers() {
        let first = Sample::read(&answer(90, 100));
        assert_eq!((first.handled, first.published, first.dropped), (7.0, 5.0, 1.0));
        assert_eq!(
            [0.5, 0.9, 0.99, 1.0].map(|share| first.age_us(share)).map(text),
            ["<100 us", "<100 us", "<5 ms", "<5 ms"]
        );
        let change = Sample::read(&answer(90, 140)).since(&first);
        assert_eq!(text(change.age_us(0.5)), "<5 ms");
        assert_eq!(change.handled, 0.0);
        assert_eq!(text(Sample::read("").age_us(1.0)), "-");
    }

    #[test]
    fn what_is_older_than_every_bound_is_said_to_be() {
        let late = answer(1, 2).replace("_count{kind=\"md.book\"} 2", "_count{kind=\"md.book\"} 3");
        assert_eq!(text(Sample::read(&late).age_us(1.0)), ">10 s");
    }
}
