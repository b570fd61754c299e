//! Starting, stopping and ending machines: steps of executions that only ask EC2 and wait.

use chrono::{DateTime, Utc};
use cloudapp_domain::{InstanceState, OnStop};
use cloudapp_ec2::{Ec2Error, MachineState};
use cloudapp_workflow::{Applied, Undone};

use super::ec2::Power;
use super::grace_is_over;
use super::mutants::Mutant;
use super::steps::{PACE, Run, StepLost, delta, fail};
use crate::limiter::Family;
use crate::observe::first_look;

impl Run<'_> {
    pub(super) async fn settle(&self) -> Result<Applied, StepLost> {
        let (no, own) = (self.claimed.subject, self.claimed.no);
        let busy = self
            .process
            .commit(move |world, _| {
                world.db.executions.values().any(|e| e.subject == no && e.no != own && e.is_live())
            })
            .await
            .map_err(|_| StepLost::Database)?;
        Ok(if busy { self.wait(PACE.look / 4) } else { Applied::Done(None) })
    }

    /// Marks the row as ending, then asks EC2.
    pub(super) async fn terminate(&self) -> Result<Applied, StepLost> {
        let instance = self.subject().await?;
        if instance.state.is_final() {
            return Ok(Applied::Done(None));
        }
        let no = instance.no;
        let Some(machine) = instance.machine else {
            self.fenced(move |world, _| world.close(no, InstanceState::Terminated)).await?;
            return Ok(Applied::Done(None));
        };
        self.fenced(move |world, now| {
            world.set_state(no, InstanceState::Terminating);
            world.look_at(no, now + delta(PACE.look));
        })
        .await?;
        let over = self.grace_over(instance.placed_at);
        match self.call(Family::TerminateInstances, Power::Terminate, machine).await {
            Ok(()) => Ok(Applied::Done(None)),
            Err(Ec2Error::NotFound(_)) if over => Ok(Applied::Done(None)),
            Err(Ec2Error::Permission(_) | Ec2Error::Invalid(_)) => Ok(fail()),
            Err(_) => Ok(Applied::Retry { detail: None }),
        }
    }

    /// Whether EC2 can no longer fail to find what was placed then.
    pub(super) fn grace_over(&self, placed_at: Option<DateTime<Utc>>) -> bool {
        let ignored = self.process.sim.with(|world| world.broken(Mutant::GraceIgnoredInTakeBack));
        ignored || placed_at.is_none_or(|at| grace_is_over(at, self.process.now()))
    }

    pub(super) async fn gone(&self) -> Result<Applied, StepLost> {
        let instance = self.subject().await?;
        Ok(match instance.state {
            InstanceState::Terminated | InstanceState::Failed | InstanceState::Stopped => Applied::Done(None),
            _ => self.wait(PACE.look_at_rest),
        })
    }

    pub(super) async fn stop(&self) -> Result<Applied, StepLost> {
        let instance = self.subject().await?;
        if instance.on_stop == OnStop::Terminate {
            return self.terminate().await;
        }
        let Some(machine) = instance.machine else { return Ok(Applied::Done(None)) };
        if instance.state == InstanceState::Stopped {
            return Ok(Applied::Done(None));
        }
        let no = instance.no;
        self.fenced(move |world, now| {
            world.set_state(no, InstanceState::Stopping);
            world.look_at(no, now + delta(PACE.look));
        })
        .await?;
        match self.call(Family::StopInstances, Power::Stop, machine).await {
            Ok(()) | Err(Ec2Error::IncorrectState(_)) => Ok(Applied::Done(None)),
            Err(Ec2Error::Permission(_) | Ec2Error::Invalid(_) | Ec2Error::SpotNotStoppable(_)) => Ok(fail()),
            Err(_) => Ok(Applied::Retry { detail: None }),
        }
    }

    pub(super) async fn unstop(&self) -> Result<Undone, StepLost> {
        let instance = self.subject().await?;
        let Some(machine) = instance.machine.filter(|_| instance.state == InstanceState::Stopping) else {
            return Ok(Undone::Done);
        };
        let machines = match self.process.look(vec![machine]).await {
            Ok(machines) => machines,
            Err(error) => return Ok(Undone::Retry(error.failure())),
        };
        if machines.iter().any(|machine| machine.state == MachineState::Running) {
            self.fenced(move |world, _| world.set_state(instance.no, InstanceState::Ready)).await?;
        }
        Ok(Undone::Done)
    }

    pub(super) async fn start(&self) -> Result<Applied, StepLost> {
        let mut instance = self.subject().await?;
        let no = instance.no;
        if instance.state == InstanceState::Stopped {
            self.fenced(move |world, now| {
                if world.set_state(no, InstanceState::Starting) {
                    let same = world.broken(Mutant::GenerationNotRaised);
                    let Some(row) = world.db.instances.get_mut(&no) else { return };
                    if !same {
                        row.generation += 1;
                    }
                    row.asked_at = Some(now);
                }
            })
            .await?;
            instance = self.subject().await?;
        }
        let Some(machine) = instance.machine.filter(|_| instance.state == InstanceState::Starting) else {
            return Ok(Applied::Done(None));
        };
        match self.call(Family::StartInstances, Power::Start, machine).await {
            Ok(()) => {
                let first = first_look(instance.reports_boots(), PACE.look);
                self.fenced(move |world, now| {
                    world.look_at(no, now + delta(first));
                    let stale = world.broken(Mutant::StartKeepsOldState);
                    let Some(row) = world.db.instances.get_mut(&no) else { return };
                    if row.ec2_state == Some(MachineState::Stopped) && !stale {
                        row.ec2_state = Some(MachineState::Pending);
                    }
                })
                .await?;
                Ok(Applied::Done(None))
            }
            Err(
                Ec2Error::Throttled(_)
                | Ec2Error::Unavailable(_)
                | Ec2Error::OutcomeUnknown(_)
                | Ec2Error::IncorrectState(_)
                | Ec2Error::Capacity(_),
            ) => Ok(Applied::Retry { detail: None }),
            Err(_) => Ok(fail()),
        }
    }

    pub(super) async fn unstart(&self) -> Result<Undone, StepLost> {
        let instance = self.subject().await?;
        let no = instance.no;
        let Some(machine) = instance.machine.filter(|_| !instance.state.is_final()) else {
            return Ok(Undone::Done);
        };
        match self.call(Family::StopInstances, Power::Stop, machine).await {
            Ok(()) | Err(Ec2Error::NotFound(_) | Ec2Error::IncorrectState(_)) => {}
            Err(error) => return Ok(Undone::Retry(error.failure())),
        }
        let machines = match self.process.look(vec![machine]).await {
            Ok(machines) => machines,
            Err(error) => return Ok(Undone::Retry(error.failure())),
        };
        if !machines.iter().all(|m| m.state == MachineState::Stopped || m.state.is_ending()) {
            return Ok(Undone::Wait { until: self.after(PACE.look) });
        }
        self.fenced(move |world, _| {
            if world.set_state(no, InstanceState::Stopped)
                && let Some(row) = world.db.instances.get_mut(&no)
            {
                row.ec2_state = Some(MachineState::Stopped);
            }
        })
        .await?;
        Ok(Undone::Done)
    }
}
