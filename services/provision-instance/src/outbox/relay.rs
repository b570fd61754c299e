use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_trace::TraceContext;
use cloudapp_workflow::Backoff;
use futures::StreamExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use uuid::Uuid;

use super::Topic;
use super::parcel::{Parcel, parcels};
use crate::deps::Deps;
use crate::ports::{LeftOut, Noticeboard, OutletError, Postbox};

/// How long a message that is being sent is left alone by others.
const IN_HAND: TimeDelta = TimeDelta::seconds(30);
/// Messages taken in one go.
const ROUND: i64 = 100;
/// Parcels under way at the same time.
const PARCELS: usize = 4;
/// Looks begin at least this far apart: under load the next one finds more instead of coming sooner.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// How often to look without a hint.
const POLL: Duration = Duration::from_secs(1);
/// Pauses before a message that was not taken is sent again.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(60) };

/// Carries login details and notices out of the outbox.
pub(crate) struct Relay {
    deps: Arc<Deps>,
    login: Arc<dyn Postbox>,
    admins: Arc<dyn Noticeboard>,
}

/// A message that is to be sent now.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Due {
    pub(super) id: Uuid,
    pub(super) topic: String,
    pub(super) payload: serde_json::Value,
    pub(super) tries: i32,
    pub(super) trace_parent: Option<String>,
}

impl Relay {
    pub(crate) fn new(deps: Arc<Deps>, login: Arc<dyn Postbox>, admins: Arc<dyn Noticeboard>) -> Self {
        Self { deps, login, admins }
    }

    /// Carries until `shutdown`. Each topic by itself: where one's way out hangs, the other's messages do not wait behind
    /// it.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        tokio::join!(self.run_topic(Topic::Login, &shutdown), self.run_topic(Topic::Admin, &shutdown));
    }

    async fn run_topic(&self, topic: Topic, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            let next_look = Instant::now() + BETWEEN_LOOKS;
            // An execution that gets on may have written something.
            let mut changes = self.deps.signals.subscribe();
            match self.carry_topic(topic).await {
                Ok(carried) if carried > 0 => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "the outbox cannot be read"),
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                // Users wait for their login details; a notice becomes a mail.
                _ = changes.recv(), if topic == Topic::Login => tokio::time::sleep_until(next_look).await,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Sends what is due, of both topics; how many messages there were. Tests drive delivery by hand.
    #[cfg(test)]
    pub(crate) async fn carry(&self) -> Result<usize, sqlx::Error> {
        Ok(self.carry_topic(Topic::Login).await? + self.carry_topic(Topic::Admin).await?)
    }

    /// Sends what is due; how many messages there were.
    async fn carry_topic(&self, topic: Topic) -> Result<usize, sqlx::Error> {
        let now = self.deps.clock.now();
        // That it is no event is said for the index.
        let due: Vec<Due> = sqlx::query_as(
            "update outbox set next_try_at = $1, tries = tries + 1 \
             where id in (select id from outbox where topic <> 'event' and topic = $4 and delivered_at is null \
                          and next_try_at <= $2 order by next_try_at limit $3 for update skip locked) \
             returning id, topic, payload, tries, trace_parent",
        )
        .bind(now + IN_HAND)
        .bind(now)
        .bind(ROUND)
        .bind(topic.as_str())
        .fetch_all(&self.deps.pool)
        .await?;
        if due.is_empty() {
            return Ok(0);
        }
        let carried = due.len();
        let (delivered, failed) = self.send_all(due).await;
        self.record(&delivered, &failed).await?;
        Ok(carried)
    }

    /// Sends parcel by parcel, some at the same time; which messages arrived, and which are to be sent again.
    async fn send_all(&self, due: Vec<Due>) -> (Vec<Uuid>, Vec<Due>) {
        let sent = futures::stream::iter(parcels(due))
            .map(async |(parcel, messages)| {
                let span = tracing::info_span!("deliver", messages = messages.len());
                if cloudapp_trace::exporting() {
                    cloudapp_trace::follow(
                        &span,
                        &messages.iter().filter_map(Due::trace).collect::<Vec<_>>(),
                    );
                }
                let outcome = self.send(&parcel).instrument(span).await;
                (messages, outcome)
            })
            .buffer_unordered(PARCELS)
            .collect::<Vec<_>>()
            .await;
        let (mut delivered, mut failed) = (vec![], vec![]);
        for (messages, outcome) in sent {
            let left_out = match outcome {
                Ok(left_out) => left_out,
                Err(error) => {
                    tracing::warn!(
                        messages = messages.len(),
                        error = %cloudapp_chassis::error::Chain(&error), "messages will be sent again"
                    );
                    failed.extend(messages);
                    continue;
                }
            };
            for (index, message) in messages.into_iter().enumerate() {
                match left_out.iter().find(|left_out| left_out.index == index) {
                    None => delivered.push(message.id),
                    Some(LeftOut { error, .. }) => {
                        tracing::warn!(
                            outbox.id = %message.id, tries = message.tries,
                            error = %cloudapp_chassis::error::Chain(error), "a message will be sent again"
                        );
                        failed.push(message);
                    }
                }
            }
        }
        (delivered, failed)
    }

    async fn send(&self, parcel: &Parcel) -> Result<Vec<LeftOut>, OutletError> {
        match parcel {
            Parcel::Login(letters) => self.login.send(letters).await,
            Parcel::Admin(notices) => self.admins.publish(notices).await,
        }
    }

    async fn record(&self, delivered: &[Uuid], failed: &[Due]) -> Result<(), sqlx::Error> {
        sqlx::query("update outbox set delivered_at = $2 where id = any($1)")
            .bind(delivered)
            .bind(self.deps.clock.now())
            .execute(&self.deps.pool)
            .await?;
        if failed.is_empty() {
            return Ok(());
        }
        let next = |message: &Due| -> DateTime<Utc> {
            self.deps.after(BACKOFF.draw(u32::try_from(message.tries).unwrap_or(1)))
        };
        sqlx::query(
            "update outbox o set next_try_at = f.next_try_at \
             from unnest($1::uuid[], $2::timestamptz[]) as f (id, next_try_at) where o.id = f.id",
        )
        .bind(failed.iter().map(|message| message.id).collect::<Vec<_>>())
        .bind(failed.iter().map(next).collect::<Vec<_>>())
        .execute(&self.deps.pool)
        .await?;
        Ok(())
    }
}

impl Due {
    pub(super) fn is(&self, topic: Topic) -> bool {
        self.topic == topic.as_str()
    }

    /// The request that it belongs to.
    pub(super) fn trace(&self) -> Option<TraceContext> {
        self.trace_parent.as_deref()?.parse().ok()
    }
}
