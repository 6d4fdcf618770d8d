//! The contract every machine keeps: call `check` once per core with a log that exercises it, `check_machine` for
//! machines that are not cores of services (venue sessions).
//!
//! Checked: one log twice gives equal outputs; `tick` moves its deadline beyond now; no output is stamped earlier
//! than its input; a message delivered twice, at once or at the very end, changes nothing; what is published
//! survives the wire; nothing is published before recovery ends; no input panics (the run itself).

use crate::Driver;
use remora_domain::{Envelope, Timestamp};
use remora_machine::{Machine, ServiceCore, ServiceInput, ServiceOutput};
use std::fmt::Debug;
use std::sync::Arc;

/// Checks any machine. Inputs must be in the order of time.
pub fn check_machine<M: Machine>(make: impl Fn() -> M, inputs: &[(Timestamp, M::Input)])
where
    M::Input: Clone,
    M::Output: Debug,
{
    assert_eq!(run(make(), inputs), run(make(), inputs), "one log, two runs, different outputs");
}

/// Checks the core of a service. Inputs must be in the order of time and hold `CaughtUp` once.
pub fn check<C: ServiceCore>(
    make: impl Fn() -> C,
    inputs: &[(Timestamp, ServiceInput<C::LocalInput>)],
) {
    check_machine(&make, inputs);
    check_outputs(make(), inputs);
    check_repeats_at_once(&make, inputs);
    check_repeats_at_the_end(make(), inputs);
}

fn run<M: Machine>(machine: M, inputs: &[(Timestamp, M::Input)]) -> Vec<String>
where
    M::Input: Clone,
    M::Output: Debug,
{
    let mut driver = Driver::new(machine);
    inputs.iter().map(|(now, input)| format!("{:?}", driver.feed(*now, input.clone()))).collect()
}

fn check_outputs<C: ServiceCore>(core: C, inputs: &[(Timestamp, ServiceInput<C::LocalInput>)]) {
    let mut driver = Driver::new(core);
    let mut has_caught_up = false;
    let mut stamped = Timestamp::EPOCH;
    for (now, input) in inputs {
        has_caught_up |= matches!(input, ServiceInput::CaughtUp);
        for output in driver.feed(*now, input.clone()) {
            assert!(has_caught_up, "output before recovery ended: {output:?}");
            if let ServiceOutput::Publish(envelope) = output {
                check_envelope(&envelope, stamped, *now);
                stamped = envelope.header.publish_time;
            }
        }
    }
}

fn check_envelope(envelope: &Arc<Envelope>, earliest: Timestamp, latest: Timestamp) {
    let time = envelope.header.publish_time;
    assert!(time >= earliest, "publish time runs back from {earliest} to {time}");
    assert!(time <= latest, "published at {time}, after now {latest}");
    let bytes = remora_wire::encode(envelope);
    let back = remora_wire::decode(&bytes).unwrap();
    assert_eq!(back, **envelope, "changed by the wire");
}

fn check_repeats_at_once<C: ServiceCore>(
    make: &impl Fn() -> C,
    inputs: &[(Timestamp, ServiceInput<C::LocalInput>)],
) {
    let mut once = Driver::new(make());
    let mut twice = Driver::new(make());
    for (now, input) in inputs {
        let expected = format!("{:?}", once.feed(*now, input.clone()));
        let got = format!("{:?}", twice.feed(*now, input.clone()));
        assert_eq!(got, expected, "an earlier repeat changed the answer to {input:?}");
        if let ServiceInput::Message(_) = input {
            let again = twice.feed(*now, input.clone());
            assert!(again.is_empty(), "the repeat of {input:?} gave {again:?}");
        }
    }
}

fn check_repeats_at_the_end<C: ServiceCore>(
    core: C,
    inputs: &[(Timestamp, ServiceInput<C::LocalInput>)],
) {
    let mut driver = Driver::new(core);
    for (now, input) in inputs {
        driver.feed(*now, input.clone());
    }
    let end = driver.now();
    for (_, input) in inputs.iter().filter(|(_, i)| matches!(i, ServiceInput::Message(_))) {
        let again = driver.feed(end, input.clone());
        assert!(again.is_empty(), "the late repeat of {input:?} gave {again:?}");
    }
}
