use chrono::{DateTime, Utc};
use sqlx::PgPool;

/// Removes what is left of spares that ended before then, and of the executions that made and ended them; how many
/// rows of both. Nobody sees either: a spare that a user got has another id since, and its refill is about no row.
///
/// What is still being done about a spare, or is stuck there, is kept with its row. A machine that should run at EC2
/// after all belongs to nobody then, which the reconciler ends as it ends any other.
pub(crate) async fn forget(pool: &PgPool, before: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let mut removed = 0;
    for sql in [
        // How it was placed has been forgotten by then; where it has not, it waits for the next time.
        "with ended as materialized (\
             select i.id from instance i \
             where i.pool is not null and i.ended_at < $1 and i.state in ('terminated', 'failed') \
                 and not exists (select from execution e where e.subject = i.id \
                     and e.state in ('pending', 'running', 'stuck')) \
                 and not exists (select from placement p where p.instance_id = i.id) \
                 and not exists (select from batch_member m where m.instance_id = i.id) \
             for update skip locked), \
         reports as (delete from boot_report where instance_id in (select id from ended)), \
         use as (delete from idle_report where instance_id in (select id from ended)), \
         notes as (delete from instance_note where instance_id in (select id from ended)) \
         delete from instance where id in (select id from ended)",
        // The reserved owner in so many words: the index is of these.
        "delete from execution e where e.owner = 'cloudapp:pool' and e.finished_at < $1 \
             and e.state in ('succeeded', 'failed', 'cancelled') \
             and not exists (select from instance i where i.id = e.subject)",
    ] {
        removed += sqlx::query(sql).bind(before).execute(pool).await?.rows_affected();
    }
    Ok(removed)
}
