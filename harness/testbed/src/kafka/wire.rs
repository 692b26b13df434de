//! As much of Kafka's protocol as it takes to ask a broker what it is: two requests in their oldest versions, which every
//! broker since 0.10 knows.
//!
//! ```text
//!   request    size i32 │ api key i16 │ version i16 │ correlation i32 │ client id string │ body
//!   response   size i32 │ correlation i32 │ body            a string is its length in i16, -1 for none, and its bytes
//! ```
//!
//! Pure. Must not grow into a client: what needs more than these two, and those of [`super::access`], has librdkafka.

/// Name under which we ask.
const CLIENT_ID: &str = "crossover";

/// The number that comes back.
const CORRELATION: i32 = 0x1c05;

/// A response of more is none: with 5,000 partitions, Metadata is not asked for any.
const LONGEST: usize = 1 << 20;

/// A request that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// Which requests, in which versions? (key 18, version 0)
    ApiVersions,
    /// Which brokers are there, at which addresses? About no topic. (key 3, version 1)
    Brokers,
}

/// The whole request, its size included.
pub(super) fn request(ask: Ask) -> Vec<u8> {
    let (key, version, body): (i16, i16, &[u8]) = match ask {
        Ask::ApiVersions => (18, 0, &[]),
        // An array of no topics; a null array would mean all.
        Ask::Brokers => (3, 1, &[0, 0, 0, 0]),
    };
    framed(key, version, body)
}

/// A request of any kind, its size included.
pub(super) fn framed(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    message.extend(key.to_be_bytes());
    message.extend(version.to_be_bytes());
    message.extend(CORRELATION.to_be_bytes());
    // Nine bytes, and both sizes are far from their limits.
    message.extend([0, 9]);
    message.extend(CLIENT_ID.as_bytes());
    message.extend(body);
    let mut whole = (u32::try_from(message.len()).unwrap_or(u32::MAX))
        .to_be_bytes()
        .to_vec();
    whole.append(&mut message);
    whole
}

/// How long a response is, by its first four bytes; none if it can't be one of ours.
pub(super) fn response_length(size: [u8; 4]) -> Option<usize> {
    let length = usize::try_from(i32::from_be_bytes(size)).ok()?;
    (4..=LONGEST).contains(&length).then_some(length)
}

/// A range of versions of one request: key, lowest, highest.
pub(super) type VersionRange = (i16, i16, i16);

/// Reads the answer to [`Ask::ApiVersions`] after its size: an error code, and the ranges.
pub(super) fn api_versions(response: &[u8]) -> Option<(i16, Vec<VersionRange>)> {
    let mut reader = Reader::of_response(response)?;
    let error = reader.i16()?;
    let count = reader.i32()?;
    let ranges = (0..count).map(|_| Some((reader.i16()?, reader.i16()?, reader.i16()?)));
    Some((error, ranges.collect::<Option<_>>()?))
}

/// Reads the answer to [`Ask::Brokers`] after its size: id, host and port of each.
pub(super) fn brokers(response: &[u8]) -> Option<Vec<(i32, String, i32)>> {
    let mut reader = Reader::of_response(response)?;
    let count = reader.i32()?;
    let read = (0..count).map(|_| {
        let broker = (reader.i32()?, reader.string()?, reader.i32()?);
        let _rack = reader.string()?;
        Some(broker)
    });
    read.collect()
}

/// Reads a response from its front.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Behind the correlation, if that is ours.
    pub(super) fn of_response(response: &'a [u8]) -> Option<Self> {
        let mut reader = Self(response);
        (reader.i32()? == CORRELATION).then_some(reader)
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn i16(&mut self) -> Option<i16> {
        self.take(2)?.try_into().ok().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.take(4)?.try_into().ok().map(i32::from_be_bytes)
    }

    /// Empty for none.
    pub(super) fn string(&mut self) -> Option<String> {
        match self.i16()? {
            -1 => Some(String::new()),
            length => String::from_utf8(self.take(usize::try_from(length).ok()?)?.to_vec()).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(body: &[u8]) -> Vec<u8> {
        [&CORRELATION.to_be_bytes()[..], body].concat()
    }

    #[test]
    fn a_request_is_as_long_as_it_says() {
        for ask in [Ask::ApiVersions, Ask::Brokers] {
            let bytes = request(ask);
            let length = response_length(bytes[..4].try_into().unwrap()).unwrap();
            assert_eq!(length, bytes.len() - 4);
        }
        assert_eq!(request(Ask::ApiVersions)[4..8], [0, 18, 0, 0]);
        assert_eq!(CLIENT_ID.len(), 9);
    }

    #[test]
    fn answers_are_read_and_broken_ones_refused() {
        let versions = response(&[0, 0, 0, 0, 0, 1, 0, 68, 0, 0, 0, 1]);
        assert_eq!(api_versions(&versions), Some((0, vec![(68, 0, 1)])));
        assert_eq!(api_versions(&versions[..versions.len() - 1]), None);
        assert_eq!(api_versions(&[1, 2, 3, 4, 0, 0, 0, 0, 0, 0]), None, "another's answer");

        let metadata = response(b"\0\0\0\x01\0\0\0\x02\0\x04host\0\0\x23\x84\xff\xff\0\0\0\x02\0\0\0\0");
        assert_eq!(brokers(&metadata), Some(vec![(2, "host".to_owned(), 9092)]));
    }

    #[test]
    fn the_start_of_an_error_of_postgres_is_no_length() {
        assert_eq!(response_length(*b"E\0\0\0"), None);
        assert_eq!(response_length([0xff; 4]), None);
    }
}
