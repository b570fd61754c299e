use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::bucket::Bucket;
use super::rates::Family;

/// The rows of one account and region.
///
/// Time is the database's: the clocks of replicas differ, and a fast one would hand out tokens that do not exist yet.
#[derive(Clone)]
pub(super) struct Ledger {
    pool: PgPool,
    account: String,
    region: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    requests: f64,
    resources: f64,
    factor: f64,
    slowed_at: Option<DateTime<Utc>>,
    filled_at: DateTime<Utc>,
    users_until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
}

impl Row {
    fn split(self) -> (Bucket, DateTime<Utc>) {
        let Self { requests, resources, factor, slowed_at, filled_at, users_until, now } = self;
        (Bucket { requests, resources, factor, slowed_at, filled_at, users_until }, now)
    }
}

impl Ledger {
    pub(super) fn new(pool: PgPool, account: &str, region: &str) -> Self {
        Self { pool, account: account.to_owned(), region: region.to_owned() }
    }

    /// Changes a bucket under its row's lock, so that what two replicas take is taken one after the other. The
    /// change sees no bucket where none was ever used.
    pub(super) async fn change<T>(
        &self,
        family: Family,
        change: impl FnOnce(Option<Bucket>, DateTime<Utc>) -> (Bucket, T),
    ) -> Result<T, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let row = match self.lock(&mut transaction, family).await? {
            Some(row) => Some(row),
            None => self.make(&mut transaction, family).await?,
        };
        let (bucket, now) = match row {
            Some(row) => {
                let (bucket, now) = row.split();
                (Some(bucket), now)
            }
            None => {
                (None, sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut *transaction).await?)
            }
        };
        let (bucket, answer) = change(bucket, now);
        self.write(&mut transaction, family, &bucket).await?;
        transaction.commit().await?;
        Ok(answer)
    }

    /// The bucket and the database's time, without locking anything.
    pub(super) async fn read(&self, family: Family) -> Result<Option<(Bucket, DateTime<Utc>)>, sqlx::Error> {
        let row: Option<Row> = sqlx::query_as(
            "select requests, resources, factor, slowed_at, filled_at, users_until, clock_timestamp() as now \
             from ec2_bucket where account = $1 and region = $2 and family = $3",
        )
        .bind(&self.account)
        .bind(&self.region)
        .bind(family.as_str())
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(Row::split))
    }

    async fn lock(&self, connection: &mut PgConnection, family: Family) -> Result<Option<Row>, sqlx::Error> {
        sqlx::query_as(
            "select requests, resources, factor, slowed_at, filled_at, users_until, clock_timestamp() as now \
             from ec2_bucket where account = $1 and region = $2 and family = $3 for update",
        )
        .bind(&self.account)
        .bind(&self.region)
        .bind(family.as_str())
        .fetch_optional(connection)
        .await
    }

    /// Makes the row that is missing, to be written by this transaction; the row of whoever was faster, if somebody
    /// was.
    async fn make(&self, connection: &mut PgConnection, family: Family) -> Result<Option<Row>, sqlx::Error> {
        let made = sqlx::query(
            "insert into ec2_bucket (account, region, family, requests, resources, factor, filled_at) \
             values ($1, $2, $3, 0, 0, 1, clock_timestamp()) on conflict do nothing",
        )
        .bind(&self.account)
        .bind(&self.region)
        .bind(family.as_str())
        .execute(&mut *connection)
        .await?;
        if made.rows_affected() == 1 { Ok(None) } else { self.lock(connection, family).await }
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        family: Family,
        bucket: &Bucket,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "update ec2_bucket set requests = $4, resources = $5, factor = $6, slowed_at = $7, filled_at = $8, \
             users_until = $9 where account = $1 and region = $2 and family = $3",
        )
        .bind(&self.account)
        .bind(&self.region)
        .bind(family.as_str())
        .bind(bucket.requests)
        .bind(bucket.resources)
        .bind(bucket.factor)
        .bind(bucket.slowed_at)
        .bind(bucket.filled_at)
        .bind(bucket.users_until)
        .execute(connection)
        .await?;
        Ok(())
    }
}
