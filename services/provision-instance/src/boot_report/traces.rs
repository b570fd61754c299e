//! Whose request a machine boots for: what the request of the machine is linked to. Nobody hands a machine its trace; it
//! would be in its user data, which all machines of a batch share.

use std::collections::HashMap;

use cloudapp_trace::TraceContext;
use sqlx::PgExecutor;
use uuid::Uuid;

/// The trace of what is being done to each of these machines now, where there is one and somebody reads it.
pub(super) async fn of_machines(
    executor: impl PgExecutor<'_>,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, TraceContext>, sqlx::Error> {
    if !cloudapp_trace::exporting() || ids.is_empty() {
        return Ok(HashMap::new());
    }
    let read: Vec<(Uuid, String)> = sqlx::query_as(
        "select distinct on (subject) subject, trace_parent from execution \
         where subject = any($1) and trace_parent is not null and state in ('pending', 'running') \
         order by subject, created_at desc",
    )
    .bind(ids)
    .fetch_all(executor)
    .await?;
    Ok(read.into_iter().filter_map(|(id, trace)| Some((id, trace.parse().ok()?))).collect())
}
