//! Brokers that speak TLS, or want to know who asks.

use crossover_engine::kafka::KafkaArgs;
use crossover_external::kafka::examine;

use crate::own::Test;
use crate::own_kafka::own_kafka;

async fn examined(address: &str, properties: &str) -> Result<usize, String> {
    let test = Test::new();
    let args = KafkaArgs {
        broker: vec![address.to_owned()],
        kafka_config: Some(test.secret("kafka.properties", properties)),
        topic_prefix: String::new(),
    };
    let examined = examine(&args)
        .await
        .map(|facts| facts.brokers)
        .map_err(|error| error.to_string());
    println!("{examined:?}");
    examined
}

fn assert_says(examined: Result<usize, String>, words: &[&str]) {
    let error = examined.unwrap_err();
    assert!(words.iter().all(|word| error.contains(word)), "{words:?} in {error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, keytool and Maven")]
async fn a_broker_is_reached_by_tls_if_its_certificate_is_trusted() {
    let own = own_kafka().await;
    let tls = format!("localhost:{}", own.tls);
    let trusted = format!("security.protocol=ssl\nssl.ca.location={}\n", own.certificate.display());
    assert_eq!(examined(&tls, &trusted).await, Ok(1));
    let untrusted = examined(&tls, "security.protocol=ssl\n").await;
    assert_says(untrusted, &[&tls, "not trusted", "ssl.ca.location"]);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, keytool and Maven")]
async fn a_certificate_for_another_name_is_told_apart() {
    let own = own_kafka().await;
    let address = format!("127.0.0.1:{}", own.tls);
    let trusted = format!("security.protocol=ssl\nssl.ca.location={}\n", own.certificate.display());
    assert_says(examined(&address, &trusted).await, &[&address, "another name"]);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, keytool and Maven")]
async fn tls_spoken_to_a_plain_listener_is_named() {
    let own = own_kafka().await;
    let words = [
        own.plain.as_str(),
        "listener for plain text",
        "security.protocol=plaintext",
    ];
    assert_says(examined(&own.plain, "security.protocol=ssl\n").await, &words);
    let postgres = crate::own::own_postgres().await.url();
    let address = format!("{}:{}", postgres.host(), postgres.port());
    assert_says(
        examined(&address, "security.protocol=ssl\n").await,
        &["is a PostgreSQL"],
    );
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, keytool and Maven")]
async fn a_wrong_password_and_an_unknown_mechanism_are_told_apart() {
    let own = own_kafka().await;
    let with = |mechanism: &str, password: &str| {
        format!(
            "security.protocol=sasl_plaintext\nsasl.mechanism={mechanism}\nsasl.username=ann\nsasl.password={password}\n"
        )
    };
    assert_eq!(examined(&own.sasl, &with("PLAIN", "right")).await, Ok(1));
    assert_says(
        examined(&own.sasl, &with("PLAIN", "hunter2")).await,
        &[&own.sasl, "sasl.password"],
    );
    assert_says(
        examined(&own.sasl, &with("SCRAM-SHA-256", "hunter2")).await,
        &["set sasl.mechanism"],
    );
}
