//! What the record promises: it reads back, and nothing unreadable passes.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use prost::Message;
use prost::bytes::Bytes;

use super::wire::{self, event::Body};
use super::{DispatchedJob, RelayStamp, UnreadableRecord};
use crate::history::JobKey;
use crate::{InstanceId, JobId};

fn plain_job() -> DispatchedJob {
    DispatchedJob {
        key: JobKey {
            instance: InstanceId(uuid::Uuid::from_u128(0x0102)),
            job: JobId(300),
            attempt: 2,
            step: 1,
            ordinal: 3,
        },
        job_type: "resize".to_owned(),
        payload: Bytes::from_static(b"ab"),
        created_unix_us: 5,
        source: "engine-1".to_owned(),
        attributes: BTreeMap::new(),
        relay: None,
    }
}

fn stamped(outbox_id: i64, epoch: i64) -> DispatchedJob {
    DispatchedJob {
        relay: Some(RelayStamp { outbox_id, epoch }),
        ..plain_job()
    }
}

fn any_job() -> impl Strategy<Value = DispatchedJob> {
    let key = (any::<u128>(), 1i64.., 1u16.., any::<u16>(), any::<u16>());
    let key = key.prop_map(|(instance, job, attempt, step, ordinal)| JobKey {
        instance: InstanceId(uuid::Uuid::from_u128(instance)),
        job: JobId(job),
        attempt,
        step,
        ordinal,
    });
    let about = (any::<i64>(), ".{0,20}", btree_map(".{0,8}", ".{0,8}", 0..4));
    let relay = proptest::option::of(any_stamp());
    (key, "[a-z._-]{1,20}", vec(any::<u8>(), 0..300), about, relay).prop_map(
        |(key, job_type, payload, (created_unix_us, source, attributes), relay)| DispatchedJob {
            key,
            job_type,
            payload: payload.into(),
            created_unix_us,
            source,
            attributes,
            relay,
        },
    )
}

fn any_stamp() -> impl Strategy<Value = RelayStamp> {
    (1i64.., 1i64..).prop_map(|(outbox_id, epoch)| RelayStamp { outbox_id, epoch })
}

proptest! {
    #[test]
    fn a_record_reads_back_as_it_was_written(job in any_job()) {
        prop_assert_eq!(DispatchedJob::from_record(job.to_record().into()), Ok(job));
    }

    #[test]
    fn fields_of_a_newer_writer_are_ignored(job in any_job(), tag in 100u32..1000, value in any::<u64>()) {
        let mut record = job.to_record();
        prost::encoding::uint64::encode(tag, &value, &mut record);
        prop_assert_eq!(DispatchedJob::from_record(record.into()), Ok(job));
    }

    #[test]
    fn damaged_bytes_are_refused_or_read_but_never_panic(
        job in any_job(), cut in any::<prop::sample::Index>(), flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut record = job.to_record();
        for (place, byte) in flips {
            let place = place.index(record.len());
            record[place] ^= byte;
        }
        record.truncate(cut.index(record.len() + 1));
        let _ = DispatchedJob::from_record(record.into());
    }
}

/// A topic keeps records longer than a build lives: these bytes must read the same for ever.
#[test]
fn the_bytes_of_a_record_are_fixed() {
    let record = stamped(9, 4).to_record();
    let mut expected = b"\x0a\x0cjob.dispatch\x10\x05\x1a\x08engine-1".to_vec();
    expected.extend(b"\x2a\x27\x08\xac\x02\x12\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x02");
    expected.extend(b"\x18\x01\x20\x03\x28\x02\x32\x06resize\x3a\x02ab");
    expected.extend(b"\x32\x04\x08\x09\x10\x04");
    assert_eq!(record, expected);
}

#[test]
fn an_envelope_costs_less_than_a_hundred_bytes() {
    let record = stamped(1 << 40, 1 << 20).to_record();
    assert!(record.len() - plain_job().payload.len() < 100, "{} bytes", record.len());
}

#[test]
fn an_empty_payload_is_a_payload() {
    let job = DispatchedJob {
        payload: Bytes::new(),
        ..plain_job()
    };
    assert_eq!(DispatchedJob::from_record(job.to_record().into()), Ok(job));
}

/// Changes the wire form of a good record and reads the result.
fn refused(change: impl FnOnce(&mut wire::JobDispatch)) -> Option<String> {
    let mut event = wire::Event::decode(Bytes::from(plain_job().to_record())).ok()?;
    if let Some(Body::Job(job)) = &mut event.body {
        change(job);
    }
    let read = DispatchedJob::from_record(event.encode_to_vec().into());
    read.err().map(|error| error.to_string())
}

#[test]
fn what_no_writer_may_write_is_refused_with_its_place() {
    let cases = [
        (
            refused(|job| job.job_id = 0),
            "job.job_id: found 0; allowed is 1 or more",
        ),
        (
            refused(|job| job.instance_id.truncate(15)),
            "job.instance_id: found 15 bytes; allowed is 16 bytes",
        ),
        (
            refused(|job| job.attempt = 0),
            "job.attempt: found 0; allowed is 1 to 65535",
        ),
        (
            refused(|job| job.step = 65_536),
            "job.step: found 65536; allowed is at most 65535",
        ),
        (
            refused(|job| job.ordinal = 70_000),
            "job.ordinal: found 70000; allowed is at most 65535",
        ),
        (
            refused(|job| job.job_type.clear()),
            "job.job_type: found nothing; allowed is the name of a handler",
        ),
        (
            refused(|job| job.payload = None),
            "job 300 has no payload that this worker knows; a newer worker may read it",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found.as_deref(), Some(expected));
    }
}

#[test]
fn a_stamp_of_nothing_is_refused() {
    let record = stamped(1, 0).to_record();
    let error = DispatchedJob::from_record(record.into()).unwrap_err();
    assert_eq!(error.to_string(), "relay.epoch: found 0; allowed is 1 or more");
}

#[test]
fn a_body_of_a_newer_writer_is_not_guessed_at() {
    let event = wire::Event {
        event_type: "job.paused".to_owned(),
        ..wire::Event::default()
    };
    let error = DispatchedJob::from_record(event.encode_to_vec().into()).unwrap_err();
    assert_eq!(
        error,
        UnreadableRecord::UnknownBody {
            event_type: "job.paused".to_owned()
        }
    );
}

#[test]
fn bytes_that_are_no_message_are_malformed() {
    let error = DispatchedJob::from_record(Bytes::from_static(b"not protobuf")).unwrap_err();
    assert!(matches!(error, UnreadableRecord::Malformed(_)), "{error}");
}
