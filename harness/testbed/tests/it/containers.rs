//! Containers as processes: exits, signals, output, and that nothing is left, whatever ends a run.
//!
//! The servers in them are tested by the same tests as on the local testbed, with CROSSOVER_TESTBED=containers.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crossover_testbed::containers::cleanup::remove_leftovers;
use crossover_testbed::containers::images::{Images, Part};
use crossover_testbed::supervisor::kept::end_kept;
use crossover_testbed::{
    Containers, ContainersOptions, LocalPostgres, PostgresOptions, ProcessSpec, Signal, Supervisor, TestbedError,
};
use testcontainers::bollard::Docker;
use testcontainers::bollard::query_parameters::ListContainersOptionsBuilder;

use crate::support::{GONE_WITHIN, Victim, data_directory, local_supervisor, unique_run};

const SOON: Duration = Duration::from_secs(20);

async fn engine() -> Docker {
    testcontainers::core::client::docker_client_instance().await.unwrap()
}

/// Names of all containers of a run, ended ones too.
async fn containers_of(run: &str) -> Vec<String> {
    let filters = HashMap::from([("label", vec![format!("crossover.run={run}")])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let all = engine().await.list_containers(Some(options)).await.unwrap();
    all.into_iter().flat_map(|one| one.names.unwrap_or_default()).collect()
}

async fn supervisor(logs: &Path, run: &str, images: Images) -> Supervisor {
    let options = ContainersOptions {
        images,
        ..ContainersOptions::new(run)
    };
    let containers = Containers::connect(options).await.unwrap();
    local_supervisor(logs).await.with_containers(containers).await.unwrap()
}

/// A shell in the image that any machine with stand-ins or official images has.
async fn shell(supervisor: &Supervisor, name: &str, script: &str) -> ProcessSpec {
    let image = supervisor.containers().unwrap().image(Part::Postgres).await.unwrap();
    ProcessSpec::new(name, "/bin/sh", supervisor.log_dir().join(format!("{name}.log")))
        .image(Some(image.name))
        .args(["-c", script])
        .stop(Signal::Term, Duration::from_millis(200))
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(can_run_containers),
    ignore = "no container engine answers here, or it has none of the images"
)]
async fn an_exit_is_reported_with_code_and_output_and_frees_the_name() {
    let (logs, run) = (tempfile::tempdir().unwrap(), unique_run());
    let supervisor = supervisor(logs.path(), &run, Images::default()).await;
    let mut exits = supervisor.exits();
    for code in [3, 0] {
        let script = format!("echo out $HOME; echo err >&2; exit {code}");
        let spec = shell(&supervisor, "short", &script).await.env("HOME", "there");
        let log = spec.log.clone();
        supervisor.spawn(spec).await.unwrap();
        let exit = supervisor.wait_exit("short", SOON).await.unwrap();
        assert_eq!((exit.code, exit.signal), (Some(code), None));
        assert_eq!(exits.recv().await.unwrap(), exit);
        assert!(!supervisor.is_alive("short"));
        let said = std::fs::read_to_string(log).unwrap();
        assert!(said.contains("out there\n") && said.contains("err\n"), "{said}");
    }
    let spec = shell(&supervisor, "long", "sleep 60").await;
    let pid = supervisor.spawn(spec.clone()).await.unwrap();
    assert_eq!(supervisor.pid_of("long"), Some(pid));
    assert!(Path::new(&format!("/proc/{pid}")).exists(), "a process id of this host");
    let taken = supervisor.spawn(spec).await.unwrap_err().to_string();
    assert!(taken.contains("long runs already"), "{taken}");
    supervisor.shutdown().await.unwrap();
    assert_eq!(containers_of(&run).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(can_run_containers),
    ignore = "no container engine answers here, or it has none of the images"
)]
async fn signals_reach_a_container_frozen_or_not_and_a_kill_takes_all_its_processes() {
    let (logs, run) = (tempfile::tempdir().unwrap(), unique_run());
    let supervisor = supervisor(logs.path(), &run, Images::default()).await;
    let spec = shell(
        &supervisor,
        "polite",
        "trap 'exit 7' TERM; while :; do sleep 0.05; done",
    )
    .await;
    supervisor.spawn(spec.clone()).await.unwrap();
    // The trap may not be set yet, and the default would end it by the signal.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(supervisor.freeze("polite").await.unwrap(), "it was seen to stand still");
    supervisor.signal_tree("polite", Signal::Stop).await.unwrap();
    assert!(supervisor.is_alive("polite"));
    assert_eq!(
        supervisor.stop("polite").await.unwrap().code,
        Some(7),
        "thawed, and asked"
    );
    assert!(supervisor.signal("polite", Signal::Term).await.is_err());

    let mark = crate::support::unique_sleep();
    let spec = shell(
        &supervisor,
        "deaf",
        &format!("trap '' TERM; sleep {mark} & sleep {mark}"),
    )
    .await;
    supervisor.spawn(spec.clone()).await.unwrap();
    crate::support::wait_until("both sleep", SOON, || crate::support::sleeping(&mark).len() == 2);
    let exit = supervisor.stop("deaf").await.unwrap();
    assert_eq!((exit.code, exit.signal), (None, Some(9)));
    crate::support::wait_until("both are gone", SOON, || crate::support::sleeping(&mark).is_empty());

    supervisor.spawn(spec).await.unwrap();
    supervisor.freeze("deaf").await.unwrap();
    supervisor.signal_tree("deaf", Signal::Kill).await.unwrap();
    assert_eq!(
        supervisor.wait_exit("deaf", SOON).await.unwrap().signal,
        Some(9),
        "killed while frozen"
    );
    supervisor.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(can_run_containers),
    ignore = "no container engine answers here, or it has none of the images"
)]
async fn containers_are_gone_with_their_data_after_sigkill_of_the_harness_frozen_or_not() {
    for is_frozen in [false, true] {
        let base = data_directory();
        let run = unique_run();
        let mut harness = Victim::start_in_containers(&["postgres", base.path().to_str().unwrap(), &run]);
        let names = containers_of(&run).await;
        assert!(names.iter().any(|name| name.ends_with("-postgres")), "{names:?}");
        if is_frozen {
            engine()
                .await
                .pause_container(names[0].trim_start_matches('/'))
                .await
                .unwrap();
        }
        let killed = harness.kill();
        while !containers_of(&run).await.is_empty() {
            assert!(killed.elapsed() < GONE_WITHIN, "containers are left");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!("containers were gone {:?} after SIGKILL", killed.elapsed());
        let data = base.path().join(format!("crossover-{run}-postgres"));
        crate::support::wait_until("its data is gone", Duration::from_secs(10), || !data.exists());
        println!("its data was gone {:?} after SIGKILL", killed.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(can_run_containers),
    ignore = "no container engine answers here, or it has none of the images"
)]
async fn what_a_killed_supervisor_left_is_found_by_its_death_and_live_runs_are_left_alone() {
    let (logs, run, live_run) = (tempfile::tempdir().unwrap(), unique_run(), unique_run());
    let dead = supervisor(logs.path(), &run, Images::default()).await;
    let live = supervisor(&logs.path().join("live"), &live_run, Images::default()).await;
    for supervisor in [&dead, &live] {
        let spec = shell(supervisor, "long", "sleep 60").await;
        supervisor.spawn(spec).await.unwrap();
    }
    let pid = nix::unistd::Pid::from_raw(dead.pid().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    while dead.pids().iter().any(|(name, _)| dead.is_alive(name)) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(containers_of(&run).await.len(), 1, "nobody removed it");
    // Other tests of this kind may have been killed before.
    let removed = remove_leftovers().await.unwrap();
    assert!(removed.iter().any(|name| name.contains(&run)), "{removed:?}");
    assert!(!removed.iter().any(|name| name.contains(&live_run)), "{removed:?}");
    assert_eq!(containers_of(&run).await, Vec::<String>::new());
    assert_eq!(containers_of(&live_run).await.len(), 1);
    live.shutdown().await.unwrap();
    std::fs::remove_dir_all(format!("/var/tmp/crossover-{run}-containers")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(can_run_containers),
    ignore = "no container engine answers here, or it has none of the images"
)]
async fn a_kept_system_of_containers_outlives_its_harness_until_it_is_ended() {
    let (logs, run) = (tempfile::tempdir().unwrap(), unique_run());
    let supervisor = supervisor(logs.path(), &run, Images::default()).await;
    let spec = shell(&supervisor, "long", "sleep 60").await;
    let pid = supervisor.spawn(spec).await.unwrap();
    let file = supervisor.keep().await.unwrap();
    drop(supervisor);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(containers_of(&run).await.len(), 1, "it is kept");
    let kept = end_kept(&file).await.unwrap();
    assert!(kept.processes.contains(&("long".to_owned(), pid)), "{kept:?}");
    assert_eq!(containers_of(&run).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(can_run_containers),
    ignore = "no container engine answers here, or it has none of the images"
)]
async fn an_image_that_can_not_be_had_or_will_not_do_is_named_with_the_remedy() {
    let toxiproxy = Part::Toxiproxy.stand_in();
    for (image, signs) in [
        // Nobody listens there.
        (
            Some("127.0.0.1:1/nothing:1".to_owned()),
            ["127.0.0.1:1/nothing:1", "CROSSOVER_IMAGE_POSTGRES"],
        ),
        // No shell, and no PostgreSQL.
        (toxiproxy, ["crossover-standin-toxiproxy", "CROSSOVER_IMAGE_POSTGRES"]),
    ] {
        let (logs, run) = (tempfile::tempdir().unwrap(), unique_run());
        let images = Images {
            postgres: image,
            ..Images::default()
        };
        let supervisor = supervisor(logs.path(), &run, images).await;
        let begun = Instant::now();
        let error = LocalPostgres::start(&supervisor, &PostgresOptions::new(&run))
            .await
            .unwrap_err();
        println!("after {:?}: {error}", begun.elapsed());
        assert!(matches!(error, TestbedError::Unavailable { .. }), "{error:?}");
        assert!(signs.iter().all(|sign| error.to_string().contains(sign)), "{error}");
        supervisor.shutdown().await.unwrap();
        assert_eq!(containers_of(&run).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(can_run_containers),
    ignore = "no container engine answers here, or it has none of the images"
)]
async fn a_taken_container_name_is_named_and_its_owner_left_alone() {
    let (logs, run) = (tempfile::tempdir().unwrap(), unique_run());
    let first = supervisor(logs.path(), &run, Images::default()).await;
    let spec = shell(&first, "long", "sleep 60").await;
    first.spawn(spec.clone()).await.unwrap();
    let base = tempfile::tempdir().unwrap();
    let options = ContainersOptions {
        base: base.path().to_path_buf(),
        ..ContainersOptions::new(&run)
    };
    let containers = Containers::connect(options).await.unwrap();
    let second = local_supervisor(&logs.path().join("second"))
        .await
        .with_containers(containers)
        .await
        .unwrap();
    let error = second.spawn(spec).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, TestbedError::Unavailable { .. }), "{text}");
    assert!(
        text.contains(&format!("crossover-{run}-long")) && text.contains("crossover clean"),
        "{text}"
    );
    assert!(first.is_alive("long"));
    first.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(can_run_redpanda),
    ignore = "Redpanda's image is not on this machine, and can't be built"
)]
async fn redpanda_answers_as_a_broker_and_survives_a_crash() {
    use crossover_testbed::kafka::{BrokerCount, BrokerKind};
    let (logs, run) = (tempfile::tempdir().unwrap(), unique_run());
    let supervisor = supervisor(logs.path(), &run, Images::default()).await;
    let options = crossover_testbed::KafkaOptions {
        kind: Some(BrokerKind::Redpanda),
        ..crossover_testbed::KafkaOptions::new(&run, BrokerCount::One).unwrap()
    };
    let broker = crossover_testbed::LocalKafka::start(&supervisor, &options)
        .await
        .unwrap();
    println!("Redpanda {}: {:?}", broker.version(), broker.start_times());
    let answer = crossover_testbed::probe_broker(&broker.bootstrap()).await.unwrap();
    assert!(!answer.has_consumer_protocol(), "{answer:?}");
    broker.restart(1, Signal::Kill).await.unwrap();
    supervisor.shutdown().await.unwrap();
}
