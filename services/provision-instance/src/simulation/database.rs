//! The rows. What the product does in one transaction is one action here.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use cloudapp_domain::{ExecutionKind, ExecutionState, InstanceState, OnStop};
use cloudapp_ec2::MachineState;
use cloudapp_workflow::planner::{Ending, Phase};

use super::ec2::MachineNo;
use super::invariants::Invariant;
use super::world::World;

pub(super) type InstanceNo = u32;
pub(super) type ExecutionNo = u32;
pub(super) type UserNo = u32;
type Time = DateTime<Utc>;

/// A row of `instance`.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) no: InstanceNo,
    pub(super) owner: UserNo,
    pub(super) configuration: usize,
    pub(super) state: InstanceState,
    pub(super) on_stop: OnStop,
    pub(super) execution: ExecutionNo,
    pub(super) machine: Option<MachineNo>,
    pub(super) ec2_state: Option<MachineState>,
    pub(super) created_at: Time,
    pub(super) asked_at: Option<Time>,
    pub(super) placed_at: Option<Time>,
    pub(super) missing_since: Option<Time>,
    pub(super) look_at: Option<Time>,
    pub(super) generation: u32,
    /// The report of each boot, by when that began: for which start it counts, and whether installing went well.
    pub(super) reports: BTreeMap<super::world::Moment, (u32, bool)>,
    /// True time of the last report, and of the day when it got its machine.
    pub(super) reported_at: super::world::Moment,
    pub(super) given_at: super::world::Moment,
    /// Whether it was ever usable.
    pub(super) was_ready: bool,
}

impl Instance {
    /// Whether the configuration makes machines report their boots.
    pub(super) const fn reports_boots(&self) -> bool {
        self.configuration == 0
    }
}

/// A row of `execution`.
#[derive(Debug, Clone)]
pub(super) struct Execution {
    pub(super) no: ExecutionNo,
    pub(super) kind: ExecutionKind,
    pub(super) subject: InstanceNo,
    pub(super) state: ExecutionState,
    pub(super) phase: Phase,
    pub(super) ending: Ending,
    pub(super) position: usize,
    pub(super) attempt: u32,
    pub(super) step_started_at: Option<Time>,
    pub(super) deadline: Time,
    pub(super) cancel: bool,
    pub(super) wakeups: u64,
    pub(super) fence: u64,
    pub(super) next_run_at: Time,
    pub(super) lease_until: Option<Time>,
    pub(super) holder: Option<usize>,
    /// Steps whose effects may be there: what the adversary checks at the end.
    pub(super) begun: BTreeSet<usize>,
}

impl Execution {
    pub(super) const fn is_live(&self) -> bool {
        !self.state.is_final()
    }
}

/// An event about a machine that no row knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parked {
    pub(super) state: MachineState,
    pub(super) received_at: Time,
}

/// Every row.
#[derive(Debug, Default)]
pub(super) struct Database {
    pub(super) instances: BTreeMap<InstanceNo, Instance>,
    pub(super) executions: BTreeMap<ExecutionNo, Execution>,
    pub(super) batches: BTreeMap<u32, super::placing::Batch>,
    pub(super) placements: BTreeMap<InstanceNo, super::placing::Placement>,
    /// What is remembered of offerings' refusals.
    pub(super) memory: BTreeMap<usize, crate::placing::decide::Remembered>,
    pub(super) parked: BTreeMap<MachineNo, Parked>,
    pub(super) orphans: BTreeMap<MachineNo, Time>,
    /// Who has which duty, and until when.
    pub(super) duties: BTreeMap<&'static str, (usize, Time)>,
    /// What was accepted under which idempotency key.
    pub(super) keys: BTreeMap<(UserNo, u32), InstanceNo>,
    /// What was told, and how often: the outbox.
    pub(super) told: BTreeMap<(ExecutionNo, &'static str), u32>,
    /// The limiter's rows.
    pub(super) buckets: BTreeMap<(&'static str, usize), crate::limiter::bucket::Bucket>,
    /// How an account's rates relate to AWS's defaults.
    pub(super) scale: f64,
    /// Machines that users may have.
    pub(super) limits: BTreeMap<UserNo, usize>,
    /// Clicks on Create that were accepted.
    pub(super) accepted: BTreeMap<UserNo, u32>,
    /// Numbers given out.
    pub(super) next: u32,
}

impl Database {
    pub(super) fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// The row that a machine belongs to.
    pub(super) fn by_machine(&self, no: MachineNo) -> Option<&Instance> {
        self.instances.values().find(|instance| instance.machine == Some(no))
    }

    /// An execution of the row that has not ended.
    pub(super) fn busy(&self, instance: InstanceNo) -> Option<&Execution> {
        self.executions.values().rev().find(|execution| execution.subject == instance && execution.is_live())
    }

    /// Whether a launch or start of the row is under way.
    pub(super) fn rising(&self, instance: InstanceNo) -> bool {
        self.executions.values().any(|execution| {
            execution.subject == instance
                && execution.is_live()
                && matches!(execution.kind, ExecutionKind::Launch | ExecutionKind::Start)
        })
    }

    /// Whether a stop or an end of the row is under way.
    pub(super) fn falling(&self, instance: InstanceNo) -> bool {
        self.executions.values().any(|execution| {
            execution.subject == instance
                && execution.is_live()
                && matches!(execution.kind, ExecutionKind::Stop | ExecutionKind::Destroy)
        })
    }

    /// Rows that count against a user's limit.
    pub(super) fn live_of(&self, user: UserNo) -> usize {
        self.instances.values().filter(|i| i.owner == user && i.state.counts_against_limit()).count()
    }
}

impl World {
    /// As the product's: writes a legal next state, or nothing.
    pub(super) fn set_state(&mut self, no: InstanceNo, to: InstanceState) -> bool {
        let Some(instance) = self.db.instances.get(&no) else { return false };
        if !instance.state.may_become(to) {
            return false;
        }
        self.write_state(no, to);
        true
    }

    /// Writes a state, and holds it against the life of a machine.
    pub(super) fn write_state(&mut self, no: InstanceNo, to: InstanceState) {
        let Some(instance) = self.db.instances.get_mut(&no) else { return };
        let from = instance.state;
        instance.state = to;
        self.tell(|| format!("instance {no}: {from} → {to}"));
        if from != to && !from.may_become(to) && from != InstanceState::Requested {
            self.violate(Invariant::LegalTransitions, || format!("instance {no} went from {from} to {to}"));
        }
    }

    /// As the product's: ends a row once; `false` if it had ended.
    pub(super) fn close(&mut self, no: InstanceNo, to: InstanceState) -> bool {
        let Some(instance) = self.db.instances.get_mut(&no).filter(|i| !i.state.is_final()) else {
            return false;
        };
        instance.look_at = None;
        self.write_state(no, to);
        true
    }

    /// Wakes what waits for something to happen to the row.
    pub(super) fn wake(&mut self, subject: InstanceNo, now: Time) {
        if self.broken(super::mutants::Mutant::WakeupsLost) {
            return;
        }
        for execution in self.db.executions.values_mut().filter(|e| e.subject == subject && e.is_live()) {
            execution.wakeups += 1;
            execution.next_run_at = execution.next_run_at.min(now);
        }
    }

    /// Puts something into the outbox. That the same thing is never told twice is the row's doing, too; here it must
    /// hold without.
    pub(super) fn put(&mut self, execution: ExecutionNo, what: &'static str) {
        let told = self.db.told.entry((execution, what)).or_default();
        *told += 1;
        let times = *told;
        if times > 1 {
            self.violate(Invariant::ToldOnce, || {
                format!("{what} of execution {execution} told {times} times")
            });
        }
    }
}
