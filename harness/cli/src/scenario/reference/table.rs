//! Keys as a Markdown table.

use super::ask;
use super::keys::{Key, Kind};

const HEAD: [&str; 2] = ["| key | value | default | allowed | meaning |", "|---|---|---|---|---|"];

/// The table of one mark: a row a key.
pub(super) fn lines(keys: &[Key], names: &str, sections: &[&str]) -> Vec<String> {
    let rows = keys.iter().filter(|key| belongs(&key.path, names, sections));
    let rows = rows.map(|key| row(key, names));
    [String::new()]
        .into_iter()
        .chain(HEAD.map(str::to_owned))
        .chain(rows)
        .chain([String::new()])
        .collect()
}

/// Is this the table that is nearest to a key? A mark may name several tables; `the file` is what lies in no other.
pub(super) fn belongs(path: &str, names: &str, sections: &[&str]) -> bool {
    let nearest = |names: &str| names.split(", ").filter(|name| inside(path, name)).map(str::len).max();
    let own = match names {
        "the file" => Some(0),
        names => nearest(names),
    };
    let best = sections.iter().filter_map(|names| nearest(names)).max().unwrap_or(0);
    own == Some(best)
}

fn inside(path: &str, name: &str) -> bool {
    path.strip_prefix(name)
        .is_some_and(|rest| rest.starts_with('.') || rest.starts_with("[]."))
}

fn row(key: &Key, names: &str) -> String {
    let one = !names.contains(", ");
    let shown = match key.path.strip_prefix(names) {
        Some(rest) if one => rest.trim_start_matches("[]").trim_start_matches('.'),
        _ => &key.path,
    };
    let default = match (&key.kind, ask::default(key)) {
        (_, Err(())) => "needed".to_owned(),
        (Kind::Table | Kind::Names | Kind::Tables | Kind::List(_), Ok(None)) => String::new(),
        (_, Ok(None)) => "none".to_owned(),
        (kind, Ok(Some(value))) => format!("`{}`", ask::spelled(kind, &value)),
    };
    let allowed = match &key.kind {
        Kind::Word(words) => words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", "),
        _ => ask::allowed(key),
    };
    format!(
        "| `{shown}` | {} | {default} | {allowed} | {} |",
        value(key),
        key.meaning
    )
}

/// What kind of value, and in what unit: the house's names carry their unit at the end.
fn value(key: &Key) -> String {
    let name = key.path.rsplit('.').next().unwrap_or_default();
    let units = [
        ("kb_per_s", "KB/s"),
        ("_per_s", "1/s"),
        ("_hz", "1/s"),
        ("bytes", "bytes"),
        ("_rate", "share"),
        ("share", "share"),
    ];
    let unit = units
        .into_iter()
        .find(|(end, _)| name.ends_with(end))
        .map(|(_, unit)| unit);
    let kind = match &key.kind {
        Kind::Boolean => "boolean",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Text => "string",
        Kind::Duration => "duration",
        Kind::Word(_) => "word",
        Kind::Tables => "list of tables",
        Kind::List(of) => return format!("list of {of}"),
        Kind::Table => "table",
        Kind::Names => "table of names",
    };
    match (&key.kind, unit) {
        (Kind::Integer | Kind::Number, Some(unit)) => format!("{kind}, {unit}"),
        _ => kind.to_owned(),
    }
}
