//! How large a record may be: `max.message.bytes` of a topic, and what the broker holds against it.
//!
//! It must not decide what becomes of a record that is too large.

use std::collections::BTreeMap;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

use crossover_proto::InstanceId;

/// The topic's setting.
pub(super) const MAX_MESSAGE_BYTES: &str = "max.message.bytes";

/// Header of a batch of records.
const BATCH_HEADER: usize = 61;
/// Attributes, first timestamp, first offset and number of headers: a byte each.
const RECORD_FIELDS: usize = 4;

/// The limits of those topics whose settings this client may read (operation `DescribeConfigs`).
///
/// # Errors
/// If the broker does not answer.
pub(super) async fn ask(
    admin: &AdminClient<DefaultClientContext>,
    topics: &[String],
    options: &AdminOptions,
) -> Result<BTreeMap<String, usize>, String> {
    let asked: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    let answers = admin.describe_configs(&asked, options).await;
    let answers = answers.map_err(|error| error.to_string())?;
    // In the order of the question.
    let limits = topics.iter().zip(answers).filter_map(|(topic, answer)| {
        let limit = answer.ok()?.get(MAX_MESSAGE_BYTES)?.value.as_ref()?.parse().ok()?;
        Some((topic.clone(), limit))
    });
    Ok(limits.collect())
}

/// Bytes of a batch that holds one record alone, keyed by an instance and not compressed: what the broker compares with its
/// limit.
pub(super) fn batch_of_one(record: usize) -> usize {
    let key = size_of::<InstanceId>();
    let fields = RECORD_FIELDS + varint(key) + key + varint(record) + record;
    BATCH_HEADER + varint(fields) + fields
}

/// Bytes of a length in Kafka's zigzag form.
fn varint(length: usize) -> usize {
    let bits = usize::BITS - (length << 1).leading_zeros();
    bits.div_ceil(7).max(1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_takes_a_byte_for_every_seven_bits_of_its_double() {
        for (length, bytes) in [(0, 1), (1, 1), (63, 1), (64, 2), (8_191, 2), (8_192, 3), (1 << 20, 4)] {
            assert_eq!(varint(length), bytes, "{length}");
        }
    }

    #[test]
    fn a_batch_of_one_is_its_record_and_some_eighty_bytes() {
        assert_eq!(batch_of_one(10), 61 + 1 + 4 + 1 + 16 + 1 + 10);
        assert_eq!(batch_of_one(6_000), 61 + 2 + 4 + 1 + 16 + 2 + 6_000);
    }
}
