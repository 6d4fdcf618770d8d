//! Makes a run that breaks a promise smaller: fewer kinds of fault, less time, fewer pairs, the same promise.
//!
//! Each step is tried once, the greatest first. What is left need not be the smallest there is.

use crate::simulate::{FaultKind, MINUTES_MIN, Rule, Simulated, Simulation};

/// Gives the smallest run found that breaks the same promise, if any is smaller.
pub(super) fn shrink(whole: Simulation, rule: Rule) -> Option<(Simulation, Simulated)> {
    let breaks = |simulation: Simulation| {
        let run = simulation.run().ok()?;
        (run.breaches.first()?.rule == rule).then_some(run)
    };
    smallest(whole, breaks)
}

fn smallest<R>(
    whole: Simulation,
    breaks: impl Fn(Simulation) -> Option<R>,
) -> Option<(Simulation, R)> {
    let mut found: Option<(Simulation, R)> = None;
    for kind in FaultKind::ALL {
        let now = found.as_ref().map_or(whole, |(simulation, _)| *simulation);
        let smaller = Simulation { faults: now.faults.without(*kind), ..now };
        if smaller != now {
            found = breaks(smaller).map(|run| (smaller, run)).or(found);
        }
    }
    let now = found.as_ref().map_or(whole, |(simulation, _)| *simulation);
    let minutes = (MINUTES_MIN..now.minutes).map(|minutes| Simulation { minutes, ..now });
    found = first(minutes, &breaks).or(found);
    let now = found.as_ref().map_or(whole, |(simulation, _)| *simulation);
    let pairs = (1..now.pairs).map(|pairs| Simulation { pairs, ..now });
    first(pairs, &breaks).or(found)
}

fn first<R>(
    mut all: impl Iterator<Item = Simulation>,
    breaks: impl Fn(Simulation) -> Option<R>,
) -> Option<(Simulation, R)> {
    all.find_map(|simulation| Some((simulation, breaks(simulation)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::FaultKinds;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let whole = Simulation { seed: 9, minutes: 10, pairs: 3, faults: FaultKinds::ALL };
        let breaks = |one: Simulation| {
            let needed = [FaultKind::Crash, FaultKind::Halt];
            let is_broken = needed.iter().all(|kind| one.faults.has(*kind))
                && one.minutes >= 4
                && one.pairs >= 2;
            is_broken.then_some(())
        };
        let (small, ()) = smallest(whole, breaks).unwrap();
        assert_eq!(
            small.command(),
            "remora simulate --seed 9 --minutes 4 --pairs 2 --faults crash,halt"
        );
    }

    #[test]
    fn a_run_that_cannot_be_made_smaller_stays() {
        let whole = Simulation { seed: 9, minutes: 10, pairs: 3, faults: FaultKinds::ALL };
        assert!(smallest(whole, |_| None::<()>).is_none());
    }
}
