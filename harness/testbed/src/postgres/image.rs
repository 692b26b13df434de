//! A PostgreSQL in an image: where its programs are, and what they are.
//!
//! Must not start a server.

use std::path::PathBuf;

use super::find::{Installation, OLDEST_MAJOR, Origin, parse_version};
use crate::containers::Containers;
use crate::containers::images::Part;
use crate::containers::value_of;
use crate::error::{Result, TestbedError};
use crate::supervisor::Supervisor;

/// On the image's PATH, else where Debian puts them. Modules lie in one of the same places as on a machine.
const LOOK: &str = r#"
p=$(command -v postgres) || for p in /usr/lib/postgresql/*/bin/postgres; do :; done
b=$(dirname "$(readlink -f "$p")")
echo "bin=$b"
echo "version=$("$b/postgres" --version)"
for d in "$b/../lib" "$b/../lib/postgresql" "$b/../lib64/pgsql"; do
  if [ -e "$d/pg_stat_statements.so" ]; then echo statements=yes; fi
done
[ -x "$b/initdb" ] && echo initdb=yes || true
"#;

/// What is in the image.
#[derive(Debug)]
pub(super) struct InImage {
    pub installation: Installation,
    pub has_pg_stat_statements: bool,
}

/// Gets the image, and looks into it.
pub(super) async fn find(supervisor: &Supervisor, containers: &Containers, name: &str) -> Result<InImage> {
    let image = containers.image(Part::Postgres).await?;
    let said = Containers::ask(supervisor, &format!("{name}-image"), &image, LOOK).await?;
    read(&image.name, &said)
}

fn read(image: &str, said: &str) -> Result<InImage> {
    let version = value_of(said, "version").and_then(parse_version);
    let bin = value_of(said, "bin").filter(|_| value_of(said, "initdb").is_some());
    let usable = version.filter(|version| version.major >= OLDEST_MAJOR).zip(bin);
    let (version, bin) = usable.ok_or_else(|| {
        TestbedError::BadInput(format!(
            "image {image} has no postgres {OLDEST_MAJOR} or later with initdb beside it; name another with {}",
            Part::Postgres.variable()
        ))
    })?;
    Ok(InImage {
        installation: Installation {
            bin: PathBuf::from(bin),
            version,
            origin: Origin::Image,
            image: Some(image.to_owned()),
        },
        has_pg_stat_statements: value_of(said, "statements").is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_image_says_is_read() {
        let said =
            "bin=/usr/lib/postgresql/17/bin\nversion=postgres (PostgreSQL) 17.2 (Debian)\nstatements=yes\ninitdb=yes\n";
        let found = read("postgres:17", said).unwrap();
        assert_eq!(found.installation.version.to_string(), "17.2");
        assert_eq!(found.installation.image.as_deref(), Some("postgres:17"));
        assert!(found.has_pg_stat_statements);
    }

    #[test]
    fn an_image_without_a_server_is_refused_by_name() {
        for said in [
            "bin=/usr/bin\nversion=\n",
            "bin=/usr/bin\nversion=postgres (PostgreSQL) 17.2\n",
            "bin=/b\nversion=postgres (PostgreSQL) 9.6.1\ninitdb=yes\n",
        ] {
            let error = read("mine:1", said).unwrap_err().to_string();
            assert!(
                error.contains("mine:1") && error.contains("CROSSOVER_IMAGE_POSTGRES"),
                "{error}"
            );
        }
    }
}
