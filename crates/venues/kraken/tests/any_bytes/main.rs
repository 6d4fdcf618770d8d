//! Any bytes from the venue, from clients and from operators, and seeds of our own (`fixtures/any_bytes`) with some bytes
//! changed: the same bodies that `cargo fuzz` runs (`fuzz/`), here for a bounded number of cases.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bodies;

use proptest::prelude::*;
use std::path::Path;

/// Reads the seeds of a target.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/any_bytes").join(target);
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no seeds of {target}");
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Gives seeds of which some bytes were replaced, taken out or put in.
fn changed(target: &str) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..3);
    let changes = prop::collection::vec(change, 0..8);
    (prop::sample::select(seeds(target)), changes).prop_map(|(mut bytes, changes)| {
        for (place, byte, kind) in changes {
            if bytes.is_empty() {
                break;
            }
            let place = place.index(bytes.len());
            match kind {
                0 => bytes[place] = byte,
                1 => drop(bytes.remove(place)),
                _ => bytes.insert(place, byte),
            }
        }
        bytes
    })
}

macro_rules! holds {
    ($($test:ident: $target:ident,)*) => {
        $(
            proptest! {
                #![proptest_config(ProptestConfig::with_cases(128))]

                #[test]
                fn $test(
                    bytes in prop_oneof![
                        4 => changed(stringify!($target)),
                        1 => prop::collection::vec(any::<u8>(), 0..256),
                    ]
                ) {
                    bodies::$target(&bytes);
                }
            }
        )*
    };
}

holds! {
    any_frame_of_the_venue_gives_a_value_or_an_error: feed,
    any_word_of_the_venue_leaves_order_entry_standing: orders,
    any_frame_of_a_client_is_answered: websocket,
    any_call_gets_one_envelope: rest,
    any_wish_of_an_operator_gets_one_answer: admin,
}
