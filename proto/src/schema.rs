//! What the schema of scenario files calls a duration: text with a unit. The schema knows types and words, and no values.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// The format of [`DurationText`].
pub const DURATION: &str = "duration";

/// Stands for a `Duration` that is written as `250ms` or `1m 30s`.
#[derive(Debug)]
pub struct DurationText;

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        DURATION.into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": DURATION })
    }
}
