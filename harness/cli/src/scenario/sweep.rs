//! Overrides of a scenario's keys: one at a time (`--set`), or all combinations of a sweep.

use std::path::Path;

use super::Document;
use crate::failure::bad_input;

/// One combination of a sweep's values.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The values, in the order of the sweep's keys, as people read them.
    pub values: Vec<String>,
    /// The overrides that make it.
    pub overrides: Vec<String>,
}

impl Point {
    /// The keys that it sets, in the order of its values.
    pub fn keys(&self) -> Vec<String> {
        let key = |each: &String| each.split_once('=').map(|(key, _)| key.to_owned());
        self.overrides.iter().filter_map(key).collect()
    }
}

impl Document {
    /// All combinations, the last key's values changing fastest; empty if the scenario is no sweep.
    pub fn points(&self) -> Vec<Point> {
        if self.sweep.is_empty() {
            return Vec::new();
        }
        let none = Point {
            values: Vec::new(),
            overrides: Vec::new(),
        };
        self.sweep.iter().fold(vec![none], |points, sweep| {
            let extend = |point: &Point| -> Vec<Point> {
                let with = |value: &toml::Value| {
                    let mut point = point.clone();
                    point.values.push(plain(value));
                    point.overrides.push(format!("{}={value}", sweep.key));
                    point
                };
                sweep.values.iter().map(with).collect()
            };
            points.iter().flat_map(extend).collect()
        })
    }
}

/// A string without its quotes.
fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The text of one point: its run is no sweep.
///
/// # Errors
/// If the text is not TOML.
pub fn without_sweep(text: &str) -> anyhow::Result<String> {
    without(text, &["sweep"])
}

/// The text without some of its tables and keys.
///
/// # Errors
/// If the text is not TOML.
pub fn without(text: &str, keys: &[&str]) -> anyhow::Result<String> {
    let mut table: toml::Table = toml::from_str(text)?;
    table.retain(|key, _| !keys.contains(&key));
    Ok(toml::to_string(&table)?)
}

/// The text with the overrides in it.
///
/// # Errors
/// If an override is not `key=value`, or its key leads through something that is not a table.
pub fn overridden(text: &str, path: &Path, overrides: &[String]) -> anyhow::Result<String> {
    let mut table: toml::Table =
        toml::from_str(text).map_err(|error| bad_input(format!("{}: {error}", path.display())))?;
    for each in overrides {
        let (key, value) = each
            .split_once('=')
            .ok_or_else(|| bad_input(format!("--set {each}: expected KEY=VALUE, as in topology.workers=4")))?;
        set(&mut table, key.trim(), value_of(value.trim()))
            .ok_or_else(|| bad_input(format!("--set {each}: {key} leads through a key that is not a table")))?;
    }
    toml::to_string(&table).map_err(|error| bad_input(format!("--set {}: {error}", overrides.join(" --set "))))
}

/// A TOML value if it reads as one, else a string: `--set polling.interval=50ms` needs no quotes.
pub fn value_of(value: &str) -> toml::Value {
    let table: Result<toml::Table, _> = toml::from_str(&format!("v = {value}"));
    let found = table.ok().and_then(|mut table| table.remove("v"));
    found.unwrap_or_else(|| toml::Value::String(value.to_owned()))
}

fn set(table: &mut toml::Table, key: &str, value: toml::Value) -> Option<()> {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
            Some(())
        }
        Some((first, rest)) => {
            let inner = table
                .entry(first)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            match inner {
                toml::Value::Table(inner) => set(inner, rest, value),
                toml::Value::Array(items) => {
                    let (index, rest) = rest.split_once('.')?;
                    set(
                        items.get_mut(index.parse::<usize>().ok()?)?.as_table_mut()?,
                        rest,
                        value,
                    )
                }
                _ => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_reach_into_tables_and_lists() {
        let text = "[[load]]\nname = 'a'\nrate = 1\n";
        let overrides = ["load.0.rate=5".to_owned(), "polling.interval=50ms".to_owned()];
        let text = overridden(text, Path::new("x"), &overrides).unwrap();
        let table: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(table["load"][0]["rate"].as_integer(), Some(5));
        assert_eq!(table["polling"]["interval"].as_str(), Some("50ms"));
    }

    #[test]
    fn an_override_without_a_value_is_refused() {
        assert!(overridden("", Path::new("x"), &["topology.workers".to_owned()]).is_err());
    }
}
