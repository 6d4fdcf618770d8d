//! What is said about a measurement: number, floor, target.

use std::cell::{Cell, RefCell};

/// Is where results go.
pub(crate) struct Report<'a> {
    say: &'a dyn Fn(&str),
    missed: RefCell<Vec<String>>,
    met: Cell<u32>,
}

/// Is a number with its unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// How much.
    pub(crate) value: f64,
    /// Of what, such as `/s`.
    pub(crate) unit: &'static str,
}

/// Gives how often something happened in a second.
pub(crate) fn per_second(count: u64, seconds: f64) -> Measured {
    #[expect(
        clippy::as_conversions,
        clippy::cast_precision_loss,
        reason = "a rate for people; counts are far below 2^52"
    )]
    let value = count as f64 / seconds.max(f64::MIN_POSITIVE);
    Measured { value, unit: "/s" }
}

impl Measured {
    /// Writes it for people.
    pub(crate) fn text(self) -> String {
        let unit = self.unit;
        if self.value >= 1_000.0 {
            let digits = format!("{:.0}", self.value);
            let mut grouped = String::new();
            for (place, digit) in digits.chars().enumerate() {
                if place > 0 && (digits.len() - place) % 3 == 0 {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            return format!("{grouped}{unit}");
        }
        format!("{:.1}{unit}", self.value)
    }
}

impl<'a> Report<'a> {
    pub(crate) fn new(say: &'a dyn Fn(&str)) -> Self {
        Self { say, missed: RefCell::default(), met: Cell::default() }
    }

    /// Begins a part: what is measured, and how.
    pub(crate) fn part(&self, title: &str, method: &str) {
        (self.say)(&format!("\n{title}\n  {method}"));
    }

    /// Says anything else.
    pub(crate) fn note(&self, text: &str) {
        (self.say)(&format!("  {text}"));
    }

    /// Says a number beside its floor.
    pub(crate) fn row(&self, what: &str, value: Measured, floor: Option<Measured>) {
        let floor = floor.map_or_else(String::new, |floor| format!("floor {}", floor.text()));
        (self.say)(&format!("  {what:<58} {:>16}   {floor}", value.text()));
    }

    /// Says whether a number reaches what is wanted, and where it does not, why; `is_most` turns the comparison round.
    pub(crate) fn target(
        &self,
        what: &str,
        value: Measured,
        target: Measured,
        is_most: bool,
        cause: &str,
    ) {
        let is_met =
            if is_most { value.value <= target.value } else { value.value >= target.value };
        let bound = if is_most { "at most" } else { "at least" };
        let state = if is_met { "met" } else { "MISSED" };
        let cause = if is_met { String::new() } else { format!("; cause: {cause}") };
        let (value, target) = (value.text(), target.text());
        let line = format!("target {state}: {what}, {bound} {target}: {value}{cause}");
        (self.say)(&format!("  {line}"));
        if is_met {
            self.met.set(self.met.get().saturating_add(1));
        } else {
            self.missed.borrow_mut().push(line);
        }
    }

    /// Says which targets were met and which were not.
    pub(crate) fn verdict(&self) {
        let missed = self.missed.borrow();
        (self.say)(&format!("\ntargets: {} met, {} missed", self.met.get(), missed.len()));
        for line in missed.iter() {
            (self.say)(&format!("  {line}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (value, text) in [(12.34, "12.3/s"), (1_000.0, "1,000/s"), (1_234_567.8, "1,234,568/s")]
        {
            assert_eq!(Measured { value, unit: "/s" }.text(), text);
        }
    }

    #[test]
    fn a_missed_target_is_said_twice_and_a_met_one_counted() {
        let said = RefCell::new(Vec::new());
        let say = |line: &str| said.borrow_mut().push(line.to_owned());
        let report = Report::new(&say);
        let rate = |value| Measured { value, unit: "/s" };
        report.target("speed", rate(5.0), rate(10.0), false, "a slow part");
        report.target("memory", rate(5.0), rate(10.0), true, "nothing");
        report.verdict();
        let said = said.borrow();
        assert!(
            said[0].contains("target MISSED: speed, at least 10.0/s: 5.0/s; cause: a slow part"),
            "{said:?}"
        );
        assert!(said[1].ends_with("target met: memory, at most 10.0/s: 5.0/s"), "{said:?}");
        assert!(said[2].contains("1 met, 1 missed") && said[3].contains("speed"), "{said:?}");
    }
}
