//! Any bytes from the venue and from clients, and seeds of our own with some bytes changed: the same bodies that `cargo fuzz`
//! runs (`fuzz/`), here for a bounded number of cases.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bodies;

use proptest::prelude::*;

const VENUE: &[u8] = include_bytes!("../../fixtures/synthetic_frames.jsonl");
const ANSWERS: &[u8] = include_bytes!("../../fixtures/any_bytes/synthetic_answers.txt");
const CLIENT: &[u8] = include_bytes!("../../fixtures/any_bytes/synthetic_client.txt");

/// Gives seeds of which some bytes were replaced, taken out or put in.
fn changed(seeds: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..3);
    (prop::sample::select(seeds), prop::collection::vec(change, 0..8)).prop_map(
        |(seed, changes)| {
            let mut bytes = seed.to_vec();
            for (place, byte, kind) in changes {
                let place = place.index(bytes.len());
                match kind {
                    0 => bytes[place] = byte,
                    1 => drop(bytes.remove(place)),
                    _ => bytes.insert(place, byte),
                }
            }
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_frame_or_answer_of_the_venue_gives_a_value_or_an_error(
        bytes in prop_oneof![4 => changed(&[VENUE, ANSWERS]), 1 => prop::collection::vec(any::<u8>(), 0..256)]
    ) {
        bodies::venue(&bytes);
    }

    #[test]
    fn any_call_gets_one_answer_and_any_frame_of_a_client_leaves_the_exchange_standing(
        bytes in prop_oneof![4 => changed(&[CLIENT]), 1 => prop::collection::vec(any::<u8>(), 0..256)]
    ) {
        bodies::client(&bytes);
    }
}
