//! Which Java runs Kafka: the one in JAVA_HOME, else `java` on PATH; it must be new enough.
//!
//! Runs `java -version`, and no more.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::error::{Result, TestbedError};

/// The oldest that brokers of version 4 run on.
pub const OLDEST_JAVA: u32 = 17;

const REMEDY: &str = "apt-get install default-jre-headless, or point JAVA_HOME at a Java that is 17 or later";

/// A Java that will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Java {
    /// The program `java`.
    pub program: PathBuf,
    /// Such as 17.
    pub major: u32,
}

/// Finds it.
///
/// # Errors
/// `Unavailable` if there is none, or none that is new enough.
pub fn find_java() -> Result<Java> {
    let home = std::env::var_os("JAVA_HOME").filter(|value| !value.is_empty());
    let program = home.map_or_else(|| PathBuf::from("java"), |home| PathBuf::from(home).join("bin/java"));
    let shown = program.display();
    let output = Command::new(&program).arg("-version").stdin(Stdio::null()).output();
    let output = output.map_err(|error| TestbedError::unavailable(format!("no Java ({shown}: {error})"), REMEDY))?;
    let text = String::from_utf8_lossy(&output.stderr);
    match parse_major(&text) {
        Some(major) if major >= OLDEST_JAVA => Ok(Java { program, major }),
        Some(major) => Err(TestbedError::unavailable(
            format!("Java is {major} ({shown}), and Kafka needs {OLDEST_JAVA}"),
            REMEDY,
        )),
        None => {
            let first = text.lines().next().unwrap_or_default().to_owned();
            Err(TestbedError::unavailable(
                format!("{shown} -version says {first:?}, which is no version of Java"),
                REMEDY,
            ))
        }
    }
}

/// Reads `openjdk version "17.0.15" 2025-04-15`, anywhere in what is printed; `1.8.0_292` is version 8.
pub(super) fn parse_major(text: &str) -> Option<u32> {
    let number = text.split_once("version \"")?.1;
    let mut parts = number.split(|character: char| !character.is_ascii_digit());
    let major = parts.next()?.parse().ok()?;
    if major == 1 {
        parts.next()?.parse().ok()
    } else {
        Some(major)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_in_the_old_and_the_new_form() {
        assert_eq!(parse_major("openjdk version \"17.0.15\" 2025-04-15\n"), Some(17));
        assert_eq!(parse_major("Picked up X\njava version \"1.8.0_292\"\n"), Some(8));
        assert_eq!(parse_major("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(parse_major("something else"), None);
    }
}
