//! What an instance carries: the load handler's instruction (`crossover.load.v1.Work`), padded to the size asked for.

use crossover_proto::load::{ServiceTime, Work, service_time::Distribution};
use prost::Message;

use super::Arrival;
use crate::load::{Service, Workload};

/// Encodes the instruction for one arrival, padded with noise (which no compression shrinks) to the workload's
/// `payload_bytes`. A size that the encoding can't hit is exceeded by up to 2 bytes; one below the bare
/// instruction's size, by what the instruction needs. Empty if the arrival is of another workload.
#[must_use]
pub fn encode(arrival: &Arrival, workload: &Workload) -> Vec<u8> {
    let Some(entry) = workload.definitions.get(usize::from(arrival.definition)) else {
        return Vec::new();
    };
    let handler = &entry.handler;
    let service = match arrival.service_us {
        Some(micros) => service_time(Distribution::Constant, u64::from(micros), 0.0),
        None => service_time(
            distribution(handler.service),
            u64::try_from(handler.mean.as_micros()).unwrap_or(u64::MAX),
            handler.sigma,
        ),
    };
    let mut work = Work {
        seed: arrival.work_seed,
        service: Some(service),
        transient_failure_rate: handler.transient_failure_rate,
        permanent_failure_rate: handler.permanent_failure_rate,
        filler: Default::default(),
        downstream_policy: handler.downstream.clone().unwrap_or_default(),
    };
    let target = arrival.payload_bytes.unwrap_or(entry.payload_bytes) as usize;
    work.filler = noise(
        arrival.work_seed,
        filler_bytes(target.saturating_sub(work.encoded_len())),
    )
    .into();
    work.encode_to_vec()
}

fn distribution(service: Service) -> Distribution {
    match service {
        Service::None => Distribution::None,
        Service::Constant => Distribution::Constant,
        Service::Exponential => Distribution::Exponential,
        Service::Lognormal => Distribution::Lognormal,
    }
}

fn service_time(distribution: Distribution, mean_us: u64, sigma: f64) -> ServiceTime {
    ServiceTime {
        distribution: distribution.into(),
        mean_us,
        sigma,
    }
}

/// Bytes of filler whose field (one byte of tag, the length, the bytes) is the shortest of at least `missing` bytes.
fn filler_bytes(missing: usize) -> usize {
    let field = |bytes: usize| 1 + prost::encoding::encoded_len_varint(bytes as u64) + bytes;
    match missing {
        0 => 0,
        _ => (missing.saturating_sub(6).max(1)..=missing)
            .find(|bytes| field(*bytes) >= missing)
            .unwrap_or(missing),
    }
}

/// Bytes without a pattern (SplitMix64).
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
