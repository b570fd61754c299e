//! What must hold, all along and once the world has come to rest.

use std::collections::BTreeSet;

use cloudapp_domain::{ExecutionKind, ExecutionState, InstanceState};
use cloudapp_ec2::MachineState;

use super::ec2::Machine;
use super::placing::id;
use super::world::World;
use crate::placing::decide::PlacementState;

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Invariant {
    /// A row never has two living machines, nor a batch more of them than members.
    OneMachineEach,
    /// A machine never belongs to two rows.
    MachineOfOne,
    /// States follow each other as the life of a machine allows.
    LegalTransitions,
    /// Every execution ends, and within its time.
    EveryExecutionEnds,
    /// No execution ends as stuck while EC2 answers within the time for undoing.
    NeverStuck,
    /// A launch that is undone leaves no machine, no place in the queue and no share of the quota; one that succeeds
    /// leaves a machine.
    NothingLeft,
    /// An execution never does a step again that it has left behind, and nothing once it has ended.
    OneWay,
    /// Nothing is taken from a replica while its lease lasts.
    OneRunAtATime,
    /// A run that knows of a cancel applies nothing more.
    CancelHonoured,
    /// Ready is told exactly once.
    ToldOnce,
    /// Nobody has more machines than allowed.
    WithinQuota,
    /// One click, one row.
    OneClickOneRow,
    /// AWS never throttles who asks alone and punctually.
    WithinRates,
    /// Equal launches share calls.
    CallsAreShared,
    /// The same request is not sent without end.
    NoEndlessAsking,
    /// A single launch is not overtaken by one user's many.
    NobodyStarves,
    /// A launch fails for want of capacity only when EC2 has refused every offering.
    FallbackToTheLast,
    /// A row is closed for its machine's sake only when that is gone.
    GoneMeansGone,
    /// A machine that boots is given up as lost only when it is.
    LostMeansLost,
    /// Ready means that the machine runs and has reported this boot.
    ReadyMeansUsable,
    /// Machines of living rows end only when somebody asked.
    EndedOnlyWhenAsked,
    /// Machines are never left to the reconciler by ourselves; and none is left at rest.
    NoOrphans,
    /// The reconciler neither ends nor counts what somebody owns or may come to own.
    ReconcilerSparesTheOwned,
    /// What nobody owns is ended on a later pass than it was found on.
    TwoPhases,
    /// At rest every living row is at rest, as EC2 says.
    RowsFollowMachines,
    /// Without faults everything is noticed at once.
    PromptWhenCalm,
    /// Without faults every launch that is not cancelled succeeds.
    CalmSucceeds,
}

/// Something did not hold.
#[derive(Debug, Clone)]
pub(super) struct Violation {
    pub(super) invariant: Invariant,
    pub(super) what: String,
}

impl World {
    /// Whether nothing moves any more.
    pub(super) fn rests(&self) -> bool {
        use MachineState::{Running, Stopped, Terminated};
        self.queue.is_empty()
            && self.db.executions.values().all(|execution| !execution.is_live())
            && self.ec2.machines.values().all(|m| matches!(m.state, Running | Stopped | Terminated))
    }

    /// Checks what must hold at rest.
    pub(super) fn check_rest(&mut self) {
        let found = self.unended().or_else(|| self.machines_at_rest()).or_else(|| self.rows_at_rest());
        let found = found.or_else(|| self.clicks()).or_else(|| self.calm());
        if let Some((invariant, what)) = found {
            self.violate(invariant, || what);
        }
    }

    fn unended(&self) -> Option<(Invariant, String)> {
        let live = self.db.executions.values().find(|execution| execution.is_live())?;
        let (no, kind, phase, position) = (live.no, live.kind, live.phase, live.position);
        let what = format!("execution {no} ({kind}) is still {phase:?} at step {position}");
        Some((Invariant::EveryExecutionEnds, what))
    }

    fn machines_at_rest(&self) -> Option<(Invariant, String)> {
        for machine in self.ec2.machines.values().filter(|machine| machine.lives()) {
            let no = machine.no;
            match self.db.by_machine(no) {
                Some(row) if !row.state.is_final() => {}
                Some(row) => {
                    let row = row.no;
                    return Some((Invariant::NoOrphans, format!("machine {no} outlives its instance {row}")));
                }
                None => return Some((Invariant::NoOrphans, format!("machine {no} belongs to nobody"))),
            }
        }
        None
    }

    fn rows_at_rest(&self) -> Option<(Invariant, String)> {
        for row in self.db.instances.values() {
            let at_ec2 = row.machine.and_then(|no| self.ec2.machines.get(&no)).map(|machine| machine.state);
            let fits = match row.state {
                InstanceState::Terminated | InstanceState::Failed => true,
                InstanceState::Ready => at_ec2 == Some(MachineState::Running),
                InstanceState::Stopped => at_ec2 == Some(MachineState::Stopped),
                _ => false,
            };
            if !fits {
                let what = format!("instance {} is {} and its machine {at_ec2:?}", row.no, row.state);
                return Some((Invariant::RowsFollowMachines, what));
            }
        }
        let waits = self.db.placements.values().find(|placement| {
            !matches!(placement.state, PlacementState::Placed | PlacementState::Failed | PlacementState::Left)
        })?;
        Some((
            Invariant::NothingLeft,
            format!("the placement of {} is {:?}", id(waits.instance), waits.state),
        ))
    }

    fn clicks(&self) -> Option<(Invariant, String)> {
        self.db.limits.keys().find_map(|user| {
            let rows = self.db.instances.values().filter(|row| row.owner == *user).count();
            let keys: BTreeSet<_> = self.db.keys.keys().filter(|(owner, _)| owner == user).collect();
            (rows != keys.len()).then(|| {
                (Invariant::OneClickOneRow, format!("user {user}: {rows} rows of {} clicks", keys.len()))
            })
        })
    }

    fn calm(&self) -> Option<(Invariant, String)> {
        if !self.chaos.calm {
            return None;
        }
        let failed = self.db.executions.values().find(|execution| {
            execution.kind == ExecutionKind::Launch
                && !execution.cancel
                && execution.state != ExecutionState::Succeeded
        });
        if let Some(failed) = failed {
            return Some((
                Invariant::CalmSucceeds,
                format!("launch {} ended as {}", failed.no, failed.state),
            ));
        }
        let many = self.db.placements.values().filter(|p| p.owner == 0).count();
        let batches: BTreeSet<_> =
            self.db.placements.values().filter(|p| p.owner == 0).map(|placement| placement.batch).collect();
        (self.db.scale >= 1.0 && many >= 10 && batches.len() > 7).then(|| {
            (Invariant::CallsAreShared, format!("{many} equal launches took {} batches", batches.len()))
        })
    }

    /// Ready is only what can be used.
    pub(super) fn check_usable(&mut self, no: u32) {
        let at_ec2 = self.db.instances[&no].machine.and_then(|machine| self.ec2.machines.get(&machine));
        let reports = self.db.instances[&no].reports_boots();
        let usable = at_ec2.is_some_and(|machine| {
            machine.state == MachineState::Running && (!reports || machine.reported == Some(machine.started))
        });
        if !usable && self.chaos.outside == 0.0 {
            let at_ec2 = at_ec2.map(|machine| (machine.state, machine.reported.is_some()));
            self.violate(Invariant::ReadyMeansUsable, || {
                format!("instance {no} is ready, its machine {at_ec2:?}")
            });
        }
    }

    /// A booting machine is given up only when it is lost.
    pub(super) fn check_lost(&mut self, no: u32) {
        let row = &self.db.instances[&no];
        let at_ec2 = row.machine.and_then(|machine| self.ec2.machines.get(&machine));
        let runs = at_ec2.is_some_and(|m| matches!(m.state, MachineState::Running | MachineState::Pending));
        if runs && self.chaos.outside == 0.0 && !row.state.is_final() {
            self.violate(Invariant::LostMeansLost, || {
                format!("instance {no} was given up and its machine runs")
            });
        }
    }

    /// What comes of a look must not be late when nothing goes wrong.
    pub(super) fn check_prompt(&mut self, no: u32, since: i64, allowed: i64, what: &'static str) {
        let late = self.now - since;
        if self.chaos.calm && self.db.scale >= 1.0 && late > allowed {
            self.violate(Invariant::PromptWhenCalm, || format!("instance {no}: {what} after {late} ms"));
        }
    }

    /// The machine of a row, as it really is.
    pub(super) fn machine_of(&self, no: u32) -> Option<&Machine> {
        self.db.instances.get(&no)?.machine.and_then(|machine| self.ec2.machines.get(&machine))
    }
}
