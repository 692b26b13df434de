//! The accounts that a container knows: root, and whom its server runs as.
//!
//! The image knows neither our user nor, as a rule, the one that root's servers run as; `initdb` refuses an id without a
//! name. The files are made here and put over the image's own, for reading.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, User};

use tempfile::NamedTempFile;

use crate::error::{Result, TestbedError};
use crate::supervisor::UserIds;

/// The ids that a spec without any runs under.
pub(super) fn ours() -> UserIds {
    UserIds {
        uid: Uid::effective().as_raw(),
        gid: Gid::effective().as_raw(),
    }
}

/// Writes `passwd` and `group` for a user into `directory`, unless they are there; answers their paths.
pub(super) fn write(directory: &Path, user: UserIds) -> Result<[PathBuf; 2]> {
    let name = User::from_uid(Uid::from_raw(user.uid)).ok().flatten();
    let name = name.map_or_else(|| "crossover".to_owned(), |user| user.name);
    let of = |kind: &str| directory.join(format!("{kind}-{}-{}", user.uid, user.gid));
    let files = [(of("passwd"), passwd(&name, user)), (of("group"), group(&name, user))];
    for (path, text) in &files {
        if !path.exists() {
            // Whole at once, and readable for the user in the container whatever our umask is.
            let written = NamedTempFile::new_in(directory).and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.as_file().set_permissions(Permissions::from_mode(0o644))?;
                file.persist(path).map(drop).map_err(|error| error.error)
            });
            written.map_err(|error| TestbedError::io("write", path, &error))?;
        }
    }
    Ok(files.map(|(path, _)| path))
}

fn passwd(name: &str, user: UserIds) -> String {
    let root = "root:x:0:0:root:/root:/bin/sh\n";
    match user.uid {
        0 => root.to_owned(),
        uid => format!("{root}{name}:x:{uid}:{}::/nonexistent:/usr/sbin/nologin\n", user.gid),
    }
}

fn group(name: &str, user: UserIds) -> String {
    let root = "root:x:0:\n";
    match user.gid {
        0 => root.to_owned(),
        gid => format!("{root}{name}:x:{gid}:\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_knows_root_and_its_own_user_by_name() {
        let user = UserIds { uid: 107, gid: 113 };
        assert_eq!(
            passwd("postgres", user),
            "root:x:0:0:root:/root:/bin/sh\npostgres:x:107:113::/nonexistent:/usr/sbin/nologin\n"
        );
        assert_eq!(group("postgres", user), "root:x:0:\npostgres:x:113:\n");
        let root = UserIds { uid: 0, gid: 0 };
        assert_eq!(passwd("root", root).lines().count(), 1);
    }

    #[test]
    fn files_are_written_again_without_complaint() {
        let directory = tempfile::tempdir().unwrap();
        let user = UserIds {
            uid: 64_000,
            gid: 64_001,
        };
        let first = write(directory.path(), user).unwrap();
        assert_eq!(write(directory.path(), user).unwrap(), first);
        assert!(std::fs::read_to_string(&first[0]).unwrap().contains(":64000:64001:"));
    }
}
