//! The audit log, and looking at it.

use crossover_proto::InstanceId;
use crossover_proto::engine as wire;
use sqlx::AssertSqlSafe;
use tonic::Code;

use super::system::{System, flow, job};

pub async fn the_audit_log_takes_no_change(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let id = system.start_one("one").await;
    let trail = system.trail(id).await;
    let attempts = [
        ("UPDATE", "UPDATE audit SET attempt = 7"),
        ("UPDATE", "UPDATE audit SET attempt = 7 WHERE false"),
        ("DELETE", "DELETE FROM audit"),
        ("TRUNCATE", "TRUNCATE audit"),
    ];
    for (operation, statement) in attempts {
        let error = sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&system.database.pool)
            .await
            .unwrap_err();
        let expected = format!("the audit log is append-only: {operation} refused");
        assert!(error.to_string().contains(&expected), "{statement}: {error}");
    }
    assert_eq!(system.trail(id).await, trail);
}

pub async fn an_inspection_shows_jobs_and_audit_trail(system: &System) {
    system
        .register(&flow("two", [vec![job("first"), job("beside")], vec![job("second")]]))
        .await;
    let id = system.start_one("two").await;
    let first = system.take_one("first").await;
    let view = system.inspect(id).await;
    assert_eq!((view.definition.as_str(), view.definition_version), ("two", 1));
    assert_eq!((view.state.as_str(), view.step), ("running", 0));
    let jobs: Vec<_> = view
        .jobs
        .iter()
        .map(|job| {
            (
                job.job_type.as_str(),
                job.step,
                job.ordinal,
                job.state.as_str(),
                job.attempt,
                job.worker.as_str(),
            )
        })
        .collect();
    assert_eq!(
        jobs,
        [("first", 0, 0, "running", 1, "test"), ("beside", 0, 1, "queued", 1, "")]
    );
    assert_eq!(view.jobs[0].job_id, first.job_id);
    let by_job = wire::InspectRequest {
        job_id: first.job_id,
        ..Default::default()
    };
    assert_eq!(system.client().inspect(by_job).await.unwrap().into_inner(), view);
    let events: Vec<_> = view
        .audit
        .iter()
        .map(|entry| (entry.event.as_str(), entry.job_id, entry.attempt))
        .collect();
    let (first, beside) = (view.jobs[0].job_id, view.jobs[1].job_id);
    let expected = [
        ("instance_started", 0, 0),
        ("job_queued", first, 1),
        ("job_queued", beside, 1),
        ("job_claimed", first, 1),
    ];
    assert_eq!(events, expected);
    let times: Vec<i64> = view.audit.iter().map(|entry| entry.at_unix_us).collect();
    assert!(times.is_sorted() && times[0] > 1_700_000_000_000_000, "{times:?}");
}

pub async fn an_inspection_of_nothing_says_so(system: &System) {
    let cases = [
        (InstanceId::new().to_wire().to_vec(), 0, Code::NotFound, "no instance"),
        (Vec::new(), i64::MAX, Code::NotFound, "no job 9223372036854775807"),
        (vec![1, 2], 1, Code::InvalidArgument, "expected 16 bytes"),
        (Vec::new(), 0, Code::InvalidArgument, "expected 16 bytes"),
    ];
    for (id, job_id, code, message) in cases {
        let request = wire::InspectRequest {
            instance_id: id.into(),
            job_id,
        };
        let status = system.client().inspect(request).await.unwrap_err();
        assert_eq!(status.code(), code);
        assert!(status.message().contains(message), "{status}");
    }
}
