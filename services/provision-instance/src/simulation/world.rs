//! The world of one run: its time, its chance, and everything in it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use super::chaos::Chaos;
use super::database::Database;
use super::ec2::Ec2;
use super::executor::{Future, Owner, Pause, Wait};
use super::invariants::{Invariant, Violation};
use super::mutants::Mutant;

/// Milliseconds of true time.
pub(super) type Moment = i64;

/// What is remembered of a run that is traced.
const TRACE: usize = 400;

/// A moment as the product sees time.
pub(super) fn at(moment: Moment) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::milliseconds(moment)
}

/// What tasks can be woken by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    /// There may be something to run, to place or to look at.
    Work,
    /// The event queue has a message.
    Queue,
}

/// A process of provision-instance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replica {
    /// How far its clock is off.
    pub(super) skew: i64,
    /// Executions that it could still take on.
    pub(super) free: usize,
}

/// Everything.
pub(super) struct World {
    pub(super) now: Moment,
    pub(super) rng: SmallRng,
    pub(super) chaos: Chaos,
    pub(super) mutant: Option<Mutant>,
    pub(super) ec2: Ec2,
    pub(super) db: Database,
    /// The event queue.
    pub(super) queue: Vec<super::bus::Message>,
    pub(super) replicas: Vec<Replica>,
    pub(super) steps: u64,
    pub(super) violation: Option<Violation>,
    pub(super) spawned: Vec<(Owner, Future)>,
    pub(super) signals: Vec<(Topic, usize)>,
    pub(super) crashes: Vec<usize>,
    pub(super) waiting: Option<Wait>,
    trace: Option<VecDeque<String>>,
    me: Weak<RefCell<Self>>,
}

impl World {
    /// A world whose whole fate follows from `seed`.
    pub(super) fn new(seed: u64, mutant: Option<Mutant>, traced: bool) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let chaos = Chaos::drawn(seed, &mut rng);
        let replicas = rng.random_range(2..=3);
        let replica = Replica { skew: 0, free: super::replica::SLOTS };
        let mut world = Self {
            now: 1_000_000_000,
            chaos,
            mutant,
            ec2: Ec2::default(),
            db: Database::default(),
            queue: Vec::new(),
            me: Weak::new(),
            replicas: vec![replica; replicas],
            steps: 0,
            violation: None,
            spawned: Vec::new(),
            signals: Vec::new(),
            crashes: Vec::new(),
            waiting: None,
            trace: traced.then(VecDeque::new),
            rng,
        };
        for index in 0..replicas {
            world.replicas[index].skew = world.skew();
        }
        // Small rates make small crowds wait, as a thousand do at AWS's.
        world.db.scale = if world.likely(0.7) { 1.0 } else { world.rng.random_range(0.03..0.5) };
        world
    }

    /// The handle on this world, for what it starts itself.
    pub(super) fn sim(&self) -> Sim {
        Sim(self.me.upgrade().expect("the world is in its handle"))
    }

    /// How far a clock may be off.
    pub(super) fn skew(&mut self) -> i64 {
        let most = self.chaos.skew;
        self.rng.random_range(-most..=most)
    }

    /// Whether the adversary does what this chance allows.
    pub(super) fn chance(&mut self, chance: impl FnOnce(&Chaos) -> f64) -> bool {
        let chance = chance(&self.chaos);
        self.chaos.on && chance > 0.0 && self.rng.random_bool(chance)
    }

    /// Whether something happens that is nobody's fault.
    pub(super) fn likely(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        if end <= 1 { 0 } else { self.rng.random_range(0..end) }
    }

    pub(super) fn between(&mut self, least: i64, most: i64) -> i64 {
        self.rng.random_range(least..=most)
    }

    /// Whether the product is broken in this way.
    pub(super) fn broken(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// The time as a replica sees it.
    pub(super) fn clock(&self, replica: usize) -> DateTime<Utc> {
        at(self.now + self.replicas.get(replica).map_or(0, |replica| replica.skew))
    }

    /// Notes what happens, if somebody will read it.
    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        let now = self.now - 1_000_000_000;
        if let Some(trace) = &mut self.trace {
            if trace.len() == TRACE {
                trace.pop_front();
            }
            trace.push_back(format!("{:>6}.{:03} {}", now / 1000, now % 1000, what()));
        }
    }

    pub(super) fn trace(&self) -> Vec<String> {
        self.trace.iter().flatten().cloned().collect()
    }

    /// Says that something holds no longer; the first thing counts.
    pub(super) fn violate(&mut self, invariant: Invariant, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            let what = what();
            self.tell(|| format!("VIOLATED {invariant:?}: {what}"));
            self.violation = Some(Violation { invariant, what });
        }
    }

    /// Wakes tasks, on this replica at once, on others unless the notice is lost.
    pub(super) fn signal(&mut self, topic: Topic, from: usize) {
        if !self.broken(Mutant::WakeupsNeverSignalled) || topic == Topic::Queue {
            self.signals.push((topic, from));
        }
    }
}

/// A handle on the world.
#[derive(Clone)]
pub(super) struct Sim(Rc<RefCell<World>>);

impl Sim {
    pub(super) fn new(world: World) -> Self {
        let world = Rc::new(RefCell::new(world));
        world.borrow_mut().me = Rc::downgrade(&world);
        Self(world)
    }

    /// Looks at or changes the world, in one atomic action.
    pub(super) fn with<T>(&self, action: impl FnOnce(&mut World) -> T) -> T {
        action(&mut self.0.borrow_mut())
    }

    pub(super) fn spawn(&self, owner: Owner, future: impl std::future::Future<Output = ()> + 'static) {
        self.with(|world| world.spawned.push((owner, Box::pin(future))));
    }

    /// Rests for this many milliseconds.
    pub(super) async fn sleep(&self, milliseconds: i64) {
        let at = self.with(|world| world.now) + milliseconds.max(0);
        Pause::new(self.clone(), Wait { at, topic: None }).await;
    }

    /// Rests until a signal, and until `at` at the latest.
    pub(super) async fn wait(&self, topic: Topic, at: Moment) {
        Pause::new(self.clone(), Wait { at, topic: Some(topic) }).await;
    }
}
