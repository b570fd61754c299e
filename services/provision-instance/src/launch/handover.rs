//! Gives machines to their owners: those that become usable at about the same time share a transaction.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_coalesce::{Bounds, Coalescer, Failed, Job};
use cloudapp_contract::event::EventKind;
use cloudapp_contract::execution::LoginDetails;
use cloudapp_contract::message::LoginMessage;
use cloudapp_domain::{Ec2InstanceId, EventId, InstanceId};
use cloudapp_trace::TraceContext;
use cloudapp_workflow::{Fence, StepContext, StepError};
use sqlx::PgConnection;

use crate::deps::Deps;
use crate::instance::{InstanceRecord, Told, columns, entry};
use crate::outbox::{self, Entry, Topic};

/// One transaction takes at most as many, and one is under way: the next group collects behind it.
const BOUNDS: Bounds = Bounds { items: 128, groups: 1 };

/// When the machine became usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// For the first time.
    Launch,
    /// After it had been stopped.
    Start,
}

/// Hands machines over: in one transaction the state, the login message, the event and the notice to the admins. Cheap to
/// clone.
#[derive(Debug, Clone)]
pub(super) struct Handovers(Coalescer<Desk>);

/// A machine and what one logs in to it with.
struct Handover {
    instance: InstanceRecord,
    login: LoginDetails,
    fence: Fence,
    trace: Option<TraceContext>,
}

struct Desk {
    deps: Arc<Deps>,
    occasion: Occasion,
}

impl Handovers {
    pub(super) fn new(deps: &Arc<Deps>, occasion: Occasion) -> Self {
        Self(Coalescer::new(Desk { deps: Arc::clone(deps), occasion }, BOUNDS))
    }

    /// Makes the machine its owner's while the run holds its execution; answers whether that was done. It was not if the
    /// machine has changed since it was read.
    pub(super) async fn hand_over(
        &self,
        context: &StepContext<'_>,
        instance: InstanceRecord,
        login: LoginDetails,
    ) -> Result<bool, StepError> {
        let (fence, trace) = (context.fence(), cloudapp_trace::current());
        match self.0.submit(Handover { instance, login, fence, trace }).await {
            Ok(done) => Ok(done),
            Err(Failed::Item(error)) => Err(error),
            Err(cut_off @ Failed::CutOff) => Err(StepError::doing("not handed over")(Box::new(cut_off))),
        }
    }
}

#[async_trait]
impl Job for Desk {
    type Item = Handover;
    type Outcome = bool;
    /// A claim that was lost fails the group: then each is handed over by itself, and only that one is not.
    type Error = StepError;

    async fn handle(&self, handovers: &[Handover]) -> Result<Vec<bool>, StepError> {
        let mut transaction = self.deps.pool.begin().await?;
        let ready = self.become_ready(&mut transaction, handovers).await?;
        let (mut entries, mut claims) = (Vec::new(), Vec::new());
        for handover in handovers {
            if let Some(instance) = ready.get(&handover.instance.id()) {
                claims.push(handover.fence);
                entries.extend(self.entries(instance, handover)?.map(|entry| (entry, handover.trace)));
            }
        }
        let entries: Vec<_> = entries.iter().map(|(entry, trace)| (entry, *trace)).collect();
        outbox::put_traced(&mut transaction, self.deps.clock.as_ref(), &entries).await?;
        Fence::hold(&claims, &mut transaction).await?;
        transaction.commit().await?;
        Ok(handovers.iter().map(|handover| ready.contains_key(&handover.instance.id())).collect())
    }
}

impl Desk {
    /// Those that may, as they are afterwards.
    async fn become_ready(
        &self,
        connection: &mut PgConnection,
        handovers: &[Handover],
    ) -> Result<HashMap<InstanceId, InstanceRecord>, sqlx::Error> {
        let now = self.deps.clock.now();
        let end = |hours: i32| now + TimeDelta::hours(i64::from(hours));
        let machines = || handovers.iter().map(|handover| &handover.instance);
        // The first time decides when the lifetime ends. Nobody has looked lately at a machine that waited in a pool:
        // the look that its claim asked for still comes.
        let ready: Vec<InstanceRecord> = sqlx::query_as(concat!(
            "with usable as ( \
                 select i.id as machine, lifetime_end, longest_end \
                 from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) \
                     as handed (id, lifetime_end, longest_end) \
                 join instance i on i.id = handed.id \
                 where i.state in ('booting', 'starting') \
                     and (i.ec2_state is null or i.ec2_state not in ('shutting-down', 'terminated')) \
                 order by i.id for no key update of i \
             ) \
             update instance set state = 'ready', running_since = $4, ready_at = coalesce(ready_at, $4), \
                 expires_at = coalesce(expires_at, lifetime_end), \
                 max_expires_at = coalesce(max_expires_at, longest_end), \
                 look_at = case when warm = 'claimed' then least(look_at, $5) else $5 end, \
                 reason = null, actor = null \
             from usable where id = machine returning ",
            columns!()
        ))
        .bind(machines().map(|instance| instance.id().as_uuid()).collect::<Vec<_>>())
        .bind(machines().map(|instance| end(instance.lifetime_hours)).collect::<Vec<DateTime<Utc>>>())
        .bind(machines().map(|instance| end(instance.max_lifetime_hours)).collect::<Vec<_>>())
        .bind(now)
        .bind(self.deps.after(self.deps.settings.pace.look_at_rest))
        .fetch_all(connection)
        .await?;
        Ok(ready.into_iter().map(|instance| (instance.id(), instance)).collect())
    }

    /// What leaves with this: the login message, the event, the notice to the admins.
    fn entries(&self, ready: &InstanceRecord, handover: &Handover) -> Result<[Entry; 3], StepError> {
        let clock = self.deps.clock.as_ref();
        let event_id = EventId::new(clock);
        let execution = handover.fence.execution();
        let message = LoginMessage {
            event_id,
            execution_id: execution,
            instance_id: ready.id(),
            owner: ready.owner().clone(),
            login: handover.login.clone(),
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

#[cfg(test)]
mod tests {
    use cloudapp_domain::{ExecutionId, InstanceState};
    use serde_json::json;

    use super::*;
    use crate::application::login_details;
    use crate::testing::World;

    /// A machine that has booted, its launch not gone on with.
    async fn booted(world: &World, user: &str) -> (InstanceId, ExecutionId) {
        let accepted = world.create(user, "k").await;
        world.until_state(accepted.instance_id, InstanceState::Booting).await;
        (accepted.instance_id, accepted.execution_id)
    }

    /// Claims an execution as a worker does, for longer than the test lasts.
    async fn claim(world: &World, execution: ExecutionId) -> Fence {
        let number: i64 = sqlx::query_scalar(
            "update execution set fence = fence + 1, lease_holder = 'test', \
             lease_until = now() + interval '1 hour', next_run_at = now() + interval '1 hour' \
             where id = $1 returning fence",
        )
        .bind(execution.as_uuid())
        .fetch_one(world.pool())
        .await
        .unwrap();
        Fence::new(execution, number)
    }

    async fn handover(world: &World, (instance, execution): (InstanceId, ExecutionId)) -> Handover {
        let fence = claim(world, execution).await;
        let instance = world.app.deps.subjects.load(instance).await.unwrap().unwrap();
        let login = login_details::make(&world.app.deps, &instance).await.unwrap();
        Handover { instance, login, fence, trace: None }
    }

    async fn told(world: &World, execution: ExecutionId) -> i64 {
        sqlx::query_scalar(
            "select count(*) from outbox where dedupe like $1 || ':login:%' or dedupe = $1 || ':ready' \
             or dedupe = $1 || ':notice'",
        )
        .bind(execution.to_string())
        .fetch_one(world.pool())
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn those_that_come_together_are_handed_over_together_and_once() {
        let world = World::with_configuration(json!({})).await;
        world
            .control
            .change_settings(&json!({ "next_boot_outcomes": ["silence", "silence"] }))
            .await
            .unwrap();
        let machines = [booted(&world, "ann").await, booted(&world, "bob").await];
        let group = [handover(&world, machines[0]).await, handover(&world, machines[1]).await];
        let desk = Desk { deps: Arc::clone(&world.app.deps), occasion: Occasion::Launch };
        assert_eq!(desk.handle(&group).await.unwrap(), [true, true]);
        assert_eq!(desk.handle(&group).await.unwrap(), [false, false], "they are their owners' already");
        for (instance, execution) in machines {
            assert_eq!(world.instance(instance).await.state, InstanceState::Ready);
            assert_eq!(told(&world, execution).await, 3, "login message, event and notice");
        }
    }

    #[tokio::test]
    async fn a_claim_that_was_lost_keeps_its_machine_and_no_other_from_being_handed_over() {
        let world = World::with_configuration(json!({})).await;
        world
            .control
            .change_settings(&json!({ "next_boot_outcomes": ["silence", "silence"] }))
            .await
            .unwrap();
        let machines = [booted(&world, "ann").await, booted(&world, "bob").await];
        let group = [handover(&world, machines[0]).await, handover(&world, machines[1]).await];
        claim(&world, machines[0].1).await;
        let desk = Desk { deps: Arc::clone(&world.app.deps), occasion: Occasion::Launch };
        assert!(matches!(desk.handle(&group).await, Err(StepError::LeaseLost)));
        assert_eq!((told(&world, machines[0].1).await, told(&world, machines[1].1).await), (0, 0));
        let desk = Coalescer::new(desk, BOUNDS);
        let [lost, held] = group.map(|handover| desk.submit(handover));
        let (lost, held) = tokio::join!(lost, held);
        assert!(matches!(lost, Err(Failed::Item(StepError::LeaseLost))), "{lost:?}");
        assert!(matches!(held, Ok(true)), "{held:?}");
        assert_eq!(world.instance(machines[0].0).await.state, InstanceState::Booting);
        assert_eq!((told(&world, machines[0].1).await, told(&world, machines[1].1).await), (0, 3));
    }
}
