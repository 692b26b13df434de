//! The validators, asked: what a key is when it is left out, and what they say to values that must be refused.

use std::path::Path;

use serde_json::Value as Json;
use toml::Value;

use super::keys::{Key, Kind};
use crate::scenario::{Document, keys as values_of};

const SAMPLE: &str = include_str!("every-key.toml");

/// The scenario with every key.
pub(super) fn sample() -> Value {
    toml::from_str(SAMPLE).unwrap()
}

/// Where a key stands in the sample, as steps: a list's item by its number.
pub(super) fn places(path: &str) -> impl Iterator<Item = Vec<String>> {
    let mut places: Vec<(Vec<String>, Value)> = vec![(Vec::new(), sample())];
    for step in path.split('.') {
        let (name, items) = (step.trim_end_matches("[]"), step.ends_with("[]"));
        let next = |(place, value): (Vec<String>, Value)| -> Vec<(Vec<String>, Value)> {
            let named: Vec<(String, Value)> = match (&value, name) {
                (Value::Table(table), "NAME") => {
                    table.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
                }
                (Value::Table(table), name) => table
                    .get(name)
                    .map(|value| (name.to_owned(), value.clone()))
                    .into_iter()
                    .collect(),
                _ => Vec::new(),
            };
            let mut found = Vec::new();
            for (key, value) in named {
                let place = [place.clone(), vec![key]].concat();
                match value {
                    Value::Array(list) if items => found.extend(
                        list.into_iter()
                            .enumerate()
                            .map(|(index, item)| ([place.clone(), vec![index.to_string()]].concat(), item)),
                    ),
                    value => found.push((place, value)),
                }
            }
            found
        };
        places = places.into_iter().flat_map(next).collect();
    }
    places.into_iter().map(|(place, _)| place)
}

/// The value of a key that is left out; `Err` where it is needed, `Ok(None)` where it then has none.
pub(super) fn default(key: &Key) -> Result<Option<String>, ()> {
    let Some(place) = places(&key.path).next() else {
        return Err(());
    };
    let mut without = sample();
    remove(&mut without, &place);
    let document: Document = without.try_into().map_err(|_| ())?;
    let name = place.join(".");
    Ok(values_of(&document)
        .into_iter()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value))
}

/// What the validators allow, in their own words; empty where they refuse nothing that the type allows.
pub(super) fn allowed(key: &Key) -> String {
    let mut answers: Vec<String> = Vec::new();
    for place in places(&key.path) {
        for wrong in refused(&key.kind) {
            let mut with = sample();
            replace(&mut with, &place, wrong);
            let Some(why) = refusal(&with) else { continue };
            let said = ["allowed is ", "allowed are ", "; a fault of a topic allows "]
                .iter()
                .find_map(|before| Some(why.split_once(before)?.1.to_owned()));
            answers.extend(said.filter(|_| is_of(&why, &place)));
        }
    }
    answers.dedup();
    match answers.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        // It depends on another key.
        _ => "see below".to_owned(),
    }
}

/// Does a refusal speak of this key?
fn is_of(why: &str, place: &[String]) -> bool {
    let mut name = String::new();
    for step in place {
        match step.parse::<usize>() {
            Ok(index) => name.push_str(&format!("[{index}]")),
            Err(_) if name.is_empty() => name.push_str(step),
            Err(_) => name.push_str(&format!(".{step}")),
        }
    }
    why.contains(&format!("{name}: "))
}

/// Values of a kind that no range holds.
fn refused(kind: &Kind) -> Vec<Value> {
    match kind {
        Kind::Integer => vec![
            Value::Integer(0),
            Value::Integer(u32::MAX.into()),
            Value::Integer(i64::MAX),
        ],
        Kind::Number => vec![Value::Float(-1.0), Value::Float(1e30)],
        Kind::Text => ["", "ä/"].map(|text| Value::String(text.to_owned())).to_vec(),
        Kind::Duration => ["0s", "20years"].map(|text| Value::String(text.to_owned())).to_vec(),
        _ => Vec::new(),
    }
}

/// What a scenario is refused for; `None` if it is not.
pub(super) fn refusal(scenario: &Value) -> Option<String> {
    let text = toml::to_string(scenario).unwrap();
    let read = crate::scenario::read_toml::<Document>(&text, Path::new("scenario"), Document::validate);
    read.err().map(|error| error.to_string())
}

fn at<'a>(value: &'a mut Value, step: &str) -> &'a mut Value {
    match value {
        Value::Array(list) => &mut list[step.parse::<usize>().unwrap()],
        Value::Table(table) => table.get_mut(step).unwrap(),
        other => panic!("{other} has no {step}"),
    }
}

fn parent<'a>(value: &'a mut Value, place: &'a [String]) -> (&'a mut toml::Table, &'a str) {
    let (last, before) = place.split_last().unwrap();
    let parent = before.iter().fold(value, |value, step| at(value, step));
    (parent.as_table_mut().unwrap(), last)
}

fn remove(value: &mut Value, place: &[String]) {
    let (table, key) = parent(value, place);
    table.remove(key);
}

fn replace(value: &mut Value, place: &[String], with: Value) {
    let (table, key) = parent(value, place);
    table.insert(key.to_owned(), with);
}

/// A default as it would be written in the file.
pub(super) fn spelled(kind: &Kind, value: &str) -> String {
    match kind {
        Kind::Text | Kind::Duration | Kind::Word(_) => Json::String(value.to_owned()).to_string(),
        Kind::Number => value
            .parse::<f64>()
            .map_or_else(|_| value.to_owned(), |number| number.to_string()),
        _ => value.to_owned(),
    }
}
