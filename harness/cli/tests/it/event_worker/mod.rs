//! Workers of the event-driven mode, on a real broker and a real replica; the test is the relay.

mod bed;
mod faults;
mod flow;
mod groups;
mod records;

/// On a machine with a broker: a test of its own server.
macro_rules! cases {
    ($($module:ident { $($case:ident)* })*) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
            async fn $case() {
                $module::$case().await;
            }
        )*)*
    };
}

cases! {
    flow {
        jobs_run_to_completion_and_every_offset_is_committed
        jobs_of_one_instance_run_in_their_order_and_never_two_at_once
        a_full_window_pauses_its_partition_and_bounds_what_is_held
        a_topic_that_is_made_later_is_found
        a_topic_that_is_made_again_is_read_from_its_start
    }
    records {
        a_record_that_can_not_be_read_goes_to_the_dead_letter_topic_and_blocks_nothing
        a_dead_letter_waits_for_its_topic_and_holds_the_offset_back
        a_record_that_comes_twice_runs_once
    }
    faults {
        a_record_before_the_one_that_is_done_comes_again_after_a_kill
        no_job_is_stuck_when_the_replica_is_killed_and_started_again
        a_stopped_worker_finishes_what_it_runs_and_gives_the_rest_back
        a_worker_without_a_broker_says_what_is_missing
    }
    groups {
        a_worker_that_joins_and_leaves_costs_no_second_execution
        a_group_of_the_new_protocol_does_the_same
        a_revoked_partition_waits_for_what_runs
        a_member_that_its_group_refuses_goes_on_when_it_is_allowed_again
        a_member_of_the_new_protocol_does_the_same
    }
}
