//! One suite for every implementation of the bus; each behaviour is a test of its own, once per implementation.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod durable;
mod log;
mod register;
mod rig;
mod subscription;

macro_rules! conformance {
    ($($module:ident :: { $($name:ident),* $(,)? }),* $(,)?) => {
        mod in_memory {
            $($(
                #[tokio::test]
                async fn $name() {
                    crate::rig::within(crate::$module::$name(crate::rig::in_memory())).await;
                }
            )*)*
        }

        mod nats {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let rig = crate::rig::nats().await;
                    crate::rig::within(crate::$module::$name(rig)).await;
                }
            )*)*
        }
    };
}

conformance! {
    log::{
        a_repeated_message_id_is_stored_once,
        a_log_is_read_in_order_from_the_first_message,
        a_log_is_read_from_a_sequence,
        last_per_subject_gives_one_message_a_subject,
        history_is_followed_by_news_without_a_gap,
        the_end_at_open_is_the_last_message_that_matches,
        an_empty_log_is_caught_up_at_once,
        several_filters_keep_the_order_of_the_log,
        a_log_that_ends_before_what_was_read_is_an_error,
        all_readers_see_concurrent_publishers_in_one_order,
        pipelined_publishes_are_stored_in_the_order_they_were_begun,
        a_core_publish_on_a_durable_subject_is_stored,
        an_interrupted_read_loses_nothing,
        only_so_many_messages_of_a_subject_are_kept,
        declaring_streams_again_changes_nothing,
    },
    durable::{
        an_unacknowledged_delivery_comes_again,
        an_acknowledged_delivery_never_comes_again,
        a_delivery_given_back_comes_again_at_once,
        two_readers_of_one_name_share_the_work,
        two_names_each_get_everything,
        a_durable_reader_gets_only_what_it_asked_for,
    },
    register::{
        a_register_is_written_only_over_the_revision_its_writer_has_seen,
        registers_of_two_accounts_know_nothing_of_each_other,
        of_many_that_write_at_once_one_succeeds,
        what_is_no_register_is_refused,
    },
    subscription::{
        a_slow_reader_loses_old_market_data_and_knows_how_much,
        a_subscriber_gets_what_matches_in_order_and_nothing_else,
        a_durable_message_reaches_core_subscribers_too,
        trace_headers_travel_and_the_bus_keeps_its_own,
        the_largest_payload_travels_and_a_larger_one_is_refused,
        malformed_messages_are_refused_with_the_reason,
        overlapping_or_foreign_patterns_are_refused,
        a_dropped_subscription_disturbs_nobody,
    },
}
