//! What happens to machines after their launch: by themselves as time goes by, and when they are told to.

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{
    instance::{Boot, Instance, InstanceState, Market, StateReason},
    launch::no_capacity,
    network::public_address,
    region::{Effect, Moment, Region},
};
use crate::{config::BootOutcome, wire::error::Ec2Error};

/// A machine's state before and after a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) instance_id: String,
    pub(crate) previous: InstanceState,
    pub(crate) current: InstanceState,
}

/// How roughly a machine is stopped or terminated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// The operating system shuts down.
    Orderly,
    /// It does not get to (`Force`, `SkipOsShutdown`, a spot interruption).
    Abrupt,
}

/// What can befall a running machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// It boots anew, as after a fault of its host or at a command inside.
    Reboots,
    /// Somebody stops it in AWS's console.
    StoppedInConsole,
    /// Somebody, or a program, shuts it down from inside.
    ShutDownInside,
    /// AWS stops it, because its host is taken out of service.
    HostRetired,
    /// AWS stops it after its host failed.
    HostFailed,
}

impl Region {
    /// When something happens next by itself.
    pub(crate) fn next_due(&mut self) -> Option<DateTime<Utc>> {
        self.next_appointment(due_of).map(|(at, _)| at)
    }

    /// Lets everything happen that is due by now, each thing at its own time.
    pub(crate) fn advance<R: Rng>(&mut self, moment: &mut Moment<'_, R>) {
        while let Some((at, sequence)) = self.next_appointment(due_of).filter(|(at, _)| *at <= moment.now) {
            self.happen(sequence, &mut Moment { now: at, rng: moment.rng });
        }
    }

    fn happen<R: Rng>(&mut self, sequence: u64, moment: &mut Moment<'_, R>) {
        let now = moment.now;
        let Some(instance) = self.by_sequence_mut(sequence) else { return };
        if instance.interruption_at.is_some_and(|at| at <= now) {
            instance.interruption_at = None;
            self.end(sequence, &spot_reason(), Manner::Abrupt, moment);
        } else if instance.due.is_some_and(|due| due <= now) {
            match instance.state.leads_to() {
                Some(next) => self.enter(sequence, next, moment),
                None => self.forget(sequence),
            }
        } else if let Some(boot) = &mut instance.boot
            && boot.outcome.is_none()
            && boot.due <= now
        {
            // Whoever carries out the user data corrects this before anybody sees it.
            boot.outcome = Some(instance.next_boot_outcome.unwrap_or(BootOutcome::Success));
            let booted = Effect::Booted { instance_id: instance.id.clone(), boot_id: boot.id.clone() };
            self.effects.push(booted);
        }
    }

    /// Enters a state at `moment.now`, with all that follows from being in it.
    fn enter<R: Rng>(&mut self, sequence: u64, state: InstanceState, moment: &mut Moment<'_, R>) {
        let timings = self.timings;
        self.starts += u64::from(state == InstanceState::Running);
        let starts = self.starts;
        let Some(instance) = self.by_sequence_mut(sequence) else { return };
        let now = moment.now;
        debug_assert!(instance.state.can_become(state), "{:?} to {state:?}", instance.state);
        let occupied = instance.state.occupies();
        instance.state = state;
        instance.state_since = now;
        instance.due = match state {
            InstanceState::Pending => Some(now + timings.pending.draw(moment.rng)),
            InstanceState::Terminated => Some(now + timings.terminated_visible.draw(moment.rng)),
            InstanceState::Stopping => Some(now + timings.stopping.draw(moment.rng)),
            InstanceState::ShuttingDown => Some(now + timings.shutting_down.draw(moment.rng)),
            InstanceState::Running | InstanceState::Stopped => None,
        };
        match state {
            InstanceState::Running => {
                instance.public_ip = instance.is_public.then(|| public_address(starts));
                instance.state_reason = None;
                instance.boot = Some(boot(now + timings.boot.draw(moment.rng), moment.rng));
            }
            InstanceState::Stopped | InstanceState::Terminated => {
                instance.public_ip = None;
                instance.boot = None;
            }
            InstanceState::Pending | InstanceState::Stopping | InstanceState::ShuttingDown => {}
        }
        let (instance_type, zone) = (instance.instance_type.clone(), instance.zone.clone());
        let instance_id = instance.id.clone();
        if occupied && !state.occupies() {
            self.give_capacity_back(&instance_type, &zone);
        }
        self.effects.push(Effect::StateChanged { instance_id, state, at: now });
    }

    fn leave_with_reason<R: Rng>(
        &mut self,
        sequence: u64,
        (state, reason): (InstanceState, &StateReason),
        manner: Manner,
        moment: &mut Moment<'_, R>,
    ) {
        self.enter(sequence, state, moment);
        let abrupt = self.timings.abrupt;
        if let Some(instance) = self.by_sequence_mut(sequence) {
            instance.state_reason = Some(reason.clone());
            if manner == Manner::Abrupt {
                instance.due = Some(moment.now + abrupt.draw(moment.rng));
            }
        }
    }

    fn end<R: Rng>(
        &mut self,
        sequence: u64,
        reason: &StateReason,
        manner: Manner,
        moment: &mut Moment<'_, R>,
    ) {
        let ending = self.by_sequence(sequence).is_none_or(|instance| instance.state.is_ending());
        if !ending {
            self.leave_with_reason(sequence, (InstanceState::ShuttingDown, reason), manner, moment);
        }
    }

    /// `TerminateInstances`: repeated as often as one likes, unless a machine is protected.
    pub(crate) fn terminate<R: Rng>(
        &mut self,
        ids: &[String],
        manner: Manner,
        moment: &mut Moment<'_, R>,
    ) -> Result<Vec<Change>, Ec2Error> {
        let guarded =
            ids.iter().find(|id| self.get(id).is_some_and(|instance| instance.termination_protection));
        if let Some(id) = guarded {
            return Err(Ec2Error::new(
                "OperationNotPermitted",
                format!(
                    "The instance '{id}' may not be terminated. Modify its 'disableApiTermination' instance \
                     attribute and try again."
                ),
            ));
        }
        let reason = user_reason();
        Ok(self.change(ids, |region, sequence| region.end(sequence, &reason, manner, moment)))
    }

    /// `StopInstances`: nothing happens to a machine that is stopped or stopping already.
    pub(crate) fn stop<R: Rng>(
        &mut self,
        ids: &[String],
        manner: Manner,
        moment: &mut Moment<'_, R>,
    ) -> Result<Vec<Change>, Ec2Error> {
        for instance in ids.iter().filter_map(|id| self.get(id)) {
            if instance.market == Market::Spot {
                return Err(Ec2Error::new(
                    "UnsupportedOperation",
                    format!(
                        "You can't stop the Spot Instance '{}' because it is associated with a one-time Spot \
                         Instance request. You can only stop Spot Instances associated with persistent Spot \
                         Instance requests.",
                        instance.id
                    ),
                ));
            }
            if !matches!(
                instance.state,
                InstanceState::Running | InstanceState::Stopping | InstanceState::Stopped
            ) {
                return Err(Ec2Error::incorrect_state(&instance.id, "stopped"));
            }
        }
        let reason = user_reason();
        Ok(self.change(ids, |region, sequence| {
            let running =
                region.by_sequence(sequence).is_some_and(|instance| instance.state == InstanceState::Running);
            if running {
                region.leave_with_reason(sequence, (InstanceState::Stopping, &reason), manner, moment);
            }
        }))
    }

    /// `StartInstances`: nothing happens to a machine that is running or on its way.
    pub(crate) fn start<R: Rng>(
        &mut self,
        ids: &[String],
        moment: &mut Moment<'_, R>,
    ) -> Result<Vec<Change>, Ec2Error> {
        for instance in ids.iter().filter_map(|id| self.get(id)) {
            match instance.state {
                InstanceState::Pending | InstanceState::Running => {}
                InstanceState::Stopped if self.room(&instance.instance_type, &instance.zone) == 0 => {
                    return Err(no_capacity(&instance.instance_type, Some(&instance.zone)));
                }
                InstanceState::Stopped => {}
                _ => return Err(Ec2Error::incorrect_state(&instance.id, "started")),
            }
        }
        Ok(self.change(ids, |region, sequence| {
            let Some(instance) = region.by_sequence_mut(sequence) else { return };
            if instance.state == InstanceState::Stopped {
                instance.launch_time = moment.now;
                instance.console.clear();
                let (instance_type, zone) = (instance.instance_type.clone(), instance.zone.clone());
                region.take_capacity(&instance_type, &zone, 1);
                region.enter(sequence, InstanceState::Pending, moment);
            }
        }))
    }

    /// `RebootInstances`: the machine stays `running` and boots again.
    pub(crate) fn reboot<R: Rng>(
        &mut self,
        ids: &[String],
        moment: &mut Moment<'_, R>,
    ) -> Result<(), Ec2Error> {
        let stuck = ids.iter().find(|id| self.get(id).is_some_and(|i| i.state != InstanceState::Running));
        if let Some(id) = stuck {
            return Err(Ec2Error::incorrect_state(id, "rebooted"));
        }
        let span = self.timings.boot;
        for id in ids {
            if let Some(instance) = self.get_mut(id) {
                instance.boot = Some(boot(moment.now + span.draw(moment.rng), moment.rng));
            }
        }
        Ok(())
    }

    /// Something happens to a machine that no call asked for.
    pub(crate) fn befall<R: Rng>(
        &mut self,
        id: &str,
        what: Happening,
        moment: &mut Moment<'_, R>,
    ) -> Result<(), Ec2Error> {
        let instance = self.get(id).ok_or_else(|| Ec2Error::instances_not_found(&[id.to_owned()]))?;
        if instance.state != InstanceState::Running {
            return Err(Ec2Error::incorrect_state(id, "affected"));
        }
        let sequence = instance.sequence;
        let reason = |code: &str, text: &str| StateReason {
            code: code.to_owned(),
            message: format!("{code}: {text}"),
        };
        let (reason, manner) = match what {
            Happening::Reboots => return self.reboot(&[id.to_owned()], moment),
            Happening::StoppedInConsole => (user_reason(), Manner::Orderly),
            Happening::ShutDownInside => {
                (reason("Client.InstanceInitiatedShutdown", "Instance initiated shutdown"), Manner::Orderly)
            }
            Happening::HostRetired => {
                (reason("Server.ScheduledStop", "Stopped due to a scheduled retirement"), Manner::Orderly)
            }
            Happening::HostFailed => (reason("Server.InternalError", "Internal error"), Manner::Abrupt),
        };
        self.leave_with_reason(sequence, (InstanceState::Stopping, &reason), manner, moment);
        Ok(())
    }

    /// Announces that a spot machine will be taken away after the notice.
    pub(crate) fn interrupt<R: Rng>(&mut self, id: &str, moment: &mut Moment<'_, R>) -> Result<(), Ec2Error> {
        let notice = self.timings.spot_notice;
        let instance = self.get_mut(id).ok_or_else(|| Ec2Error::instances_not_found(&[id.to_owned()]))?;
        if instance.market != Market::Spot || instance.state.is_ending() {
            return Err(Ec2Error::incorrect_state(id, "interrupted"));
        }
        instance.interruption_at = Some(moment.now + notice.draw(moment.rng));
        self.effects.push(Effect::InterruptionWarning { instance_id: id.to_owned(), at: moment.now });
        Ok(())
    }

    fn change(&mut self, ids: &[String], mut act: impl FnMut(&mut Self, u64)) -> Vec<Change> {
        let mut changes = Vec::new();
        for id in ids {
            let Some((sequence, previous)) = self.get(id).map(|i| (i.sequence, i.state)) else { continue };
            act(self, sequence);
            let current = self.by_sequence(sequence).map_or(previous, |instance| instance.state);
            changes.push(Change { instance_id: id.clone(), previous, current });
        }
        changes
    }
}

/// When something happens to this machine by itself.
fn due_of(instance: &Instance) -> Option<DateTime<Utc>> {
    let boot = instance.boot.as_ref().filter(|boot| boot.outcome.is_none() && !instance.state.is_ending());
    [instance.due, instance.interruption_at, boot.map(|boot| boot.due)].into_iter().flatten().min()
}

fn boot(due: DateTime<Utc>, rng: &mut impl Rng) -> Boot {
    let id = uuid::Builder::from_random_bytes(rng.random()).into_uuid().to_string();
    // A boot takes time even where it is set to none: its report must not precede the state `running`.
    Boot { id, due: due + TimeDelta::milliseconds(1), outcome: None, reported: false }
}

fn user_reason() -> StateReason {
    StateReason {
        code: "Client.UserInitiatedShutdown".to_owned(),
        message: "Client.UserInitiatedShutdown: User initiated shutdown".to_owned(),
    }
}

fn spot_reason() -> StateReason {
    StateReason {
        code: "Server.SpotInstanceTermination".to_owned(),
        message: "Server.SpotInstanceTermination: Spot instance termination".to_owned(),
    }
}
