//! Looking for orders that have no venue's id yet among those that are closed.
//!
//! Few are asked for by name, a call each. Many are looked for in the list of everything that was closed, a call for
//! fifty rows, from the newest back to when the first of them can have been opened. The list is left for names once as
//! many pages were read as orders are missing, so that neither way costs more than twice what the cheaper one would.
//! An order counts as absent only by the end of that list or by an answer to its name.

use super::calls::Ask;
use super::settle::PAGE;
use remora_domain::{ClOrdId, DurationNs, Timestamp};
use std::collections::BTreeMap;

/// So few orders are asked for by name from the start.
const BY_NAME_MAX: usize = 3;
/// Clocks of the venue's own parts differ by no more than this.
const CLOCK_SLACK: DurationNs = DurationNs::from_s(2);

/// Is a search in the list.
#[derive(Clone, Debug)]
pub(super) struct Sought {
    missing: Vec<ClOrdId>,
    after: Option<Timestamp>,
    pages: usize,
}

/// Says how a search begins or goes on.
#[derive(Debug)]
pub(super) enum After {
    /// With the next page.
    More(Sought),
    /// By the names of these.
    ByName(Vec<ClOrdId>),
    /// Not at all: these are not there.
    Absent(Vec<ClOrdId>),
}

impl Sought {
    /// Begins a search for orders, each with the instant before which the venue did not have it.
    pub(super) fn begin(orders: BTreeMap<ClOrdId, Option<Timestamp>>) -> After {
        let first = orders.values().copied().min().flatten();
        let missing: Vec<ClOrdId> = orders.into_keys().collect();
        if missing.len() <= BY_NAME_MAX {
            return After::ByName(missing);
        }
        let after = first.map(|at| at.saturating_sub(CLOCK_SLACK));
        After::More(Self { missing, after, pages: 0 })
    }

    /// Gives the next question.
    pub(super) fn ask(&self) -> Ask {
        let offset = u32::try_from(self.pages.saturating_mul(PAGE)).unwrap_or(u32::MAX);
        Ask::ClosedPage { after: self.after, offset }
    }

    /// Goes on after a page of so many rows.
    pub(super) fn after_page(mut self, rows: usize, is_found: impl Fn(&ClOrdId) -> bool) -> After {
        self.missing.retain(|id| !is_found(id));
        self.pages = self.pages.saturating_add(1);
        if rows < PAGE || self.missing.is_empty() {
            After::Absent(self.missing)
        } else if self.pages >= self.missing.len() {
            After::ByName(self.missing)
        } else {
            After::More(self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remora_testkit::{at_ms, cl_ord_id};

    fn begin(count: usize) -> After {
        let order = |n: usize| {
            let from = (n != 7).then(|| at_ms(i64::try_from(100 + n).unwrap() * 1_000));
            (cl_ord_id(&format!("r-{n}")), from)
        };
        Sought::begin((0..count).map(order).collect())
    }

    fn page(sought: Sought, rows: usize, found: &[&str]) -> After {
        sought.after_page(rows, |id| found.contains(&id.as_str()))
    }

    #[test]
    fn few_are_asked_for_by_name_and_many_by_pages_from_the_first_of_them() {
        assert!(matches!(begin(3), After::ByName(ids) if ids.len() == 3));
        let After::More(sought) = begin(5) else { panic!("no pages") };
        assert_eq!(sought.ask(), Ask::ClosedPage { after: Some(at_ms(98_000)), offset: 0 });
        let After::More(sought) = page(sought, PAGE, &["r-1"]) else { panic!("no more pages") };
        assert_eq!(sought.ask(), Ask::ClosedPage { after: Some(at_ms(98_000)), offset: 50 });
    }

    #[test]
    fn where_nobody_knows_since_when_the_whole_list_is_asked_for() {
        let After::More(sought) = begin(8) else { panic!("no pages") };
        assert_eq!(sought.ask(), Ask::ClosedPage { after: None, offset: 0 });
    }

    #[test]
    fn only_the_end_of_the_list_makes_an_order_absent() {
        let After::More(sought) = begin(5) else { panic!("no pages") };
        let After::More(sought) = page(sought, PAGE, &["r-0"]) else { panic!("no more pages") };
        let found = ["r-0", "r-1", "r-2", "r-3"];
        let ended = page(sought.clone(), PAGE - 1, &found);
        assert!(matches!(ended, After::Absent(ids) if ids == [cl_ord_id("r-4")]));
        // Two pages were read for what one more call can answer.
        let asked = page(sought, PAGE, &found);
        assert!(matches!(asked, After::ByName(ids) if ids == [cl_ord_id("r-4")]));
    }
}
