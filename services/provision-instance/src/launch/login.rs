use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use cloudapp_contract::event::EventKind;
use cloudapp_contract::execution::LoginDetails;
use cloudapp_contract::message::LoginMessage;
use cloudapp_domain::{Ec2InstanceId, EventId, ExecutionId, Failure, FailureCode, Fixer, InstanceState};
use cloudapp_workflow::{Applied, Step, StepContext, StepError, Undone};

use crate::application::login_details;
use crate::crash::CrashPoint;
use crate::deps::Deps;
use crate::instance::{InstanceRecord, Told, columns, entry};
use crate::outbox::{self, Entry, Topic};

/// When the machine became usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// For the first time.
    Launch,
    /// After it had been stopped.
    Start,
}

/// Makes the machine its owner's: the certificate, and in one transaction the state, the login message, the event
/// and the notice to the admins.
pub(crate) struct Login {
    pub(crate) deps: Arc<Deps>,
    pub(crate) occasion: Occasion,
}

#[async_trait]
impl Step for Login {
    fn name(&self) -> &'static str {
        "login"
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(5 * 60)
    }

    fn overdue(&self) -> Failure {
        Failure {
            code: FailureCode::Internal,
            sentence: "The machine runs, but no login details could be made for it.".to_owned(),
            fixer: Fixer::Operator,
            next_step: "Try again; if it happens again, tell an admin.".to_owned(),
            detail: None,
        }
    }

    async fn apply(&self, context: &StepContext<'_>) -> Result<Applied, StepError> {
        let instance = self.deps.subject(context).await?;
        if instance.state() == InstanceState::Ready {
            return Ok(Applied::done("login details are there"));
        }
        let details = login_details::make(&self.deps, &instance).await;
        let login = details.map_err(|error| StepError::doing("no certificate")(Box::new(error)))?;
        let mut transaction = context.begin().await?;
        let Some(ready) = self.become_ready(&mut transaction, &instance).await? else {
            // It changed under us; the next run sees how.
            return Ok(Applied::Retry { detail: None });
        };
        let entries = self.entries(&ready, context.execution.id, login)?;
        outbox::put(&mut transaction, self.deps.clock.as_ref(), &entries).await?;
        self.deps.crash.pass(CrashPoint::BeforeLoginCommit);
        transaction.commit().await?;
        self.deps.crash.pass(CrashPoint::AfterLoginCommit);
        Ok(Applied::done("login details are there"))
    }

    async fn undo(&self, _: &StepContext<'_>) -> Result<Undone, StepError> {
        // The certificate opens nothing once the machine is gone, which undoing the earlier steps sees to.
        Ok(Undone::Done)
    }
}

impl Login {
    async fn become_ready(
        &self,
        connection: &mut sqlx::PgConnection,
        instance: &InstanceRecord,
    ) -> Result<Option<InstanceRecord>, StepError> {
        let now = self.deps.clock.now();
        // The first time decides when the lifetime ends. Nobody has looked lately at a machine that waited in a pool:
        // the look that its claim asked for still comes.
        let ready = sqlx::query_as(concat!(
            "update instance set state = 'ready', running_since = $2, ready_at = coalesce(ready_at, $2), \
                 expires_at = coalesce(expires_at, $3), max_expires_at = coalesce(max_expires_at, $4), \
                 look_at = case when warm = 'claimed' then least(look_at, $5) else $5 end, \
                 reason = null, actor = null \
             where id = $1 and state in ('booting', 'starting') \
                 and (ec2_state is null or ec2_state not in ('shutting-down', 'terminated')) returning ",
            columns!()
        ))
        .bind(instance.id().as_uuid())
        .bind(now)
        .bind(now + TimeDelta::hours(i64::from(instance.lifetime_hours)))
        .bind(now + TimeDelta::hours(i64::from(instance.max_lifetime_hours)))
        .bind(self.deps.after(self.deps.settings.pace.look_at_rest))
        .fetch_optional(connection)
        .await?;
        Ok(ready)
    }

    /// What leaves with this: the login message, the event, the notice to the admins.
    fn entries(
        &self,
        ready: &InstanceRecord,
        execution: ExecutionId,
        login: LoginDetails,
    ) -> Result<[Entry; 3], StepError> {
        let clock = self.deps.clock.as_ref();
        let event_id = EventId::new(clock);
        let message = LoginMessage {
            event_id,
            execution_id: execution,
            instance_id: ready.id(),
            owner: ready.owner().clone(),
            login,
        };
        let payload = serde_json::to_value(&message).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
        // Those of the machine that took the place of a dead one replace those of the dead one.
        let machine = ready.ec2_id().map_or("", Ec2InstanceId::as_str);
        let dedupe = format!("{execution}:login:{machine}");
        let login = Entry { id: event_id, topic: Topic::Login, dedupe, payload };
        let kind = match self.occasion {
            Occasion::Launch => EventKind::Ready,
            Occasion::Start => EventKind::Started,
        };
        let told = Told {
            kind,
            dedupe: format!("{execution}:ready"),
            execution: Some(execution),
            running_since: None,
        };
        let notice = Entry {
            id: EventId::new(clock),
            topic: Topic::Admin,
            dedupe: format!("{execution}:notice"),
            payload: self.notice(ready),
        };
        Ok([login, entry(clock, ready, told)?, notice])
    }

    fn notice(&self, instance: &InstanceRecord) -> serde_json::Value {
        let what = match self.occasion {
            Occasion::Launch => "is ready",
            Occasion::Start => "was started again",
        };
        let link = self.deps.settings.web_url.as_deref().map(|url| format!("\n{url}")).unwrap_or_default();
        serde_json::json!({
            "subject": format!("CloudApp: a machine {what}"),
            "body": format!(
                "The machine {} ({}, {}) of user {} {what}.{link}",
                instance.id(),
                instance.configuration_name,
                instance.instance_type.as_deref().unwrap_or("type unknown"),
                instance.owner(),
            ),
        })
    }
}
