//! How fast CloudApp asks EC2: one limiter per account, region and family of calls, shared by every replica.
//!
//! AWS gives an account token buckets: one of requests per API, for some APIs a second one of machines. Who asks
//! faster is refused, and whoever retries is refused more. So CloudApp keeps the same buckets, a little smaller and
//! a little slower, in PostgreSQL, and asks only when there is a token.
//!
//! * `bucket` — the arithmetic, pure.
//! * `rates` — AWS's buckets and ours.
//! * `ledger` — the rows.
//! * here — waiting for a turn, in order.

pub(crate) mod bucket;
mod ledger;
pub(crate) mod rates;

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use cloudapp_domain::Clock;
use sqlx::PgPool;
use tokio::sync::Mutex;

pub(crate) use bucket::{Ask, Grant, Priority};
pub(crate) use rates::Family;
pub use rates::{InvalidRateFactor, RateFactor};

use self::bucket::Bucket;
use self::ledger::Ledger;
use self::rates::Rates;

/// Why there is no turn now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotNow {
    /// There are not enough tokens before this instant, by this process's clock. Nothing was taken.
    #[error("not before {0}")]
    NotBefore(DateTime<Utc>),
    /// The database does not answer. Nobody asks EC2 without it: other replicas may be asking.
    #[error("the limiter's rows cannot be read")]
    Database(#[from] sqlx::Error),
}

/// Gives turns to ask EC2. Cheap to clone; clones share the queue.
#[derive(Clone)]
pub(crate) struct Limiter(Option<Arc<Limited>>);

/// A family's buckets at an instant; those of a limiter that is off never keep anybody waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outlook(Option<(Bucket, Rates, DateTime<Utc>)>);

impl Outlook {
    /// Never a wait.
    pub(crate) const OPEN: Self = Self(None);

    /// How long until `calls` calls for `machines` machines altogether have had their turn, if nobody else asks.
    pub(crate) fn wait(&self, calls: u32, machines: u32) -> Duration {
        let Self(Some((bucket, rates, at))) = self else { return Duration::ZERO };
        let enough_at = bucket.enough_at(rates, f64::from(calls), f64::from(machines), *at);
        (enough_at - at).to_std().unwrap_or_default()
    }

    /// Whether tokens come more slowly than they should, because AWS throttled not long ago.
    pub(crate) fn is_slowed(&self) -> bool {
        let Self(Some((bucket, rates, at))) = self else { return false };
        bucket.at(rates, *at).factor < 1.0
    }
}

struct Limited {
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    factor: f64,
    /// Who waits in this process: one queue per family and priority, first come, first served.
    queues: HashMap<(Family, Priority), Mutex<()>>,
}

impl Limiter {
    /// The limiter of the account's calls in the region. `clock` is this process's; tokens are counted by the
    /// database's.
    pub(crate) fn new(
        pool: PgPool,
        clock: Arc<dyn Clock>,
        account: &str,
        region: &str,
        factor: RateFactor,
    ) -> Self {
        let RateFactor::Times(factor) = factor else { return Self(None) };
        let queues = Family::ALL
            .iter()
            .flat_map(|family| Priority::ALL.map(|priority| ((*family, priority), Mutex::default())))
            .collect();
        let ledger = Ledger::new(pool, account, region);
        Self(Some(Arc::new(Limited { ledger, clock, factor, queues })))
    }

    /// One call, and as many machines as there are tokens for within `want`, if at least its start. Does not wait.
    ///
    /// # Errors
    /// [`NotNow`]; then nothing was taken. A user who is refused keeps pools back until there is enough.
    pub(crate) async fn take(
        &self,
        family: Family,
        priority: Priority,
        want: RangeInclusive<u32>,
    ) -> Result<Grant, NotNow> {
        let Some(limited) = &self.0 else { return Ok(Grant { resources: *want.end() }) };
        let rates = family.rates(limited.factor);
        let ask = Ask { priority, want };
        let answer = limited
            .ledger
            .change(family, |bucket, now| {
                let bucket = bucket.unwrap_or_else(|| Bucket::full(&rates, now));
                let (bucket, taken) = bucket.take(&rates, &ask, now);
                (bucket, taken.map_err(|not_before| not_before - now))
            })
            .await?;
        answer.map_err(|wait| NotNow::NotBefore(limited.clock.now() + wait))
    }

    /// As [`Self::take`], waiting for as long as it takes, behind whoever came before with the same family and
    /// priority. Whoever gives up waiting takes nothing.
    ///
    /// # Errors
    /// [`NotNow::Database`] only.
    pub(crate) async fn turn(
        &self,
        family: Family,
        priority: Priority,
        want: RangeInclusive<u32>,
    ) -> Result<Grant, NotNow> {
        let queue = self.0.as_ref().and_then(|limited| limited.queues.get(&(family, priority)));
        let began = Instant::now();
        let _place = match queue {
            Some(queue) => Some(queue.lock().await),
            None => None,
        };
        loop {
            match self.take(family, priority, want.clone()).await {
                Err(NotNow::NotBefore(at)) => tokio::time::sleep(self.until(at)).await,
                answer => {
                    metrics::histogram!(crate::measures::LIMITER_WAIT, "family" => family.as_str())
                        .record(began.elapsed().as_secs_f64());
                    return answer;
                }
            }
        }
    }

    /// AWS refused a call as one too many: somebody else uses the account. Nothing more is asked until tokens have
    /// come, and they come more slowly for a while.
    pub(crate) async fn throttled(&self, family: Family) {
        metrics::counter!(crate::measures::EC2_THROTTLED, "family" => family.as_str()).increment(1);
        let Some(limited) = &self.0 else { return };
        let rates = family.rates(limited.factor);
        let slowed = limited.ledger.change(family, |bucket, now| {
            let bucket = bucket.unwrap_or_else(|| Bucket::full(&rates, now));
            (bucket.throttled(&rates, now), ())
        });
        match slowed.await {
            Ok(()) => tracing::warn!(family = family.as_str(), "AWS throttled; asking more slowly"),
            Err(error) => {
                tracing::warn!(family = family.as_str(), %error, "AWS throttled, which could not be written down");
            }
        }
    }

    /// A call for this many machines certainly never left this process. The tokens of its machines come back; where that
    /// cannot be written down, they come with time.
    pub(crate) async fn unspent(&self, family: Family, machines: u32) {
        let Some(limited) = &self.0 else { return };
        let rates = family.rates(limited.factor);
        let written = limited.ledger.change(family, |bucket, now| {
            let bucket = bucket.unwrap_or_else(|| Bucket::full(&rates, now));
            (bucket.unspent(&rates, machines, now), ())
        });
        if let Err(error) = written.await {
            tracing::warn!(family = family.as_str(), %error, "tokens of a call that never left are lost");
        }
    }

    /// How a family's buckets stand: what those who wait are told. Takes nothing.
    ///
    /// # Errors
    /// [`NotNow::Database`] only.
    pub(crate) async fn outlook(&self, family: Family) -> Result<Outlook, NotNow> {
        let Some(limited) = &self.0 else { return Ok(Outlook(None)) };
        let rates = family.rates(limited.factor);
        let (bucket, at) = match limited.ledger.read(family).await? {
            Some(known) => known,
            // Never used: full, at any time.
            None => (Bucket::full(&rates, DateTime::UNIX_EPOCH), DateTime::UNIX_EPOCH),
        };
        Ok(Outlook(Some((bucket, rates, at))))
    }

    fn until(&self, at: DateTime<Utc>) -> Duration {
        /// Never a tight loop, however the clocks stand.
        const SHORTEST: Duration = Duration::from_millis(2);
        let now = self.0.as_ref().map_or(at, |limited| limited.clock.now());
        (at - now).to_std().unwrap_or_default().max(SHORTEST)
    }
}
