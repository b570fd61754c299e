//! A process of provision-instance: its tasks, its way to the database and to EC2.

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_ec2::Ec2Error;

use super::ec2::refused;
use super::executor::Owner;
use super::world::{Moment, Sim, World};
use super::{observe, placing, reconcile, worker};
use crate::limiter::Family;

/// Executions that a replica runs at the same time.
pub(super) const SLOTS: usize = 6;
/// How long a duty stays with a replica that is gone, and how long its answer is good for.
const DUTY_HELD_FOR: TimeDelta = TimeDelta::seconds(15);

/// The database did not answer: the transaction may have been executed or not.
#[derive(Debug)]
pub(super) struct Lost;

/// A task's replica.
#[derive(Clone)]
pub(super) struct Process {
    pub(super) sim: Sim,
    pub(super) replica: usize,
}

/// Starts a replica's tasks.
pub(super) fn start(sim: &Sim, replica: usize) {
    let process = Process { sim: sim.clone(), replica };
    let owner = Owner::Replica(replica);
    sim.spawn(owner, worker::work(process.clone()));
    sim.spawn(owner, placing::place(process.clone()));
    sim.spawn(owner, observe::consume(process.clone()));
    sim.spawn(owner, observe::watch(process.clone()));
    sim.spawn(owner, reconcile::run(process));
}

impl Process {
    /// The time by this replica's clock.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.sim.with(|world| world.clock(self.replica))
    }

    /// True time at which this replica's clock shows `at`.
    pub(super) fn moment(&self, at: DateTime<Utc>) -> Moment {
        let skew = self.sim.with(|world| world.replicas[self.replica].skew);
        at.timestamp_millis() - skew
    }

    pub(super) async fn until(&self, at: DateTime<Utc>) {
        let now = self.sim.with(|world| world.now);
        self.sim.sleep(self.moment(at) - now).await;
    }

    /// One transaction, with the time at which it was begun.
    pub(super) async fn commit<T>(
        &self,
        action: impl FnOnce(&mut World, DateTime<Utc>) -> T,
    ) -> Result<T, Lost> {
        let now = self.now();
        let (pause, lost) =
            self.sim.with(|world| (world.between(1, 8), world.chance(|chaos| chaos.commit_lost / 2.0)));
        self.sim.sleep(pause).await;
        if lost {
            return Err(Lost);
        }
        let value = self.sim.with(|world| action(world, now));
        self.sim.sleep(1).await;
        if self.sim.with(|world| world.chance(|chaos| chaos.commit_lost / 2.0)) {
            Err(Lost)
        } else {
            Ok(value)
        }
    }

    /// A call to EC2, which may be slow, refused or lost on either way. `resources` is what it costs in machines.
    pub(super) async fn ec2<T>(
        &self,
        family: Family,
        resources: u32,
        action: impl FnOnce(&mut World) -> Result<T, Ec2Error>,
    ) -> Result<T, Ec2Error> {
        let launch = family == Family::RunInstances;
        let (there, back) = self.sim.with(|world| (travel(world, false), travel(world, launch)));
        self.sim.sleep(there).await;
        let unknown = || {
            let class = if family == Family::DescribeInstances {
                Ec2Error::Unavailable
            } else {
                Ec2Error::OutcomeUnknown
            };
            refused(class, "ReplyLost")
        };
        if self.sim.with(|world| world.chance(|chaos| chaos.lost_before)) {
            if self.sim.with(|world| world.likely(0.5)) {
                return Err(refused(Ec2Error::Unavailable, "NotSent"));
            }
            self.sim.sleep(30_000 - there).await;
            return Err(unknown());
        }
        self.sim.with(|world| world.admit(family, resources))?;
        let answer = self.sim.with(action);
        let lost = self.sim.with(|world| world.chance(|chaos| chaos.lost_after));
        self.sim.sleep(if lost { 30_000 - there } else { back }).await;
        if lost { Err(unknown()) } else { answer }
    }

    /// Whether a duty is this replica's now.
    pub(super) async fn is_ours(&self, duty: &'static str) -> bool {
        let replica = self.replica;
        let taken = self.commit(move |world, now| {
            let held = world.db.duties.get(duty).copied();
            let free = held.is_none_or(|(holder, until)| holder == replica || until <= now);
            if free {
                world.db.duties.insert(duty, (replica, now + DUTY_HELD_FOR));
            }
            free
        });
        taken.await.unwrap_or(false)
    }
}

/// How long a call is on its way.
fn travel(world: &mut World, launch: bool) -> i64 {
    let slow = world.chance(|chaos| if launch { chaos.slow.max(chaos.slow_launch) } else { chaos.slow });
    world.between(10, if slow { 12_000 } else { 60 })
}
