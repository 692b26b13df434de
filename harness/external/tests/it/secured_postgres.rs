//! A PostgreSQL that lets nobody in without TLS.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use crossover_external::{External, examine};
use crossover_testbed::postgres::server_user;
use crossover_testbed::{ConnectionUrl, LocalPostgres, PostgresOptions};

use crate::own::{Test, unique_run};

/// Not of an authority: our library takes no such certificate from a server.
const REQUEST: &str = "[req]\ndistinguished_name = name\nx509_extensions = server\n[name]\n[server]\nbasicConstraints = CA:FALSE\n\
                       subjectAltName = IP:127.0.0.1\n";

/// A key and a certificate for 127.0.0.1, which the server's user may read.
fn make_certificate(directory: &Path) {
    std::fs::write(directory.join("request.cnf"), REQUEST).unwrap();
    let output = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
        ])
        .args(["-config", "request.cnf", "-keyout", "server.key", "-out", "server.crt"])
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let key = directory.join("server.key");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    if let Some(user) = server_user().unwrap().drop_to {
        chown(key, Some(user.uid), Some(user.gid)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_borrowed_over_tls_and_a_certificate_that_is_not_trusted_is_named() {
    let test = Test::new();
    let directory = test.directory.path();
    std::fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).unwrap();
    make_certificate(directory);
    let supervisor = test.supervisor().await;
    let file = |name: &str| directory.join(name).display().to_string();
    let server = LocalPostgres::start(
        &supervisor,
        &PostgresOptions {
            disk_needed_bytes: 1 << 30,
            settings: BTreeMap::from([
                ("ssl".to_owned(), "on".to_owned()),
                ("ssl_cert_file".to_owned(), file("server.crt")),
                ("ssl_key_file".to_owned(), file("server.key")),
            ]),
            ..PostgresOptions::new(&unique_run())
        },
    )
    .await
    .unwrap();
    let url = |parameters: &str| ConnectionUrl::parse(&format!("{}?{parameters}", server.url().reveal())).unwrap();
    let trusted = url(&format!("sslmode=verify-full&sslrootcert={}", file("server.crt")));
    let other = Test::new();
    let run = other.supervisor().await;
    let external = External::prepare(&other.args(&trusted), &other.wanted(false), &run)
        .await
        .unwrap();
    println!("commit over TLS: {} µs", external.commit_us_p50());
    // What removes the database goes the same way.
    run.shutdown().await.unwrap();
    let error = examine(&test.args(&url("sslmode=verify-full")), false)
        .await
        .unwrap_err()
        .to_string();
    println!("{error}");
    assert!(
        error.contains("no TLS with the PostgreSQL at") && error.contains("sslrootcert"),
        "{error}"
    );
}
