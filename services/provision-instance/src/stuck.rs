//! Executions that are stuck: the admins are told, once each time, and the count is there to alarm on.

use std::sync::Arc;

use cloudapp_domain::{EventId, ExecutionId, ExecutionKind, Failure};
use sqlx::types::Json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::column::Word;
use crate::deps::Deps;
use crate::duty::Duty;
use crate::outbox::{self, Entry, Topic};

/// Told about in one pass.
const BATCH: i64 = 100;

/// Looks for executions that are stuck.
pub(crate) struct Alarm {
    deps: Arc<Deps>,
    duty: Duty,
}

#[derive(Debug, sqlx::FromRow)]
struct Stuck {
    id: Uuid,
    kind: Word<ExecutionKind>,
    subject: Uuid,
    owner: String,
    /// Which time it is stuck: forcing it raises the fence.
    fence: i64,
    step: Option<String>,
    detail: Option<String>,
    obstacle: Option<Json<Failure>>,
}

impl Alarm {
    pub(crate) fn new(deps: Arc<Deps>, holder: &str) -> Self {
        let duty = Duty::new(Arc::clone(&deps), "stuck", holder);
        Self { deps, duty }
    }

    /// Looks until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if self.duty.is_ours().await
                && let Err(error) = self.pass().await
            {
                tracing::warn!(%error, "stuck executions cannot be looked for");
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(self.deps.settings.pace.housekeeping) => {}
            }
        }
        self.duty.give_up().await;
    }

    /// Tells the admins about what is stuck and has not been told yet; how many there were. One that is still stuck
    /// when its notice is pruned is told again, as a reminder.
    pub(crate) async fn pass(&self) -> Result<usize, sqlx::Error> {
        let mut transaction = self.deps.pool.begin().await?;
        let all: i64 = sqlx::query_scalar("select count(*) from execution where state = 'stuck'")
            .fetch_one(&mut *transaction)
            .await?;
        metrics::gauge!(crate::measures::STUCK).set(all as f64);
        let untold: Vec<Stuck> = sqlx::query_as(
            "select e.id, e.kind, e.subject, e.owner, e.fence, s.name as step, s.detail, s.obstacle from execution e \
             left join execution_step s on s.execution_id = e.id and s.position = e.position \
             where e.state = 'stuck' \
               and not exists (select from outbox where dedupe = e.id || ':stuck:' || e.fence) \
             order by e.id limit $1",
        )
        .bind(BATCH)
        .fetch_all(&mut *transaction)
        .await?;
        let clock = self.deps.clock.as_ref();
        let entries: Vec<Entry> = untold
            .iter()
            .map(|stuck| Entry {
                id: EventId::new(clock),
                topic: Topic::Admin,
                dedupe: format!("{}:stuck:{}", stuck.id, stuck.fence),
                payload: notice(stuck, self.deps.settings.web_url.as_deref()),
            })
            .collect();
        outbox::put(&mut transaction, clock, &entries).await?;
        transaction.commit().await?;
        Ok(untold.len())
    }
}

fn notice(stuck: &Stuck, web_url: Option<&str>) -> serde_json::Value {
    let link = web_url.map(|url| format!("\n{}/admin/stuck", url.trim_end_matches('/'))).unwrap_or_default();
    let why = stuck.detail.as_deref().unwrap_or("no reason is known.");
    let exactly = stuck.obstacle.as_ref().and_then(|Json(obstacle)| obstacle.detail.as_deref());
    let exactly = exactly.map(|detail| format!(" ({detail})")).unwrap_or_default();
    serde_json::json!({
        "subject": "CloudApp: an execution is stuck",
        "body": format!(
            "The {} {} of machine {} (user {}) could not be undone at the step `{}`: {why}{exactly} The machine may still \
             run and counts against the user's limit. Remove the cause, then force the execution.{link}",
            stuck.kind.0,
            ExecutionId::from(stuck.id),
            stuck.subject,
            stuck.owner,
            stuck.step.as_deref().unwrap_or("unknown"),
        ),
    })
}
