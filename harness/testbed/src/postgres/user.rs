//! Whom the server runs as: ourselves, or as root somebody else, because PostgreSQL refuses to run as root.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{User, geteuid};

use crate::error::{Result, TestbedError};
use crate::supervisor::UserIds;

/// In order of preference: the account that a distribution made for it, then one that owns nothing.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// The account that the server runs under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUser {
    /// Its name.
    pub name: String,
    /// Its ids, where they are not our own.
    pub drop_to: Option<UserIds>,
}

/// Finds it.
///
/// # Errors
/// `Unavailable` if we are root and there is nobody to drop to.
pub fn server_user() -> Result<ServerUser> {
    let us = geteuid();
    if !us.is_root() {
        let name = User::from_uid(us)
            .ok()
            .flatten()
            .map_or_else(|| us.to_string(), |user| user.name);
        return Ok(ServerUser { name, drop_to: None });
    }
    let found = CANDIDATES
        .iter()
        .find_map(|name| User::from_name(name).ok().flatten().filter(|user| !user.uid.is_root()));
    found
        .map(|user| ServerUser {
            name: user.name,
            drop_to: Some(UserIds {
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
            }),
        })
        .ok_or_else(|| {
            TestbedError::unavailable(
                "PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as",
                "useradd --system postgres, or run as an ordinary user",
            )
        })
}

/// Whether `user` can execute the file at `path`: pass every directory above it, and read and execute the file itself.
/// Looks at permission bits alone, for one group; a wrong *no* costs a copy.
pub(super) fn can_execute(path: &Path, user: UserIds) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    let is_program = path.metadata().is_ok_and(|metadata| allows(&metadata, user, 0o5));
    is_program && path.parent().is_some_and(|directory| can_enter(directory, user))
}

/// Whether `user` can pass through `directory` and every one above it.
pub(super) fn can_enter(directory: &Path, user: UserIds) -> bool {
    let Ok(directory) = directory.canonicalize() else {
        return false;
    };
    directory
        .ancestors()
        .all(|directory| directory.metadata().is_ok_and(|metadata| allows(&metadata, user, 0o1)))
}

/// Whether the permission bits that apply to `user` contain `wanted` (three bits: read, write, execute).
fn allows(metadata: &Metadata, user: UserIds, wanted: u32) -> bool {
    let shift = if metadata.uid() == user.uid {
        6
    } else if metadata.gid() == user.gid {
        3
    } else {
        0
    };
    (metadata.mode() >> shift) & wanted == wanted
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const STRANGER: UserIds = UserIds {
        uid: 64_000,
        gid: 64_000,
    };

    #[test]
    fn a_stranger_can_execute_what_all_may_but_not_below_a_closed_directory() {
        assert!(can_execute(Path::new("/bin/sh"), STRANGER));
        let closed = tempfile::tempdir().unwrap();
        let program = closed.path().join("program");
        fs::write(&program, "").unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(closed.path(), Permissions::from_mode(0o700)).unwrap();
        assert!(!can_execute(&program, STRANGER));
        fs::set_permissions(closed.path(), Permissions::from_mode(0o711)).unwrap();
        assert!(can_execute(&program, STRANGER));
    }

    #[test]
    fn root_drops_to_somebody_else_and_others_stay_themselves() {
        let user = server_user().unwrap();
        assert_eq!(user.drop_to.is_some(), geteuid().is_root());
    }
}
