//! Where this machine gets its Debian packages: its apt is asked, so that a mirror or proxy of the user's serves here too.
//!
//! Must not change apt's configuration, nor fetch.

use std::process::{Command, Stdio};

/// The release that stand-ins are made of.
pub(super) const RELEASE: &str = "bookworm";

/// One line for each index that apt was told of.
const FORMAT: &str = "$(ORIGIN)|$(LABEL)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)";

/// The mirror that apt uses for the release, else for another release of Debian, which has this one too. None on other
/// systems: debootstrap knows Debian's own.
pub(super) fn mirror() -> Option<String> {
    let listed = output("apt-get", &["indextargets", "--format", FORMAT, "Created-By: Packages"])?;
    pick(&listed)
}

/// The proxy in apt's configuration, if any.
pub(super) fn proxy() -> Option<String> {
    let shown = output("apt-config", &["shell", "proxy", "Acquire::http::Proxy"])?;
    quoted(&shown)
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn pick(listed: &str) -> Option<String> {
    let targets: Vec<Vec<&str>> = listed.lines().map(|line| line.split('|').collect()).collect();
    let usable = |target: &&Vec<&str>| {
        let [_, _, _, "main", uri] = target[..] else {
            return false;
        };
        uri.starts_with("http://") || uri.starts_with("https://")
    };
    let is_debian = |target: &&Vec<&str>| target[..2] == ["Debian", "Debian"];
    // Who publishes an index is known once it was fetched; before, only a path such as Debian's own tells.
    let looks_like_debian = |target: &&Vec<&str>| target[0].is_empty() && target[4].ends_with("/debian/");
    let find = |fits: &dyn Fn(&&Vec<&str>) -> bool| targets.iter().filter(usable).find(|target| fits(target));
    let found = find(&|target| is_debian(target) && target[2] == RELEASE)
        .or_else(|| find(&is_debian))
        .or_else(|| find(&|target| looks_like_debian(target) && target[2] == RELEASE));
    found.map(|target| target[4].to_owned())
}

/// Reads `proxy='http://…'`.
fn quoted(shown: &str) -> Option<String> {
    let value = shown.trim().strip_prefix("proxy='")?.strip_suffix('\'')?;
    let is_one = !value.is_empty() && value != "DIRECT";
    is_one.then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_of_the_release_comes_first_and_security_is_not_it() {
        let listed = "Debian|Debian-Security|bookworm-security|main|http://mirror.example/security/\n\
                      Debian|Debian|bookworm-updates|main|http://mirror.example/updates/\n\
                      Vendor|apt.example|bookworm|main|http://apt.example/\n\
                      ||bookworm|main|http://apt.example/vendor/\n\
                      Debian|Debian|bookworm|main|http://mirror.example/debian/\n";
        assert_eq!(pick(listed).as_deref(), Some("http://mirror.example/debian/"));
    }

    #[test]
    fn a_machine_of_another_release_uses_its_mirror_of_debian() {
        let listed = "Debian|Debian-Security|trixie-security|main|http://mirror.example/security/\n\
                      Debian|Debian|trixie|main|https://mirror.example/debian/\n";
        assert_eq!(pick(listed).as_deref(), Some("https://mirror.example/debian/"));
    }

    #[test]
    fn before_the_first_update_the_path_tells() {
        let listed = "||bookworm|main|http://apt.example/vendor/\n||bookworm|main|http://mirror.example/debian/\n";
        assert_eq!(pick(listed).as_deref(), Some("http://mirror.example/debian/"));
    }

    #[test]
    fn without_a_mirror_of_debian_debootstrap_decides() {
        let ubuntu = "Ubuntu|Ubuntu|noble|main|http://archive.example/ubuntu/\n";
        let disc = "Debian|Debian|bookworm|main|cdrom://[Debian 12]/\n";
        assert_eq!((pick(ubuntu), pick(disc), pick("")), (None, None, None));
    }

    #[test]
    fn a_proxy_is_read_as_apt_prints_it() {
        assert_eq!(
            quoted("proxy='http://10.0.0.1:3142'\n").as_deref(),
            Some("http://10.0.0.1:3142")
        );
        assert_eq!((quoted("proxy='DIRECT'\n"), quoted("")), (None, None));
    }
}
