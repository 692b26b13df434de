//! Fields and enum values.

use super::refused;

#[test]
fn a_field_renumbered() {
    refused("id = 1;", "id = 10;", &["sample.v1.Order.id: number 1 → 10; give it"]);
    refused(
        "State state = 7;\n  Part part = 8;",
        "State state = 8;\n  Part part = 7;",
        &[
            "sample.v1.Order.state: number 7 → 8",
            "sample.v1.Order.part: number 8 → 7",
        ],
    );
}

#[test]
fn a_number_used_again_under_another_name() {
    refused(
        "id = 1;",
        "key = 1;",
        &["sample.v1.Order.id: number 1 has another name: id → key"],
    );
    refused(
        "int64 id = 1;",
        "reserved \"id\"; string key = 1;",
        &["sample.v1.Order.id: number 1 has another name: id → key"],
    );
}

#[test]
fn a_field_retyped() {
    for (from, to) in [
        ("int64", "string"),
        ("int64", "int32"),
        ("int64", "uint64"),
        ("int64", "sint64"),
    ] {
        let expected = format!("sample.v1.Order.id: type {from} → {to}; keep it");
        refused("int64 id", &format!("{to} id"), &[&expected]);
    }
    refused(
        "bytes body",
        "string body",
        &["sample.v1.Order.body: type bytes → string"],
    );
    refused(
        "State state",
        "int32 state",
        &["sample.v1.Order.state: type sample.v1.State → int32"],
    );
    refused(
        "Part part",
        "Answer part",
        &["sample.v1.Order.part: type sample.v1.Order.Part → sample.v1.Answer"],
    );
    refused(
        "map<string, bytes>",
        "map<string, string>",
        &["sample.v1.Order.labels: type map<string, bytes> → map<string, string>"],
    );
    refused(
        "uint32 weight",
        "float weight",
        &["sample.v1.Order.Part.weight: type uint32 → float"],
    );
}

#[test]
fn a_label_changed() {
    refused(
        "repeated uint32",
        "uint32",
        &["sample.v1.Order.sizes: label repeated → singular"],
    );
    refused(
        "bytes body",
        "repeated bytes body",
        &["sample.v1.Order.body: label singular → repeated"],
    );
    refused(
        "optional string",
        "string",
        &["sample.v1.Order.note: label optional → singular"],
    );
    refused(
        "int64 id",
        "optional int64 id",
        &["sample.v1.Order.id: label singular → optional"],
    );
}

#[test]
fn a_oneof_joined_or_left() {
    refused(
        "    bytes token = 6;\n  }",
        "  }\n bytes token = 6;",
        &["sample.v1.Order.token: oneof target → none"],
    );
    refused(
        "bytes body = 9;",
        "oneof content { bytes body = 9; }",
        &["sample.v1.Order.body: oneof none → content"],
    );
    refused(
        "oneof target",
        "oneof goal",
        &[
            "sample.v1.Order.address: oneof target → goal",
            "sample.v1.Order.token: oneof target → goal",
        ],
    );
}

#[test]
fn a_field_removed_without_reserving_both() {
    let place = "sample.v1.Order.body: removed, and not reserved:";
    refused("bytes body = 9;", "", &[&format!("{place} 9 and \"body\"")]);
    refused("bytes body = 9;", "reserved 9;", &[&format!("{place} \"body\"")]);
    refused("bytes body = 9;", "reserved \"body\";", &[&format!("{place} 9;")]);
    refused(
        "map<string, bytes> labels = 4;",
        "",
        &["sample.v1.Order.labels: removed, and not reserved: 4 and \"labels\""],
    );
}

#[test]
fn a_reservation_taken_back() {
    refused("20 to 22, 30", "20 to 22", &["sample.v1.Order: no longer reserved: 30"]);
    refused("20 to 22", "20, 22", &["sample.v1.Order: no longer reserved: 20 to 22"]);
    refused(
        "reserved \"colour\";",
        "",
        &["sample.v1.Order: no longer reserved: \"colour\""],
    );
    refused(
        "reserved 8, 9;",
        "reserved 9;",
        &["sample.v1.State: no longer reserved: 8"],
    );
    refused(
        "reserved \"STATE_LOST\";",
        "",
        &["sample.v1.State: no longer reserved: \"STATE_LOST\""],
    );
    refused(
        "reserved 20 to 22, 30;",
        "reserved 20, 21, 30; string used_again = 22;",
        &["sample.v1.Order: no longer reserved: 20 to 22"],
    );
}

#[test]
fn an_enum_value_renumbered_renamed_or_removed() {
    refused(
        "STATE_OLD = 1;",
        "STATE_OLD = 2;",
        &["sample.v1.State.STATE_OLD: number 1 → 2"],
    );
    refused(
        "STATE_OLD = 1;",
        "STATE_AGED = 1;",
        &["sample.v1.State.STATE_OLD: number 1 has another name: STATE_OLD → STATE_AGED"],
    );
    let place = "sample.v1.State.STATE_OLD: removed, and not reserved:";
    refused("STATE_OLD = 1;", "", &[&format!("{place} 1 and \"STATE_OLD\"")]);
    refused("STATE_OLD = 1;", "reserved 1;", &[&format!("{place} \"STATE_OLD\"")]);
    refused("STATE_OLD = 1;", "reserved \"STATE_OLD\";", &[&format!("{place} 1;")]);
}
