//! What a batch asks for, and what its members get.

use chrono::{DateTime, Utc};
use cloudapp_domain::{InstanceId, InstanceState};
use uuid::Uuid;

use super::database::InstanceNo;
use super::ec2::Machine;
use super::invariants::Invariant;
use super::mutants::Mutant;
use super::placing::{Attempt, BATCH_LEASE, Batch, id, index, offerings};
use super::steps::{PACE, delta};
use super::world::World;
use crate::observe::first_look;
use crate::placing::decide::{Member, Offering, PlacementState, Remembered, next, share_out};

/// How often an offering may be full for the same launch: once, and once more for each time that it had to wait again,
/// because EC2 made fewer machines than it was asked for or the ones that it made were gone.
const REFUSALS: u32 = 4;

type Time = DateTime<Utc>;

fn number(id: InstanceId) -> InstanceNo {
    u32::try_from(id.as_uuid().as_u128()).unwrap_or_default()
}

impl World {
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
    pub(super) fn claim_batches(&mut self, holder: usize, now: Time) -> Vec<u32> {
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
