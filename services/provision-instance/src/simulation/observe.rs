//! What replicas hear and see of EC2: the consumer of events, boot reports, the one shared describe.

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{Ec2InstanceId, InstanceState};
use cloudapp_ec2::{Ec2Error, MachineState};

use super::bus::Message;
use super::database::Parked;
use super::ec2::{Machine, MachineNo};
use super::grace_is_over;
use super::invariants::Invariant;
use super::mutants::Mutant;
use super::replica::{Lost, Process};
use super::steps::{PACE, delta};
use super::world::{Sim, Topic, World};
use crate::limiter::Family;
use crate::observe::course::{Known, Step, course};
use crate::observe::hint::{Look, Named, heard as worth};
use crate::observe::pace::{InMotion, Learned, first_look, next_look};

/// How long SQS hides a message that somebody has in hand.
const HIDDEN: i64 = 30_000;
/// What identity documents' times may be off.
const CLOCK_DIFFERENCE: TimeDelta = TimeDelta::seconds(30);

type Time = DateTime<Utc>;

/// Takes in events for as long as the process lives.
pub(super) async fn consume(process: Process) {
    loop {
        let received: Option<Message> = process.sim.with(|world| {
            let now = world.now;
            let visible = world.queue.iter().filter(|message| message.visible_at <= now).count();
            let chosen = world.below(visible.max(1));
            let message = world.queue.iter_mut().filter(|message| message.visible_at <= now).nth(chosen)?;
            message.visible_at = now + HIDDEN;
            Some(*message)
        });
        let Some(message) = received else {
            let next = process.sim.with(|world| {
                let next = world.queue.iter().map(|message| message.visible_at).min();
                next.unwrap_or(world.now + super::worker::POLL).max(world.now + 100)
            });
            process.sim.wait(Topic::Queue, next).await;
            continue;
        };
        if heard(&process, message).await.is_ok() {
            process.sim.with(|world| {
                world.queue.retain(|other| other.id != message.id);
                world.work(process.replica);
            });
        }
    }
}

/// EC2's word about a machine: a reason to look, never the truth.
async fn heard(process: &Process, message: Message) -> Result<(), Lost> {
    let Message { machine, state, .. } = message;
    let known = process
        .commit(move |world, now| {
            let Some(instance) = world.db.by_machine(machine) else { return false };
            let (no, reports) = (instance.no, instance.reports_boots());
            let named = Named {
                state: instance.state,
                ec2_state: instance.ec2_state.map(MachineState::as_str),
                reports,
            };
            if world.broken(Mutant::EventsBelieved) {
                let believed =
                    world.ec2.machines.get(&machine).map(|machine| Machine { state, ..machine.clone() });
                world.take_in(no, believed.as_ref(), now);
                return true;
            }
            let heard = worth(&named, state.as_str());
            let at = match heard.look {
                Look::Never => None,
                Look::Later => Some(now + delta(first_look(reports, PACE.look))),
                Look::Now => Some(now),
            };
            if let (Some(at), Some(row)) = (at, world.db.instances.get_mut(&no)) {
                row.look_at = row.look_at.map(|known| known.min(at));
            }
            if heard.boots {
                world.set_state(no, InstanceState::Booting);
            }
            true
        })
        .await?;
    if known {
        return Ok(());
    }
    process
        .commit(move |world, now| {
            if world.broken(Mutant::UnknownEventsDropped) {
                return;
            }
            let parked = Parked { state, received_at: now };
            let entry = world.db.parked.entry(machine).or_insert(parked);
            if entry.state == MachineState::Pending {
                *entry = parked;
            }
        })
        .await?;
    // The id may have become known between the look and the parking.
    process
        .commit(move |world, now| {
            if world.db.by_machine(machine).is_some() {
                world.adopt_parked(machine, now);
            }
        })
        .await
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reported {
    /// Taken, or refused for good.
    Heard,
    /// Try again.
    NotYet,
}

/// A machine reports a boot to some replica.
pub(super) async fn report(sim: &Sim, machine: &Machine, success: bool) -> Reported {
    let replica = sim.with(|world| world.below(world.replicas.len()));
    let process = Process { sim: sim.clone(), replica };
    let (no, started, no_of_boot) = (machine.no, super::world::at(machine.started), machine.started);
    let taken = process
        .commit(move |world, now| {
            let Some(instance) = world.db.by_machine(no) else {
                return if grace_is_over(started + CLOCK_DIFFERENCE, now) {
                    Reported::Heard
                } else {
                    Reported::NotYet
                };
            };
            let asked_later = instance.asked_at.is_some_and(|asked| started + CLOCK_DIFFERENCE < asked);
            let outdated =
                asked_later || instance.state.is_final() || instance.state == InstanceState::Stopped;
            if outdated {
                return Reported::Heard;
            }
            let row = instance.no;
            if !instance.reports_boots() {
                return Reported::Heard;
            }
            world.tell(|| format!("machine {no} reports: {success}"));
            let (reported_at, addressed) = (world.now, !world.chance(|chaos| chaos.bad_boot));
            let Some(instance) = world.db.instances.get_mut(&row) else { return Reported::Heard };
            // The same boot reports once, for the start that was current then.
            let generation = instance.generation;
            instance.reports.entry(no_of_boot).or_insert((generation, success));
            instance.reported_at = reported_at;
            world.runs(row, addressed, now);
            world.wake(row, now);
            world.work(replica);
            Reported::Heard
        })
        .await;
    taken.unwrap_or(Reported::NotYet)
}

impl Process {
    /// One describe, in its turn.
    pub(super) async fn look(&self, nos: Vec<MachineNo>) -> Result<Vec<Machine>, Ec2Error> {
        self.turn(Family::DescribeInstances, 1..=1).await;
        self.ec2(Family::DescribeInstances, 1, move |world| Ok(world.describe(&nos))).await
    }
}

/// Looks at machines for as long as the process lives, while that is its duty.
pub(super) async fn watch(process: Process) {
    loop {
        let mut rest = super::worker::POLL;
        if process.is_ours("watch").await
            && let Ok(next) = look(&process).await
        {
            rest = rest.min(next);
        }
        let at = process.sim.with(|world| world.now) + rest;
        process.sim.wait(Topic::Work, at).await;
    }
}

/// Looks at what is due; answers how long until something is.
async fn look(process: &Process) -> Result<i64, Lost> {
    let due: Vec<(u32, MachineNo)> = process
        .commit(|world, now| {
            let mut due = Vec::new();
            for row in world.db.instances.values_mut() {
                let Some(machine) = row.machine.filter(|_| row.look_at.is_some_and(|at| at <= now)) else {
                    continue;
                };
                let age = (now - row.asked_at.unwrap_or(row.created_at)).to_std().unwrap_or_default();
                let motion =
                    InMotion { state: row.state, age, reports: row.reports_boots(), instance_type: None };
                let rest = next_look(&motion, &Learned::default(), PACE.look, PACE.look_at_rest);
                row.look_at = Some(now + delta(rest));
                due.push((row.no, machine));
            }
            due
        })
        .await?;
    if !due.is_empty()
        && let Ok(machines) = process.look(due.iter().map(|(_, machine)| *machine).collect()).await
    {
        let machines = process.sim.with(|world| world.leave_out(machines));
        let changed = process
            .commit(move |world, now| {
                let mut changed = false;
                for (no, machine) in due {
                    let seen = machines.iter().find(|seen| seen.no == machine);
                    if world.take_in(no, seen, now) {
                        world.wake(no, now);
                        changed = true;
                    }
                }
                changed
            })
            .await?;
        if changed {
            process.sim.with(|world| world.work(process.replica));
        }
    }
    let now = process.now();
    Ok(process.sim.with(|world| {
        let next = world
            .db
            .instances
            .values()
            .filter(|row| row.machine.is_some())
            .filter_map(|row| row.look_at)
            .min();
        next.map_or(i64::MAX, |next| (next - now).num_milliseconds().max(20))
    }))
}

impl World {
    /// A machine that reports runs; EC2 is asked at once only if it does not know its address, or last stopped.
    fn runs(&mut self, no: u32, addressed: bool, now: Time) {
        let Some(row) = self.db.instances.get_mut(&no) else { return };
        match row.ec2_state {
            Some(MachineState::Running) => {}
            None | Some(MachineState::Pending) if addressed => {
                let later = now + delta(first_look(true, PACE.look));
                row.ec2_state = Some(MachineState::Running);
                row.look_at = row.look_at.map(|known| known.min(later)).or(Some(later));
                if row.state == InstanceState::Launching {
                    self.set_state(no, InstanceState::Booting);
                }
            }
            _ => row.look_at = Some(now),
        }
    }

    /// EC2 leaves a machine out once in a while, however old it is; never twice in a row.
    fn leave_out(&mut self, machines: Vec<Machine>) -> Vec<Machine> {
        let mut seen = Vec::with_capacity(machines.len());
        for machine in machines {
            let again = self.ec2.left_out.remove(&machine.no);
            if !again && self.chance(|chaos| chaos.unseen * 0.05) {
                self.ec2.left_out.insert(machine.no);
            } else {
                seen.push(machine);
            }
        }
        seen
    }

    /// Takes over what was heard about a machine before its id was known.
    pub(super) fn adopt_parked(&mut self, machine: MachineNo, now: Time) {
        if self.broken(Mutant::ParkedNeverAdopted) {
            return;
        }
        let Some(parked) = self.db.parked.remove(&machine) else { return };
        let Some(no) = self.db.by_machine(machine).map(|row| row.no) else { return };
        // That it runs it will report itself.
        let expected = parked.state == MachineState::Running && self.db.instances[&no].reports_boots();
        if parked.state != MachineState::Pending && !expected {
            self.look_at(no, now);
        }
    }

    /// Brings a row up to what EC2 says; `None`: it does not know the machine. `true` if that changed anything that
    /// executions wait for.
    fn take_in(&mut self, no: u32, said: Option<&Machine>, now: Time) -> bool {
        let busy = self.db.rising(no);
        let Some(row) = self.db.instances.get(&no) else { return false };
        let mut known = Known {
            state: row.state,
            ec2_state: row.ec2_state,
            ec2_reason: None,
            host: None,
            zone: None,
            asked_at: row.asked_at,
            placed_at: row.placed_at,
            missing_since: row.missing_since,
            busy,
            coming_down: self.db.falling(no),
        };
        let mut grace = delta(PACE.grace);
        match self.mutant {
            Some(Mutant::GraceIgnoredInMissing) => {
                (known.placed_at, known.missing_since, grace) = (None, Some(now), TimeDelta::seconds(-1));
            }
            Some(Mutant::MissingOnceIsGone) if known.placed_at.is_some_and(|at| grace_is_over(at, now)) => {
                (known.missing_since, grace) = (Some(now), TimeDelta::seconds(-1));
            }
            _ => {}
        }
        let machine = said.map(as_described);
        let course = course(&known, machine.as_ref(), now, grace);
        let Some(row) = self.db.instances.get_mut(&no) else { return false };
        if let Some(seen) = &course.seen {
            (row.ec2_state, row.missing_since) = (Some(seen.state), None);
        }
        match course.step {
            Step::Keep => {}
            Step::Missing => row.missing_since = Some(now),
            Step::Become(state) => {
                self.set_state(no, state);
            }
            Step::Stopped => {
                self.set_state(no, InstanceState::Stopped);
            }
            Step::ReadyAgain => {
                row.generation += 1;
                self.set_state(no, InstanceState::Ready);
            }
            Step::Gone => {
                self.check_gone(no, "EC2 said so");
                self.close(no, InstanceState::Terminated);
            }
            Step::Lost => {
                row.ec2_state = Some(MachineState::Terminated);
                self.check_gone(no, "EC2 did not find it");
                self.close(no, InstanceState::Terminated);
            }
        }
        course.wakes
    }

    /// A row is closed for its machine's sake only when the machine is really gone.
    fn check_gone(&mut self, no: u32, why: &str) {
        let row = &self.db.instances[&no];
        let lives =
            row.machine.and_then(|machine| self.ec2.machines.get(&machine)).is_some_and(Machine::lives);
        if lives && !row.state.is_final() {
            self.violate(Invariant::GoneMeansGone, || {
                format!("instance {no} closed, {why}, and its machine lives")
            });
        }
    }
}

/// A machine's number as EC2's id.
pub(super) fn described_id(no: MachineNo) -> Ec2InstanceId {
    format!("i-{no:017x}").parse().expect("it is an id")
}

/// The number in EC2's id.
pub(super) fn number(id: &Ec2InstanceId) -> MachineNo {
    MachineNo::from_str_radix(id.as_str().trim_start_matches("i-"), 16).unwrap_or_default()
}

/// A machine as EC2 describes it, as far as the product reads it.
pub(super) fn as_described(machine: &Machine) -> cloudapp_ec2::Machine {
    cloudapp_ec2::Machine {
        id: described_id(machine.no),
        state: machine.state,
        instance_type: String::new(),
        zone: None,
        market: cloudapp_domain::Market::OnDemand,
        private_ip: None,
        public_ip: None,
        public_dns: None,
        launched_at: None,
        state_reason: None,
        tags: std::collections::BTreeMap::new(),
        client_token: machine.token.clone(),
    }
}
