//! The users: what they click, and what the API makes of it.

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{ExecutionKind, InstanceState, OnStop};

use super::database::{Instance, InstanceNo, UserNo};
use super::executor::Owner;
use super::invariants::Invariant;
use super::mutants::Mutant;
use super::replica::Process;
use super::world::{Sim, World};
use crate::application::act::{Ask, Plan, plan};

/// As the definitions say.
const LAUNCH: TimeDelta = TimeDelta::minutes(40);
const OTHER: TimeDelta = TimeDelta::minutes(45);

/// What becomes of a click.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Accepted(InstanceNo),
    Refused,
}

/// One click on Create, sent again until it is answered.
pub(super) async fn create(sim: Sim, user: UserNo, key: u32, configuration: usize) {
    for _ in 0..4 {
        let process = somewhere(&sim);
        let outside = sim.with(|world| world.broken(Mutant::QuotaCountedOutsideTheLock));
        if outside {
            let free = process.commit(move |world, _| world.db.live_of(user) < world.db.limits[&user]).await;
            if !matches!(free, Ok(true)) {
                return;
            }
        }
        let answer = process
            .commit(move |world, now| world.admit_launch(user, key, configuration, outside, now))
            .await;
        if let Ok(answer) = answer {
            if answer != Answer::Refused {
                sim.with(|world| {
                    *world.db.accepted.entry(user).or_default() += 1;
                    world.work(process.replica);
                });
            }
            return;
        }
        let pause = sim.with(|world| world.between(100, 2_000));
        sim.sleep(pause).await;
    }
    // The user gives up; what came of it is found in the list.
    sim.with(|world| {
        if world.db.keys.contains_key(&(user, key)) {
            *world.db.accepted.entry(user).or_default() += 1;
        }
    });
}

/// Asks something of one of the user's machines, for a while.
pub(super) async fn act(sim: Sim, user: UserNo, times: u32) {
    for _ in 0..times {
        let (pause, forever) = sim.with(|world| (world.between(1_000, 90_000), !world.chaos.on));
        if forever {
            return;
        }
        sim.sleep(pause).await;
        let chosen = sim.with(|world| {
            let own: Vec<InstanceNo> = world
                .db
                .instances
                .values()
                .filter(|row| row.owner == user && !row.state.is_final())
                .map(|row| row.no)
                .collect();
            let ask = match world.below(5) {
                0 => Ask::Destroy,
                1 | 2 => Ask::Stop,
                _ => Ask::Start,
            };
            let chosen = world.below(own.len());
            own.get(chosen).map(|no| (*no, ask))
        });
        let Some((no, ask)) = chosen else { continue };
        let process = somewhere(&sim);
        let _ = process.commit(move |world, now| world.carry_out(no, ask, now)).await;
        sim.with(|world| world.work(process.replica));
    }
}

/// The replica that the load balancer chooses.
fn somewhere(sim: &Sim) -> Process {
    let replica = sim.with(|world| world.below(world.replicas.len()));
    Process { sim: sim.clone(), replica }
}

/// Everything that users do in a world.
pub(super) fn start(sim: &Sim) {
    let users: u32 = sim.with(|world| u32::try_from(world.between(2, 4)).unwrap_or(2));
    for user in 0..users {
        // One user in some worlds clicks thirty times.
        let (clicks, limit) = sim.with(|world| {
            let many = user == 0 && world.likely(0.3);
            let limit = if many { 30 } else { 3 };
            world.db.limits.insert(user, limit);
            (if many { 14 } else { world.between(1, 6) }, limit)
        });
        let together = sim.with(|world| limit > 3 || world.likely(0.4));
        let begin = if together { 1_000 } else { 0 };
        for key in 0..u32::try_from(clicks).unwrap_or(1) {
            let (pause, configuration) = sim.with(|world| {
                let pause = if together { begin + world.between(0, 40) } else { world.between(0, 240_000) };
                (pause, if limit > 3 { 0 } else { world.below(2) })
            });
            let own = sim.clone();
            sim.spawn(Owner::Outside, async move {
                own.sleep(pause).await;
                create(own, user, key, configuration).await;
            });
        }
        let times =
            sim.with(
                |world| if world.likely(0.2) { 0 } else { u32::try_from(world.between(1, 12)).unwrap_or(1) },
            );
        sim.spawn(Owner::Outside, act(sim.clone(), user, times));
    }
}

impl World {
    fn admit_launch(
        &mut self,
        user: UserNo,
        key: u32,
        configuration: usize,
        counted: bool,
        now: DateTime<Utc>,
    ) -> Answer {
        if let Some(known) = self.db.keys.get(&(user, key))
            && !self.broken(Mutant::IdempotencyKeyIgnored)
        {
            return Answer::Accepted(*known);
        }
        let limit = self.db.limits[&user];
        if !counted && self.db.live_of(user) >= limit {
            return Answer::Refused;
        }
        let no = self.db.number();
        let on_stop = if self.likely(0.5) { OnStop::Stop } else { OnStop::Terminate };
        let execution = self.insert_execution(ExecutionKind::Launch, no, 1, LAUNCH, now);
        let instance = Instance {
            no,
            owner: user,
            configuration,
            state: InstanceState::Requested,
            on_stop,
            execution,
            machine: None,
            ec2_state: None,
            created_at: now,
            asked_at: None,
            placed_at: None,
            missing_since: None,
            look_at: None,
            generation: 0,
            reports: std::collections::BTreeMap::new(),
            reported_at: 0,
            given_at: 0,
            was_ready: false,
        };
        self.db.instances.insert(no, instance);
        self.db.keys.insert((user, key), no);
        if self.db.live_of(user) > limit {
            self.violate(Invariant::WithinQuota, || format!("user {user} has more than {limit} machines"));
        }
        Answer::Accepted(no)
    }

    /// Accepts what is asked of a machine, as its state allows.
    fn carry_out(&mut self, no: InstanceNo, ask: Ask, now: DateTime<Utc>) -> Answer {
        let Some(row) = self.db.instances.get(&no) else { return Answer::Refused };
        let busy = self.db.busy(no).map(|execution| execution.no);
        match (plan(ask, row.state, row.on_stop), busy) {
            (Plan::Refuse(_), _)
            | (Plan::CancelCurrent, None)
            | (Plan::Run { cancelling: false, .. }, Some(_)) => {
                return Answer::Refused;
            }
            (Plan::CancelCurrent, Some(busy)) => {
                self.request_cancel(busy, now);
            }
            (Plan::Run { kind, .. }, busy) => {
                if let Some(busy) = busy {
                    self.request_cancel(busy, now);
                }
                let execution = self.insert_execution(kind, no, 0, OTHER, now);
                if let Some(row) = self.db.instances.get_mut(&no) {
                    row.execution = execution;
                }
            }
        }
        Answer::Accepted(no)
    }
}
