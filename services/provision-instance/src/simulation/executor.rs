//! Runs the tasks of a world, one small action at a time, in the order that the seed says.
//!
//! A task is a future that gives control back between any two of its effects; what it holds meanwhile is its stale
//! memory. To crash a replica is to drop its tasks wherever they are.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::replica;
use super::store::LEASE;
use super::world::{Moment, Sim, Topic};

/// Whose task it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// EC2, EventBridge, the users, the adversary: never crashes.
    Outside,
    /// A process of provision-instance.
    Replica(usize),
}

pub(super) type Future = Pin<Box<dyn std::future::Future<Output = ()>>>;

struct Task {
    owner: Owner,
    future: Future,
    wait: Wait,
}

/// What a task waits for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    pub(super) at: Moment,
    pub(super) topic: Option<Topic>,
}

/// Gives control back once.
pub(super) struct Pause {
    sim: Sim,
    wait: Option<Wait>,
}

impl Pause {
    pub(super) const fn new(sim: Sim, wait: Wait) -> Self {
        Self { sim, wait: Some(wait) }
    }
}

impl std::future::Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match self.wait.take() {
            Some(wait) => {
                self.sim.with(|world| world.waiting = Some(wait));
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

/// The tasks of one world.
pub(super) struct Executor {
    sim: Sim,
    tasks: Vec<Task>,
}

impl Executor {
    pub(super) const fn new(sim: Sim) -> Self {
        Self { sim, tasks: Vec::new() }
    }

    /// Runs until `done`, a violation, or `until`.
    pub(super) fn run(&mut self, until: Moment, mut done: impl FnMut(&Sim) -> bool) {
        loop {
            self.adopt();
            if self.sim.with(|world| world.violation.is_some() || world.now >= until) || done(&self.sim) {
                return;
            }
            let Some(index) = self.choose() else { return };
            self.poll(index);
            self.crash();
        }
    }

    fn adopt(&mut self) {
        let (now, spawned) = self.sim.with(|world| (world.now, std::mem::take(&mut world.spawned)));
        for (owner, future) in spawned {
            self.tasks.push(Task { owner, future, wait: Wait { at: now, topic: None } });
        }
        let signals = self.sim.with(|world| std::mem::take(&mut world.signals));
        for (topic, from) in signals {
            for task in &mut self.tasks {
                let lost = task.owner != Owner::Replica(from)
                    && self.sim.with(|world| world.chance(|chaos| chaos.signal_lost));
                if task.wait.topic == Some(topic) && !lost {
                    task.wait = Wait { at: now, topic: None };
                }
            }
        }
    }

    /// One of the tasks that can run; when none can, time goes on until one can.
    fn choose(&mut self) -> Option<usize> {
        let now = self.sim.with(|world| world.now);
        let ready = self.tasks.iter().filter(|task| task.wait.at <= now).count();
        if ready == 0 {
            let next = self.tasks.iter().map(|task| task.wait.at).min()?;
            self.sim.with(|world| world.now = next);
            return self.tasks.iter().position(|task| task.wait.at <= next);
        }
        let chosen = self.sim.with(|world| world.below(ready));
        self.tasks
            .iter()
            .enumerate()
            .filter(|(_, task)| task.wait.at <= now)
            .nth(chosen)
            .map(|(index, _)| index)
    }

    fn poll(&mut self, index: usize) {
        let task = &mut self.tasks[index];
        let owner = task.owner;
        let stalled = self.sim.with(|world| {
            world.steps += 1;
            (matches!(owner, Owner::Replica(_)) && world.chance(|chaos| chaos.stall)).then(|| {
                // Often for longer than a lease.
                let least = if world.likely(0.3) { LEASE.num_milliseconds() } else { 1_000 };
                world.now + world.between(least, 90_000)
            })
        });
        if let Some(at) = stalled {
            task.wait = Wait { at, topic: None };
            return;
        }
        let polled = task.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let waiting = self.sim.with(|world| world.waiting.take());
        match (polled, waiting) {
            (Poll::Ready(()), _) => drop(self.tasks.swap_remove(index)),
            (Poll::Pending, Some(wait)) => task.wait = wait,
            (Poll::Pending, None) => unreachable!("a task waits for something that the world does not know"),
        }
        if let Owner::Replica(replica) = owner {
            self.sim.with(|world| {
                if world.chance(|chaos| chaos.crash) && !world.crashes.contains(&replica) {
                    world.crashes.push(replica);
                }
            });
        }
    }

    /// Drops the tasks of replicas that crash; they come back later, and remember nothing.
    fn crash(&mut self) {
        for replica in self.sim.with(|world| std::mem::take(&mut world.crashes)) {
            self.tasks.retain(|task| task.owner != Owner::Replica(replica));
            let sim = self.sim.clone();
            let down_for = self.sim.with(|world| {
                world.tell(|| format!("replica {replica} crashes"));
                world.replicas[replica].free = replica::SLOTS;
                world.forget_intents(replica);
                world.between(500, 60_000)
            });
            self.sim.spawn(Owner::Outside, async move {
                sim.sleep(down_for).await;
                replica::start(&sim, replica);
            });
        }
    }
}
