//! The engine's conformance suite: what every dispatch mode must do alike, over the API, on a real PostgreSQL.
//!
//! A case is a function of a [`System`]: one replica in the mode under test on a fresh database. It adds replicas and
//! workers as it needs them, or plays the worker itself. Every case ends with the harness's own check that the audit log,
//! replayed, gives the tables ([`System::finish`]).
//!
//! A new mode is a variant of [`Mode`], what [`system`] has to know of it, and a line in `every_mode!`.

mod audit;
mod cancel;
mod completion;
mod dead_letters;
mod definitions;
mod failure;
mod join;
mod lease;
mod limits;
mod observability;
mod polling_only;
mod schedule;
mod start;
mod steps;
pub(crate) mod system;
mod topics;
pub(crate) mod workers;

use system::System;

/// How jobs reach workers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    /// Workers ask for ready jobs.
    Polling,
    /// Outbox, relay, broker, consumers.
    EventDriven,
}

async fn run(mode: Mode, case: impl AsyncFnOnce(&System)) {
    let system = System::start(mode).await;
    case(&system).await;
    system.finish().await;
}

/// One test a case, in the mode, with the attributes of each.
macro_rules! cases {
    ($mode:expr, $(#[$attribute:meta])* $($module:ident { $($case:ident)* })*) => {
        cases!(@all $mode, [$(#[$attribute])*] $($module { $($case)* })*);
    };
    (@all $mode:expr, $attributes:tt $($module:ident { $($case:ident)* })*) => {
        $($(cases!(@one $mode, $attributes $module $case);)*)*
    };
    (@one $mode:expr, [$(#[$attribute:meta])*] $module:ident $case:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$attribute])*
        async fn $case() {
            super::run($mode, super::$module::$case).await;
        }
    };
}

/// A module of tests for each mode.
macro_rules! every_mode {
    ($($cases:tt)*) => {
        mod polling {
            cases!(super::Mode::Polling, $($cases)*);
        }
        mod event_driven {
            cases!(
                super::Mode::EventDriven,
                #[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
                $($cases)*
            );
        }
    };
}

every_mode! {
    start {
        a_start_is_accepted_once_and_a_repeat_answers_already_exists
        an_id_named_twice_in_one_call_starts_once
        an_id_in_two_calls_at_once_starts_once
        a_bad_start_is_answered_alone
    }
    definitions {
        the_same_document_keeps_its_version_and_a_changed_one_gets_the_next
        an_invalid_document_is_refused_with_its_place
        registrations_of_one_document_at_once_make_one_version
        an_instance_runs_the_version_that_it_was_started_with
    }
    steps {
        a_single_step_completes_its_instance
        a_parallel_step_is_joined_before_the_next
        every_job_of_every_step_gets_the_payload
    }
    join {
        the_last_two_completions_of_a_step_at_once_never_lose_the_join
    }
    completion {
        a_second_completion_answers_already_completed
        a_job_named_twice_in_one_call_completes_once
        a_completion_of_a_lost_lease_is_stale_and_changes_nothing
        the_current_attempt_completes_though_a_lost_one_is_named_beside_it
        a_bad_reference_is_answered_alone
    }
    failure {
        a_transient_failure_is_retried_after_a_backoff
        the_backoff_grows_by_its_factor_up_to_its_bound
        jitter_shortens_the_backoff_by_no_more_than_its_share
        a_failure_of_the_last_attempt_is_a_dead_letter
        a_permanent_failure_is_a_dead_letter_at_once
        siblings_of_a_dead_letter_still_complete
        a_second_report_of_a_failure_is_stale
        a_reason_of_any_text_is_kept
    }
    dead_letters {
        a_dead_letter_is_listed_with_its_reason
        a_replayed_dead_letter_runs_again_with_a_fresh_retry_budget
        an_instance_resumes_with_its_last_dead_letter
        a_repeated_replay_brings_nothing_back_twice
        a_discarded_dead_letter_is_final
        a_dead_letter_of_a_cancelled_instance_is_not_replayed
        a_mass_failure_is_replayed_after_the_handler_is_fixed
    }
    lease {
        a_lease_that_runs_out_brings_the_job_back_with_the_next_attempt
        a_lease_that_runs_out_on_the_last_attempt_is_a_dead_letter
        an_extended_lease_does_not_run_out
        a_lost_lease_can_not_be_extended
        a_released_job_comes_back_on_the_same_attempt
    }
    schedule {
        a_delayed_start_waits_for_its_time
        a_job_with_a_delay_waits_after_its_step_has_started
        the_delays_of_start_and_job_add_up
    }
    cancel {
        a_cancel_ends_all_unfinished_jobs
        a_finished_instance_answers_already_finished
        a_failed_instance_can_be_cancelled
        a_bad_cancel_is_answered_alone
        a_report_of_a_cancelled_job_is_stale
        cancels_and_completions_at_once_agree
    }
    audit {
        the_audit_log_takes_no_change
        an_inspection_shows_jobs_and_audit_trail
        an_inspection_of_nothing_says_so
    }
    limits {
        a_call_of_too_many_items_is_refused
    }
    workers {
        workers_run_whole_workflows
        a_stopped_worker_finishes_what_it_runs
        a_stopped_worker_gives_back_what_its_grace_does_not_cover
        a_payload_that_is_no_instruction_is_a_dead_letter
    }
    observability {
        replica_and_worker_answer_metrics_in_prometheus_format
        the_database_password_is_on_no_command_line_and_in_no_log
    }
}

/// What only a mode that polls can do.
mod polling_itself {
    cases!(super::Mode::Polling, polling_only {
        a_long_poll_wakes_for_a_job_that_another_replica_made_ready
        a_long_poll_wakes_for_a_job_that_is_due
        a_claim_takes_the_oldest_first
        a_claim_takes_its_own_type_only
        a_stopping_replica_lets_go_of_long_polls
        a_poll_for_too_many_jobs_is_refused
    });
}
