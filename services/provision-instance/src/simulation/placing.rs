//! The step that places, and the placers: the product's decisions, with this world around them.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{InstanceId, Market};
use cloudapp_ec2::Subnet;
use cloudapp_workflow::{Applied, Undone};
use uuid::Uuid;

use super::database::{Database, InstanceNo, UserNo};
use super::ec2::Power;
use super::executor::Owner;
use super::mutants::Mutant;
use super::replica::{Lost, Process};
use super::steps::{PACE, Run, StepLost, fail};
use super::world::Topic;
use super::{ask, worker};
use crate::limiter::Family;
use crate::placing::decide::{
    Ended, Offering, PlacementState, Refusal, Ripeness, TakeBack, after_terminate, forming_order, ripeness,
    take_back,
};

/// How long the step may take, the queue included.
pub(super) const STEP_DEADLINE: TimeDelta = TimeDelta::minutes(35);
/// How long a batch is in one replica's hands.
pub(super) const BATCH_LEASE: TimeDelta = TimeDelta::seconds(60);

type Time = DateTime<Utc>;

/// A row of `placement`.
#[derive(Debug, Clone)]
pub(super) struct Placement {
    pub(super) instance: InstanceNo,
    pub(super) owner: UserNo,
    pub(super) configuration: usize,
    pub(super) state: PlacementState,
    pub(super) turn: i64,
    pub(super) enqueued_at: Time,
    pub(super) batch: Option<u32>,
    /// How many of each other user's machines were asked for while this one waited.
    pub(super) overtaken: BTreeMap<UserNo, u32>,
    /// How often each offering was full when it was asked for this one.
    pub(super) refused: BTreeMap<usize, u32>,
}

/// An attempt that is not settled.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) number: i32,
    pub(super) token: String,
    pub(super) offering: usize,
    pub(super) count: u32,
    pub(super) uncertain_since: Option<Time>,
    pub(super) mismatched: bool,
}

/// A row of `batch`, with its attempts.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) no: u32,
    pub(super) members: Vec<InstanceNo>,
    pub(super) configuration: usize,
    pub(super) attempt: Option<Attempt>,
    /// The number of the last attempt.
    pub(super) attempts: i32,
    pub(super) refused: Vec<Refusal>,
    pub(super) fence: u64,
    pub(super) lease_until: Option<Time>,
    pub(super) holder: usize,
    pub(super) next_at: Time,
    /// Sendings without a settled outcome in a row.
    pub(super) tries: u32,
}

/// Everything that configuration `no` may be had as, in order.
pub(super) fn offerings(no: usize) -> Vec<Offering> {
    let offering = |index: usize| Offering {
        instance_type: format!("t{}.micro", index % 2),
        subnet: Some(Subnet { id: format!("subnet-{index}"), zone: format!("zone-{index}") }),
        market: Market::OnDemand,
    };
    if no == 0 { vec![offering(0), offering(1), offering(2)] } else { vec![offering(2), offering(3)] }
}

/// The number of an offering, which is its subnet's.
pub(super) fn index(offering: &Offering) -> usize {
    let id = offering.subnet.as_ref().map_or("0", |subnet| &subnet.id);
    id.trim_start_matches("subnet-").parse().unwrap_or_default()
}

/// A row's number as the product's id.
pub(super) fn id(no: InstanceNo) -> InstanceId {
    InstanceId::from(Uuid::from_u128(u128::from(no)))
}

impl Database {
    /// Whether a row still has a place in the queue or in a batch.
    pub(super) fn waits(&self, no: InstanceNo) -> bool {
        use PlacementState::{Abandoned, Batched, Waiting};
        self.placements
            .get(&no)
            .is_some_and(|placement| matches!(placement.state, Waiting | Batched | Abandoned))
    }

    /// Client tokens of requests that may still make machines.
    pub(super) fn live_tokens(&self) -> std::collections::HashSet<String> {
        self.batches
            .values()
            .filter_map(|batch| batch.attempt.as_ref())
            .map(|attempt| attempt.token.clone())
            .collect()
    }
}

/// The step: joins the queue, waits, reads what came of it.
pub(super) async fn apply(run: &Run<'_>) -> Result<Applied, StepLost> {
    let no = run.claimed.subject;
    let known = run.process.sim.with(|world| world.db.placements.get(&no).map(|placement| placement.state));
    let instance = run.subject().await?;
    if instance.machine.is_some() {
        return Ok(Applied::Done(None));
    }
    if known == Some(PlacementState::Failed) {
        return Ok(fail());
    }
    if known.is_none() {
        run.fenced(move |world, now| world.enqueue(no, now)).await?;
        run.process.sim.with(|world| world.work(run.process.replica));
    }
    Ok(Applied::Wait { until: run.after(PACE.look_at_rest), detail: None })
}

/// Takes a placement back however far it got.
pub(super) async fn undo(run: &Run<'_>) -> Result<Undone, StepLost> {
    // The placement first: what it says of a machine is true of the row that is read after it.
    let no = run.claimed.subject;
    let state = run.process.sim.with(|world| world.db.placements.get(&no).map(|placement| placement.state));
    let instance = run.subject().await?;
    let what = run.process.sim.with(|world| match world.mutant {
        Some(Mutant::AbandonedMachineKept) if state == Some(PlacementState::Placed) => TakeBack::Nothing,
        Some(Mutant::BatchedTakenForWaiting) if state == Some(PlacementState::Batched) => TakeBack::Leave,
        Some(Mutant::AbandonedNotAwaited) if state == Some(PlacementState::Abandoned) => TakeBack::Nothing,
        _ => take_back(state, instance.machine.is_some()),
    });
    match what {
        TakeBack::Nothing => Ok(Undone::Done),
        TakeBack::Leave => {
            let left = run
                .fenced(move |world, _| {
                    let any = world.broken(Mutant::BatchedTakenForWaiting);
                    let Some(placement) = world.db.placements.get_mut(&no) else { return false };
                    let waits = any || placement.state == PlacementState::Waiting;
                    if waits {
                        placement.state = PlacementState::Left;
                    }
                    waits
                })
                .await?;
            // Somebody has just asked for it: once more.
            Ok(if left { Undone::Done } else { Undone::Wait { until: run.process.now() } })
        }
        TakeBack::Abandon => {
            run.fenced(move |world, _| {
                if let Some(placement) = world.db.placements.get_mut(&no)
                    && placement.state == PlacementState::Batched
                {
                    placement.state = PlacementState::Abandoned;
                }
            })
            .await?;
            run.process.sim.with(|world| world.work(run.process.replica));
            Ok(Undone::Wait { until: run.after(PACE.look) })
        }
        TakeBack::Await => Ok(Undone::Wait { until: run.after(PACE.look) }),
        TakeBack::Terminate => {
            let Some(machine) = instance.machine else { return Ok(Undone::Done) };
            let over = run.grace_over(instance.placed_at);
            let answer = run.call(Family::TerminateInstances, Power::Terminate, machine).await;
            Ok(match after_terminate(answer.as_ref().copied(), over) {
                Ended::Yes => Undone::Done,
                Ended::LookAgain => Undone::Wait { until: run.after(PACE.look) },
                Ended::Again(error) => Undone::Retry(error.failure()),
            })
        }
    }
}

/// Forms batches and sees them through, for as long as the process lives.
pub(super) async fn place(process: Process) {
    loop {
        let formed = form(&process).await;
        let replica = process.replica;
        let claimed =
            process.commit(move |world, now| world.claim_batches(replica, now)).await.unwrap_or_default();
        for batch in claimed {
            let server = process.clone();
            process.sim.spawn(Owner::Replica(process.replica), async move {
                let _ = ask::serve(&server, batch, false).await;
            });
        }
        let now = process.now();
        let next = process.sim.with(|world| {
            let batches = world.db.batches.values().filter(|batch| batch.attempt.is_some());
            let due = batches
                .map(|batch| batch.lease_until.map_or(batch.next_at, |until| until.max(batch.next_at)));
            due.min().map_or(worker::POLL, |due| (due - now).num_milliseconds().clamp(20, worker::POLL))
        });
        let at = process.sim.with(|world| world.now) + formed.unwrap_or(worker::POLL).clamp(5, next);
        process.sim.wait(Topic::Work, at).await;
    }
}

/// Forms the batches that are ripe; answers when to look again.
async fn form(process: &Process) -> Result<i64, Lost> {
    let (now, replica) = (process.now(), process.replica);
    let mut groups = process.sim.with(|world| world.groups());
    forming_order(&mut groups, |(_, group)| group);
    let mut again = worker::POLL;
    for (configuration, group) in groups {
        let hasty = process.sim.with(|world| world.broken(Mutant::RipenessIgnored));
        match ripeness(&group, now) {
            Ripeness::NotBefore(at) if !hasty => {
                again = again.min((at - now).num_milliseconds());
                continue;
            }
            _ => {}
        }
        let most = if hasty { 1 } else { group.count };
        let granted = match process.take(Family::RunInstances, 1..=most) {
            Ok(granted) => granted,
            Err(at) => {
                again = again.min((at - process.now()).num_milliseconds());
                continue;
            }
        };
        let batch =
            process.commit(move |world, now| world.form(configuration, granted, replica, now)).await?;
        again = 5;
        if let Some(batch) = batch {
            let server = process.clone();
            process.sim.spawn(Owner::Replica(process.replica), async move {
                let _ = ask::serve(&server, batch, true).await;
            });
        }
    }
    Ok(again)
}
