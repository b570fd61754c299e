//! The reconciler: machines that nobody owns, ends that were forgotten.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use cloudapp_domain::InstanceState;

use super::ec2::{Machine, MachineNo, Power};
use super::invariants::Invariant;
use super::mutants::Mutant;
use super::replica::Process;
use super::steps::{PACE, delta};
use super::world::World;
use crate::limiter::Family;

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

/// What the database says of a machine, when it is read.
#[derive(Debug, Default)]
struct Claims {
    owned: BTreeSet<MachineNo>,
    live_tokens: BTreeSet<String>,
    forgotten: BTreeSet<MachineNo>,
}

async fn pass(process: &Process) -> Result<(), ()> {
    let rows_first = process.sim.with(|world| world.broken(Mutant::ReconcilerReadsRowsFirst));
    let early = if rows_first { Some(claims(process).await?) } else { None };
    process.turn(Family::DescribeInstances, 1..=1).await;
    let listed = process.ec2(Family::DescribeInstances, 1, |world| Ok(world.describe_where(|_| true))).await;
    let mut machines = listed.map_err(drop)?;
    machines.retain(Machine::lives);
    let claims = match early {
        Some(early) => early,
        None => claims(process).await?,
    };
    let tokens_ignored = process.sim.with(|world| world.broken(Mutant::ReconcilerIgnoresLiveTokens));
    let unowned: BTreeSet<MachineNo> = machines
        .iter()
        .filter(|machine| !claims.owned.contains(&machine.no))
        .filter(|machine| {
            tokens_ignored || !machine.token.as_ref().is_some_and(|token| claims.live_tokens.contains(token))
        })
        .map(|machine| machine.no)
        .collect();
    let seen: BTreeSet<MachineNo> = machines.iter().map(|machine| machine.no).collect();
    let due = process.commit(move |world, now| world.mark(&unowned, now)).await.map_err(drop)?;
    end(process, due).await?;
    let forgotten = claims.forgotten.intersection(&seen).copied().collect();
    end(process, forgotten).await?;
    let grace = delta(PACE.grace);
    let forget = process
        .commit(move |world, now| world.db.parked.retain(|_, parked| parked.received_at >= now - grace));
    forget.await.map_err(drop)
}

async fn claims(process: &Process) -> Result<Claims, ()> {
    let read = process.commit(|world, _| {
        let mut claims = Claims::default();
        for row in world.db.instances.values() {
            let Some(machine) = row.machine else { continue };
            let busy = world.db.busy(row.no).is_some();
            if !row.state.is_final() || busy {
                claims.owned.insert(machine);
            }
            if row.state == InstanceState::Terminating && !busy {
                claims.forgotten.insert(machine);
            }
        }
        claims.live_tokens = world.db.live_tokens();
        claims
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
    /// Marks what is new, forgets what has found its owner; answers what was marked long enough ago.
    fn mark(&mut self, unowned: &BTreeSet<MachineNo>, now: DateTime<Utc>) -> Vec<MachineNo> {
        let at_once = self.broken(Mutant::ReconcilerRemovesInOnePhase);
        self.db.orphans.retain(|machine, _| unowned.contains(machine));
        for machine in unowned {
            self.check_nobodys(*machine);
        }
        let grace = delta(PACE.grace);
        let mut due: Vec<MachineNo> =
            self.db.orphans.iter().filter(|(_, marked)| **marked <= now - grace).map(|(no, _)| *no).collect();
        for machine in unowned {
            self.db.orphans.entry(*machine).or_insert(now);
        }
        if self.broken(Mutant::ReconcilerBlind) {
            return Vec::new();
        }
        if at_once {
            due = unowned.iter().copied().collect();
        }
        due
    }

    /// What nobody owns is ended on a later pass.
    fn check_phases(&mut self, machine: MachineNo) {
        let age = self.now - self.ec2.machines.get(&machine).map_or(0, |machine| machine.started);
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
            _ if token.is_some() => {
                self.violate(Invariant::NoOrphans, || {
                    format!("machine {machine} was left to the reconciler")
                });
            }
            _ => {}
        }
    }
}
