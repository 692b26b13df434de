//! Which machine this is: the processor's model, and a checksum that is the same for all runs on it and on no other.

use procfs::{CpuInfo, Current};

/// Where Linux keeps an id of the installation.
const MACHINE_ID: &str = "/etc/machine-id";

/// Such as `AMD EPYC 7B13 (1a2b3c4d)`. The installation's own id is a secret of sorts, so only a checksum of it and the model
/// leaves the machine. `None` where there is neither.
pub fn machine() -> Option<String> {
    let id = std::fs::read_to_string(MACHINE_ID).unwrap_or_default();
    let cpu = CpuInfo::current().ok();
    let model = cpu.as_ref().and_then(|cpu| cpu.model_name(0)).unwrap_or_default();
    named(id.trim(), model.trim())
}

fn named(id: &str, model: &str) -> Option<String> {
    // With the model alone, two machines of one kind would be taken for one.
    if id.is_empty() {
        return None;
    }
    let shown = if model.is_empty() { "unknown processor" } else { model };
    Some(format!(
        "{shown} ({:08x})",
        crc32fast::hash(format!("{id} {model}").as_bytes())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_the_same_every_time_and_shows_no_id() {
        let id = "0123456789abcdef0123456789abcdef";
        let machine = named(id, "A processor");
        assert_eq!(machine, named(id, "A processor"));
        assert_ne!(machine, named(id, "Another"));
        let shown = machine.unwrap();
        assert!(shown.starts_with("A processor (") && !shown.contains(id), "{shown}");
        assert_eq!(named("", "A processor"), None);
    }
}
