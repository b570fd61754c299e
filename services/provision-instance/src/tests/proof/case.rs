use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cloudapp_domain::{ExecutionId, ExecutionKind, InstanceId, InstanceState};
use cloudapp_workflow::harness::Proof;
use cloudapp_workflow::{Definition, ExecutionView, Store};
use serde_json::json;

use super::settled::{Left, settled};
use crate::observe::Watch;
use crate::reconcile::Reconciler;
use crate::testing::World;
use crate::{configurations, pool};

/// What is put to the proof: every kind of execution, some in more than one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Launch,
    StopKeepingDisk,
    StopForGood,
    Start,
    Destroy,
    Extend,
    RefillRunning,
    RefillStopped,
}

impl Case {
    pub(super) const fn kind(self) -> ExecutionKind {
        match self {
            Self::Launch => ExecutionKind::Launch,
            Self::StopKeepingDisk | Self::StopForGood => ExecutionKind::Stop,
            Self::Start => ExecutionKind::Start,
            Self::Destroy => ExecutionKind::Destroy,
            Self::Extend => ExecutionKind::Extend,
            Self::RefillRunning | Self::RefillStopped => ExecutionKind::Refill,
        }
    }

    /// What is done to the machine first, one after the other.
    const fn before(self) -> &'static [&'static str] {
        match self {
            Self::Launch | Self::RefillRunning | Self::RefillStopped => &[],
            Self::Start => &["launch", "stop"],
            Self::StopKeepingDisk | Self::StopForGood | Self::Destroy | Self::Extend => &["launch"],
        }
    }

    /// What is asked for then.
    const fn ask(self) -> &'static str {
        match self {
            Self::Launch => "launch",
            Self::StopKeepingDisk | Self::StopForGood => "stop",
            Self::Start => "start",
            Self::Destroy => "destroy",
            Self::Extend => "extend",
            Self::RefillRunning | Self::RefillStopped => "refill",
        }
    }

    /// What must be there after success.
    const fn succeeded(self) -> Left {
        use InstanceState::{Ready, Stopped, Terminated};
        match self {
            Self::Launch => Left::in_state(&[Ready]),
            Self::StopKeepingDisk => Left::in_state(&[Stopped]),
            Self::StopForGood | Self::Destroy => Left::in_state(&[Terminated]),
            Self::Start => Left { logins: 2, ..Left::in_state(&[Ready]) },
            Self::Extend => Left { extended: true, ..Left::in_state(&[Ready]) },
            Self::RefillRunning => Left { spare: true, ..Left::in_state(&[Ready]) },
            Self::RefillStopped => Left { spare: true, ..Left::in_state(&[Stopped]) },
        }
    }

    /// What may be there after everything was undone. An end that EC2 was asked for cannot be taken back: then the
    /// row must follow the machine. A login may have been told before the last step was undone.
    const fn undone(self) -> Left {
        use InstanceState::{Failed, Ready, Stopped, Terminated};
        let states: &[InstanceState] = match self {
            Self::Launch | Self::RefillRunning | Self::RefillStopped => &[Failed, Terminated],
            Self::StopKeepingDisk => &[Ready, Stopped],
            Self::StopForGood | Self::Destroy => &[Ready, Terminated],
            Self::Start => &[Stopped],
            Self::Extend => &[Ready],
        };
        Left { states, extended: false, ..self.succeeded() }
    }
}

/// A world in which every run of a case has a user and a machine of its own.
pub(super) struct Street {
    pub(super) case: Case,
    pub(super) world: Arc<World>,
    houses: AtomicUsize,
    /// When the reconciler last passed: often, but not in every pause.
    reconciled: Mutex<Instant>,
}

/// One run's user and machine.
pub(super) struct House {
    pub(super) user: String,
    pub(super) instance: Mutex<Option<InstanceId>>,
}

impl House {
    pub(super) fn instance(&self) -> InstanceId {
        self.instance.lock().unwrap().unwrap()
    }
}

impl Street {
    pub(super) async fn of(case: Case) -> Self {
        let on_stop = if case == Case::StopForGood { "terminate" } else { "stop" };
        let kind = if case == Case::RefillStopped { "stopped" } else { "running" };
        // The pool is to have none: what is asked for here is never claimed and never ended by its keeper.
        let pool = json!({ "size": 0, "kind": kind });
        let world = World::asleep(json!({ "on_stop": on_stop, "warm_pool": pool })).await;
        let (houses, reconciled) = (AtomicUsize::new(0), Mutex::new(Instant::now()));
        Self { case, world: Arc::new(world), houses, reconciled }
    }

    async fn request(&self, house: &House, what: &str) -> ExecutionId {
        if what == "refill" {
            return self.enlist(house).await;
        }
        if what != "launch" {
            return self.world.ask(&house.user, house.instance(), what, what).await.execution_id;
        }
        let accepted = self.world.create(&house.user, what).await;
        *house.instance.lock().unwrap() = Some(accepted.instance_id);
        accepted.execution_id
    }

    async fn enlist(&self, house: &House) -> ExecutionId {
        let (app, id) = (&self.world.app, self.world.configuration);
        let mut connection = app.deps.pool.acquire().await.unwrap();
        let published = configurations::published(&app.deps.pool, &[id]).await.unwrap().remove(&id).unwrap();
        let execution =
            pool::enlist(&app.deps, &app.definitions, &mut connection, id, &published).await.unwrap();
        let subject = app.deps.executions.load(execution).await.unwrap().unwrap().subject;
        *house.instance.lock().unwrap() = Some(InstanceId::from(subject));
        execution
    }

    /// What the process `holder` does beside its worker.
    pub(super) async fn beside(&self, holder: &str) {
        let deps = &self.world.app.deps;
        // EC2 may refuse for a while; the next look comes anyway.
        let _ = Watch::new(Arc::clone(deps), holder).look().await;
        let due = {
            let mut last = self.reconciled.lock().unwrap();
            let due = last.elapsed() > Duration::from_millis(50);
            if due {
                *last = Instant::now();
            }
            due
        };
        if due {
            let _ = Reconciler::new(Arc::clone(deps), holder).pass().await;
        }
    }
}

#[async_trait(?Send)]
impl Proof for Street {
    type World = House;

    async fn world(&self) -> House {
        let number = self.houses.fetch_add(1, Ordering::Relaxed);
        let house = House { user: format!("user-{number}"), instance: Mutex::default() };
        for what in self.case.before() {
            let execution = self.request(&house, what).await;
            self.world.run_by_hand(execution).await;
        }
        house
    }

    fn definition(&self, _: &House) -> Definition {
        Definition::clone(self.world.app.definitions.get(self.case.kind()).unwrap())
    }

    fn store(&self, _: &House) -> Store {
        self.world.app.deps.executions.clone()
    }

    fn accepted_steps(&self) -> usize {
        usize::from(matches!(self.case.kind(), ExecutionKind::Launch | ExecutionKind::Refill))
    }

    async fn accept(&self, house: &House) -> ExecutionId {
        self.request(house, self.case.ask()).await
    }

    async fn meanwhile(&self, _: &House, holder: &str) {
        self.beside(holder).await;
    }

    async fn outlive(&self, _: &House, _: &str) {
        for sql in ["delete from duty", "update outbox set next_try_at = now() where delivered_at is null"] {
            sqlx::query(sql).execute(self.world.pool()).await.unwrap();
        }
    }

    async fn assert_succeeded(&self, house: &House) {
        settled(self, house, &self.case.succeeded()).await;
    }

    async fn assert_clean_slate(&self, house: &House, _: &ExecutionView) {
        settled(self, house, &self.case.undone()).await;
    }
}
