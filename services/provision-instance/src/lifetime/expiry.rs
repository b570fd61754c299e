use cloudapp_contract::instance::NoteKind;
use cloudapp_domain::InstanceId;
use cloudapp_workflow::Definitions;
use uuid::Uuid;

use super::BATCH;
use crate::application::act::{self, ActError, Ask};
use crate::deps::Deps;

/// What the owner reads.
const REASON: &str = "Its lifetime ended.";

/// Asks for the end of every expired machine; how many there were.
pub(super) async fn end_expired(deps: &Deps, definitions: &Definitions) -> Result<usize, ActError> {
    let expired: Vec<Uuid> = sqlx::query_scalar(
        "select id from instance i where expires_at <= $1 and pool is null \
         and state not in ('terminated', 'failed', 'terminating') \
         and not exists (select from execution e where e.subject = i.id and e.kind = 'destroy' \
                         and e.state in ('pending', 'running')) limit $2",
    )
    .bind(deps.clock.now())
    .bind(BATCH)
    .fetch_all(&deps.pool)
    .await?;
    for id in &expired {
        act::by_cloudapp(
            deps,
            definitions,
            InstanceId::from(*id),
            Ask::Destroy,
            (NoteKind::LifetimeEnded, REASON),
        )
        .await?;
    }
    Ok(expired.len())
}
