//! The queue, the batches and the placers: the product's decisions, with this world around them.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{InstanceId, InstanceState, Market};
use cloudapp_ec2::Subnet;
use cloudapp_workflow::{Applied, Undone};
use uuid::Uuid;

use super::database::{Database, InstanceNo, UserNo};
use super::ec2::{Machine, Power};
use super::executor::Owner;
use super::invariants::Invariant;
use super::mutants::Mutant;
use super::replica::{Lost, Process};
use super::steps::{PACE, Run, StepLost, delta, fail};
use super::world::{Topic, World};
use super::{ask, worker};
use crate::limiter::Family;
use crate::observe::first_look;
use crate::placing::decide::{
    Ended, Group, Member, Offering, PlacementState, Rank, Refusal, Remembered, Ripeness, TakeBack,
    after_terminate, forming_order, next, ripeness, share_out, take_back, turn,
};

/// How long the step may take, the queue included.
pub(super) const STEP_DEADLINE: TimeDelta = TimeDelta::minutes(35);
/// How long a batch is in one replica's hands.
pub(super) const BATCH_LEASE: TimeDelta = TimeDelta::seconds(60);
/// How often an offering may be full for the same launch: once, and once more for each time that it had to wait again,
/// because EC2 made fewer machines than it was asked for or the ones that it made were gone.
const REFUSALS: u32 = 4;

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
    overtaken: BTreeMap<UserNo, u32>,
    /// How often each offering was full when it was asked for this one.
    refused: BTreeMap<usize, u32>,
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

fn number(id: InstanceId) -> InstanceNo {
    u32::try_from(id.as_uuid().as_u128()).unwrap_or_default()
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

impl World {
    fn enqueue(&mut self, no: InstanceNo, now: Time) {
        if self.db.placements.contains_key(&no) {
            return;
        }
        let (owner, configuration) = (self.db.instances[&no].owner, self.db.instances[&no].configuration);
        let waiting = || self.db.placements.values().filter(|p| p.state == PlacementState::Waiting);
        let own_last = waiting().filter(|placement| placement.owner == owner).map(|p| p.turn).max();
        let head = waiting().map(|placement| placement.turn).min();
        let placement = Placement {
            instance: no,
            owner,
            configuration,
            state: PlacementState::Waiting,
            turn: turn(own_last, head),
            enqueued_at: now,
            batch: None,
            overtaken: BTreeMap::new(),
            refused: BTreeMap::new(),
        };
        self.db.placements.insert(no, placement);
    }

    /// Those who wait, by what they wait for.
    fn groups(&self) -> Vec<(usize, Group)> {
        let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
        for placement in self.db.placements.values().filter(|p| p.state == PlacementState::Waiting) {
            let rank = rank(placement);
            let at = placement.enqueued_at;
            let group = groups.entry(placement.configuration).or_insert(Group {
                count: 0,
                oldest: at,
                newest: at,
                head: rank,
            });
            group.count += 1;
            (group.oldest, group.newest) = (group.oldest.min(at), group.newest.max(at));
            group.head = group.head.min(rank);
        }
        groups.into_iter().collect()
    }

    /// A batch of the first `most` who wait, with its first attempt written down.
    fn form(&mut self, configuration: usize, most: u32, holder: usize, now: Time) -> Option<u32> {
        let mut waiting: Vec<(Rank, InstanceNo)> = self
            .db
            .placements
            .values()
            .filter(|p| p.state == PlacementState::Waiting && p.configuration == configuration)
            .map(|p| (rank(p), p.instance))
            .collect();
        waiting.sort_unstable();
        waiting.truncate(most as usize);
        let members: Vec<InstanceNo> = waiting.into_iter().map(|(_, no)| no).collect();
        if members.is_empty() {
            return None;
        }
        let no = self.db.number();
        for member in &members {
            if let Some(placement) = self.db.placements.get_mut(member) {
                (placement.state, placement.batch) = (PlacementState::Batched, Some(no));
            }
        }
        self.count_overtaking(configuration, &members);
        self.tell(|| format!("batch {no} is formed of {members:?}"));
        let batch = Batch {
            no,
            members,
            configuration,
            attempt: None,
            attempts: 0,
            refused: Vec::new(),
            fence: 1,
            lease_until: Some(now + BATCH_LEASE),
            holder,
            next_at: now,
            tries: 0,
        };
        self.db.batches.insert(no, batch);
        self.intend(no, now);
        Some(no)
    }

    /// Nobody's only launch is overtaken again and again by one user's many.
    fn count_overtaking(&mut self, configuration: usize, chosen: &[InstanceNo]) {
        let owners: Vec<UserNo> = chosen.iter().map(|no| self.db.placements[no].owner).collect();
        let mut worst = None;
        for waiting in self.db.placements.values_mut() {
            if waiting.state != PlacementState::Waiting
                || waiting.configuration != configuration
                || waiting.turn > 0
            {
                continue;
            }
            for owner in owners.iter().filter(|owner| **owner != waiting.owner) {
                let count = waiting.overtaken.entry(*owner).or_default();
                *count += 1;
                if *count > 3 {
                    worst = Some((waiting.instance, *owner, *count));
                }
            }
        }
        if let Some((no, owner, count)) = worst {
            self.violate(Invariant::NobodyStarves, || {
                format!("instance {no} waits while user {owner} was served {count} times")
            });
        }
    }

    /// Nobody is sent again and again to where nothing is free.
    pub(super) fn count_refusal(&mut self, batch: &Batch, offering: usize) {
        let mut worst = None;
        for member in &batch.members {
            let Some(placement) = self.db.placements.get_mut(member).filter(|p| p.batch == Some(batch.no))
            else {
                continue;
            };
            let count = placement.refused.entry(offering).or_default();
            *count += 1;
            if *count > REFUSALS {
                worst = Some((*member, *count));
            }
        }
        if let Some((no, count)) = worst {
            self.violate(Invariant::NoEndlessAsking, || {
                format!("instance {no} was refused by offering {offering} {count} times")
            });
        }
    }

    /// Writes down what is asked for next; without anything left, the members fail.
    pub(super) fn intend(&mut self, no: u32, now: Time) {
        let Some(batch) = self.db.batches.get(&no) else { return };
        let all = offerings(batch.configuration);
        let memory = &self.db.memory;
        let remembered =
            |offering: &Offering| -> Option<Remembered> { memory.get(&index(offering)).copied() };
        let Some(choice) = next(&all, &batch.refused, remembered, now) else {
            let asked = batch.refused.iter().filter(|refusal| refusal.asked).count();
            if asked < all.len() {
                self.violate(Invariant::FallbackToTheLast, || {
                    format!("batch {no} gave up after {asked} of {} offerings", all.len())
                });
            }
            self.settle_members(no, PlacementState::Failed, now);
            return;
        };
        let (offering, number) = (index(choice.offering), batch.attempts + 1);
        let wanted = batch.members.iter().filter(|member| self.wants(**member, no)).count();
        let count = u32::try_from(wanted).unwrap_or(u32::MAX);
        let token = self.token(no, number, choice.offering);
        let members = batch.members.clone();
        if count == 0 {
            self.settle_members(no, PlacementState::Failed, now);
            return;
        }
        for member in members {
            self.set_state(member, InstanceState::Launching);
            if let Some(row) = self.db.instances.get_mut(&member) {
                row.asked_at = Some(now);
            }
        }
        let attempt = Attempt { number, token, offering, count, uncertain_since: None, mismatched: false };
        if let Some(batch) = self.db.batches.get_mut(&no) {
            (batch.attempts, batch.attempt, batch.tries) = (number, Some(attempt), 0);
        }
    }

    /// Whether a member still wants the machine that its batch asks for.
    pub(super) fn wants(&self, member: InstanceNo, batch: u32) -> bool {
        self.db
            .placements
            .get(&member)
            .is_some_and(|p| p.state == PlacementState::Batched && p.batch == Some(batch))
    }

    fn token(&self, batch: u32, number: i32, offering: &Offering) -> String {
        let batch = cloudapp_domain::BatchId::from(Uuid::from_u128(u128::from(batch)));
        let number = if self.broken(Mutant::TokenWithoutAttempt) { 1 } else { number };
        if self.broken(Mutant::TokenOfTheType) {
            return offering.instance_type.clone();
        }
        crate::placing::client_token(batch, number, offering)
    }

    /// The batch is over: nothing more is asked. Members who want a machine end in `state` (or wait again), abandoned
    /// ones have nothing to take back.
    pub(super) fn settle_members(&mut self, no: u32, state: PlacementState, now: Time) {
        let Some(batch) = self.db.batches.get_mut(&no) else { return };
        (batch.attempt, batch.lease_until) = (None, None);
        for member in batch.members.clone() {
            let Some(placement) = self.db.placements.get_mut(&member).filter(|p| p.batch == Some(no)) else {
                continue;
            };
            match placement.state {
                PlacementState::Batched => {
                    placement.state = state;
                    if state == PlacementState::Waiting {
                        placement.batch = None;
                        self.set_state(member, InstanceState::Requested);
                    }
                }
                PlacementState::Abandoned => placement.state = PlacementState::Left,
                _ => continue,
            }
            self.wake(member, now);
        }
    }

    /// Machines have come: every one gets its owner.
    pub(super) fn assign(&mut self, no: u32, machines: Vec<Machine>, now: Time) {
        let Some(batch) = self.db.batches.get(&no) else { return };
        let mut members = Vec::new();
        for member in &batch.members {
            match self.db.placements.get(member).filter(|p| p.batch == Some(no)).map(|p| p.state) {
                Some(PlacementState::Batched) => members.push(Member { id: id(*member), abandoned: false }),
                Some(PlacementState::Abandoned) => members.push(Member { id: id(*member), abandoned: true }),
                _ => {}
            }
        }
        let twice = self.broken(Mutant::MachineGivenTwice);
        let first = machines.first().cloned();
        let shares = share_out(&members, machines);
        for (member, machine) in shares.placed {
            let machine = if twice { first.clone().unwrap_or(machine) } else { machine };
            self.give(number(member), &machine, now);
        }
        if self.broken(Mutant::RestOfBatchForgotten) {
            if let Some(batch) = self.db.batches.get_mut(&no) {
                (batch.attempt, batch.lease_until) = (None, None);
            }
        } else {
            self.settle_members(no, PlacementState::Waiting, now);
        }
    }

    fn give(&mut self, no: InstanceNo, machine: &Machine, now: Time) {
        let before = self.db.instances.get(&no).and_then(|row| row.machine);
        if before.is_some_and(|before| before != machine.no && self.ec2.machines[&before].lives()) {
            self.violate(Invariant::OneMachineEach, || format!("instance {no} has two living machines"));
        }
        if self.db.by_machine(machine.no).is_some_and(|other| other.no != no) {
            let machine = machine.no;
            self.violate(Invariant::MachineOfOne, || format!("machine {machine} belongs to two instances"));
        }
        let given_at = self.now;
        if let Some(row) = self.db.instances.get_mut(&no) {
            (row.machine, row.placed_at) = (Some(machine.no), Some(now));
            row.look_at = Some(now + delta(first_look(row.reports_boots(), PACE.look)));
            row.given_at = given_at;
        }
        if let Some(placement) = self.db.placements.get_mut(&no) {
            placement.state = PlacementState::Placed;
        }
        self.tell(|| format!("instance {no} gets machine {}", machine.no));
        self.adopt_parked(machine.no, now);
        self.wake(no, now);
    }

    /// What a replica that dies would take with it if it asked before it had written down what for.
    pub(super) fn forget_intents(&mut self, replica: usize) {
        if !self.broken(Mutant::IntentNotCommitted) {
            return;
        }
        let now = super::world::at(self.now);
        let held: Vec<u32> = self
            .db
            .batches
            .values()
            .filter(|batch| batch.attempt.is_some() && batch.lease_until.is_some() && batch.holder == replica)
            .map(|batch| batch.no)
            .collect();
        for batch in held {
            self.settle_members(batch, PlacementState::Waiting, now);
        }
    }

    /// Leases of batches that nobody sees through.
    fn claim_batches(&mut self, holder: usize, now: Time) -> Vec<u32> {
        let ignored = self.broken(Mutant::BatchLeaseIgnored);
        let (mut claimed, mut stolen, agree) = (Vec::new(), None, self.chaos.skew == 0);
        for batch in self.db.batches.values_mut().filter(|batch| batch.attempt.is_some()) {
            if batch.next_at <= now && (ignored || batch.lease_until.is_none_or(|until| until <= now)) {
                if batch.lease_until.is_some_and(|until| until > now) && agree {
                    stolen = Some(batch.no);
                }
                batch.fence += 1;
                (batch.lease_until, batch.holder) = (Some(now + BATCH_LEASE), holder);
                claimed.push(batch.no);
            }
        }
        if let Some(no) = stolen {
            self.violate(Invariant::OneRunAtATime, || format!("batch {no} was taken from who held it"));
        }
        claimed
    }
}

const fn rank(placement: &Placement) -> Rank {
    Rank { pool: false, turn: placement.turn, enqueued_at: placement.enqueued_at }
}
