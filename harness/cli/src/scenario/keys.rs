//! Every key of a scenario with its value, as dotted paths, defaults included: what two scenarios are held against each other
//! by.

use serde_json::Value;

use super::Document;

/// All keys by their names, lists by their places: `load.0.rate_per_s`. What is not set has no key.
pub fn keys(document: &Document) -> Vec<(String, String)> {
    let mut keys = Vec::new();
    let whole = serde_json::to_value(document).unwrap_or_default();
    walk("", &whole, &mut keys);
    keys
}

fn walk(path: &str, value: &Value, keys: &mut Vec<(String, String)>) {
    let under = |step: &str| match path {
        "" => step.to_owned(),
        path => format!("{path}.{step}"),
    };
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, value)| walk(&under(key), value, keys)),
        Value::Array(items) => {
            let numbered = items.iter().enumerate();
            numbered.for_each(|(index, item)| walk(&under(&index.to_string()), item, keys));
        }
        Value::Null => {}
        Value::String(text) => keys.push((path.to_owned(), text.clone())),
        other => keys.push((path.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_path_and_its_value() {
        let text = "title = 't'\n[[load]]\nname = 'a'\narrivals = 'constant'\nrate_per_s = 10\nduration = '1m'\n\
            [[workload.definitions]]\ndefinition = { name = 'd', steps = [{ name = 's', jobs = [{ job_type = 'j' }] }] }\n";
        let keys = keys(&toml::from_str::<Document>(text).unwrap());
        let value = |key: &str| {
            keys.iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value.as_str())
        };
        assert_eq!(value("load.0.rate_per_s"), Some("10.0"));
        assert_eq!(value("load.0.duration"), Some("1m"));
        assert_eq!(value("polling.interval"), Some("500ms"));
        assert_eq!(value("topology.postgres_processors"), None);
    }
}
