//! Counts, and what must not be in a history: the same queries for both stores.

use crate::rows::TABLES;
use std::collections::BTreeMap;

/// Is one question whose answer should be zero rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name in reports.
    pub name: &'static str,
    /// Counts the offenders. Understood by PostgreSQL and SQLite.
    pub sql: &'static str,
    /// Whether orders under way may explain an answer above zero; the others are always wrong.
    pub is_quiet_only: bool,
}

/// Is what a history holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows of each table.
    pub rows: BTreeMap<&'static str, u64>,
    /// Offenders found by each check; all zero in a good history after a quiet end.
    pub offenders: BTreeMap<&'static str, u64>,
}

impl Summary {
    /// Gives every question by its name, with SQL that both stores understand and that answers with one number.
    pub fn questions() -> impl Iterator<Item = (&'static str, String)> {
        let rows = |name| (name, format!("SELECT count(*) FROM {name}"));
        let tables = TABLES.into_iter().map(move |table| rows(table.name));
        tables.chain(CHECKS.into_iter().map(|check| (check.name, check.sql.to_owned())))
    }

    /// Sorts the answers to all questions.
    #[must_use]
    pub fn of(answers: &BTreeMap<&'static str, u64>) -> Self {
        let pick = |name: &'static str| answers.get(name).map(|count| (name, *count));
        Self {
            rows: TABLES.into_iter().filter_map(|table| pick(table.name)).collect(),
            offenders: CHECKS.into_iter().filter_map(|check| pick(check.name)).collect(),
        }
    }

    /// Tells whether nothing is wrong that orders under way could not explain.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        CHECKS.iter().all(|check| check.is_quiet_only || self.is_clear_of(check))
    }

    /// Tells whether nothing is wrong and nothing is missing, as after a quiet end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        CHECKS.iter().all(|check| self.is_clear_of(check))
    }

    fn is_clear_of(&self, check: &Check) -> bool {
        self.offenders.get(check.name) == Some(&0)
    }
}

/// Everything a good history never holds. A request that reuses an id is refused as `duplicate_cl_ord_id`, which
/// is one more request and one more answer for that id, and right.
pub const CHECKS: [Check; 6] = [
    Check {
        name: "approvals_repeated",
        sql: "SELECT count(*) FROM (SELECT cl_ord_id FROM order_approvals \
              GROUP BY account, cl_ord_id HAVING count(*) > 1) AS offender",
        is_quiet_only: false,
    },
    Check {
        name: "requests_answered_twice",
        sql: "SELECT count(*) FROM (SELECT request.cl_ord_id FROM (\
              SELECT account, cl_ord_id, count(*) AS asked FROM order_requests \
              GROUP BY account, cl_ord_id) AS request JOIN (\
              SELECT account, cl_ord_id, count(*) AS answers FROM (\
              SELECT account, cl_ord_id FROM order_approvals UNION ALL \
              SELECT account, cl_ord_id FROM order_refusals) AS answer \
              GROUP BY account, cl_ord_id) AS answered \
              ON answered.account = request.account AND answered.cl_ord_id = request.cl_ord_id \
              WHERE answered.answers > request.asked) AS offender",
        is_quiet_only: false,
    },
    Check {
        name: "requests_unanswered",
        sql: "SELECT count(*) FROM order_requests AS request \
              WHERE NOT EXISTS (SELECT 1 FROM order_approvals AS approval \
              WHERE approval.account = request.account AND approval.cl_ord_id = request.cl_ord_id) \
              AND NOT EXISTS (SELECT 1 FROM order_refusals AS refusal \
              WHERE refusal.account = request.account AND refusal.cl_ord_id = request.cl_ord_id)",
        is_quiet_only: true,
    },
    Check {
        name: "approvals_without_event",
        sql: "SELECT count(*) FROM order_approvals AS approval \
              WHERE NOT EXISTS (SELECT 1 FROM order_events AS event \
              WHERE event.account = approval.account AND event.cl_ord_id = approval.cl_ord_id)",
        is_quiet_only: true,
    },
    Check {
        name: "orders_sent_twice",
        sql: "SELECT count(*) FROM (SELECT cl_ord_id FROM order_events WHERE exec_type = 'sending' \
              GROUP BY account, cl_ord_id HAVING count(*) > 1) AS offender",
        is_quiet_only: false,
    },
    Check {
        name: "fills_without_approval",
        sql: "SELECT count(*) FROM fills AS fill \
              WHERE NOT EXISTS (SELECT 1 FROM order_approvals AS approval \
              WHERE approval.account = fill.account AND approval.cl_ord_id = fill.cl_ord_id)",
        is_quiet_only: true,
    },
];
