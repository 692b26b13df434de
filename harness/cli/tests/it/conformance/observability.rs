//! What the processes show of themselves, and what they must not.

use super::system::{Part, SOON, System, flow, job, metrics_of, value_of};
use crate::servers::wait_until;

pub async fn replica_and_worker_answer_metrics_in_prometheus_format(system: &System) {
    system.register(&flow("one", [vec![job("work")]])).await;
    let worker = system.add_worker(&["work"], &[]).await;
    system.start_many("one", 3).await;
    let expected = [
        (system.replica(), "engine_jobs_completed_total", 3.0),
        (system.replica(), system.leases_metric(), 3.0),
        (system.replica(), "engine_instances_started_total", 3.0),
        (worker.clone(), "worker_report_jobs_sum", 3.0),
        (worker.clone(), "worker_jobs_held", 0.0),
    ];
    for (part, series, value) in expected {
        let reached = || async { value_of(&metrics_of(&part).await, series) == value };
        wait_until(&format!("{series} is {value} at {}", part.name), SOON, reached).await;
    }
    for part in system.parts() {
        assert_is_prometheus_text(&part).await;
    }
}

/// Every line is a comment or `name{labels} number`, and every series has a type.
async fn assert_is_prometheus_text(part: &Part) {
    let text = metrics_of(part).await;
    let typed: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert!(!typed.is_empty(), "{text}");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = series.split('{').next().unwrap();
        let of_type = |typed: &&str| {
            name.strip_prefix(*typed)
                .is_some_and(|rest| ["", "_sum", "_count", "_bucket"].contains(&rest))
        };
        assert!(typed.iter().any(of_type), "{line} has no # TYPE");
    }
}

pub async fn the_database_password_is_on_no_command_line_and_in_no_log(system: &System) {
    system.add_worker(&["work"], &[]).await;
    let password = system.database.url.reveal_password();
    for part in system.parts() {
        let pid = system.servers.supervisor.pid_of(&part.name).unwrap();
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        assert!(line.contains(&part.name), "not its command line: {line}");
        assert!(!line.contains(password), "{} shows the password", part.name);
        assert!(
            !system.log_of(&part).contains(password),
            "the log of {} shows the password",
            part.name
        );
    }
    // Nor does any other process: PostgreSQL, its tools, the supervisor.
    let names = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    for pid in names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(
            !String::from_utf8_lossy(&line).contains(password),
            "process {pid} shows the password"
        );
    }
}
