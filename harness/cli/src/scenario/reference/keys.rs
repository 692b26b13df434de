//! The keys of a scenario file, from the schema of its types: path, kind of value, meaning.

use schemars::schema_for;
use serde_json::Value;

use crate::scenario::Document;

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// `load[].rate_per_s`, `downstream.policies.NAME.burst`.
    pub(super) path: String,
    /// What its value is.
    pub(super) kind: Kind,
    /// From its comment.
    pub(super) meaning: String,
}

/// Kinds of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Integer,
    Number,
    Text,
    Duration,
    /// One of these words.
    Word(Vec<String>),
    /// A list of tables, whose keys follow.
    Tables,
    /// A list of values.
    List(&'static str),
    /// A table, whose keys follow.
    Table,
    /// A table with names of the author's own.
    Names,
}

/// All of them, by their names within each table.
pub(super) fn all() -> Vec<Key> {
    let schema = schema_for!(Document).to_value();
    let mut keys = Vec::new();
    properties(&schema, &schema, "", &mut keys);
    keys
}

fn properties(root: &Value, of: &Value, path: &str, keys: &mut Vec<Key>) {
    let empty = serde_json::Map::new();
    for (name, schema) in of["properties"].as_object().unwrap_or(&empty) {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let target = resolved(root, schema);
        let kind = kind(root, target);
        keys.push(Key {
            path: path.clone(),
            meaning: meaning(schema).unwrap_or_default(),
            kind: kind.clone(),
        });
        match kind {
            Kind::Table => properties(root, target, &path, keys),
            Kind::Tables => properties(root, resolved(root, &target["items"]), &format!("{path}[]"), keys),
            Kind::Names => {
                let each = resolved(root, &target["additionalProperties"]);
                properties(root, each, &format!("{path}.NAME"), keys);
            }
            _ => {}
        }
    }
}

/// What a schema refers to; of "this or nothing", this.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let place = root.pointer(reference.trim_start_matches('#'));
        return resolved(root, place.unwrap_or(&Value::Null));
    }
    let some = schema["anyOf"]
        .as_array()
        .and_then(|any| any.iter().find(|one| one["type"] != "null"));
    some.map_or(schema, |some| resolved(root, some))
}

fn kind(root: &Value, schema: &Value) -> Kind {
    if let Some(words) = words(schema) {
        return Kind::Word(words);
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().find(|one| *one != "null").and_then(Value::as_str),
        one => one.as_str(),
    };
    match types {
        Some("boolean") => Kind::Boolean,
        Some("integer") => Kind::Integer,
        Some("number") => Kind::Number,
        Some("array") if resolved(root, &schema["items"])["properties"].is_object() => Kind::Tables,
        Some("array") if schema["items"]["type"] == "string" => Kind::List("strings"),
        Some("array") => Kind::List("values"),
        Some("object") if schema["properties"].is_object() => Kind::Table,
        Some("object") => Kind::Names,
        _ if schema["format"] == crossover_proto::schema::DURATION => Kind::Duration,
        _ => Kind::Text,
    }
}

/// The variants of an enumeration: one by one where they have comments, else as a list.
fn words(schema: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(list) = schema["enum"].as_array() {
        return list.iter().map(text).collect();
    }
    let one_of = schema["oneOf"].as_array()?;
    let of_one = |one: &Value| match one["enum"].as_array() {
        Some(list) => list.iter().map(text).collect(),
        None => text(&one["const"]).map(|word| vec![word]),
    };
    let words: Option<Vec<Vec<String>>> = one_of.iter().map(of_one).collect();
    words.map(|words| words.concat())
}

/// A comment as one line that goes into a table.
fn meaning(schema: &Value) -> Option<String> {
    let text = schema["description"].as_str()?;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(line.trim_end_matches('.').replace('|', "\\|"))
}
