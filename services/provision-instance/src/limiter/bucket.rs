//! A pair of token buckets, requests and machines, as arithmetic: no clock, no database, no waiting.

use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta, Utc};

use super::rates::{Rates, Size};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Priority {
    /// Somebody waits for it.
    User,
    /// Provision for later. It leaves half of a bucket to users, and stands back while one waits.
    Pool,
}

impl Priority {
    pub(crate) const ALL: [Self; 2] = [Self::User, Self::Pool];

    /// The part of a bucket that is not for this priority.
    const fn reserve(self) -> f64 {
        match self {
            Self::User => 0.0,
            Self::Pool => 0.5,
        }
    }
}

/// One call, for some machines: at least the start of `want`, at most its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) priority: Priority,
    pub(crate) want: RangeInclusive<u32>,
}

/// Leave to make one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    /// For at most this many machines.
    pub(crate) resources: u32,
}

/// A family's tokens as they were at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bucket {
    /// Calls.
    pub(crate) requests: f64,
    /// Machines; below zero after a call larger than the bucket.
    pub(crate) resources: f64,
    /// The part of the normal refill in use, above 0 and at most 1.
    pub(crate) factor: f64,
    /// When AWS last throttled all the same.
    pub(crate) slowed_at: Option<DateTime<Utc>>,
    /// The instant that all this is of.
    pub(crate) filled_at: DateTime<Utc>,
    /// Until when pools stand back.
    pub(crate) users_until: Option<DateTime<Utc>>,
}

/// What a throttle leaves of the refill, and the least that is ever left.
const SLOWER: f64 = 0.5;
const SLOWEST: f64 = 1.0 / 16.0;
/// What comes back of the refill per second: all of it within a minute and a half.
const RECOVERY: f64 = 0.01;
/// Calls that were under way together are throttled together: that is one sign, not many.
const ONE_SIGN: TimeDelta = TimeDelta::seconds(2);
/// A clock this little behind is another backend's reading, taken before a lock was waited for; more is a clock that
/// was set back.
const SET_BACK: TimeDelta = TimeDelta::seconds(5);
/// How much longer than for its tokens a waiting user keeps pools back, so that it is there when they are.
const USERS_FIRST: TimeDelta = TimeDelta::seconds(1);
/// Tokens are fractions of seconds times rates; this much is rounding.
const ROUNDING: f64 = 1e-6;

impl Bucket {
    /// Full.
    pub(crate) fn full(rates: &Rates, now: DateTime<Utc>) -> Self {
        Self {
            requests: rates.requests.capacity,
            resources: rates.resources.map_or(0.0, |size| size.capacity),
            factor: 1.0,
            slowed_at: None,
            filled_at: now,
            users_until: None,
        }
    }

    /// As it is at `now`. A clock that was set back brings no tokens, and time goes on from where it stands; so no
    /// clock stops the refill for longer than [`SET_BACK`].
    #[must_use]
    pub(crate) fn at(self, rates: &Rates, now: DateTime<Utc>) -> Self {
        if now <= self.filled_at {
            let set_back = self.filled_at - now > SET_BACK;
            let users_until = self.users_until.filter(|_| !set_back);
            let filled_at = if set_back { now } else { self.filled_at };
            return Self { filled_at, users_until, ..self };
        }
        let elapsed = (now - self.filled_at).as_seconds_f64();
        let full_seconds = self.refill(elapsed);
        let filled = |level: f64, size: Size| size.per_second.mul_add(full_seconds, level).min(size.capacity);
        Self {
            requests: filled(self.requests, rates.requests),
            resources: rates.resources.map_or(0.0, |size| filled(self.resources, size)),
            factor: RECOVERY.mul_add(elapsed, self.factor).min(1.0),
            filled_at: now,
            ..self
        }
    }

    /// Takes one call and the most machines that `ask` allows, or nothing: then when there will be enough.
    pub(crate) fn take(
        self,
        rates: &Rates,
        ask: &Ask,
        now: DateTime<Utc>,
    ) -> (Self, Result<Grant, DateTime<Utc>>) {
        let bucket = self.at(rates, now);
        let reserve = ask.priority.reserve();
        let stands_back = bucket.users_until.filter(|until| ask.priority == Priority::Pool && *until > now);
        let requests = reserve.mul_add(rates.requests.capacity, 1.0).min(rates.requests.capacity);
        // A call for more than a bucket holds would never have its turn: a full bucket is enough, and is left in debt.
        let resources = rates.resources.map_or(0.0, |size| {
            reserve.mul_add(size.capacity, f64::from(*ask.want.start())).min(size.capacity)
        });
        let enough_at = bucket.enough_at(rates, requests, resources, now);
        if enough_at > now || stands_back.is_some() {
            let not_before = stands_back.map_or(enough_at, |until| until.max(enough_at));
            let users_until = match ask.priority {
                Priority::User => bucket.users_until.max(Some(not_before + USERS_FIRST)),
                Priority::Pool => bucket.users_until,
            };
            return (Self { users_until, ..bucket }, Err(not_before));
        }
        let granted = rates.resources.map_or(*ask.want.end(), |size| {
            let free = (bucket.resources - reserve * size.capacity + ROUNDING).max(0.0);
            whole(free).clamp(*ask.want.start(), (*ask.want.end()).max(*ask.want.start()))
        });
        let taken = rates.resources.map_or(0.0, |_| f64::from(granted));
        let left = Self { requests: bucket.requests - 1.0, resources: bucket.resources - taken, ..bucket };
        (left, Ok(Grant { resources: granted }))
    }

    /// AWS refused a call as one too many: its bucket is empty, so ours is, and refills at half the pace for a while.
    #[must_use]
    pub(crate) fn throttled(self, rates: &Rates, now: DateTime<Utc>) -> Self {
        let bucket = self.at(rates, now);
        let known = bucket.slowed_at.is_some_and(|at| (now - at).abs() < ONE_SIGN);
        let factor = if known { bucket.factor } else { (bucket.factor * SLOWER).max(SLOWEST) };
        Self {
            requests: bucket.requests.min(0.0),
            // The refusal does not say which of the two was empty. Emptying both would make the next calls small ones.
            resources: if known { bucket.resources } else { bucket.resources.min(bucket.resources * SLOWER) },
            factor,
            slowed_at: if known { bucket.slowed_at } else { Some(now) },
            ..bucket
        }
    }

    /// A call for this many machines never left: AWS gave none of its tokens for them. That of the request stays
    /// spent, so that nobody tries to reach AWS more often than AWS would answer.
    #[must_use]
    pub(crate) fn unspent(self, rates: &Rates, resources: u32, now: DateTime<Utc>) -> Self {
        let bucket = self.at(rates, now);
        let resources =
            rates.resources.map_or(0.0, |size| (bucket.resources + f64::from(resources)).min(size.capacity));
        Self { resources, ..bucket }
    }

    /// When it will hold this much: `now`, if it does. What it can never hold at once is counted as time.
    pub(crate) fn enough_at(
        self,
        rates: &Rates,
        requests: f64,
        resources: f64,
        now: DateTime<Utc>,
    ) -> DateTime<Utc> {
        let bucket = self.at(rates, now);
        let missing = |level: f64, wanted: f64, size: Size| {
            let missing = wanted - level;
            if missing <= ROUNDING { 0.0 } else { missing / size.per_second }
        };
        let for_requests = missing(bucket.requests, requests, rates.requests);
        let for_resources = rates.resources.map_or(0.0, |size| missing(bucket.resources, resources, size));
        let seconds = bucket.time_for(for_requests.max(for_resources));
        if seconds <= 0.0 {
            return now;
        }
        // Rounded up: a wait that ends a moment early only has to wait again. The levels are those of `filled_at`,
        // which may be a moment ahead of `now`.
        bucket.filled_at + TimeDelta::microseconds(whole_microseconds(seconds))
    }

    /// The refill of `seconds` from now, in seconds at the full pace: the factor grows until it is 1.
    fn refill(&self, seconds: f64) -> f64 {
        let growing = seconds.min((1.0 - self.factor).max(0.0) / RECOVERY);
        let while_growing = growing * (RECOVERY / 2.0).mul_add(growing, self.factor);
        while_growing + (seconds - growing)
    }

    /// The inverse of [`Self::refill`].
    fn time_for(&self, full_seconds: f64) -> f64 {
        let growing = (1.0 - self.factor).max(0.0) / RECOVERY;
        let while_growing = self.refill(growing);
        if full_seconds >= while_growing {
            return growing + (full_seconds - while_growing);
        }
        let root = (2.0 * RECOVERY).mul_add(full_seconds, self.factor * self.factor).sqrt();
        (root - self.factor) / RECOVERY
    }
}

/// A number of machines, rounded down.
fn whole(tokens: f64) -> u32 {
    // `as` saturates, which is what is wanted.
    tokens as u32
}

/// Rounded up; at most some centuries.
fn whole_microseconds(seconds: f64) -> i64 {
    (seconds * 1e6).ceil().min(1e16) as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limiter::rates::Family;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(milliseconds)
    }

    fn user(want: RangeInclusive<u32>) -> Ask {
        Ask { priority: Priority::User, want }
    }

    fn pool(want: RangeInclusive<u32>) -> Ask {
        Ask { priority: Priority::Pool, want }
    }

    fn run() -> Rates {
        Family::RunInstances.rates(1.0)
    }

    /// Takes again and again at one instant; what was granted, and when to come again.
    fn drain(bucket: &mut Bucket, rates: &Rates, ask: &Ask, now: DateTime<Utc>) -> (Vec<u32>, DateTime<Utc>) {
        let mut granted = Vec::new();
        loop {
            let (next, taken) = bucket.take(rates, ask, now);
            *bucket = next;
            match taken {
                Ok(grant) => granted.push(grant.resources),
                Err(not_before) => return (granted, not_before),
            }
        }
    }

    #[test]
    fn a_burst_then_the_refill() {
        let (rates, mut bucket) = (run(), Bucket::full(&run(), at(0)));
        let (granted, not_before) = drain(&mut bucket, &rates, &user(1..=1), at(0));
        assert_eq!(granted, [1, 1, 1, 1]);
        assert!(not_before > at(526) && not_before <= at(527), "{not_before}");
        let (_, early) = bucket.take(&rates, &user(1..=1), at(526));
        assert_eq!(early, Err(not_before));
        let (_, taken) = bucket.take(&rates, &user(1..=1), not_before);
        assert_eq!(taken, Ok(Grant { resources: 1 }));
    }

    #[test]
    fn a_call_is_as_large_as_there_are_tokens_and_larger_only_from_a_full_bucket() {
        let (rates, mut bucket) = (run(), Bucket::full(&run(), at(0)));
        let (granted, not_before) = drain(&mut bucket, &rates, &user(1..=1000), at(0));
        assert_eq!(granted, [990], "nine hundred and ninety, and no token for another");
        assert!(not_before > at(0));
        let full = Bucket::full(&rates, at(0));
        let (left, taken) = full.take(&rates, &user(1000..=1000), at(0));
        assert_eq!(taken, Ok(Grant { resources: 1000 }));
        assert!(left.resources < 0.0);
        let (_, refused) = left.take(&rates, &user(1..=1), at(5000));
        assert!(refused.is_err(), "the debt comes first");
    }

    #[test]
    fn pools_leave_half_and_stand_back_for_whoever_waits() {
        let (rates, mut bucket) = (run(), Bucket::full(&run(), at(0)));
        let (granted, _) = drain(&mut bucket, &rates, &pool(1..=1000), at(0));
        assert_eq!(granted, [495], "half of the machines");
        let (granted, _) = drain(&mut bucket, &rates, &user(600..=600), at(0));
        assert_eq!(granted, [0_u32; 0]);
        let (_, taken) = bucket.take(&rates, &pool(0..=0), at(0));
        let until = taken.unwrap_err();
        assert!(until > bucket.enough_at(&rates, 1.0, 600.0, at(0)), "behind the user");
        let (_, taken) = bucket.take(&rates, &user(1..=10), at(0));
        assert_eq!(taken, Ok(Grant { resources: 10 }), "other users do not stand back");
    }

    #[test]
    fn a_throttle_empties_and_slows_and_is_forgotten_in_time() {
        let (rates, bucket) = (run(), Bucket::full(&run(), at(0)));
        let slowed = bucket.throttled(&rates, at(0));
        assert!((slowed.requests, slowed.factor) == (0.0, 0.5) && slowed.resources < 500.0);
        let together = slowed.throttled(&rates, at(100));
        assert!(together.factor >= 0.5, "calls under way together are one sign");
        let again = slowed.throttled(&rates, at(10_000));
        assert!(again.factor > 0.25 && again.factor < 0.31, "{}", again.factor);
        let mut worst = slowed;
        for second in 1..100 {
            worst = worst.throttled(&rates, at(second * 2000));
        }
        assert!(worst.factor >= SLOWEST);
        assert_eq!(slowed.at(&rates, at(60_000)).factor, 1.0);
        let first = slowed.enough_at(&rates, 1.0, 0.0, at(0));
        assert!(first > at(1000), "half the pace: {first}");
    }

    #[test]
    fn a_clock_set_back_brings_no_tokens_and_stops_nothing() {
        let rates = run();
        let mut bucket = Bucket::full(&rates, at(3_600_000));
        drain(&mut bucket, &rates, &user(1..=1), at(3_600_000));
        let mut granted = 0;
        for second in 0..10 {
            granted += drain(&mut bucket, &rates, &user(1..=1), at(second * 1000)).0.len();
        }
        assert!((15..=18).contains(&granted), "{granted} in nine seconds after an hour back");
        // A reading a moment old neither sets the refill back nor counts a moment twice.
        let mut bucket = Bucket::full(&rates, at(10_000));
        drain(&mut bucket, &rates, &user(1..=1), at(10_000));
        assert_eq!(bucket.at(&rates, at(9_000)).filled_at, at(10_000));
    }

    #[test]
    fn what_never_left_costs_its_request_only() {
        let (rates, full) = (run(), Bucket::full(&run(), at(0)));
        let (taken, _) = full.take(&rates, &user(600..=600), at(0));
        let back = taken.unspent(&rates, 600, at(1000));
        assert_eq!(back.resources, full.resources);
        assert_eq!(back.requests, taken.at(&rates, at(1000)).requests);
        assert_eq!(back.unspent(&rates, 600, at(1000)).resources, full.resources, "never more than it holds");
    }

    /// AWS's bucket as AWS counts it, at the instants at which calls arrive there.
    fn refused_by_aws(family: Family, mut arrivals: Vec<(i64, u32)>) -> usize {
        let rates = family.at_aws();
        let mut bucket = Bucket::full(&rates, at(0));
        arrivals.sort_unstable();
        let refused = arrivals.into_iter().filter(|(when, resources)| {
            let now = at(*when);
            bucket = bucket.at(&rates, now);
            let resources = f64::from(*resources);
            let enough = bucket.requests + ROUNDING >= 1.0
                && (rates.resources.is_none() || bucket.resources + ROUNDING >= resources);
            if enough {
                bucket.requests -= 1.0;
                bucket.resources -= resources;
            }
            !enough
        });
        refused.count()
    }

    fn families() -> impl Strategy<Value = Family> {
        prop::sample::select(Family::ALL.to_vec())
    }

    proptest! {
        /// Whatever is asked for, however long each call is on its way (up to half a second), and whichever of them
        /// never leave, AWS refuses none.
        #[test]
        fn never_more_than_aws_gives(
            family in families(),
            asks in prop::collection::vec(
                (0_i64..1500, 0_i64..500, 1_u32..1000, any::<bool>(), prop::bool::weighted(0.3)), 1..300,
            ),
        ) {
            let rates = family.rates(1.0);
            let (mut bucket, mut now, mut arrivals) = (Bucket::full(&rates, at(0)), 0, Vec::new());
            for (pause, on_the_way, most, is_pool, leaves_not) in asks {
                now += pause * i64::from(pause > 700);
                let ask = if is_pool { pool(1..=most) } else { user(1..=most) };
                let (next, taken) = bucket.take(&rates, &ask, at(now));
                bucket = next;
                if let Ok(grant) = taken {
                    prop_assert!((1..=most).contains(&grant.resources));
                    if leaves_not {
                        bucket = bucket.unspent(&rates, grant.resources, at(now + on_the_way));
                    } else {
                        arrivals.push((now + on_the_way, grant.resources));
                    }
                }
            }
            prop_assert_eq!(refused_by_aws(family, arrivals), 0);
        }

        /// Whoever comes at the time that was told gets what was asked for, throttled or not.
        #[test]
        fn what_is_told_is_kept(
            drained in 0_u32..6, throttles in 0_i64..4, least in 1_u32..990, later in 0_i64..60_000,
        ) {
            let rates = run();
            let mut bucket = Bucket::full(&rates, at(0));
            for n in 0..throttles {
                bucket = bucket.throttled(&rates, at(n * 3000));
            }
            let now = at(throttles * 3000 + later);
            for _ in 0..drained {
                bucket = bucket.take(&rates, &user(200..=200), now).0;
            }
            let (bucket, taken) = bucket.take(&rates, &user(least..=990), now);
            if let Err(not_before) = taken {
                prop_assert!(not_before > now);
                let (_, taken) = bucket.take(&rates, &user(least..=990), not_before);
                prop_assert!(taken.is_ok(), "{:?}", taken);
            }
        }

        /// Neither level ever exceeds its bucket, and refusals take nothing.
        #[test]
        fn levels_stay_in_their_buckets(moves in prop::collection::vec((-20_000_i64..20_000, 0_u32..3000), 1..100)) {
            let rates = run();
            let (mut bucket, mut now) = (Bucket::full(&rates, at(0)), 100_000);
            for (jump, least) in moves {
                now = (now + jump).max(0);
                let before = bucket.at(&rates, at(now));
                let (after, taken) = bucket.take(&rates, &user(least..=least), at(now));
                prop_assert!(after.requests <= 4.0 && after.resources <= 990.0 && after.requests >= -ROUNDING);
                if taken.is_err() {
                    prop_assert_eq!((after.requests, after.resources), (before.requests, before.resources));
                }
                bucket = after;
            }
        }
    }
}
