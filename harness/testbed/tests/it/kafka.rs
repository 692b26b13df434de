//! A real Kafka of one broker behind its proxies, one for all tests here: they take turns, since they break it.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crossover_testbed::kafka::{Access, BrokerCount, brokers_seen_at, fetch_libs, find_java, find_libs};
use crossover_testbed::links::{KafkaRole, Link};
use crossover_testbed::toxiproxy::{Direction, Toxic, ToxiproxyOptions, fetch_toxiproxy};
use crossover_testbed::{
    KafkaOptions, Links, LocalKafka, LocalToxiproxy, Signal, Supervisor, TestbedError, probe_broker,
};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::support::{supervisor, unique_run};

/// A broker with its links.
pub struct Bed {
    pub kafka: LocalKafka,
    pub links: Links,
    _toxiproxy: LocalToxiproxy,
}

impl Bed {
    pub async fn start(supervisor: &Supervisor, options: &KafkaOptions) -> Self {
        let toxiproxy = LocalToxiproxy::start(supervisor, &ToxiproxyOptions::new(&options.run_id))
            .await
            .unwrap();
        let links = Links::set_up(toxiproxy.client().clone(), None, &options.listeners)
            .await
            .unwrap();
        let kafka = LocalKafka::start(supervisor, options).await.unwrap();
        println!(
            "Kafka: {:?}; Toxiproxy: {:?} + {:?}",
            kafka.start_times(),
            toxiproxy.fetched_in(),
            toxiproxy.ready_in()
        );
        Self {
            kafka,
            links,
            _toxiproxy: toxiproxy,
        }
    }

    /// `bootstrap.servers` of a role of one broker: an address.
    fn proxy(&self, role: KafkaRole) -> String {
        self.links.bootstrap(role).unwrap()
    }
}

/// Brokers on free ports that may be started again soon after a crash: the default is 9 s.
pub fn options(brokers: BrokerCount) -> KafkaOptions {
    let quick = [
        ("broker.session.timeout.ms", "2000"),
        ("broker.heartbeat.interval.ms", "500"),
    ];
    let settings = quick.map(|(name, value)| (name.to_owned(), value.to_owned()));
    KafkaOptions {
        settings: settings.into(),
        // The shortest that a scenario may ask for: a broker that refused it would not start.
        session_timeout: Some(Duration::from_millis(500)),
        ..KafkaOptions::new(&unique_run(), brokers).unwrap()
    }
}

/// Fetches jars and Toxiproxy once, however many tests want them at once.
pub fn fetched() {
    static FETCHED: OnceLock<()> = OnceLock::new();
    FETCHED.get_or_init(|| {
        // A runtime of its own, on a thread of its own: the caller may be in one.
        let fetching = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let logs = tempfile::tempdir().unwrap();
                let (supervisor, run) = (supervisor(logs.path()).await, unique_run());
                let start = std::time::Instant::now();
                fetch_libs(&supervisor, &run).await.unwrap();
                println!("jars after {:?}", start.elapsed());
                fetch_toxiproxy(&supervisor, &run).await.unwrap();
                println!("Toxiproxy after {:?}", start.elapsed());
                supervisor.shutdown().await.unwrap();
            });
        });
        fetching.join().unwrap();
    });
}

/// The one that is shared; nobody else uses it meanwhile. It ends with this process.
async fn shared() -> MutexGuard<'static, Bed> {
    static SHARED: OnceCell<Mutex<Bed>> = OnceCell::const_new();
    let start = || async {
        fetched();
        let options = options(BrokerCount::One);
        let logs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shared-kafka");
        let supervisor = supervisor(&logs).await;
        Mutex::new(Bed::start(&supervisor, &options).await)
    };
    SHARED.get_or_init(start).await.lock().await
}

/// Kafka's tool for topics.
pub const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";

/// Runs one of Kafka's own tools; answers what it prints.
pub fn tool(class: &str, args: &[&str]) -> String {
    let jars = format!("{}/*", find_libs().unwrap().unwrap().display());
    let output = Command::new(find_java().unwrap().program)
        .args(["-XX:TieredStopAtLevel=1", "-cp", &jars, class])
        .args(args)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{class} {args:?}: {text} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_broker_answers_the_harness_directly_and_others_through_their_proxies() {
    let bed = shared().await;
    let answer = probe_broker(&bed.kafka.bootstrap()).await.unwrap();
    assert!(answer.has_consumer_protocol(), "KIP-848: {answer:?}");
    for role in [KafkaRole::Relay, KafkaRole::Worker] {
        assert_eq!(probe_broker(&bed.proxy(role)).await.unwrap(), answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn clients_never_learn_an_address_that_bypasses_their_proxy() {
    let bed = shared().await;
    let listeners = bed.kafka.listeners()[0];
    let own = listeners.harness.address().to_string();
    assert_eq!(bed.links.bypasses().await.unwrap(), Vec::<String>::new());
    for (role, listener) in [
        (KafkaRole::Relay, listeners.relay),
        (KafkaRole::Worker, listeners.worker),
    ] {
        let proxy = bed.proxy(role);
        // Even a client that finds the listener itself is sent to the proxy.
        for asked in [proxy.clone(), listener.address().to_string()] {
            let seen = brokers_seen_at(&asked).await.unwrap();
            let addresses: Vec<&str> = seen.iter().map(|broker| broker.address.as_str()).collect();
            assert_eq!(addresses, [proxy.as_str()], "asked at {asked}");
            assert_ne!(proxy, listener.address().to_string());
            assert_ne!(proxy, own);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn an_address_that_bypasses_its_proxy_would_be_found() {
    let bed = shared().await;
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let toxiproxy = LocalToxiproxy::start(&supervisor, &ToxiproxyOptions::new(&unique_run()))
        .await
        .unwrap();
    // Proxies that the broker knows nothing of: it sends whoever comes through them elsewhere.
    let mut listeners = bed.kafka.listeners();
    let advertised = listeners[0].worker.advertised().to_string();
    listeners[0].worker.advertised_port = crossover_testbed::ports::free_port().unwrap();
    listeners[0].relay.port = listeners[0].harness.port;
    listeners[0].relay.advertised_port = crossover_testbed::ports::free_port().unwrap();
    let links = Links::set_up(toxiproxy.client().clone(), None, &listeners)
        .await
        .unwrap();
    let found = links.bypasses().await.unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with(&bed.kafka.bootstrap()), "{found:?}");
    assert!(found[1].starts_with(&advertised), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn cutting_the_link_of_workers_cuts_them_alone() {
    let bed = shared().await;
    let (workers, relays) = (bed.proxy(KafkaRole::Worker), bed.proxy(KafkaRole::Relay));
    let link = Link::Kafka(KafkaRole::Worker, 1);
    bed.links.cut(link).await.unwrap();
    let error = probe_broker(&workers).await.unwrap_err();
    assert!(matches!(error, TestbedError::Unavailable { .. }), "{error}");
    probe_broker(&relays).await.unwrap();
    probe_broker(&bed.kafka.bootstrap()).await.unwrap();
    bed.links.mend(link).await.unwrap();
    probe_broker(&workers).await.unwrap();

    let silence = Toxic::Timeout { after: None };
    bed.links.spoil(link, silence, Direction::Downstream).await.unwrap();
    let error = probe_broker(&workers).await.unwrap_err();
    assert!(error.to_string().contains("no answer"), "{error}");
    bed.links.heal().await.unwrap();
    probe_broker(&workers).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_crash_and_an_orderly_stop_keep_data_and_ports() {
    let bed = shared().await;
    let (harness, relays) = (bed.kafka.bootstrap(), bed.proxy(KafkaRole::Relay));
    tool(TOPICS, &["--bootstrap-server", &harness, "--create", "--topic", "kept"]);
    let producing = [
        "--topic",
        "kept",
        "--num-records",
        "500",
        "--record-size",
        "200",
        "--throughput",
        "-1",
        "--bootstrap-server",
        &relays,
        "--command-property",
        "acks=all",
    ];
    println!("{}", tool("org.apache.kafka.tools.ProducerPerformance", &producing));

    let first = bed.kafka.pid_of(1).unwrap();
    for signal in [Signal::Kill, Signal::Term] {
        let took = bed.kafka.restart(1, signal).await.unwrap();
        println!("ready again {took:?} after {signal:?}");
    }
    assert_ne!(bed.kafka.pid_of(1), Some(first));
    assert_eq!(bed.kafka.bootstrap(), harness);
    let offsets = tool(
        "org.apache.kafka.tools.GetOffsetShell",
        &["--bootstrap-server", &harness, "--topic", "kept"],
    );
    assert_eq!(offsets.trim(), "kept:0:500", "what was acknowledged is there");
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_frozen_broker_answers_after_the_thaw() {
    let bed = shared().await;
    let address = bed.kafka.bootstrap();
    bed.kafka.freeze(1).await.unwrap();
    let asked = tokio::spawn(async move { probe_broker(&address).await.map(drop) });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!asked.is_finished());
    bed.kafka.thaw(1).await.unwrap();
    asked.await.unwrap().unwrap();

    let error = bed.kafka.halt(1, Signal::Quit).await.unwrap_err();
    assert!(matches!(error, TestbedError::BadInput(_)), "{error}");
    assert!(
        bed.kafka
            .halt(2, Signal::Kill)
            .await
            .unwrap_err()
            .to_string()
            .contains("no broker 2")
    );
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, Maven and Go")]
async fn a_broker_without_an_authorizer_refuses_nobody_and_says_so() {
    let bed = shared().await;
    let error = bed.kafka.deny(Access::WriteTopic, "kept").await.unwrap_err();
    assert!(error.to_string().contains("No Authorizer is configured"), "{error}");
}
