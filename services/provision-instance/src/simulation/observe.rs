//! What replicas hear and see of EC2: the consumer of events, boot reports, the one shared describe.

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::InstanceState;
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
use crate::observe::{is_news, pause, step, word};

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
            let (no, known) = (instance.no, instance.ec2_state);
            let news = is_news(known.map(word), word(state));
            let believed = world.broken(Mutant::EventsBelieved);
            if news && let Some(row) = world.db.instances.get_mut(&no) {
                row.look_at = row.look_at.map(|at| at.min(now));
            }
            if believed {
                world.follow(no, state, now);
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
            world.tell(|| format!("machine {no} reports: {success}"));
            let reported_at = world.now;
            let Some(instance) = world.db.instances.get_mut(&row) else { return Reported::Heard };
            // The same boot reports once, for the start that was current then.
            let generation = instance.generation;
            instance.reports.entry(no_of_boot).or_insert((generation, success));
            instance.reported_at = reported_at;
            if instance.ec2_state != Some(MachineState::Running) {
                instance.look_at = Some(now);
            }
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
                row.look_at = Some(now + delta(pause(row.state, age, PACE.look, PACE.look_at_rest)));
                due.push((row.no, machine));
            }
            due
        })
        .await?;
    if !due.is_empty()
        && let Ok(machines) = process.look(due.iter().map(|(_, machine)| *machine).collect()).await
    {
        for (no, machine) in due {
            let seen = machines.iter().find(|seen| seen.no == machine).map(|seen| seen.state);
            let changed = process
                .commit(move |world, now| {
                    let changed = match seen {
                        Some(state) => world.follow(no, state, now),
                        None => world.missing(no, now),
                    };
                    if changed {
                        world.wake(no, now);
                    }
                    changed
                })
                .await?;
            if changed {
                process.sim.with(|world| world.work(process.replica));
            }
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
    /// Takes over what was heard about a machine before its id was known.
    pub(super) fn adopt_parked(&mut self, machine: MachineNo, now: Time) {
        if self.broken(Mutant::ParkedNeverAdopted) {
            return;
        }
        let Some(parked) = self.db.parked.remove(&machine) else { return };
        let Some(no) = self.db.by_machine(machine).map(|row| row.no) else { return };
        if parked.state != MachineState::Pending {
            self.look_at(no, now);
        }
    }

    /// Brings a row up to what EC2 says. `true` if that changed anything that executions wait for.
    fn follow(&mut self, no: u32, seen: MachineState, now: Time) -> bool {
        use crate::observe::Step;
        let busy = self.db.rising(no);
        let Some(row) = self.db.instances.get_mut(&no) else { return false };
        let row_placed = row.given_at;
        let noted = row.ec2_state != Some(seen);
        (row.ec2_state, row.missing_since) = (Some(seen), None);
        let moved = match step(row.state, seen, busy) {
            Step::Note => false,
            Step::Become(InstanceState::Ready) => {
                row.generation += 1;
                self.set_state(no, InstanceState::Ready)
            }
            Step::Become(state) => {
                let moved = self.set_state(no, state);
                if moved && state == InstanceState::Booting {
                    let placed = row_placed;
                    let running = self.machine_of(no).map_or(0, |machine| machine.running_at + 600);
                    self.check_prompt(no, running.max(placed), 3_000, "seen to be running");
                }
                moved
            }
            Step::Stopped => self.set_state(no, InstanceState::Stopped),
            Step::Gone => {
                self.check_gone(no, "EC2 said so");
                self.close(no, InstanceState::Terminated)
            }
        };
        let _ = now;
        noted || moved
    }

    /// NotFound is not "gone" while EC2 may not find what it has just made, nor on the first look that misses it.
    fn missing(&mut self, no: u32, now: Time) -> bool {
        let ignored = self.broken(Mutant::GraceIgnoredInMissing);
        let at_once = ignored || self.broken(Mutant::MissingOnceIsGone);
        let Some(row) = self.db.instances.get_mut(&no) else { return false };
        if !ignored && row.placed_at.is_some_and(|placed| !grace_is_over(placed, now)) {
            return false;
        }
        match row.missing_since {
            Some(since) if grace_is_over(since, now) => {}
            _ if at_once => {}
            Some(_) => return false,
            None => {
                row.missing_since = Some(now);
                return false;
            }
        }
        row.ec2_state = Some(MachineState::Terminated);
        self.check_gone(no, "EC2 did not find it");
        self.close(no, InstanceState::Terminated)
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
