//! Both servers at once: a run that ends, and a harness that is killed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crossover_external::External;

use crate::own::{HELPER, Test, databases, own_postgres, user, wait_until};
use crate::own_kafka::own_kafka;

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, keytool and Maven")]
async fn sigkill_of_the_harness_leaves_neither_database_nor_topics() {
    let test = Test::new();
    let (url, own) = (user("killed", "CREATEDB").await, own_kafka().await);
    let mut harness = Command::new(HELPER)
        .arg("harness")
        .args([test.directory.path().to_str().unwrap(), &test.run])
        .args(["--testbed", "external", "--external-broker", &own.plain])
        .env("CROSSOVER_EXTERNAL_DATABASE_URL", url.reveal())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(harness.stdout.take().unwrap()).lines();
    let said: Vec<String> = lines.map(Result::unwrap).take_while(|line| line != "ready").collect();
    let [database, prefix] = &said[..] else {
        panic!("the harness ended by itself: {said:?}")
    };
    own.make_topics(&[format!("{prefix}jobs.mail"), format!("{prefix}dead-letters.mail")])
        .await;
    assert_eq!(databases(database).await.len(), 1);

    assert_eq!(with_password_on_their_command_line(), [] as [String; 0]);
    harness.kill().unwrap();
    harness.wait().unwrap();
    let begun = Instant::now();
    let gone = || async {
        // The cleanup is one of those processes, for a moment.
        assert_eq!(with_password_on_their_command_line(), [] as [String; 0]);
        databases(database).await.is_empty() && own.names(prefix).is_empty()
    };
    wait_until("database and topics are gone", Duration::from_secs(15), gone).await;
    println!("gone {:?} after SIGKILL", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_kafka), ignore = "this machine lacks one of Java, keytool and Maven")]
async fn a_run_gets_both_and_leaves_neither() {
    let test = Test::new();
    let own = own_kafka().await;
    let mut args = test.args(&own_postgres().await.url());
    args.external_broker = vec![own.plain.clone()];
    let supervisor = test.supervisor().await;
    let external = External::prepare(&args, &test.wanted(true), &supervisor).await.unwrap();
    let kafka = external.kafka().unwrap();
    let named = format!("crossover-{}-", test.run);
    assert!(kafka.topic_prefix.starts_with(&named), "{}", kafka.topic_prefix);
    own.make_topics(&[format!("{}jobs.mail", kafka.topic_prefix)]).await;
    println!("{:?}; {:?}", external.took(), external.examined().acknowledgements());
    assert_eq!(external.by_hand().len(), 3);

    let begun = Instant::now();
    supervisor.shutdown().await.unwrap();
    println!("removed in {:?}", begun.elapsed());
    assert_eq!(databases(external.database().database()).await, [] as [&str; 0]);
    assert_eq!(own.names(&kafka.topic_prefix), [] as [&str; 0]);
}

/// Command lines with the password that `user` gives, as it is or as a URL has it.
fn with_password_on_their_command_line() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
    lines
        .filter(|line| {
            ["p@ss/w:rd", "p%40ss%2Fw%3Ard"]
                .iter()
                .any(|password| line.contains(password))
        })
        .collect()
}
