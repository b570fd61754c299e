//! Executions as rows: the statements of `cloudapp_workflow`'s store.

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{ExecutionKind, ExecutionState, InstanceState};
use cloudapp_ec2::MachineState;
use cloudapp_workflow::Backoff;
use cloudapp_workflow::planner::{Course, Ending, Phase};

use super::database::{Execution, ExecutionNo, InstanceNo};
use super::invariants::Invariant;
use super::mutants::Mutant;
use super::world::World;

type Time = DateTime<Utc>;

/// How long a lease lasts.
pub(super) const LEASE: TimeDelta = TimeDelta::seconds(60);

/// Whether a fenced write took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Yes,
    LeaseLost,
}

impl World {
    /// Accepts an execution whose first `done` steps the accepting transaction has done itself.
    pub(super) fn insert_execution(
        &mut self,
        kind: ExecutionKind,
        subject: InstanceNo,
        done: usize,
        deadline: TimeDelta,
        now: Time,
    ) -> ExecutionNo {
        let no = self.db.number();
        let execution = Execution {
            no,
            kind,
            subject,
            state: ExecutionState::Pending,
            phase: Phase::Forward,
            ending: Ending::Failed,
            position: done,
            attempt: 0,
            step_started_at: None,
            deadline: now + deadline,
            cancel: false,
            wakeups: 0,
            fence: 0,
            next_run_at: now,
            lease_until: None,
            holder: None,
            begun: (0..done).collect(),
        };
        self.tell(|| format!("execution {no} of kind {kind} for instance {subject} is accepted"));
        self.db.executions.insert(no, execution);
        no
    }

    /// Takes the leases of up to `limit` executions that are due.
    pub(super) fn claim(&mut self, holder: usize, limit: usize, now: Time) -> Vec<Execution> {
        let lease_ignored = self.broken(Mutant::LeaseIgnored);
        let mut due: Vec<(Time, ExecutionNo)> = self
            .db
            .executions
            .values()
            .filter(|e| e.is_live() && e.next_run_at <= now)
            .filter(|e| lease_ignored || e.lease_until.is_none_or(|until| until <= now))
            .map(|e| (e.next_run_at, e.no))
            .collect();
        due.sort_unstable();
        due.truncate(limit);
        let backoff = Backoff::default();
        let mut claimed = Vec::with_capacity(due.len());
        for (_, no) in due {
            let jitter = self.between(50, 100);
            self.check_alone(no, now);
            let Some(execution) = self.db.executions.get_mut(&no) else { continue };
            let pause = i64::try_from(backoff.ceiling(execution.attempt + 1).as_millis()).unwrap_or(i64::MAX);
            execution.next_run_at = now + TimeDelta::milliseconds(pause * jitter / 100);
            execution.attempt += 1;
            execution.fence += 1;
            execution.state = ExecutionState::Running;
            execution.lease_until = Some(now + LEASE);
            execution.holder = Some(holder);
            claimed.push(execution.clone());
        }
        for execution in &claimed {
            let (no, fence) = (execution.no, execution.fence);
            self.tell(|| format!("replica {holder} claims execution {no} under fence {fence}"));
        }
        claimed
    }

    /// Nobody is claimed from whoever holds it, as long as clocks agree.
    fn check_alone(&mut self, no: ExecutionNo, now: Time) {
        let held = self.db.executions[&no].lease_until.is_some_and(|until| until > now);
        if held && self.chaos.skew == 0 {
            self.violate(Invariant::OneRunAtATime, || format!("execution {no} was claimed from who held it"));
        }
    }

    /// The row, if the claim still holds.
    fn fenced(&mut self, claimed: &Execution) -> Option<&mut Execution> {
        let unfenced = self.broken(Mutant::FenceNotChecked);
        self.db.executions.get_mut(&claimed.no).filter(|row| unfenced || row.fence == claimed.fence)
    }

    /// Whether a step's own transaction may be committed.
    pub(super) fn holds(&mut self, claimed: &Execution) -> bool {
        self.broken(Mutant::StepsNotFenced) || self.fenced(claimed).is_some()
    }

    pub(super) fn record_begin(&mut self, claimed: &mut Execution, now: Time) -> Written {
        let Some(row) = self.fenced(claimed) else { return Written::LeaseLost };
        row.step_started_at = Some(now);
        row.begun.insert(claimed.position);
        claimed.step_started_at = Some(now);
        Written::Yes
    }

    /// The execution goes to its next step, begun at once and under a renewed lease, or ends.
    pub(super) fn record_course(&mut self, claimed: &mut Execution, course: Course, now: Time) -> Written {
        let Some(row) = self.fenced(claimed) else { return Written::LeaseLost };
        let onward = match (course, row.phase) {
            (Course::Step(next), Phase::Forward) => next > row.position,
            (Course::Step(next), Phase::Undoing) => next < row.position,
            (Course::End(_), _) => true,
        };
        let (state, was, onward) = (row.state, row.position, row.is_live() && onward);
        if !onward {
            let no = claimed.no;
            self.violate(Invariant::OneWay, || {
                format!("execution {no}, {state} at step {was}, goes to {course:?}")
            });
        }
        self.write_course(claimed, course, now);
        Written::Yes
    }

    fn write_course(&mut self, claimed: &mut Execution, course: Course, now: Time) {
        let Some(row) = self.db.executions.get_mut(&claimed.no) else { return };
        match course {
            Course::Step(position) => {
                (row.position, row.attempt, row.step_started_at) = (position, 1, Some(now));
                row.lease_until = Some(now + LEASE);
                row.begun.insert(position);
                (claimed.position, claimed.attempt, claimed.step_started_at) = (position, 1, Some(now));
            }
            Course::End(state) => {
                (row.state, row.lease_until, row.holder) = (state, None, None);
                let (no, phase) = (row.no, row.phase);
                self.tell(|| format!("execution {no} ends as {state}"));
                self.ended(no, state, phase);
            }
        }
    }

    pub(super) fn record_turn(
        &mut self,
        claimed: &mut Execution,
        ending: Ending,
        course: Course,
        now: Time,
    ) -> Written {
        let Some(row) = self.fenced(claimed) else { return Written::LeaseLost };
        let (no, state, again) = (row.no, row.state, row.phase == Phase::Undoing || !row.is_live());
        (row.phase, row.ending) = (Phase::Undoing, ending);
        if again {
            self.violate(Invariant::OneWay, || format!("execution {no}, {state}, turns back once more"));
        }
        self.tell(|| format!("execution {no} turns back: {ending:?}"));
        (claimed.phase, claimed.ending) = (Phase::Undoing, ending);
        self.write_course(claimed, course, now);
        Written::Yes
    }

    /// A step writes only while its execution is at that step.
    pub(super) fn check_in_hand(&mut self, claimed: &Execution) {
        let Some(row) = self.db.executions.get(&claimed.no) else { return };
        let at = (row.phase, row.position);
        if !row.is_live() || at != (claimed.phase, claimed.position) {
            let (no, state) = (row.no, row.state);
            self.violate(Invariant::OneWay, || {
                format!("execution {no}, {state} at {at:?}, still writes for step {}", claimed.position)
            });
        }
    }

    /// The execution rests; not at all if it was woken since it was claimed.
    pub(super) fn record_rest(&mut self, claimed: &Execution, until: Time, keep_attempts: bool, now: Time) {
        let Some(row) = self.fenced(claimed) else { return };
        (row.lease_until, row.holder) = (None, None);
        if !keep_attempts {
            row.attempt = 0;
        }
        row.next_run_at = if row.wakeups == claimed.wakeups { until } else { now };
    }

    /// What has happened to the claimed execution meanwhile.
    pub(super) fn refresh(&mut self, claimed: &mut Execution) -> Written {
        let Some(row) = self.fenced(claimed) else { return Written::LeaseLost };
        (claimed.cancel, claimed.wakeups) = (row.cancel, row.wakeups);
        Written::Yes
    }

    /// Asks an execution to end and to undo what it did; `false` if it has ended already.
    pub(super) fn request_cancel(&mut self, no: ExecutionNo, now: Time) -> bool {
        let Some(row) = self.db.executions.get_mut(&no).filter(|e| e.is_live()) else { return false };
        row.cancel = true;
        row.wakeups += 1;
        row.next_run_at = row.next_run_at.min(now);
        self.tell(|| format!("execution {no} is asked to cancel"));
        true
    }

    /// What must hold whenever an execution ends.
    fn ended(&mut self, no: ExecutionNo, state: ExecutionState, phase: Phase) {
        let execution = &self.db.executions[&no];
        let Some(instance) = self.db.instances.get(&execution.subject) else { return };
        let (row, kind) = (instance.no, execution.kind);
        if state == ExecutionState::Stuck {
            self.violate(Invariant::NeverStuck, || format!("execution {no} is stuck"));
            return;
        }
        if kind != ExecutionKind::Launch {
            return;
        }
        let at_ec2 = instance.machine.and_then(|machine| self.ec2.machines.get(&machine));
        let runs = at_ec2.is_some_and(|m| m.lives() && m.state != MachineState::Stopped);
        if phase == Phase::Undoing {
            if !instance.state.is_final() {
                self.violate(Invariant::NothingLeft, || format!("launch {no} ended, instance {row} did not"));
            } else if runs {
                self.violate(Invariant::NothingLeft, || format!("launch {no} was undone, its machine runs"));
            } else if self.db.waits(row) {
                self.violate(Invariant::NothingLeft, || format!("launch {no} was undone, and still waits"));
            }
        } else if !instance.was_ready || instance.state == InstanceState::Launching {
            self.violate(Invariant::NothingLeft, || {
                format!("launch {no} succeeded, its machine was never ready")
            });
        } else if self.db.told.get(&(no, "ready")) != Some(&1) {
            self.violate(Invariant::ToldOnce, || format!("launch {no} succeeded and told nobody"));
        }
    }
}
