//! The settings of our server: what we add to the defaults, and why.
//!
//! `fsync`, `full_page_writes` and `synchronous_commit` are at their defaults, on, and can't be turned off from outside:
//! a server that is not durable is not what production runs.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::error::{Result, TestbedError};

/// They decide where the server is and whether it is durable; the rest is the caller's.
const RESERVED: [&str; 9] = [
    "data_directory",
    "fsync",
    "full_page_writes",
    "hba_file",
    "listen_addresses",
    "logging_collector",
    "port",
    "synchronous_commit",
    "unix_socket_directories",
];

/// What the settings depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine {
    pub memory_bytes: u64,
    pub port: u16,
    pub has_pg_stat_statements: bool,
}

/// Ours, with the caller's `extra` on top.
pub(super) fn effective(machine: Machine, extra: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut settings: BTreeMap<String, String> = [
        ("listen_addresses", "127.0.0.1".to_owned()),
        ("port", machine.port.to_string()),
        ("unix_socket_directories", String::new()),
        // Replicas, workers' load, samplers: pools of a dozen each. The default of 100 is too few for a sweep.
        ("max_connections", "200".to_owned()),
        (
            "shared_buffers",
            format!("{}MB", shared_buffers_mb(machine.memory_bytes)),
        ),
        // With the default of 1 GB, a run of minutes is a run of checkpoints.
        ("max_wal_size", "4GB".to_owned()),
        // The clock is cheap on any machine of today (tens of ns), and I/O times are evidence.
        ("track_io_timing", "on".to_owned()),
        ("log_line_prefix", "%m [%p] %a ".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    if machine.has_pg_stat_statements {
        settings.insert("shared_preload_libraries".to_owned(), "pg_stat_statements".to_owned());
    }
    settings.extend(extra.clone());
    settings
}

/// Checks what the caller wants to add, before anything is started.
pub(super) fn validate(extra: &BTreeMap<String, String>) -> Result<()> {
    for (name, value) in extra {
        let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c));
        if !is_name {
            return Err(TestbedError::BadInput(format!(
                "{name:?} is not the name of a PostgreSQL setting"
            )));
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(TestbedError::BadInput(format!(
                "the PostgreSQL setting {name} can't be changed: it decides where the server is, or whether it is durable"
            )));
        }
        if value.contains(['\n', '\r', '\0']) {
            return Err(TestbedError::BadInput(format!(
                "the value of the PostgreSQL setting {name} has a line break in it"
            )));
        }
    }
    Ok(())
}

/// As lines of `postgresql.conf`.
pub(super) fn to_conf(settings: &BTreeMap<String, String>) -> String {
    let mut conf = String::from("\n# Crossover's own, last: the last line of a name counts.\n");
    for (name, value) in settings {
        // Writing to a String can't fail.
        let _ = writeln!(conf, "{name} = '{}'", value.replace('\\', "\\\\").replace('\'', "''"));
    }
    conf
}

/// An eighth of memory, 128 MB to 1 GB: half of what is advised for a machine of its own, as engines and load live here too.
fn shared_buffers_mb(memory_bytes: u64) -> u64 {
    (memory_bytes / 8 / (1 << 20)).clamp(128, 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine {
        memory_bytes: 4 << 30,
        port: 5432,
        has_pg_stat_statements: false,
    };

    fn one(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn shared_buffers_are_an_eighth_of_memory_within_bounds() {
        assert_eq!(
            [1_u64 << 29, 4 << 30, 64 << 30].map(shared_buffers_mb),
            [128, 512, 1024]
        );
    }

    #[test]
    fn the_callers_settings_win_over_ours() {
        assert_eq!(effective(MACHINE, &one("max_connections", "7"))["max_connections"], "7");
    }

    #[test]
    fn durability_and_place_can_not_be_changed() {
        for name in ["fsync", "synchronous_commit", "listen_addresses"] {
            let error = validate(&one(name, "off")).unwrap_err();
            assert!(
                matches!(&error, TestbedError::BadInput(message) if message.contains(name)),
                "{error}"
            );
        }
        assert!(validate(&one("work_mem", "8MB")).is_ok());
        assert!(validate(&one("a'b", "1")).is_err());
        assert!(validate(&one("work_mem", "1\nfsync = off")).is_err());
    }

    #[test]
    fn quotes_in_a_value_stay_inside_it() {
        assert!(to_conf(&one("search_path", r"a'b\c")).contains(r"search_path = 'a''b\\c'"));
    }
}
