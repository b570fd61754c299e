use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::deps::Deps;
use crate::ports::{Noticeboard, OutletError, Postbox};

/// How long a message that is being sent is left alone by others.
const IN_HAND: TimeDelta = TimeDelta::seconds(30);
/// Messages taken in one go.
const BATCH: i64 = 20;

/// Carries login details and notices out of the outbox.
pub(crate) struct Relay {
    deps: Arc<Deps>,
    login: Arc<dyn Postbox>,
    admins: Arc<dyn Noticeboard>,
}

#[derive(sqlx::FromRow)]
struct Due {
    id: Uuid,
    topic: String,
    payload: serde_json::Value,
    tries: i32,
}

impl Relay {
    pub(crate) fn new(deps: Arc<Deps>, login: Arc<dyn Postbox>, admins: Arc<dyn Noticeboard>) -> Self {
        Self { deps, login, admins }
    }

    /// Carries until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            // An execution that gets on may have written something.
            let mut changes = self.deps.signals.subscribe();
            match self.carry().await {
                Ok(carried) if carried > 0 => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "the outbox cannot be read"),
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                _ = changes.recv() => {}
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }

    /// Sends what is due; how many there were.
    pub(crate) async fn carry(&self) -> Result<usize, sqlx::Error> {
        let now = self.deps.clock.now();
        let due: Vec<Due> = sqlx::query_as(
            "update outbox set next_try_at = $1, tries = tries + 1 \
             where id in (select id from outbox where topic <> 'event' and delivered_at is null \
                          and next_try_at <= $2 order by next_try_at limit $3 for update skip locked) \
             returning id, topic, payload, tries",
        )
        .bind(now + IN_HAND)
        .bind(now)
        .bind(BATCH)
        .fetch_all(&self.deps.pool)
        .await?;
        for message in &due {
            match self.send(message).await {
                Ok(()) => self.delivered(message, now).await?,
                Err(error) => {
                    tracing::warn!(
                        outbox.id = %message.id, tries = message.tries,
                        error = %cloudapp_chassis::error::Chain(&error), "a message will be sent again"
                    );
                    self.postpone(message).await?;
                }
            }
        }
        Ok(due.len())
    }

    async fn send(&self, message: &Due) -> Result<(), OutletError> {
        if message.topic == super::Topic::Login.as_str() {
            return self.login.send(&message.payload.to_string()).await;
        }
        let text = |name| message.payload.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        self.admins.publish(text("subject"), text("body")).await
    }

    async fn delivered(&self, message: &Due, now: chrono::DateTime<Utc>) -> Result<(), sqlx::Error> {
        sqlx::query("update outbox set delivered_at = $2 where id = $1")
            .bind(message.id)
            .bind(now)
            .execute(&self.deps.pool)
            .await?;
        Ok(())
    }

    async fn postpone(&self, message: &Due) -> Result<(), sqlx::Error> {
        let pause = cloudapp_workflow::Backoff {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(60),
        };
        sqlx::query("update outbox set next_try_at = $2 where id = $1")
            .bind(message.id)
            .bind(self.deps.after(pause.draw(u32::try_from(message.tries).unwrap_or(1))))
            .execute(&self.deps.pool)
            .await?;
        Ok(())
    }
}
