//! EC2's token buckets: one of requests per action, and for some actions one of resources.
//!
//! Sizes are those that AWS publishes or that others have measured, at the default of a new account.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::{
    config::{BucketSize, Settings},
    wire::error::Ec2Error,
};

/// Which request bucket an action has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Limit {
    RunInstances,
    Mutating,
    Describe,
    /// Describe without ids, filters or pages: EC2 has to look at everything, and allows less of it.
    UnfilteredDescribe,
}

/// What a call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) action: &'static str,
    pub(crate) limit: Limit,
    pub(crate) resources: u32,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled_at: DateTime<Utc>,
}

impl Bucket {
    fn full(size: BucketSize, now: DateTime<Utc>) -> Self {
        Self { tokens: f64::from(size.capacity), filled_at: now }
    }

    fn refill(&mut self, size: BucketSize, now: DateTime<Utc>) {
        let elapsed = (now - self.filled_at).as_seconds_f64().max(0.0);
        self.tokens = (self.tokens + elapsed * size.per_second).min(f64::from(size.capacity));
        self.filled_at = now;
    }
}

/// All buckets of the account.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    buckets: HashMap<(&'static str, bool, Limit), Bucket>,
}

impl Throttle {
    /// Takes what the call costs, or refuses it and takes nothing.
    pub(crate) fn admit(
        &mut self,
        cost: Cost,
        settings: &Settings,
        now: DateTime<Utc>,
    ) -> Result<(), Ec2Error> {
        if !settings.throttle {
            return Ok(());
        }
        let mut wanted = vec![(false, request_bucket(cost.limit, settings), 1)];
        if let Some(size) = resource_bucket(cost.action) {
            // A call for more than fits into a full bucket would never pass; EC2 lets it drain the bucket.
            wanted.push((true, size, cost.resources.min(size.capacity)));
        }
        let mut enough = true;
        for (of_resources, size, amount) in &wanted {
            enough &= self.bucket(cost, *of_resources, *size, now).tokens >= f64::from(*amount);
        }
        if !enough {
            return Err(Ec2Error::new("RequestLimitExceeded", "Request limit exceeded."));
        }
        for (of_resources, size, amount) in wanted {
            self.bucket(cost, of_resources, size, now).tokens -= f64::from(amount);
        }
        Ok(())
    }

    fn bucket(
        &mut self,
        cost: Cost,
        of_resources: bool,
        size: BucketSize,
        now: DateTime<Utc>,
    ) -> &mut Bucket {
        let key = (cost.action, of_resources, cost.limit);
        let bucket = self.buckets.entry(key).or_insert_with(|| Bucket::full(size, now));
        bucket.refill(size, now);
        bucket
    }
}

fn request_bucket(limit: Limit, settings: &Settings) -> BucketSize {
    match limit {
        Limit::RunInstances => settings.run_instances,
        Limit::Mutating => BucketSize { capacity: 50, per_second: 5.0 },
        Limit::Describe => BucketSize { capacity: 100, per_second: 20.0 },
        Limit::UnfilteredDescribe => BucketSize { capacity: 50, per_second: 10.0 },
    }
}

fn resource_bucket(action: &str) -> Option<BucketSize> {
    let per_second = match action {
        "RunInstances" | "StartInstances" => 2.0,
        "StopInstances" | "TerminateInstances" => 20.0,
        _ => return None,
    };
    Some(BucketSize { capacity: 1000, per_second })
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use proptest::prelude::*;

    use super::*;

    fn run(resources: u32) -> Cost {
        Cost { action: "RunInstances", limit: Limit::RunInstances, resources }
    }

    fn admitted(throttle: &mut Throttle, cost: Cost, at_ms: i64) -> bool {
        let now = DateTime::UNIX_EPOCH + TimeDelta::milliseconds(at_ms);
        throttle.admit(cost, &Settings::default(), now).is_ok()
    }

    #[test]
    fn five_launches_at_once_then_two_a_second() {
        let mut throttle = Throttle::default();
        let burst = (0..10).filter(|_| admitted(&mut throttle, run(1), 0)).count();
        assert_eq!(burst, 5);
        assert!(!admitted(&mut throttle, run(1), 400));
        assert!(admitted(&mut throttle, run(1), 500));
    }

    #[test]
    fn a_thousand_machines_at_once_then_two_a_second() {
        let mut throttle = Throttle::default();
        assert!(admitted(&mut throttle, run(1000), 0));
        assert!(!admitted(&mut throttle, run(3), 1000));
        assert!(admitted(&mut throttle, run(2), 1000), "a refused call must take nothing");
    }

    #[test]
    fn actions_do_not_share_buckets() {
        let mut throttle = Throttle::default();
        let describe = |action| Cost { action, limit: Limit::UnfilteredDescribe, resources: 0 };
        let first = (0..60).filter(|_| admitted(&mut throttle, describe("DescribeInstances"), 0)).count();
        let second = (0..60).filter(|_| admitted(&mut throttle, describe("DescribeTags"), 0)).count();
        assert_eq!((first, second), (50, 50));
    }

    proptest! {
        /// However calls are spread, no window lets more through than the bucket and its refill.
        #[test]
        fn never_more_than_burst_and_refill(mut times in proptest::collection::vec(0_i64..10_000, 1..200)) {
            times.sort_unstable();
            let mut throttle = Throttle::default();
            let admitted: Vec<i64> =
                times.into_iter().filter(|at| admitted(&mut throttle, run(1), *at)).collect();
            for (index, start) in admitted.iter().enumerate() {
                for (more, end) in admitted[index..].iter().enumerate() {
                    let allowed = 5.0 + (end - start) as f64 / 1000.0 * 2.0;
                    prop_assert!((more + 1) as f64 <= allowed + 1e-6);
                }
            }
        }
    }
}
