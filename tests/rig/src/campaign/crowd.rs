//! Users, each doing one thing after the other, each request repeated under its key until it is answered.

use std::time::Duration;

use cloudapp_contract::ProblemCode;
use cloudapp_contract::client::CallError;
use cloudapp_contract::instance::{Accepted, CreateInstance, ExtendInstance};
use cloudapp_domain::{ConfigurationId, ExecutionId, InstanceId};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::{Api, PUBLIC_KEY, Rig};

/// Machines that one user has at most: enough for a hundred at once, few enough to be ended again.
const MOST: usize = 40;
/// How often an unanswered request is repeated.
const REPEATS: usize = 60;
const PAUSE: Duration = Duration::from_millis(100);

/// Everybody who is at work.
pub(super) struct Crowd {
    go_home: watch::Sender<bool>,
    users: JoinSet<Vec<ExecutionId>>,
}

impl Crowd {
    pub(super) fn gather(
        rig: &Rig,
        rng: &mut StdRng,
        users: usize,
        configurations: &[ConfigurationId],
    ) -> anyhow::Result<Self> {
        let (go_home, stays) = watch::channel(false);
        let mut crowd = Self { go_home, users: JoinSet::new() };
        for number in 0..users {
            let user = User {
                api: rig.api()?,
                token: rig.user(&format!("user-{number}"))?,
                rng: StdRng::seed_from_u64(rng.random()),
                configurations: configurations.to_vec(),
                machines: Vec::new(),
                accepted: Vec::new(),
                requests: 0,
            };
            crowd.users.spawn(user.work(stays.clone()));
        }
        Ok(crowd)
    }

    /// Everybody finishes what they are at; what was accepted of all of them.
    pub(super) async fn disperse(mut self) -> Vec<ExecutionId> {
        self.go_home.send_replace(true);
        let mut accepted = Vec::new();
        while let Some(done) = self.users.join_next().await {
            accepted.extend(done.unwrap_or_default());
        }
        accepted
    }
}

struct User {
    api: Api,
    token: String,
    rng: StdRng,
    configurations: Vec<ConfigurationId>,
    machines: Vec<Accepted>,
    accepted: Vec<ExecutionId>,
    requests: usize,
}

impl User {
    async fn work(mut self, go_home: watch::Receiver<bool>) -> Vec<ExecutionId> {
        while !*go_home.borrow() {
            match self.rng.random_range(0..100) {
                _ if self.machines.len() > MOST => self.end_many().await,
                0..30 => self.create(1).await,
                30..36 => self.create(10).await,
                36..37 => self.create(100).await,
                37..50 => self.cancel().await,
                50..65 => self.stop().await,
                65..78 => self.start().await,
                78..96 => self.destroy().await,
                _ => self.extend().await,
            }
            let pause = Duration::from_millis(self.rng.random_range(0..300));
            tokio::time::sleep(pause).await;
        }
        self.accepted
    }

    fn key(&mut self) -> String {
        self.requests += 1;
        format!("request-{}", self.requests)
    }

    fn some_machine(&mut self) -> Option<Accepted> {
        let last = self.machines.len().checked_sub(1)?;
        let chosen = self.rng.random_range(0..=last);
        Some(self.machines[chosen].clone())
    }

    async fn create(&mut self, count: usize) {
        let chosen = self.rng.random_range(0..self.configurations.len());
        let request = CreateInstance {
            configuration_id: self.configurations[chosen],
            ssh_public_key: Some(PUBLIC_KEY.to_owned()),
            hours: None,
        };
        // All at once: these are what batches are made of.
        let mut clicks = JoinSet::new();
        for _ in 0..count {
            let (api, token, key, request) =
                (self.api.clone(), self.token.clone(), self.key(), request.clone());
            clicks.spawn(async move {
                answered(|| async { api.speak(&token).create(&key, &request).await }).await
            });
        }
        while let Some(click) = clicks.join_next().await {
            if let Ok(Some(accepted)) = click {
                self.accepted.push(accepted.execution_id);
                self.machines.push(accepted);
            }
        }
    }

    async fn cancel(&mut self) {
        let (Some(machine), key) = (self.some_machine(), self.key()) else { return };
        let (api, token) = (&self.api, &self.token);
        answered(|| async { api.speak(token).cancel(machine.execution_id, &key).await }).await;
    }

    async fn stop(&mut self) {
        let (Some(machine), key) = (self.some_machine(), self.key()) else { return };
        let (api, token, id) = (&self.api, &self.token, machine.instance_id);
        let accepted = answered(|| async { api.speak(token).stop(id, &key).await }).await;
        self.note(accepted);
    }

    async fn start(&mut self) {
        let (Some(machine), key) = (self.some_machine(), self.key()) else { return };
        let (api, token, id) = (&self.api, &self.token, machine.instance_id);
        let accepted = answered(|| async { api.speak(token).start(id, &key).await }).await;
        self.note(accepted);
    }

    async fn extend(&mut self) {
        let (Some(machine), key) = (self.some_machine(), self.key()) else { return };
        let (api, token, id) = (&self.api, &self.token, machine.instance_id);
        let request = ExtendInstance { hours: 1 };
        let accepted = answered(|| async { api.speak(token).extend(id, &key, &request).await }).await;
        self.note(accepted);
    }

    async fn destroy(&mut self) {
        let Some(machine) = self.some_machine() else { return };
        self.destroy_one(machine.instance_id).await;
    }

    async fn end_many(&mut self) {
        for machine in self.machines.split_off(MOST / 2) {
            self.destroy_one(machine.instance_id).await;
        }
    }

    async fn destroy_one(&mut self, id: InstanceId) {
        let key = self.key();
        let (api, token) = (&self.api, &self.token);
        let accepted = answered(|| async { api.speak(token).destroy(id, &key).await }).await;
        self.note(accepted);
        self.machines.retain(|machine| machine.instance_id != id);
    }

    fn note(&mut self, accepted: Option<Accepted>) {
        self.accepted.extend(accepted.map(|accepted| accepted.execution_id));
    }
}

/// Repeats a request until it is answered; `None` if it was refused, or never answered.
async fn answered<T, F>(request: impl Fn() -> F) -> Option<T>
where
    F: Future<Output = Result<T, CallError>>,
{
    for _ in 0..REPEATS {
        match request().await {
            Ok(answer) => return Some(answer),
            Err(CallError::Problem(problem))
                if !matches!(problem.code, ProblemCode::Internal | ProblemCode::Unavailable) =>
            {
                return None;
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    None
}
