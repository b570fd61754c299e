use chrono::{DateTime, Utc};
use cloudapp_contract::event::{EventKind, InstanceEvent};
use cloudapp_domain::{Clock, EventId, ExecutionId, PricePerHour};
use sqlx::PgConnection;

use super::record::InstanceRecord;
use crate::outbox::{self, Entry, Topic};

/// What the event log is told about a machine.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) kind: EventKind,
    /// The same thing is never told twice.
    pub(crate) dedupe: String,
    pub(crate) execution: Option<ExecutionId>,
    /// Since when it had been usable, if that ends with this.
    pub(crate) running_since: Option<DateTime<Utc>>,
}

/// Writes an event in the transaction of the change that it tells; `instance` is the row after the change.
pub(crate) async fn tell(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    instance: &InstanceRecord,
    told: Told,
) -> Result<(), sqlx::Error> {
    // The log tells what users' machines do; pools have figures of their own.
    if instance.is_spare() {
        return Ok(());
    }
    outbox::put(connection, clock, &[entry(clock, instance, told)?]).await
}

/// An event for the outbox, for whoever writes several things down at once; `instance` is the row after the change.
pub(crate) fn entry(clock: &dyn Clock, instance: &InstanceRecord, told: Told) -> Result<Entry, sqlx::Error> {
    let event = event(instance, &told, EventId::new(clock), clock.now());
    let payload = serde_json::to_value(&event).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    Ok(Entry { id: event.event_id, topic: Topic::Event, dedupe: told.dedupe, payload })
}

fn event(instance: &InstanceRecord, told: &Told, event_id: EventId, at: DateTime<Utc>) -> InstanceEvent {
    let since = |from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>| {
        from.zip(to).map(|(from, to)| (to - from).num_milliseconds().max(0))
    };
    // Timings belong to the first time it became usable.
    let first_ready = instance.ready_at.filter(|_| told.kind == EventKind::Ready);
    InstanceEvent {
        event_id,
        kind: told.kind,
        at,
        instance_id: instance.id(),
        execution_id: told.execution,
        owner: instance.owner().clone(),
        configuration_id: instance.configuration_id(),
        configuration_name: instance.configuration_name.clone(),
        configuration_version: instance.configuration_version,
        instance_type: instance.instance_type.clone(),
        zone: instance.zone.clone(),
        market: instance.market(),
        state: instance.state(),
        outcome: instance.failure().map(|failure| failure.code),
        reason: instance.reason.clone(),
        actor: instance.actor().cloned(),
        price_per_hour: instance.price_micros.map(PricePerHour::from_micros),
        launch_ms: first_ready.and(since(Some(instance.created_at), instance.placed_at)),
        boot_ms: since(instance.placed_at, first_ready),
        ready_ms: since(Some(instance.created_at), first_ready),
        running_seconds: told.running_since.map(|since| (at - since).num_seconds().max(0)),
    }
}
