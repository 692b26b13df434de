//! Which partition the record of a key goes to: as Java's clients decide, and librdkafka with `murmur2`.

/// The partition of a key, of so many.
#[must_use]
pub fn partition_of(key: &[u8], partitions: u32) -> i32 {
    let place = (murmur2(key) & 0x7fff_ffff) % partitions.max(1);
    i32::try_from(place).unwrap_or_default()
}

/// MurmurHash2 with the seed of Kafka's clients.
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let words = key.chunks_exact(4);
    let tail = words.remainder();
    let mut hash = words.fold(0x9747_b28c ^ length, |hash, word| {
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        hash.wrapping_mul(M) ^ (word ^ (word >> 24)).wrapping_mul(M)
    });
    if !tail.is_empty() {
        let rest = tail.iter().rev().fold(0, |rest, byte| rest << 8 | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's own test (`UtilsTest.testMurmur2`).
    #[test]
    fn keys_hash_as_in_kafkas_own_clients() {
        let known: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in known {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn a_key_stays_in_its_partition_and_keys_spread() {
        let mut found = [0; 12];
        for number in 0..1_200_u32 {
            let partition = partition_of(&number.to_be_bytes(), 12);
            assert_eq!(partition, partition_of(&number.to_be_bytes(), 12));
            found[usize::try_from(partition).unwrap()] += 1;
        }
        assert!(found.iter().all(|count| (50..150).contains(count)), "{found:?}");
        assert_eq!(partition_of(b"any", 0), 0);
    }
}
