//! The reconciler: machines that nobody owns, ends that were forgotten.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{Ec2InstanceId, InstanceState};
use uuid::Uuid;

use super::ec2::{Machine, MachineNo, Power};
use super::invariants::Invariant;
use super::mutants::Mutant;
use super::observe::{as_described, described_id, number};
use super::placing::id;
use super::replica::Process;
use super::steps::{PACE, delta};
use super::world::World;
use crate::limiter::Family;
use crate::reconcile::judge::{Comparison, Facts, Judgement, Living, Owner};

/// Passes for as long as the process lives, while that is its duty.
pub(super) async fn run(process: Process) {
    loop {
        let every = delta(PACE.compare).num_milliseconds();
        let pause = process.sim.with(|world| world.between(every * 9 / 10, every * 11 / 10));
        process.sim.sleep(pause).await;
        if process.is_ours("reconcile").await {
            let _ = pass(&process).await;
        }
    }
}

/// Machines that EC2 lists at once: few, so that what happens between two pages is played as well.
const PAGE: usize = 4;

/// What the database says, when it is read.
#[derive(Debug, Default, Clone)]
struct Rows {
    owners: Vec<Owner>,
    living: Vec<Living>,
    live_tokens: HashSet<String>,
    marks: HashMap<Ec2InstanceId, DateTime<Utc>>,
}

async fn pass(process: &Process) -> Result<(), ()> {
    let rows_first = process.sim.with(|world| world.broken(Mutant::ReconcilerReadsRowsFirst));
    let early = if rows_first { Some(rows(process).await?) } else { None };
    let marks = rows(process).await?.marks;
    let mut comparison = Comparison::default();
    let mut first = 0;
    loop {
        process.turn(Family::DescribeInstances, 1..=1).await;
        let listed = process.ec2(Family::DescribeInstances, 1, move |world| {
            Ok(world.describe_where(|machine| machine.no >= first))
        });
        let listed = listed.await.map_err(drop)?;
        let page = &listed[..listed.len().min(PAGE)];
        let rows = match &early {
            Some(early) => early.clone(),
            None => rows(process).await?,
        };
        repair(process, &mut comparison, page, &rows, &marks).await?;
        match page.last() {
            Some(last) if listed.len() > PAGE => first = last.no + 1,
            _ => break,
        }
    }
    let (settled, living) = (comparison.unmark(&marks), rows(process).await?.living);
    let look = comparison.to_look_at(&living);
    let grace = delta(PACE.grace);
    let settle = process.commit(move |world, now| {
        for machine in settled.iter().map(number) {
            world.db.orphans.remove(&machine);
        }
        world.look_now(&look, now);
        world.db.parked.retain(|_, parked| parked.received_at >= now - grace);
    });
    settle.await.map_err(drop)
}

async fn repair(
    process: &Process,
    comparison: &mut Comparison,
    page: &[Machine],
    rows: &Rows,
    marks: &HashMap<Ec2InstanceId, DateTime<Utc>>,
) -> Result<(), ()> {
    let machines = page.iter().map(as_described).collect::<Vec<_>>();
    let nothing = HashSet::new();
    let tokens_ignored = process.sim.with(|world| world.broken(Mutant::ReconcilerIgnoresLiveTokens));
    let one_phase = process.sim.with(|world| world.broken(Mutant::ReconcilerRemovesInOnePhase));
    let mut judgement = comparison.page(&Facts {
        machines: &machines,
        owners: &rows.owners,
        live_tokens: if tokens_ignored { &nothing } else { &rows.live_tokens },
        marks,
        now: process.now(),
        grace: if one_phase { TimeDelta::zero() } else { delta(PACE.grace) },
    });
    if one_phase {
        judgement.remove.append(&mut judgement.mark.clone());
    }
    if process.sim.with(|world| world.broken(Mutant::ReconcilerBlind)) {
        judgement.remove.clear();
    }
    let Judgement { mark, remove, end_again, look_at } = judgement;
    let note = process.commit(move |world, now| {
        for found in mark.iter().map(number) {
            world.check_nobodys(found);
            world.db.orphans.entry(found).or_insert(now);
        }
        world.look_now(&look_at, now);
    });
    note.await.map_err(drop)?;
    end(process, remove.iter().map(number).collect()).await?;
    end(process, end_again.iter().map(number).collect()).await
}

async fn rows(process: &Process) -> Result<Rows, ()> {
    let read = process.commit(|world, _| {
        let with_machines =
            world.db.instances.values().filter_map(|row| Some((row, described_id(row.machine?))));
        let (owners, living) = with_machines
            .map(|(row, ec2_id)| {
                let busy = world.db.busy(row.no).is_some();
                let instance = id(row.no).as_uuid();
                let owner = Owner { instance, ec2_id: ec2_id.clone(), state: row.state, host: None, busy };
                let watched = row.look_at.is_some();
                (owner, (row.state, Living { instance, ec2_id, watched }))
            })
            .unzip::<_, _, Vec<_>, Vec<_>>();
        let living = living.into_iter().filter(|(state, _)| !state.is_final()).map(|(_, living)| living);
        Rows {
            owners,
            living: living.collect(),
            live_tokens: world.db.live_tokens(),
            marks: world.db.orphans.iter().map(|(no, since)| (described_id(*no), *since)).collect(),
        }
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
    fn look_now(&mut self, instances: &[Uuid], now: DateTime<Utc>) {
        for instance in instances {
            self.look_at(u32::try_from(instance.as_u128()).unwrap_or_default(), now);
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
