//! A real Toxiproxy before an echo.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crossover_testbed::toxiproxy::{Direction, Toxic, ToxiproxyClient, ToxiproxyOptions};
use crossover_testbed::{LocalToxiproxy, Supervisor, TestbedError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{supervisor, unique_run};

/// Answers what it is sent, for as long as the test runs.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

async fn round_trip(stream: &mut TcpStream) -> std::io::Result<Duration> {
    let start = Instant::now();
    stream.write_all(b"x").await?;
    stream.read_exact(&mut [0]).await?;
    Ok(start.elapsed())
}

async fn start(supervisor: &Supervisor) -> LocalToxiproxy {
    crate::kafka::fetched();
    LocalToxiproxy::start(supervisor, &ToxiproxyOptions::new(&unique_run()))
        .await
        .unwrap()
}

/// A proxy named `link` before an echo.
async fn link(client: &ToxiproxyClient) -> SocketAddr {
    let listen = SocketAddr::from(([127, 0, 0, 1], crossover_testbed::ports::free_port().unwrap()));
    client.create("link", listen, echo().await).await.unwrap();
    listen
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_toxiproxy), ignore = "this machine lacks Go")]
async fn a_link_is_delayed_and_cut_and_mended() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let server = start(&supervisor).await;
    let client = server.client();
    let address = link(client).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    round_trip(&mut stream).await.unwrap();

    let slow = Toxic::Latency {
        latency: Duration::from_millis(150),
        jitter: Duration::ZERO,
    };
    client.add_toxic("link", slow, Direction::Downstream).await.unwrap();
    let delayed = round_trip(&mut stream).await.unwrap();
    assert!(delayed >= Duration::from_millis(150), "{delayed:?}");
    let state = &client.proxies().await.unwrap()["link"];
    assert_eq!(
        (state.toxics[0].kind.as_str(), state.toxics[0].stream.as_str()),
        ("latency", "downstream")
    );
    client.remove_toxic("link", "latency_downstream").await.unwrap();
    assert!(round_trip(&mut stream).await.unwrap() < Duration::from_millis(150));

    client.disable("link").await.unwrap();
    assert!(round_trip(&mut stream).await.is_err(), "its connections are closed");
    assert!(TcpStream::connect(address).await.is_err(), "and new ones refused");
    client.enable("link").await.unwrap();
    round_trip(&mut TcpStream::connect(address).await.unwrap())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_toxiproxy), ignore = "this machine lacks Go")]
async fn a_silenced_link_keeps_its_connections_until_all_is_reset() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let server = start(&supervisor).await;
    let client = server.client();
    let address = link(client).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    client
        .add_toxic("link", Toxic::Timeout { after: None }, Direction::Upstream)
        .await
        .unwrap();
    let silence = timeout(Duration::from_millis(300), round_trip(&mut stream)).await;
    assert!(silence.is_err(), "{silence:?}");
    client.reset().await.unwrap();
    assert!(client.proxies().await.unwrap()["link"].toxics.is_empty());
    let mut stream = TcpStream::connect(address).await.unwrap();
    round_trip(&mut stream).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_toxiproxy), ignore = "this machine lacks Go")]
async fn every_toxic_is_taken_by_the_server_in_both_directions() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let server = start(&supervisor).await;
    link(server.client()).await;
    let second = Duration::from_secs(1);
    let toxics = [
        Toxic::Latency {
            latency: second,
            jitter: second,
        },
        Toxic::Bandwidth { kb_per_s: 10 },
        Toxic::Timeout { after: Some(second) },
        Toxic::ResetPeer { after: second },
        Toxic::SlowClose { delay: second },
        Toxic::LimitData { bytes: 100 },
    ];
    for toxic in toxics {
        for direction in [Direction::Upstream, Direction::Downstream] {
            server.client().add_toxic("link", toxic, direction).await.unwrap();
        }
    }
    let state = &server.client().proxies().await.unwrap()["link"];
    assert_eq!(state.toxics.len(), 12);
    for toxic in toxics {
        assert!(
            state
                .toxics
                .iter()
                .any(|its| its.name == toxic.name(Direction::Upstream) && its.kind == toxic.kind())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(can_run_toxiproxy), ignore = "this machine lacks Go")]
async fn what_the_server_refuses_says_why() {
    let logs = tempfile::tempdir().unwrap();
    let supervisor = supervisor(logs.path()).await;
    let server = start(&supervisor).await;
    let client = server.client();
    let address = link(client).await;
    let message = client.disable("nothing").await.unwrap_err().to_string();
    assert!(
        message.contains("/proxies/nothing") && message.contains("not found"),
        "{message}"
    );
    let error = client.create("other", address, address).await.unwrap_err();
    assert!(
        matches!(&error, TestbedError::BadInput(message) if message.contains(&address.to_string())),
        "{error}"
    );

    let taken = ToxiproxyOptions {
        port: Some(address.port()),
        ..ToxiproxyOptions::new(&unique_run())
    };
    let error = LocalToxiproxy::start(&supervisor, &taken).await.unwrap_err();
    assert!(
        matches!(&error, TestbedError::BadInput(message) if message.contains(&address.port().to_string())),
        "{error}"
    );

    supervisor.shutdown().await.unwrap();
    assert!(client.version().await.is_err(), "it is gone");
}
