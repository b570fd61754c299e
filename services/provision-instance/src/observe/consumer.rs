use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use cloudapp_contract::message::{CloudAppEvent, Ec2Event, InstanceEventMessage};
use cloudapp_domain::{Failure, FailureCode, Fixer, InstanceId, InstanceState, OnStop, UserSub};
use tokio_util::sync::CancellationToken;

use super::hint;
use crate::deps::Deps;
use crate::instance::{self, InstanceRecord, lock, set_state};
use crate::ports::{Delivered, EventQueue};

/// Takes in the queue `cloudapp-instance-events`.
pub(crate) struct Consumer {
    deps: Arc<Deps>,
    queue: Arc<dyn EventQueue>,
}

/// A message could not be taken in now; it comes again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConsumeError {
    #[error("the message is not one of ours")]
    NotUnderstood(#[from] serde_json::Error),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("executions cannot be reached")]
    Workflow(#[from] cloudapp_workflow::StoreError),
}

/// What an admin did to a machine, and why.
struct Forced {
    actor: UserSub,
    reason: String,
}

impl Consumer {
    pub(crate) fn new(deps: Arc<Deps>, queue: Arc<dyn EventQueue>) -> Self {
        Self { deps, queue }
    }

    /// Consumes until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        loop {
            let received = tokio::select! {
                () = shutdown.cancelled() => return,
                received = self.queue.receive() => received,
            };
            match received {
                Ok(messages) => self.take_all(&messages).await,
                Err(error) => {
                    tracing::warn!(error = %cloudapp_chassis::error::Chain(&error), "the event queue does not answer");
                    tokio::select! {
                        () = shutdown.cancelled() => return,
                        () = tokio::time::sleep(Duration::from_secs(2)) => {}
                    }
                }
            }
        }
    }

    /// Takes messages in one by one: what fails stays on the queue and reaches the dead-letter queue in the end,
    /// without holding up the others.
    async fn take_all(&self, messages: &[Delivered]) {
        let mut done = Vec::with_capacity(messages.len());
        for message in messages {
            match self.take(&message.body).await {
                Ok(()) => done.push(message.receipt.clone()),
                Err(error) => {
                    tracing::warn!(error = %cloudapp_chassis::error::Chain(&error), "an event was not taken in");
                    metrics::counter!("cloudapp_events_refused_total").increment(1);
                }
            }
        }
        if !done.is_empty() {
            self.deps.signals.work();
            if let Err(error) = self.queue.done(&done).await {
                tracing::warn!(error = %cloudapp_chassis::error::Chain(&error), "events will come twice");
            }
        }
    }

    /// Takes one message in. Repeating it changes nothing.
    pub(crate) async fn take(&self, body: &str) -> Result<(), ConsumeError> {
        match serde_json::from_str(body)? {
            InstanceEventMessage::Ec2(event) => self.heard(&event).await,
            InstanceEventMessage::CloudApp(CloudAppEvent::ForceStopped {
                instance_id,
                actor,
                reason,
                at,
            }) => self.force_stopped(instance_id, Forced { actor, reason }, at).await,
            InstanceEventMessage::CloudApp(CloudAppEvent::CancelLaunch {
                instance_id,
                actor,
                reason,
                ..
            }) => self.cancel_launch(instance_id, Forced { actor, reason }).await,
        }
    }

    /// EC2's word about a machine: a reason to look, never the truth.
    async fn heard(&self, event: &Ec2Event) -> Result<(), ConsumeError> {
        let state = match (&event.detail.state, &event.detail.instance_action) {
            (Some(state), _) => state.as_str(),
            // A spot machine will be taken back: look now, and the end is noticed when it comes.
            (None, Some(_)) => "shutting-down",
            (None, None) => return Ok(()),
        };
        let (now, id) = (self.deps.clock.now(), &event.detail.instance_id);
        let Some(instance) = instance::load_by_ec2_id(&self.deps.pool, id).await? else {
            sqlx::query(
                "insert into parked_event (ec2_instance_id, state, received_at) values ($1, $2, $3) \
                 on conflict (ec2_instance_id) do update set state = $2, received_at = $3 \
                 where parked_event.state = 'pending'",
            )
            .bind(id.as_str())
            .bind(state)
            .bind(now)
            .execute(&self.deps.pool)
            .await?;
            return Ok(self.adopt_if_known_meanwhile(event).await?);
        };
        if hint::is_news(instance.ec2_state.as_deref(), state) {
            sqlx::query("update instance set look_at = least(look_at, $2) where id = $1")
                .bind(instance.id().as_uuid())
                .bind(now)
                .execute(&self.deps.pool)
                .await?;
        }
        Ok(())
    }

    /// The id may have become known between the look and the parking.
    async fn adopt_if_known_meanwhile(&self, event: &Ec2Event) -> Result<(), sqlx::Error> {
        let mut connection = self.deps.pool.acquire().await?;
        if instance::load_by_ec2_id(&mut *connection, &event.detail.instance_id).await?.is_some() {
            super::adopt_parked(&mut connection, self.deps.clock.as_ref(), &event.detail.instance_id).await?;
        }
        Ok(())
    }

    /// An admin has told EC2 already; the row follows, and its owner reads why.
    async fn force_stopped(
        &self,
        id: InstanceId,
        forced: Forced,
        at: DateTime<Utc>,
    ) -> Result<(), ConsumeError> {
        let mut transaction = self.deps.pool.begin().await?;
        let Some(instance) = lock(&mut transaction, id).await? else { return Ok(()) };
        if instance.actor().is_some() {
            return Ok(());
        }
        if instance.state().is_final() {
            // EC2 was faster than the message; its owner still reads who it was.
            name_admin(&mut transaction, &instance, &forced).await?;
            return Ok(transaction.commit().await?);
        }
        let next = match instance.on_stop() {
            OnStop::Terminate => InstanceState::Terminating,
            OnStop::Stop => InstanceState::Stopping,
        };
        remember(&mut transaction, &instance, &forced, self.deps.clock.now()).await?;
        if !self.cancel_execution(&mut transaction, &instance, &forced).await? {
            set_state(&mut transaction, &instance, next).await?;
        }
        self.deps.executions.wake(&mut transaction, id.as_uuid()).await?;
        transaction.commit().await?;
        tracing::info!(instance.id = %id, actor = %forced.actor, %at, "an admin stopped a machine");
        Ok(())
    }

    async fn cancel_launch(&self, id: InstanceId, forced: Forced) -> Result<(), ConsumeError> {
        let mut transaction = self.deps.pool.begin().await?;
        let Some(instance) = lock(&mut transaction, id).await? else { return Ok(()) };
        if instance.state().is_final() {
            return Ok(());
        }
        remember(&mut transaction, &instance, &forced, self.deps.clock.now()).await?;
        self.cancel_execution(&mut transaction, &instance, &forced).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Whether there was a launch or start to cancel.
    async fn cancel_execution(
        &self,
        connection: &mut sqlx::PgConnection,
        instance: &InstanceRecord,
        forced: &Forced,
    ) -> Result<bool, ConsumeError> {
        let starting = matches!(
            instance.state(),
            InstanceState::Requested
                | InstanceState::Launching
                | InstanceState::Booting
                | InstanceState::Starting
        );
        if !starting {
            return Ok(false);
        }
        let failure = Failure {
            code: FailureCode::ForceStopped,
            sentence: told(forced),
            fixer: Fixer::Admin,
            next_step: "Ask an admin before you start it again.".to_owned(),
            detail: None,
        };
        Ok(self.deps.executions.request_cancel(connection, instance.execution_id(), &failure).await?)
    }
}

async fn remember(
    connection: &mut sqlx::PgConnection,
    instance: &InstanceRecord,
    forced: &Forced,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    name_admin(connection, instance, forced).await?;
    sqlx::query("update instance set look_at = $2 where id = $1")
        .bind(instance.id().as_uuid())
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

async fn name_admin(
    connection: &mut sqlx::PgConnection,
    instance: &InstanceRecord,
    forced: &Forced,
) -> Result<(), sqlx::Error> {
    sqlx::query("update instance set reason = $2, actor = $3 where id = $1")
        .bind(instance.id().as_uuid())
        .bind(told(forced))
        .bind(forced.actor.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

fn told(forced: &Forced) -> String {
    let reason: String = forced.reason.chars().take(500).collect();
    format!("An admin stopped it: {reason}")
}
