//! The user's Kafka, one for all tests: one broker with a listener for each way of being spoken to, of which the testbed's
//! own brokers have none.
//!
//! | listener | speaks |
//! |---|---|
//! | PLAIN | plain text |
//! | TLS | TLS, with a certificate for `localhost` that it signed itself |
//! | SASL | plain text, to the user `ann` with a password |
//! | LOST | plain text, and sends clients on to a port where nobody is |

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crossover_engine::kafka::{Kafka, KafkaArgs};
use crossover_testbed::kafka::{fetch_libs, find_java};
use crossover_testbed::owned::OwnedDirectory;
use crossover_testbed::{ProcessSpec, Signal, Supervisor, probe_broker};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::OnceCell;

use crate::own::{nobody, shared_directory, supervisor, unique_run, wait_until};

/// Of the store of keys; it guards nothing.
const STORE_PASSWORD: &str = "keystore";

pub struct OwnKafka {
    pub plain: String,
    pub tls: u16,
    pub sasl: String,
    pub lost: String,
    /// Where LOST sends clients.
    pub nowhere: String,
    /// The certificate of TLS.
    #[cfg_attr(
        not(feature = "kafka-tls"),
        expect(dead_code, reason = "only clients with TLS look at it")
    )]
    pub certificate: PathBuf,
    _supervisor: Supervisor,
}

pub async fn own_kafka() -> &'static OwnKafka {
    static BROKER: OnceCell<OwnKafka> = OnceCell::const_new();
    BROKER.get_or_init(OwnKafka::start).await
}

impl OwnKafka {
    async fn start() -> Self {
        let (logs, run) = (shared_directory("own-kafka"), unique_run());
        let supervisor = supervisor(&logs).await;
        let directory = OwnedDirectory::create(Path::new("/var/tmp"), &run, "own-kafka").unwrap();
        supervisor.remove_at_end(directory.path()).await.unwrap();
        let directory = directory.path().to_path_buf();
        let libs = fetch_libs(&supervisor, &run).await.unwrap();
        let [plain, tls, sasl, lost, controller, nowhere] = std::array::from_fn(|_| nobody());
        let certificate = make_certificate(&directory);
        let settings = format!(
            "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
listeners=PLAIN://127.0.0.1:{plain},TLS://127.0.0.1:{tls},SASL://127.0.0.1:{sasl},LOST://127.0.0.1:{lost},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAIN://127.0.0.1:{plain},TLS://localhost:{tls},SASL://127.0.0.1:{sasl},LOST://127.0.0.1:{nowhere}
listener.security.protocol.map=PLAIN:PLAINTEXT,TLS:SSL,SASL:SASL_PLAINTEXT,LOST:PLAINTEXT,CONTROLLER:PLAINTEXT
listener.name.tls.ssl.keystore.location={directory}/keys.p12
listener.name.tls.ssl.keystore.password={STORE_PASSWORD}
listener.name.sasl.sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_ann=\"right\";
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
log.dirs={directory}/data
",
            directory = directory.display()
        );
        let file = directory.join("server.properties");
        fs::write(&file, settings).unwrap();
        let java = |name: &str, class: &[&str]| {
            ProcessSpec::new(name, find_java().unwrap().program, logs.join(format!("{name}.log")))
                .args([
                    "-Xmx384m",
                    "-XX:TieredStopAtLevel=1",
                    "-cp",
                    &format!("{}/*", libs.display()),
                ])
                .args(class.iter().copied())
                .directory(&directory)
                .stop(Signal::Kill, Duration::from_secs(1))
        };
        let file = file.to_str().unwrap();
        let tool = "kafka.tools.StorageTool";
        let format = java(
            "format",
            &[
                tool,
                "format",
                "--cluster-id",
                "AAAAAAAAAAAAAAAAAAAAAA",
                "--config",
                file,
            ],
        );
        supervisor.spawn(format).await.unwrap();
        let formatted = supervisor.wait_exit("format", Duration::from_secs(60)).await.unwrap();
        assert!(formatted.is_success(), "{formatted}: see {}", logs.display());
        supervisor.spawn(java("broker", &["kafka.Kafka", file])).await.unwrap();
        let plain = format!("127.0.0.1:{plain}");
        let is_up = || async { probe_broker(&plain).await.is_ok() };
        wait_until("the user's broker is up", Duration::from_secs(120), is_up).await;
        Self {
            tls,
            sasl: format!("127.0.0.1:{sasl}"),
            lost: format!("127.0.0.1:{lost}"),
            nowhere: format!("127.0.0.1:{nowhere}"),
            plain,
            certificate,
            _supervisor: supervisor,
        }
    }

    /// Flags for the listener in plain text.
    pub fn args(&self, prefix: &str) -> KafkaArgs {
        KafkaArgs {
            broker: vec![self.plain.clone()],
            kafka_config: None,
            topic_prefix: prefix.to_owned(),
        }
    }

    pub async fn make_topics(&self, names: &[String]) {
        let admin: AdminClient<DefaultClientContext> = self.client().config("it").create().unwrap();
        let topics: Vec<NewTopic<'_>> = names
            .iter()
            .map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1)))
            .collect();
        let made = admin.create_topics(&topics, &AdminOptions::new()).await.unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
    }

    /// Commits an offset in the name of a group, which makes the group.
    pub fn make_group(&self, name: &str, topic: &str) {
        let consumer: BaseConsumer = self.client().config("it").set("group.id", name).create().unwrap();
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(topic, 0, Offset::Offset(0)).unwrap();
        let begun = std::time::Instant::now();
        // The first group of a broker waits for a coordinator.
        while let Err(error) = consumer.commit(&offsets, CommitMode::Sync) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{error}");
        }
    }

    /// Names of topics and groups that begin with `prefix`, in order.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        let consumer: BaseConsumer = self.client().config("it").create().unwrap();
        let within = Duration::from_secs(10);
        let topics = consumer.fetch_metadata(None, within).unwrap();
        let groups = consumer.fetch_group_list(None, within).unwrap();
        let topics = topics.topics().iter().map(|topic| topic.name().to_owned());
        let groups = groups.groups().iter().map(|group| group.name().to_owned());
        let mut names: Vec<String> = topics.chain(groups).filter(|name| name.starts_with(prefix)).collect();
        names.sort();
        names
    }

    fn client(&self) -> Kafka {
        Kafka::new(&self.args("")).unwrap()
    }
}

/// Makes a key and a certificate for `localhost`; answers the certificate alone.
fn make_certificate(directory: &Path) -> PathBuf {
    let certificate = directory.join("certificate.pem");
    let keytool = |args: &[&str]| {
        let output = Command::new("keytool")
            .args(args)
            .args(["-alias", "broker", "-keystore", "keys.p12", "-storetype", "PKCS12"])
            .args(["-storepass", STORE_PASSWORD])
            .current_dir(directory)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    };
    keytool(&[
        "-genkeypair",
        "-keyalg",
        "RSA",
        "-dname",
        "CN=localhost",
        "-ext",
        "SAN=dns:localhost",
    ]);
    keytool(&["-exportcert", "-rfc", "-file", "certificate.pem"]);
    certificate
}
