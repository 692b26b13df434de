//! A registry of images on this machine, and a link to it that can be slow, and cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossover_testbed::cache::cache_directory;
use crossover_testbed::containers::images::Part;

use super::engine::require;
use crate::support::{said, wait_until};

const VERSION: &str = "0.20.2";
const MODULE: &str = "github.com/google/go-containerregistry/cmd/registry";

/// What a connection carries at once.
const CHUNK_BYTES: usize = 64 << 10;

/// A registry that keeps all in memory, and dies with the test.
pub struct Registry {
    process: Child,
    port: u16,
}

impl Registry {
    pub fn start() -> Self {
        // Given back before the registry takes it: nobody else asks for a port by its number meanwhile.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program())
            .args(["-port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self { process, port };
        wait_until("the registry listens", Duration::from_secs(10), || {
            registry.connect().is_ok()
        });
        registry
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect(("127.0.0.1", self.port))
    }

    /// Pushes this machine's PostgreSQL image, the makers' or the stand-in, as `name`.
    pub fn push_postgres(&self, name: &str) {
        let docker = || Command::new("docker");
        let is_here =
            |image: &String| said(docker().args(["image", "inspect", image]).stdout(Stdio::piped())).code == Some(0);
        let images = [Some(Part::Postgres.official()), Part::Postgres.stand_in()];
        let image = images.into_iter().flatten().find(is_here).unwrap();
        let pushed = format!("127.0.0.1:{}/{name}", self.port);
        require(docker().args(["tag", &image, &pushed]));
        let push = said(docker().args(["push", "--quiet", &pushed]).stderr(Stdio::piped()));
        require(docker().args(["image", "rm", &pushed]));
        assert_eq!(push.code, Some(0), "{}", push.errors);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program, built by Go into the cache if it is not there: a few seconds.
fn program() -> PathBuf {
    let cache = cache_directory().unwrap();
    let target = cache.join(format!("registry-{VERSION}"));
    if !target.is_dir() {
        std::fs::create_dir_all(&cache).unwrap();
        let scratch = tempfile::Builder::new()
            .prefix("fetch-registry-")
            .tempdir_in(&cache)
            .unwrap();
        require(
            Command::new("go")
                .args(["install", "-trimpath", &format!("{MODULE}@v{VERSION}")])
                .env("GOBIN", scratch.path().join("bin"))
                .env("GOWORK", "off")
                .env("CGO_ENABLED", "0")
                .current_dir(scratch.path()),
        );
        std::fs::rename(scratch.path().join("bin"), &target).unwrap();
    }
    target.join("registry")
}

/// What a link lets through.
#[derive(Debug, Default)]
struct Limits {
    /// Answers of the registry, in bytes, until the link is cut.
    left: AtomicU64,
    /// Waited after each chunk.
    pause_us: AtomicU64,
}

/// A port that leads to a registry: image names have its address.
pub struct Link {
    port: u16,
    limits: Arc<Limits>,
}

impl Link {
    pub fn to(registry: &Registry) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, to) = (listener.local_addr().unwrap().port(), registry.port);
        let limits = Arc::new(Limits::default());
        let link = Self {
            port,
            limits: Arc::clone(&limits),
        };
        link.mend();
        // Threads without an end of their own: they wait for sockets, and end with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if limits.left.load(Ordering::Relaxed) > 0
                    && let Ok(server) = TcpStream::connect(("127.0.0.1", to))
                {
                    join(client, server, &limits);
                }
            }
        });
        link
    }

    /// An image, by its name behind this link.
    pub fn image(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// Cuts the link after so many more bytes, and takes no new connection then: a registry that dies in the middle.
    pub fn cut_after(&self, bytes: u64) {
        self.limits.left.store(bytes, Ordering::Relaxed);
    }

    /// Lets everything through again.
    pub fn mend(&self) {
        self.limits.left.store(u64::MAX, Ordering::Relaxed);
    }

    /// Bounds the rate of each connection; 0 is as fast as it goes.
    pub fn slow_down(&self, bytes_per_s: u64) {
        let pause_us = (CHUNK_BYTES as u64 * 1_000_000).checked_div(bytes_per_s);
        self.limits.pause_us.store(pause_us.unwrap_or(0), Ordering::Relaxed);
    }
}

/// Carries bytes both ways.
fn join(client: TcpStream, server: TcpStream, limits: &Arc<Limits>) {
    let (mut up, mut down) = (
        (client.try_clone().unwrap(), server.try_clone().unwrap()),
        (server, client),
    );
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut up.0, &mut up.1);
        let _ = up.1.shutdown(Shutdown::Write);
    });
    let limits = Arc::clone(limits);
    std::thread::spawn(move || {
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(read @ 1..) = down.0.read(&mut chunk) {
            let rest = |left: u64| Some(left.saturating_sub(read as u64));
            let before = limits.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
            if before.is_ok_and(|before| before < read as u64) || down.1.write_all(&chunk[..read]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_micros(limits.pause_us.load(Ordering::Relaxed)));
        }
        for stream in [&down.0, &down.1] {
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
}
