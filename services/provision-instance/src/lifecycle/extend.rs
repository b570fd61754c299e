use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cloudapp_contract::event::EventKind;
use cloudapp_domain::{Failure, FailureCode, Fixer};
use cloudapp_workflow::{Applied, Step, StepContext, StepError, Undone};
use serde::{Deserialize, Serialize};

use crate::deps::Deps;
use crate::instance::{InstanceRecord, Told, columns, tell};

/// What an extension was asked with. Both ends are frozen, so that a repeat extends no further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExtendInput {
    pub(crate) from: DateTime<Utc>,
    pub(crate) until: DateTime<Utc>,
}

/// Moves the end of the lifetime.
pub(super) struct Extend(pub(super) Arc<Deps>);

#[async_trait]
impl Step for Extend {
    fn name(&self) -> &'static str {
        "extend"
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        let Some(extended) = self.set_end(context, |input| (input.until, input.from)).await? else {
            return Ok(Applied::Fail(ended()));
        };
        Ok(Applied::done(format!("until {}", extended.format("%Y-%m-%d %H:%M UTC"))))
    }

    async fn undo(&self, context: &StepContext<'_>) -> Result<Undone, StepError> {
        self.set_end(context, |input| (input.from, input.until)).await?;
        Ok(Undone::Done)
    }
}

impl Extend {
    /// Sets the first end of what `ends` answers; `None` if the machine has ended.
    async fn set_end(
        &self,
        context: &StepContext<'_>,
        ends: fn(&ExtendInput) -> (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Option<DateTime<Utc>>, StepError> {
        let input: ExtendInput = serde_json::from_value(context.execution.input.clone())
            .map_err(|error| StepError::doing("the input cannot be read")(Box::new(error)))?;
        let (end, before) = ends(&input);
        let instance = self.0.subject(context).await?;
        let mut transaction = context.begin().await?;
        let row: Option<InstanceRecord> = sqlx::query_as(concat!(
            "update instance set expires_at = case when expires_at = $3 then $2 else expires_at end \
             where id = $1 and state not in ('terminated', 'failed', 'terminating') returning ",
            columns!()
        ))
        .bind(instance.id().as_uuid())
        .bind(end)
        .bind(before)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        if end == input.until {
            let told = Told {
                kind: EventKind::Extended,
                dedupe: format!("{}:extended", context.execution.id),
                execution: Some(context.execution.id),
                running_since: None,
            };
            tell(&mut transaction, self.0.clock.as_ref(), &row, told).await?;
        }
        transaction.commit().await?;
        Ok(row.expires_at)
    }
}

fn ended() -> Failure {
    Failure {
        code: FailureCode::MachineLost,
        sentence: "The machine ended before it could be extended.".to_owned(),
        fixer: Fixer::User,
        next_step: "Create a new one.".to_owned(),
        detail: None,
    }
}
