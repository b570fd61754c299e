use chrono::{DateTime, Utc};
use cloudapp_contract::instance::NoteKind;
use cloudapp_contract::message::CloudAppEvent;
use cloudapp_domain::{Failure, FailureCode, Fixer, InstanceId, InstanceState, OnStop, UserSub};
use sqlx::PgConnection;

use super::consumer::ConsumeError;
use crate::deps::Deps;
use crate::instance::{InstanceRecord, Note, lock, note, set_state};

/// What an admin did to a machine, and why.
struct Forced {
    actor: UserSub,
    reason: String,
}

/// Takes in what an admin did. Repeating it changes nothing.
pub(super) async fn take_in(deps: &Deps, event: CloudAppEvent) -> Result<(), ConsumeError> {
    match event {
        CloudAppEvent::ForceStopped { instance_id, actor, reason, at } => {
            force_stopped(deps, instance_id, Forced { actor, reason }, at).await
        }
        CloudAppEvent::CancelLaunch { instance_id, actor, reason, .. } => {
            cancel_launch(deps, instance_id, Forced { actor, reason }).await
        }
    }
}

/// An admin has told EC2 already; the row follows, and its owner reads why.
async fn force_stopped(
    deps: &Deps,
    id: InstanceId,
    forced: Forced,
    at: DateTime<Utc>,
) -> Result<(), ConsumeError> {
    let mut transaction = deps.pool.begin().await?;
    let Some(instance) = lock(&mut transaction, id).await? else { return Ok(()) };
    if instance.actor().is_some() {
        return Ok(());
    }
    if instance.state().is_final() {
        // EC2 was faster than the message; its owner still reads who it was.
        name_admin(&mut transaction, deps, &instance, &forced).await?;
        return Ok(transaction.commit().await?);
    }
    let next = match instance.on_stop() {
        OnStop::Terminate => InstanceState::Terminating,
        OnStop::Stop => InstanceState::Stopping,
    };
    remember(&mut transaction, deps, &instance, &forced).await?;
    if !cancel_execution(&mut transaction, deps, &instance, &forced).await? {
        set_state(&mut transaction, &instance, next).await?;
    }
    deps.executions.wake(&mut transaction, id.as_uuid()).await?;
    transaction.commit().await?;
    tracing::info!(instance.id = %id, actor = %forced.actor, %at, "an admin stopped a machine");
    Ok(())
}

async fn cancel_launch(deps: &Deps, id: InstanceId, forced: Forced) -> Result<(), ConsumeError> {
    let mut transaction = deps.pool.begin().await?;
    let Some(instance) = lock(&mut transaction, id).await? else { return Ok(()) };
    if instance.state().is_final() {
        return Ok(());
    }
    remember(&mut transaction, deps, &instance, &forced).await?;
    cancel_execution(&mut transaction, deps, &instance, &forced).await?;
    transaction.commit().await?;
    Ok(())
}

/// Whether there was a launch or start to cancel.
async fn cancel_execution(
    connection: &mut PgConnection,
    deps: &Deps,
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
    Ok(deps.executions.request_cancel(connection, instance.execution_id(), &failure).await?)
}

async fn remember(
    connection: &mut PgConnection,
    deps: &Deps,
    instance: &InstanceRecord,
    forced: &Forced,
) -> Result<(), sqlx::Error> {
    name_admin(connection, deps, instance, forced).await?;
    sqlx::query("update instance set look_at = $2 where id = $1")
        .bind(instance.id().as_uuid())
        .bind(deps.clock.now())
        .execute(connection)
        .await?;
    Ok(())
}

async fn name_admin(
    connection: &mut PgConnection,
    deps: &Deps,
    instance: &InstanceRecord,
    forced: &Forced,
) -> Result<(), sqlx::Error> {
    sqlx::query("update instance set reason = $2, actor = $3 where id = $1")
        .bind(instance.id().as_uuid())
        .bind(told(forced))
        .bind(forced.actor.as_str())
        .execute(&mut *connection)
        .await?;
    let noted = Note {
        instance: instance.id().as_uuid(),
        dedupe: format!("{}:{}", NoteKind::ForceStopped.as_str(), instance.generation),
        kind: NoteKind::ForceStopped,
        sentence: told(forced),
        actor: Some(forced.actor.as_str().to_owned()),
    };
    note(connection, deps.clock.now(), &[noted]).await.map(drop)
}

fn told(forced: &Forced) -> String {
    let reason: String = forced.reason.chars().take(500).collect();
    format!("An admin stopped it: {reason}")
}
