//! The wall clock of a process: it never decreases, whatever happens to the machine's clock.

use remora_domain::{DurationNs, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time; clones tell the same time.
///
/// Where the machine's clock steps back, time goes on at half speed until the machine has caught up: deadlines
/// keep coming, and no instant is given twice to mean two things.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Mutex<Slew>>);

#[derive(Debug)]
struct Slew {
    last: Timestamp,
    last_read: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// Starts at the machine's clock.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Slew { last: wall(), last_read: Instant::now() })))
    }

    /// Gives the time; never earlier than any time given before.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        // Nothing can fail while the lock is held, so a poisoned lock holds a good value.
        let mut slew = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let read = Instant::now();
        let elapsed = read.saturating_duration_since(slew.last_read);
        slew.last = next(slew.last, elapsed, wall());
        slew.last_read = read;
        slew.last
    }

    /// Waits until the clock shows `deadline`; forever for `None`. Cancel-safe.
    pub async fn sleep_until(&self, deadline: Option<Timestamp>) {
        let Some(deadline) = deadline else {
            return std::future::pending().await;
        };
        loop {
            let left = deadline.since(self.now()).as_ns();
            match u64::try_from(left) {
                Ok(left) if left > 0 => tokio::time::sleep(Duration::from_nanos(left)).await,
                Ok(_) | Err(_) => return,
            }
        }
    }
}

/// Gives the machine's clock; before 1970 and after 2262 it stops at the ends of the range.
fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ns(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

fn next(last: Timestamp, elapsed: Duration, wall: Timestamp) -> Timestamp {
    let half = i64::try_from(elapsed.as_nanos() / 2).unwrap_or(0);
    wall.max(last.saturating_add(DurationNs::from_ns(half)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(last: i64, elapsed: u64, wall: i64, expected: i64) {
        let got =
            next(Timestamp::from_ns(last), Duration::from_nanos(elapsed), Timestamp::from_ns(wall));
        assert_eq!(got, Timestamp::from_ns(expected));
    }

    #[test]
    fn time_follows_the_machine_and_never_runs_back() {
        check(1_000, 100, 1_100, 1_100);
        check(1_000, 100, 9_000, 9_000);
    }

    #[test]
    fn after_a_step_back_time_goes_on_at_half_speed_until_the_machine_has_caught_up() {
        check(1_000, 100, 500, 1_050);
        check(1_050, 0, 500, 1_050);
        check(1_050, 1_200, 1_700, 1_700);
    }

    #[test]
    fn two_readings_are_in_order_across_clones() {
        let clock = Clock::new();
        let other = clock.clone();
        let first = clock.now();
        assert!(other.now() >= first);
    }

    #[tokio::test]
    async fn a_deadline_that_has_passed_returns_at_once() {
        let clock = Clock::new();
        clock.sleep_until(Some(Timestamp::EPOCH)).await;
    }
}
