//! Ids of instances that fall where the plan wants them: a record's partition is decided by the hash of its instance's id, so a
//! hot partition is a matter of which ids are used.

use crossover_proto::InstanceId;
use crossover_proto::event::partition_of;

/// The partition that the hot instances fall on, in every topic.
pub const HOT: i32 = 0;

/// Draws ids until one falls where it is wanted, of `partitions`: as many draws as there are partitions, in the mean. Any id
/// will do where nothing is wanted, or there is only one place.
pub fn instance_id(hot: Option<bool>, partitions: u32, mut draw: impl FnMut() -> InstanceId) -> InstanceId {
    let Some(hot) = hot.filter(|_| partitions > 1) else {
        return draw();
    };
    loop {
        let id = draw();
        if (partition_of(&id.to_wire(), partitions) == HOT) == hot {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Plan, Traces};
    use crate::scene::{constant, workload};

    const PARTITIONS: u32 = 12;

    fn partitions(share: Option<f64>) -> Vec<usize> {
        let mut workload = workload(&[1]);
        workload.hot_partition_share = share;
        let plan = Plan::build(&workload, &[constant("steady", 200.0, 10)], &Traces::new(), 7).unwrap();
        let mut counts = vec![0; PARTITIONS as usize];
        for arrival in &plan.arrivals {
            let id = instance_id(arrival.hot, PARTITIONS, InstanceId::new);
            counts[usize::try_from(partition_of(&id.to_wire(), PARTITIONS)).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn the_hot_partition_gets_its_share_and_the_rest_spreads() {
        let counts = partitions(Some(0.5));
        assert!((900..1_100).contains(&counts[0]), "{counts:?}");
        assert!(counts[1..].iter().all(|count| (40..150).contains(count)), "{counts:?}");
        assert_eq!(partitions(Some(1.0))[0], 2_000);
    }

    #[test]
    fn without_a_share_no_partition_is_hot() {
        assert!(partitions(None).iter().all(|count| (100..250).contains(count)));
    }

    #[test]
    fn the_seed_decides_who_is_hot_and_nothing_else_of_the_plan_changes() {
        let build = |share, seed| {
            let mut workload = workload(&[1]);
            workload.hot_partition_share = share;
            Plan::build(&workload, &[constant("steady", 100.0, 2)], &Traces::new(), seed).unwrap()
        };
        assert_eq!(build(Some(0.3), 1), build(Some(0.3), 1));
        assert_ne!(build(Some(0.3), 1).digest(), build(Some(0.3), 2).digest());
        assert_ne!(build(Some(0.3), 1).digest(), build(None, 1).digest());
        let mut plain = build(Some(0.3), 1);
        plain.arrivals.iter_mut().for_each(|arrival| arrival.hot = None);
        assert_eq!(plain, build(None, 1));
    }

    #[test]
    fn one_partition_takes_every_id() {
        let mut drawn = 0;
        instance_id(Some(false), 1, || {
            drawn += 1;
            InstanceId::new()
        });
        assert_eq!(drawn, 1);
    }
}
