//! What has a number: the fields of a message, the values of an enum. The wire knows a member by its number, the code by
//! its name, and both must keep their meaning for as long as a record or a peer of an older build may exist.

use std::ops::Range;

use protox::prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

use super::Finding;

/// The members of one message or enum, and what it sets aside.
pub struct Members {
    /// The full name of the message or enum.
    owner: String,
    members: Vec<Member>,
    reserved_numbers: Vec<Range<i64>>,
    reserved_names: Vec<String>,
}

struct Member {
    name: String,
    number: i64,
    /// What else must not change: (what, how it is).
    traits: [(&'static str, String); 3],
}

impl Members {
    /// The fields of a message.
    pub fn of_message(message: &MessageDescriptor) -> Self {
        Self {
            owner: message.full_name().to_owned(),
            members: message.fields().map(|field| Member::of_field(&field)).collect(),
            reserved_numbers: message
                .reserved_ranges()
                .map(|range| i64::from(range.start)..i64::from(range.end))
                .collect(),
            reserved_names: message.reserved_names().map(str::to_owned).collect(),
        }
    }

    /// The values of an enum.
    pub fn of_enum(of: &EnumDescriptor) -> Self {
        let member = |name: &str, number: i32| Member {
            name: name.to_owned(),
            number: number.into(),
            traits: Default::default(),
        };
        Self {
            owner: of.full_name().to_owned(),
            members: of.values().map(|value| member(value.name(), value.number())).collect(),
            reserved_numbers: of
                .reserved_ranges()
                .map(|range| i64::from(*range.start())..i64::from(*range.end()) + 1)
                .collect(),
            reserved_names: of.reserved_names().map(str::to_owned).collect(),
        }
    }

    /// What `now` breaks of these, the released members.
    pub fn broken_by(&self, now: &Self) -> Vec<Finding> {
        let members = self.members.iter().flat_map(|was| self.member_broken(was, now));
        members.chain(self.reservations_broken(now)).collect()
    }

    fn member_broken(&self, was: &Member, now: &Self) -> Vec<Finding> {
        if let Some(is) = now.named(&was.name) {
            return self.changes(was, is);
        }
        if let Some(other) = now.numbered(was.number) {
            let found = format!("number {} has another name: {} → {}", was.number, was.name, other.name);
            return vec![self.finding(&was.name, found, "keep the name, and give a new member a new number")];
        }
        let unreserved = [
            (!now.reserves(was.number..was.number + 1)).then(|| was.number.to_string()),
            (!now.reserved_names.contains(&was.name)).then(|| format!("{:?}", was.name)),
        ];
        let unreserved: Vec<String> = unreserved.into_iter().flatten().collect();
        if unreserved.is_empty() {
            return Vec::new();
        }
        let found = format!("removed, and not reserved: {}", unreserved.join(" and "));
        vec![self.finding(&was.name, found, "reserve both its number and its name")]
    }

    fn changes(&self, was: &Member, is: &Member) -> Vec<Finding> {
        let number = (was.number != is.number).then(|| {
            let found = format!("number {} → {}", was.number, is.number);
            self.finding(&was.name, found, "give it its number back")
        });
        let traits = was.traits.iter().zip(&is.traits).filter(|(was, is)| was != is);
        let traits = traits.map(|((what, was_so), (_, is_so))| {
            let found = format!("{what} {was_so} → {is_so}");
            self.finding(&was.name, found, "keep it, and add a new field beside it")
        });
        number.into_iter().chain(traits).collect()
    }

    fn reservations_broken(&self, now: &Self) -> Vec<Finding> {
        let remedy = "reserve it again: records and peers that used it may still exist";
        let numbers = self
            .reserved_numbers
            .iter()
            .filter(|range| !now.reserves((*range).clone()));
        let numbers = numbers.map(|range| match range.end - range.start {
            1 => range.start.to_string(),
            _ => format!("{} to {}", range.start, range.end - 1),
        });
        let names = self
            .reserved_names
            .iter()
            .filter(|name| !now.reserved_names.contains(name));
        numbers
            .chain(names.map(|name| format!("{name:?}")))
            .map(|what| Finding {
                place: self.owner.clone(),
                found: format!("no longer reserved: {what}"),
                remedy,
            })
            .collect()
    }

    fn named(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    fn numbered(&self, number: i64) -> Option<&Member> {
        self.members.iter().find(|member| member.number == number)
    }

    /// Whether all of `wanted` is reserved, be it by several ranges.
    fn reserves(&self, wanted: Range<i64>) -> bool {
        let mut next = wanted.start;
        while next < wanted.end {
            match self.reserved_numbers.iter().find(|range| range.contains(&next)) {
                Some(range) => next = range.end,
                None => return false,
            }
        }
        true
    }

    fn finding(&self, member: &str, found: String, remedy: &'static str) -> Finding {
        Finding {
            place: format!("{}.{member}", self.owner),
            found,
            remedy,
        }
    }
}

impl Member {
    fn of_field(field: &FieldDescriptor) -> Self {
        let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        let oneof = oneof.map_or_else(|| "none".to_owned(), |oneof| oneof.name().to_owned());
        Self {
            name: field.name().to_owned(),
            number: field.number().into(),
            traits: [
                ("type", type_of(field)),
                ("label", label_of(field).to_owned()),
                ("oneof", oneof),
            ],
        }
    }
}

/// `repeated`, `optional` (0 is told from absent), or `singular` (it is not).
fn label_of(field: &FieldDescriptor) -> &'static str {
    let optional = field.field_descriptor_proto().proto3_optional();
    match field.cardinality() {
        Cardinality::Repeated => "repeated",
        Cardinality::Required => "required",
        Cardinality::Optional if optional => "optional",
        Cardinality::Optional => "singular",
    }
}

fn type_of(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            format!("map<{:?}, {:?}>", key.kind(), value.kind())
        }
        kind => format!("{kind:?}"),
    }
}
