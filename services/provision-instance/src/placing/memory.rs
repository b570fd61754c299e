//! Rows of offerings that were refused lately.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};

use super::decide::{Offering, Refusal, RefusalKind, Remembered, remember};

/// What is remembered, by type, subnet and market.
#[derive(Debug, Default)]
pub(super) struct Memory(HashMap<(String, String, String), Remembered>);

impl Memory {
    /// What is remembered of an offering.
    pub(super) fn of(&self, offering: &Offering) -> Option<Remembered> {
        self.0.get(&key(offering)).copied()
    }
}

fn key(offering: &Offering) -> (String, String, String) {
    let subnet = offering.subnet.as_ref().map_or_else(String::new, |subnet| subnet.id.clone());
    (offering.instance_type.clone(), subnet, offering.market.as_str().to_owned())
}

#[derive(sqlx::FromRow)]
struct Row {
    instance_type: String,
    subnet: String,
    market: String,
    kind: String,
    times: i32,
    until: DateTime<Utc>,
}

impl Row {
    fn remembered(&self) -> Remembered {
        Remembered {
            kind: if self.kind == RefusalKind::Unsupported.as_str() {
                RefusalKind::Unsupported
            } else {
                RefusalKind::Full
            },
            times: u32::try_from(self.times).unwrap_or(1),
            until: self.until,
        }
    }
}

/// Everything that is passed over now.
pub(super) async fn recall(executor: impl PgExecutor<'_>, now: DateTime<Utc>) -> Result<Memory, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "select instance_type, subnet, market, kind, times, until from offering_memory where until > $1",
    )
    .bind(now)
    .fetch_all(executor)
    .await?;
    Ok(Memory(
        rows.into_iter()
            .map(|row| {
                let remembered = row.remembered();
                ((row.instance_type, row.subnet, row.market), remembered)
            })
            .collect(),
    ))
}

/// Remembers a refusal, for longer each time.
pub(super) async fn note(
    connection: &mut PgConnection,
    offering: &Offering,
    kind: RefusalKind,
    now: DateTime<Utc>,
) -> Result<Refusal, sqlx::Error> {
    let (instance_type, subnet, market) = key(offering);
    let before: Option<Row> = sqlx::query_as(
        "select instance_type, subnet, market, kind, times, until from offering_memory \
         where instance_type = $1 and subnet = $2 and market = $3 for update",
    )
    .bind(&instance_type)
    .bind(&subnet)
    .bind(&market)
    .fetch_optional(&mut *connection)
    .await?;
    let remembered = remember(before.map(|row| row.remembered()).as_ref(), kind, now);
    sqlx::query(
        "insert into offering_memory (instance_type, subnet, market, kind, times, until) \
         values ($1, $2, $3, $4, $5, $6) on conflict (instance_type, subnet, market) \
         do update set kind = $4, times = $5, until = $6",
    )
    .bind(instance_type)
    .bind(subnet)
    .bind(market)
    .bind(remembered.kind.as_str())
    .bind(i32::try_from(remembered.times).unwrap_or(i32::MAX))
    .bind(remembered.until)
    .execute(connection)
    .await?;
    metrics::counter!(crate::measures::FALLBACKS, "kind" => kind.as_str()).increment(1);
    Ok(offering.refusal(kind, true))
}

/// Forgets what was remembered of an offering: EC2 has granted it.
pub(super) async fn forget(connection: &mut PgConnection, offering: &Offering) -> Result<(), sqlx::Error> {
    let (instance_type, subnet, market) = key(offering);
    sqlx::query("delete from offering_memory where instance_type = $1 and subnet = $2 and market = $3")
        .bind(instance_type)
        .bind(subnet)
        .bind(market)
        .execute(connection)
        .await?;
    Ok(())
}
