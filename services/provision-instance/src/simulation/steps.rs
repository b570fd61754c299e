//! The steps of executions: the product's decisions, with this world around them.

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_contract::boot_report::BootOutcome;
use cloudapp_domain::{ExecutionKind, Failure, FailureCode, Fixer, InstanceState};
use cloudapp_ec2::{Ec2Error, MachineState};
use cloudapp_workflow::{Applied, Undone};

use super::database::{Execution, Instance};
use super::ec2::Power;
use super::invariants::Invariant;
use super::mutants::Mutant;
use super::placing;
use super::replica::Process;
use super::world::{Topic, World};
use crate::launch::{Booting, Outlook, outlook};
use crate::limiter::Family;
use crate::settings::Pace;

/// As in production.
pub(super) const PACE: Pace = Pace::normal(std::time::Duration::from_secs(60));

/// A step did not find out what it came to.
#[derive(Debug)]
pub(super) enum StepLost {
    Database,
    Lease,
}

/// A step of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Admit,
    Place,
    Boot,
    Login,
    Settle,
    Start,
    Stop,
    Destroy,
    Gone,
}

/// The steps of a kind, as its definition has them.
pub(super) const fn of(kind: ExecutionKind) -> &'static [Step] {
    use Step::{Admit, Boot, Destroy, Gone, Login, Place, Settle, Start, Stop};
    match kind {
        ExecutionKind::Launch => &[Admit, Place, Boot, Login],
        ExecutionKind::Start => &[Start, Boot, Login],
        ExecutionKind::Stop => &[Stop, Gone],
        _ => &[Settle, Destroy, Gone],
    }
}

/// A duration as a difference.
pub(super) fn delta(duration: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

impl Step {
    pub(super) fn deadline(self) -> TimeDelta {
        match self {
            Self::Place => placing::STEP_DEADLINE,
            Self::Boot => delta(PACE.boot),
            Self::Start => delta(PACE.place),
            Self::Stop | Self::Destroy | Self::Gone => delta(PACE.down),
            Self::Settle => TimeDelta::minutes(20),
            Self::Login => TimeDelta::minutes(5),
            Self::Admit => TimeDelta::minutes(1),
        }
    }

    pub(super) async fn apply(self, process: &Process, claimed: &Execution) -> Result<Applied, StepLost> {
        let run = Run { process, claimed };
        match self {
            Self::Admit => Ok(Applied::Done(None)),
            Self::Place => placing::apply(&run).await,
            Self::Boot => run.boot().await,
            Self::Login => run.login().await,
            Self::Settle => run.settle().await,
            Self::Start => run.start().await,
            Self::Stop => run.stop().await,
            Self::Destroy => run.terminate().await,
            Self::Gone => run.gone().await,
        }
    }

    pub(super) async fn undo(self, process: &Process, claimed: &Execution) -> Result<Undone, StepLost> {
        let run = Run { process, claimed };
        match self {
            Self::Admit => run.unadmit().await,
            Self::Place => placing::undo(&run).await,
            Self::Start => run.unstart().await,
            Self::Stop => run.unstop().await,
            Self::Boot | Self::Login | Self::Settle | Self::Destroy | Self::Gone => Ok(Undone::Done),
        }
    }
}

/// One run of a step.
pub(super) struct Run<'a> {
    pub(super) process: &'a Process,
    pub(super) claimed: &'a Execution,
}

/// It cannot be done.
pub(super) fn fail() -> Applied {
    Applied::Fail(Failure {
        code: FailureCode::Internal,
        sentence: String::new(),
        fixer: Fixer::User,
        next_step: String::new(),
        detail: None,
    })
}

impl Run<'_> {
    /// A moment from now.
    pub(super) fn after(&self, duration: std::time::Duration) -> DateTime<Utc> {
        self.process.now() + delta(duration)
    }

    pub(super) fn wait(&self, duration: std::time::Duration) -> Applied {
        Applied::Wait { until: self.after(duration), detail: None }
    }

    /// The row, as it is now.
    pub(super) async fn subject(&self) -> Result<Instance, StepLost> {
        let no = self.claimed.subject;
        let read = self.process.commit(move |world, _| world.db.instances[&no].clone()).await;
        read.map_err(|_| StepLost::Database)
    }

    /// A transaction that commits only while this run still holds the execution.
    pub(super) async fn fenced<T>(
        &self,
        action: impl FnOnce(&mut World, DateTime<Utc>) -> T,
    ) -> Result<T, StepLost> {
        let claimed = self.claimed;
        let write = |world: &mut World, now| {
            world.holds(claimed).then(|| {
                world.check_in_hand(claimed);
                action(world, now)
            })
        };
        let done = self.process.commit(write).await;
        // The worst moment to die: what the step did is committed, that it did it is not.
        let replica = self.process.replica;
        self.process.sim.with(|world| {
            if world.chance(|chaos| chaos.crash * 5.0) {
                world.crashes.push(replica);
            }
        });
        done.map_err(|_| StepLost::Database)?.ok_or(StepLost::Lease)
    }

    pub(super) async fn call(&self, family: Family, power: Power, machine: u32) -> Result<(), Ec2Error> {
        let (claimed, replica) = (self.claimed.no, self.process.replica);
        self.process.turn(family, 1..=1).await;
        let action = move |world: &mut World| {
            world.tell(|| format!("replica {replica}, execution {claimed}: {power:?} machine {machine}"));
            if power == Power::Terminate {
                world.check_asked(machine, claimed);
            }
            world.power(&[machine], power)
        };
        self.process.ec2(family, 1, action).await
    }

    async fn boot(&self) -> Result<Applied, StepLost> {
        let instance = self.subject().await?;
        let of_this_start =
            instance.reports.values().find(|(generation, _)| *generation == instance.generation);
        let report = of_this_start.map(|(_, success)| *success);
        let outlook = outlook(&Booting {
            state: instance.state,
            ec2_state: instance.ec2_state.map(MachineState::as_str),
            report: report.map(|ok| if ok { BootOutcome::Success } else { BootOutcome::Failure }),
            report_required: instance.reports_boots(),
        });
        Ok(match outlook {
            Outlook::Usable | Outlook::Running => Applied::Done(None),
            Outlook::Lost => {
                self.process.sim.with(|world| world.check_lost(instance.no));
                fail()
            }
            Outlook::InstallationFailed => fail(),
            Outlook::Installing | Outlook::Starting => self.wait(PACE.look_at_rest),
        })
    }

    async fn login(&self) -> Result<Applied, StepLost> {
        let instance = self.subject().await?;
        if instance.state == InstanceState::Ready {
            return Ok(Applied::Done(None));
        }
        let (no, execution, sim) = (instance.no, self.claimed.no, self.process.sim.clone());
        let signing = sim.with(|world| {
            let slow = world.chance(|chaos| chaos.slow);
            world.between(5, if slow { 12_000 } else { 50 })
        });
        sim.sleep(signing).await;
        let ready = self
            .fenced(move |world, now| {
                let unguarded = world.broken(Mutant::ReadyWithoutLooking);
                let Some(row) = world.db.instances.get_mut(&no) else { return false };
                if !unguarded && !matches!(row.state, InstanceState::Booting | InstanceState::Starting) {
                    return false;
                }
                row.was_ready = true;
                let (reported_at, given_at) = (row.reported_at, row.given_at);
                row.look_at = Some(now + delta(PACE.look_at_rest));
                world.write_state(no, InstanceState::Ready);
                world.put(execution, "ready");
                world.check_usable(no);
                let running = world.machine_of(no).map_or(0, |machine| machine.running_at + 500);
                world.check_prompt(no, reported_at.max(running).max(given_at), 1_500, "ready");
                true
            })
            .await?;
        Ok(if ready { Applied::Done(None) } else { Applied::Retry { detail: None } })
    }

    async fn unadmit(&self) -> Result<Undone, StepLost> {
        let (no, cancelled) =
            (self.claimed.subject, self.claimed.ending == cloudapp_workflow::planner::Ending::Cancelled);
        let to = if cancelled { InstanceState::Terminated } else { InstanceState::Failed };
        self.fenced(move |world, _| {
            if !world.broken(Mutant::QuotaNotGivenBack) {
                world.close(no, to);
            }
        })
        .await?;
        Ok(Undone::Done)
    }
}

impl World {
    pub(super) fn look_at(&mut self, no: u32, at: DateTime<Utc>) {
        if let Some(row) = self.db.instances.get_mut(&no) {
            row.look_at = Some(at);
        }
    }

    /// A machine of a living row is ended only by an execution that ends it or takes its launch back.
    fn check_asked(&mut self, machine: u32, execution: u32) {
        let Some(row) = self.db.by_machine(machine) else { return };
        let asked = self.db.executions.get(&execution).is_some_and(|e| {
            e.subject == row.no
                && (e.phase == cloudapp_workflow::planner::Phase::Undoing
                    || matches!(e.kind, ExecutionKind::Stop | ExecutionKind::Destroy))
        });
        let no = row.no;
        if !asked {
            self.violate(Invariant::EndedOnlyWhenAsked, || {
                format!("execution {execution} ended machine {machine} of instance {no} unasked")
            });
        }
    }

    /// Wakes what waits on every replica.
    pub(super) fn work(&mut self, from: usize) {
        self.signal(Topic::Work, from);
    }
}
