//! What may not change between a released schema and the present one.
//!
//! Messages, enums, services and calls are known by their full names. One that is gone is a break, whether it was
//! removed, renamed, or left behind by a file that changed its package. Additions are never a break.

use protox::prost_reflect::prost_types::FileDescriptorProto;
use protox::prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor, ServiceDescriptor};

use super::Finding;
use super::members::Members;

/// All that `now` breaks of `released`, file by file, in the order of declaration.
pub fn compare(released: &DescriptorPool, now: &DescriptorPool) -> Vec<Finding> {
    let mut findings = files_broken(released, now);
    findings.extend(messages_broken(released, now));
    findings.extend(enums_broken(released, now));
    findings.extend(services_broken(released, now));
    findings
}

/// A file that changed its package took everything in it away; one that changed its syntax changed the defaults of
/// presence and packing, which the rules below do not know.
fn files_broken(released: &DescriptorPool, now: &DescriptorPool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for was in released.file_descriptor_protos() {
        let Some(is) = now.file_descriptor_protos().find(|is| is.name() == was.name()) else {
            continue;
        };
        let changes = [
            (
                "package",
                was.package(),
                is.package(),
                "keep it, and put the new package into a new file",
            ),
            (
                "syntax",
                was.syntax(),
                is.syntax(),
                "keep it: this check knows proto3 only",
            ),
        ];
        let changes = changes.into_iter().filter(|(_, was, is, _)| was != is);
        findings.extend(changes.map(|(what, from, to, remedy)| Finding {
            place: was.name().to_owned(),
            found: format!("{what} {from} → {to}"),
            remedy,
        }));
    }
    findings
}

fn messages_broken(released: &DescriptorPool, now: &DescriptorPool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for was in released.all_messages() {
        // The type of a map field says it all.
        if was.is_map_entry() {
            continue;
        }
        match now.get_message_by_name(was.full_name()) {
            Some(is) => findings.extend(Members::of_message(&was).broken_by(&Members::of_message(&is))),
            None if outer_is_gone(was.parent_message(), now) || repackaged(was.parent_file_descriptor_proto(), now) => {
            }
            None => findings.push(gone("message", was.full_name())),
        }
    }
    findings
}

fn enums_broken(released: &DescriptorPool, now: &DescriptorPool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for was in released.all_enums() {
        match now.get_enum_by_name(was.full_name()) {
            Some(is) => findings.extend(Members::of_enum(&was).broken_by(&Members::of_enum(&is))),
            None if outer_is_gone(was.parent_message(), now) || repackaged(was.parent_file_descriptor_proto(), now) => {
            }
            None => findings.push(gone("enum", was.full_name())),
        }
    }
    findings
}

fn services_broken(released: &DescriptorPool, now: &DescriptorPool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for was in released.services() {
        match now.get_service_by_name(was.full_name()) {
            Some(is) => findings.extend(calls_broken(&was, &is)),
            None if repackaged(was.parent_file_descriptor_proto(), now) => {}
            None => findings.push(gone("service", was.full_name())),
        }
    }
    findings
}

fn calls_broken(was: &ServiceDescriptor, is: &ServiceDescriptor) -> Vec<Finding> {
    let mut findings = Vec::new();
    for call in was.methods() {
        let Some(now) = is.methods().find(|method| method.name() == call.name()) else {
            findings.push(gone("rpc", call.full_name()));
            continue;
        };
        let changes = shape_of(&call).into_iter().zip(shape_of(&now));
        let changes = changes.filter(|(was, is)| was != is);
        findings.extend(changes.map(|((what, from), (_, to))| Finding {
            place: call.full_name().to_owned(),
            found: format!("{what} {from} → {to}"),
            remedy: "keep it, and add a new rpc beside it",
        }));
    }
    findings
}

fn shape_of(call: &MethodDescriptor) -> [(&'static str, String); 2] {
    let side = |streams: bool, message: &str| format!("{}{message}", if streams { "stream " } else { "" });
    [
        ("request", side(call.is_client_streaming(), call.input().full_name())),
        ("response", side(call.is_server_streaming(), call.output().full_name())),
    ]
}

/// The finding of the file tells it once: not again for each name in it.
fn repackaged(was: &FileDescriptorProto, now: &DescriptorPool) -> bool {
    let is = now.file_descriptor_protos().find(|is| is.name() == was.name());
    is.is_some_and(|is| is.package() != was.package())
}

fn outer_is_gone(outer: Option<MessageDescriptor>, now: &DescriptorPool) -> bool {
    outer.is_some_and(|outer| now.get_message_by_name(outer.full_name()).is_none())
}

fn gone(kind: &str, name: &str) -> Finding {
    Finding {
        place: name.to_owned(),
        found: format!("the {kind} is gone (removed, renamed, or in another package)"),
        remedy: "put it back; what must differ goes into a new package, as v2",
    }
}
