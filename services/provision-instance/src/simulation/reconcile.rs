//! The reconciler: machines that nobody owns, ends that were forgotten.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{Ec2InstanceId, InstanceState};

use super::ec2::{Machine, MachineNo, Power};
use super::invariants::Invariant;
use super::mutants::Mutant;
use super::observe::{as_described, described_id, number};
use super::placing::id;
use super::replica::Process;
use super::steps::{PACE, delta};
use super::world::World;
use crate::limiter::Family;
use crate::reconcile::judge::{Facts, Judgement, Owner, judge};

/// Passes for as long as the process lives, while that is its duty.
pub(super) async fn run(process: Process) {
    loop {
        let pause = process.sim.with(|world| world.between(18_000, 22_000));
        process.sim.sleep(pause).await;
        if process.is_ours("reconcile").await {
            let _ = pass(&process).await;
        }
    }
}

/// What the database says, when it is read.
#[derive(Debug, Default)]
struct Rows {
    owners: Vec<Owner>,
    live_tokens: HashSet<String>,
    marks: HashMap<Ec2InstanceId, DateTime<Utc>>,
}

async fn pass(process: &Process) -> Result<(), ()> {
    let rows_first = process.sim.with(|world| world.broken(Mutant::ReconcilerReadsRowsFirst));
    let early = if rows_first { Some(rows(process).await?) } else { None };
    process.turn(Family::DescribeInstances, 1..=1).await;
    let listed = process.ec2(Family::DescribeInstances, 1, |world| Ok(world.describe_where(|_| true))).await;
    let machines = listed.map_err(drop)?.iter().map(as_described).collect::<Vec<_>>();
    let rows = match early {
        Some(early) => early,
        None => rows(process).await?,
    };
    let nothing = HashSet::new();
    let tokens_ignored = process.sim.with(|world| world.broken(Mutant::ReconcilerIgnoresLiveTokens));
    let one_phase = process.sim.with(|world| world.broken(Mutant::ReconcilerRemovesInOnePhase));
    let mut judgement = judge(&Facts {
        machines: &machines,
        owners: &rows.owners,
        live_tokens: if tokens_ignored { &nothing } else { &rows.live_tokens },
        marks: &rows.marks,
        now: process.now(),
        grace: if one_phase { TimeDelta::zero() } else { delta(PACE.grace) },
    });
    if one_phase {
        judgement.remove.append(&mut judgement.mark.clone());
    }
    if process.sim.with(|world| world.broken(Mutant::ReconcilerBlind)) {
        judgement.remove.clear();
    }
    let Judgement { remove, end_again, .. } = judgement.clone();
    process.commit(move |world, now| world.note_drift(&judgement, now)).await.map_err(drop)?;
    end(process, remove.iter().map(number).collect()).await?;
    end(process, end_again.iter().map(number).collect()).await?;
    let grace = delta(PACE.grace);
    let forget = process
        .commit(move |world, now| world.db.parked.retain(|_, parked| parked.received_at >= now - grace));
    forget.await.map_err(drop)
}

async fn rows(process: &Process) -> Result<Rows, ()> {
    let read = process.commit(|world, _| Rows {
        owners: world
            .db
            .instances
            .values()
            .filter_map(|row| {
                Some(Owner {
                    instance: id(row.no).as_uuid(),
                    ec2_id: described_id(row.machine?),
                    state: row.state,
                    busy: world.db.busy(row.no).is_some(),
                    watched: row.look_at.is_some(),
                })
            })
            .collect(),
        live_tokens: world.db.live_tokens(),
        marks: world.db.orphans.iter().map(|(no, since)| (described_id(*no), *since)).collect(),
    });
    read.await.map_err(drop)
}

async fn end(process: &Process, machines: Vec<MachineNo>) -> Result<(), ()> {
    if machines.is_empty() {
        return Ok(());
    }
    let cost = u32::try_from(machines.len()).unwrap_or(u32::MAX);
    process.turn(Family::TerminateInstances, cost..=cost).await;
    let ended = process.ec2(Family::TerminateInstances, cost, move |world| {
        for machine in &machines {
            world.check_nobodys(*machine);
            world.check_phases(*machine);
        }
        world.power(&machines, Power::Terminate)
    });
    ended.await.map_err(drop)
}

impl World {
    fn note_drift(&mut self, judgement: &Judgement, now: DateTime<Utc>) {
        for found in judgement.mark.iter().map(number) {
            self.check_nobodys(found);
            self.db.orphans.entry(found).or_insert(now);
        }
        for settled in judgement.unmark.iter().map(number) {
            self.db.orphans.remove(&settled);
        }
        for instance in &judgement.look {
            let no = u32::try_from(instance.as_u128()).unwrap_or_default();
            self.look_at(no, now);
        }
    }

    /// What nobody owns is ended on a later pass.
    fn check_phases(&mut self, machine: MachineNo) {
        let age = self.now - self.ec2.machines.get(&machine).map_or(0, |machine| machine.made);
        if age < 90_000 && self.db.by_machine(machine).is_none() {
            self.violate(Invariant::TwoPhases, || format!("machine {machine} was ended after {age} ms"));
        }
    }

    /// The reconciler counts and ends only what is nobody's: a stray, or a machine whose end was asked for.
    fn check_nobodys(&mut self, machine: MachineNo) {
        if !self.ec2.machines.get(&machine).is_some_and(Machine::lives) {
            return;
        }
        let row = self.db.by_machine(machine).map(|row| (row.no, row.state));
        let token = self.ec2.machines[&machine].token.clone();
        match row {
            Some((_, InstanceState::Terminating)) => {}
            Some((no, state)) if !state.is_final() => {
                self.violate(Invariant::ReconcilerSparesTheOwned, || {
                    format!("machine {machine} of instance {no}, which is {state}, counts as nobody's")
                });
            }
            _ if token.as_ref().is_some_and(|token| self.db.live_tokens().contains(token)) => {
                self.violate(Invariant::ReconcilerSparesTheOwned, || {
                    format!("machine {machine} counts as nobody's while its request is under way")
                });
            }
            _ if token.as_ref().is_some_and(|token| !self.ec2.late.contains(token)) => {
                self.violate(Invariant::NoOrphans, || {
                    format!("machine {machine} was left to the reconciler")
                });
            }
            _ => {}
        }
    }
}
