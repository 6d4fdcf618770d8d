//! The whole system under faults, in as many seeds as a test may take.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use remora_sim::simulate::{Simulated, Simulation};

/// Makes a run and fails with what happened when a promise was broken.
fn check(seed: u64, minutes: u32, pairs: usize) -> Simulated {
    let simulation = Simulation { seed, minutes, pairs };
    let run = simulation.run().unwrap();
    let breaches: Vec<String> = run.breaches.iter().map(ToString::to_string).collect();
    assert!(
        breaches.is_empty(),
        "seed {seed} broke a promise; to repeat it: {}\n{}\n{}",
        simulation.command(),
        breaches.join("\n"),
        run.events.join("\n")
    );
    run
}

#[test]
fn every_promise_is_kept_while_everything_goes_wrong() {
    for seed in 1..=12 {
        let run = check(seed, 4, 3);
        assert!(run.counts.faults > 10 && run.counts.sent > 10, "{:?}", run.counts);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let (one, other) = (check(7, 3, 3), check(7, 3, 3));
    assert_eq!(one.hash, other.hash);
    assert_eq!(one.counts, other.counts);
    assert_ne!(one.hash, check(8, 3, 3).hash);
}
