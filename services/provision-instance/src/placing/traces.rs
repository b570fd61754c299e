//! Whose requests a batch serves: its call to EC2 hangs on the first one's trace and is linked to the others'.

use cloudapp_domain::BatchId;
use cloudapp_trace::TraceContext;
use sqlx::PgPool;

/// As many links as OpenTelemetry lets a span have by default.
const MOST: i64 = 128;

/// The traces of a batch's members, in their stable order; none where they cannot be read, for nothing depends on them.
pub(super) async fn of_members(pool: &PgPool, batch: BatchId) -> Vec<TraceContext> {
    let read: Result<Vec<String>, _> = sqlx::query_scalar(
        "select e.trace_parent from batch_member m join execution e on e.subject = m.instance_id \
         where m.batch_id = $1 and e.trace_parent is not null and e.state in ('pending', 'running') \
         order by m.position limit $2",
    )
    .bind(batch.as_uuid())
    .bind(MOST)
    .fetch_all(pool)
    .await;
    read.unwrap_or_default().iter().filter_map(|trace| trace.parse().ok()).collect()
}
