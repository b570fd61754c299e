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
use crate::placing::Placer;
use crate::pool::Pools;
use crate::reconcile::Reconciler;
use crate::testing::World;

/// What is put to the proof: every kind of execution, some in more than one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Launch,
    StopKeepingDisk,
    StopForGood,
    Start,
    Destroy,
    Extend,
    /// Of a pool of running spares.
    Refill,
    /// Of a pool of stopped spares.
    RefillStopped,
    /// A launch that finds a running spare.
    Claim,
    /// A launch that finds a stopped spare.
    ClaimStopped,
}

impl Case {
    pub(super) const fn kind(self) -> ExecutionKind {
        match self {
            Self::Launch | Self::Claim | Self::ClaimStopped => ExecutionKind::Launch,
            Self::Refill | Self::RefillStopped => ExecutionKind::Refill,
            Self::StopKeepingDisk | Self::StopForGood => ExecutionKind::Stop,
            Self::Start => ExecutionKind::Start,
            Self::Destroy => ExecutionKind::Destroy,
            Self::Extend => ExecutionKind::Extend,
        }
    }

    fn warm_pool(self) -> serde_json::Value {
        match self {
            Self::Refill | Self::Claim => json!({ "size": 1 }),
            Self::RefillStopped | Self::ClaimStopped => json!({ "size": 1, "kind": "stopped" }),
            _ => json!({ "size": 0 }),
        }
    }

    /// What is done to the machine first, one after the other.
    const fn before(self) -> &'static [&'static str] {
        match self {
            Self::Launch | Self::Refill | Self::RefillStopped => &[],
            Self::Claim | Self::ClaimStopped => &["refill"],
            Self::Start => &["launch", "stop"],
            Self::StopKeepingDisk | Self::StopForGood | Self::Destroy | Self::Extend => &["launch"],
        }
    }

    /// What is asked for then.
    const fn ask(self) -> &'static str {
        match self {
            Self::Launch | Self::Claim | Self::ClaimStopped => "launch",
            Self::Refill | Self::RefillStopped => "refill",
            Self::StopKeepingDisk | Self::StopForGood => "stop",
            Self::Start => "start",
            Self::Destroy => "destroy",
            Self::Extend => "extend",
        }
    }

    /// What must be there after success.
    const fn succeeded(self) -> Left {
        match self {
            Self::Launch | Self::Claim | Self::ClaimStopped => {
                Left { states: &[InstanceState::Ready], logins: 1, extended: false }
            }
            Self::Refill => Left { states: &[InstanceState::Ready], logins: 0, extended: false },
            Self::RefillStopped => Left { states: &[InstanceState::Stopped], logins: 0, extended: false },
            Self::StopKeepingDisk => Left { states: &[InstanceState::Stopped], logins: 1, extended: false },
            Self::StopForGood | Self::Destroy => {
                Left { states: &[InstanceState::Terminated], logins: 1, extended: false }
            }
            Self::Start => Left { states: &[InstanceState::Ready], logins: 2, extended: false },
            Self::Extend => Left { states: &[InstanceState::Ready], logins: 1, extended: true },
        }
    }

    /// What may be there after everything was undone. An end that EC2 was asked for cannot be taken back: then the
    /// row must follow the machine. A login may have been told before the last step was undone.
    const fn undone(self) -> Left {
        use InstanceState::{Failed, Ready, Stopped, Terminated};
        let states: &[InstanceState] = match self {
            Self::Launch | Self::Refill | Self::RefillStopped | Self::Claim | Self::ClaimStopped => {
                &[Failed, Terminated]
            }
            Self::StopKeepingDisk => &[Ready, Stopped],
            Self::StopForGood | Self::Destroy => &[Ready, Terminated],
            Self::Start => &[Stopped],
            Self::Extend => &[Ready],
        };
        Left { states, logins: self.succeeded().logins, extended: false }
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
        let world = World::asleep(json!({ "on_stop": on_stop, "warm_pool": case.warm_pool() })).await;
        let (houses, reconciled) = (AtomicUsize::new(0), Mutex::new(Instant::now()));
        Self { case, world: Arc::new(world), houses, reconciled }
    }

    async fn request(&self, house: &House, what: &str) -> ExecutionId {
        if what == "refill" {
            let keeper =
                Pools::new(Arc::clone(&self.world.app.deps), self.world.app.definitions.clone(), "street");
            let (instance, refill) = keeper.make_one(self.world.configuration).await;
            *house.instance.lock().unwrap() = Some(instance);
            return refill;
        }
        if what != "launch" {
            return self.world.ask(&house.user, house.instance(), what, what).await.execution_id;
        }
        let accepted = self.world.create(&house.user, what).await;
        *house.instance.lock().unwrap() = Some(accepted.instance_id);
        accepted.execution_id
    }

    /// What the process `holder` does beside its worker.
    pub(super) async fn beside(&self, holder: &str) {
        let deps = &self.world.app.deps;
        let _ = Placer::new(Arc::clone(deps), holder).pass().await;
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
        match self.case {
            Case::Launch | Case::ClaimStopped | Case::Refill | Case::RefillStopped => 1,
            Case::Claim => 3,
            _ => 0,
        }
    }

    async fn accept(&self, house: &House) -> ExecutionId {
        self.request(house, self.case.ask()).await
    }

    async fn meanwhile(&self, _: &House, holder: &str) {
        self.beside(holder).await;
    }

    async fn outlive(&self, _: &House, _: &str) {
        for sql in [
            "delete from duty",
            "update batch set lease_until = null, next_run_at = now() where next_run_at is not null",
            "update outbox set next_try_at = now() where delivered_at is null",
        ] {
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
