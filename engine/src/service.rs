//! What every long-running process does alike: listen, say that it is ready, expose metrics, stop on SIGTERM. Those of the
//! engine, and the downstream service of the harness.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::EngineError;

/// After the request to stop: how long clients may take to hang up.
const HANG_UP_WITHIN: Duration = Duration::from_secs(5);

/// Becomes true once, when the process is asked to stop.
pub type Stop = watch::Receiver<bool>;

/// Watches for SIGTERM and SIGINT.
///
/// # Errors
/// If signals can't be watched.
pub fn stop_on_signal() -> Result<Stop, EngineError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(EngineError::Server)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(EngineError::Server)?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop");
        // Nobody left to tell is no fault.
        let _ = sender.send(true);
        sender.closed().await;
    });
    Ok(receiver)
}

/// Waits until the process is asked to stop.
pub async fn stopped(mut stop: Stop) {
    // An error means that the sender is gone: the runtime is shutting down.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A router with `/metrics` in Prometheus format. Call once a process.
pub fn metrics_router() -> Router {
    match PrometheusBuilder::new().install_recorder() {
        Ok(handle) => Router::new().route("/metrics", get(move || std::future::ready(handle.render()))),
        Err(error) => {
            tracing::warn!(%error, "no metrics: a recorder is installed already");
            Router::new()
        }
    }
}

/// Listens on `address` and says so in the ready file.
///
/// # Errors
/// If the address can't be listened on, or the file can't be written.
pub async fn listen(address: SocketAddr, ready_file: Option<&Path>) -> Result<TcpListener, EngineError> {
    let fail = |source| EngineError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    if let Some(path) = ready_file {
        write_whole(path, &bound.to_string()).map_err(|source| EngineError::Write {
            path: path.display().to_string(),
            source,
        })?;
    }
    tracing::info!(address = %bound, "listening");
    Ok(listener)
}

/// Serves until asked to stop; running calls finish.
///
/// # Errors
/// If the server breaks.
pub async fn serve(listener: TcpListener, router: Router, stop: Stop) -> Result<(), EngineError> {
    // Small frames both ways: waiting for more to send would only add latency.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router)
        .with_graceful_shutdown(stopped(stop))
        .await
        .map_err(EngineError::Server)
}

/// As [`serve`], but a client that never hangs up does not hold the process.
///
/// # Errors
/// As [`serve`].
pub async fn serve_bounded(listener: TcpListener, router: Router, stop: Stop) -> Result<(), EngineError> {
    let bound = async {
        stopped(stop.clone()).await;
        tokio::time::sleep(HANG_UP_WITHIN).await;
    };
    tokio::select! {
        served = serve(listener, router, stop.clone()) => served,
        () = bound => Ok(()),
    }
}

/// A reader never sees half of it.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let half = path.with_extension("part");
    std::fs::write(&half, text)?;
    std::fs::rename(half, path)
}
