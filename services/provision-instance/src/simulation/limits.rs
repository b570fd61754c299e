//! The limiter: its rows, in one transaction per question, around the product's arithmetic.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};

use super::mutants::Mutant;
use super::replica::Process;
use super::world::at;
use crate::limiter::bucket::{Ask, Bucket};
use crate::limiter::{Family, Priority};

impl Process {
    /// A turn to ask EC2, waited for.
    pub(super) async fn turn(&self, family: Family, want: RangeInclusive<u32>) -> u32 {
        loop {
            match self.take(family, want.clone()) {
                Ok(granted) => return granted,
                Err(at) => {
                    self.until(at).await;
                    self.sim.sleep(2).await;
                }
            }
        }
    }

    /// A turn to ask EC2, or when to ask for it again, by this replica's clock.
    pub(super) fn take(&self, family: Family, want: RangeInclusive<u32>) -> Result<u32, DateTime<Utc>> {
        let replica = self.replica;
        self.sim.with(|world| {
            if world.broken(Mutant::LimiterOff) {
                return Ok(*want.end());
            }
            // The database's clock counts the tokens.
            let theirs = world.broken(Mutant::LimiterByReplicasClocks);
            let now = if theirs { world.clock(replica) } else { at(world.now) };
            let whose = if world.broken(Mutant::LimiterPerReplica) { replica } else { 0 };
            let rates = family.rates(world.db.scale);
            let key = (family.as_str(), whose);
            let bucket = world.db.buckets.get(&key).copied().unwrap_or_else(|| Bucket::full(&rates, now));
            let ask = Ask { priority: Priority::User, want };
            let (bucket, taken) = bucket.take(&rates, &ask, now);
            world.db.buckets.insert(key, bucket);
            taken.map(|grant| grant.resources).map_err(|not_before| world.clock(replica) + (not_before - now))
        })
    }

    /// A call never left.
    pub(super) fn unspent(&self, family: Family, resources: u32) {
        self.sim.with(|world| {
            let (now, rates) = (at(world.now), family.rates(world.db.scale));
            if let Some(bucket) = world.db.buckets.get_mut(&(family.as_str(), 0)) {
                *bucket = bucket.unspent(&rates, resources, now);
            }
        });
    }

    /// AWS throttled all the same.
    pub(super) fn throttled(&self, family: Family) {
        self.sim.with(|world| {
            let (now, rates) = (at(world.now), family.rates(world.db.scale));
            let key = (family.as_str(), 0);
            let bucket = world.db.buckets.get(&key).copied().unwrap_or_else(|| Bucket::full(&rates, now));
            world.db.buckets.insert(key, bucket.throttled(&rates, now));
        });
    }
}
