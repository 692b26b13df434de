//! The user's brokers: what will not do is named, and only what is ours is removed.

use crossover_engine::kafka::KafkaArgs;
use crossover_external::kafka::{examine, remove, require_free};
use crossover_testbed::TestbedError;

use crate::own::{nobody, own_postgres, unique_run};
use crate::own_kafka::own_kafka;

async fn refusal(address: &str) -> TestbedError {
    let args = KafkaArgs {
        broker: vec![address.to_owned()],
        ..KafkaArgs::default()
    };
    let error = examine(&args).await.unwrap_err();
    println!("{error}");
    assert!(error.to_string().contains(address), "it names {address}: {error}");
    error
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, keytool and Maven")]
async fn brokers_that_will_do_are_described() {
    let facts = examine(&own_kafka().await.args("")).await.unwrap();
    println!("{facts:?}");
    assert_eq!(
        (facts.brokers, facts.kind.as_str(), facts.has_consumer_protocol),
        (1, "kafka", Some(true))
    );
    assert!(facts.acknowledgement.contains("min.insync.replicas=1"), "{facts:?}");
    assert!(facts.acknowledgement.contains("in memory"), "{facts:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, keytool and Maven")]
async fn each_address_that_will_not_do_has_an_error_of_its_own() {
    let own = own_kafka().await;
    let tls = format!("localhost:{}", own.tls);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let postgres = own_postgres().await.url();
    let cases = [
        (format!("127.0.0.1:{}", nobody()), "no Kafka broker at"),
        (
            "no-such-host.invalid:9092".to_owned(),
            "no host is named \"no-such-host.invalid\"",
        ),
        ("no port".to_owned(), "give host:port"),
        (
            format!("{}:{}", postgres.host(), postgres.port()),
            "is a PostgreSQL, not a Kafka broker",
        ),
        (
            silent.local_addr().unwrap().to_string(),
            "no answer from a Kafka broker",
        ),
        (
            tls,
            "speaks TLS, and was spoken to in plain text; write security.protocol=ssl",
        ),
        (
            own.sasl.clone(),
            "wants to know who asks; write security.protocol=sasl_plaintext",
        ),
        (own.lost.clone(), "sends clients on to"),
    ];
    for (address, words) in cases {
        let error = refusal(&address).await.to_string();
        assert!(error.contains(words), "no {words:?} in: {error}");
    }
    let error = refusal(&own.lost).await.to_string();
    assert!(
        error.contains(&own.nowhere) && error.contains("advertised.listeners"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, keytool and Maven")]
async fn the_end_removes_what_the_engine_made_under_the_prefix_and_nothing_else() {
    let own = own_kafka().await;
    let (run, others) = (unique_run(), unique_run());
    let prefix = format!("crossover-{run}.");
    let args = own.args(&prefix);
    require_free(&args, 1).await.unwrap();
    let ours = [format!("{prefix}jobs.mail"), format!("{prefix}dead-letters.mail")];
    let foreign = [format!("{prefix}orders"), format!("{others}.jobs.mail")];
    own.make_topics(&[&ours[..], &foreign[..]].concat()).await;
    let groups = [format!("{prefix}workers.mail"), format!("{others}.workers.mail")];
    own.make_group(&groups[0], &ours[0]);
    own.make_group(&groups[1], &foreign[1]);

    let removed = remove(&args).await.unwrap();
    assert_eq!((removed.topics.len(), &removed.groups[..]), (2, &groups[..1]));
    assert_eq!(removed.left_alone, foreign[..1]);
    assert_eq!(own.names(&prefix), foreign[..1]);
    assert_eq!(own.names(&others), [foreign[1].clone(), groups[1].clone()]);
    // Again: there is nothing left to do.
    assert_eq!(remove(&args).await.unwrap().topics, [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, keytool and Maven")]
async fn a_prefix_that_is_taken_is_refused() {
    let own = own_kafka().await;
    let prefix = format!("crossover-{}.", unique_run());
    own.make_topics(&[format!("{prefix}jobs.mail")]).await;
    let error = require_free(&own.args(&prefix), 1).await.unwrap_err();
    assert!(
        matches!(&error, TestbedError::BadInput(message) if message.contains("jobs.mail exists already")),
        "{error}"
    );
    for short in ["", "crossover-", "orders."] {
        let error = remove(&own.args(short)).await.unwrap_err().to_string();
        assert!(error.contains("is not a prefix of a run's topics"), "{error}");
    }
}
