//! Who kills replicas, and makes EC2 misbehave.

use std::time::{Duration, Instant};

use cloudapp_ec2_simulator::Fault;
use rand::Rng as _;
use rand::rngs::StdRng;

use crate::{ReplicaId, Rig};

/// Where the points have their names; a point that is added there is died at here.
const POINTS: &str = include_str!("../../../../services/provision-instance/src/crash.rs");
/// EC2's actions that may misbehave.
const ACTIONS: [&str; 6] = [
    "RunInstances",
    "TerminateInstances",
    "StopInstances",
    "StartInstances",
    "DescribeInstances",
    "CreateTags",
];
/// How long one that is to die at a point may take to come to it.
const TO_ITS_POINT: Duration = Duration::from_millis(1500);

/// So many replicas work at a time: whoever comes when they are more replaces one that has gone.
const MOST: usize = 5;

/// The names of the crash points.
fn points() -> Vec<&'static str> {
    let named = POINTS.lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix("\","));
    named
        .filter_map(|line| line.split_once(" = \""))
        .filter(|(point, _)| point.chars().all(char::is_alphanumeric))
        .map(|(_, name)| name)
        .collect()
}

/// Kills.
pub(super) struct Killer {
    rng: StdRng,
    points: Vec<&'static str>,
    /// Those that are to die at a point, since when.
    armed: Vec<(ReplicaId, Instant)>,
    /// Taken out of service until then.
    away: Option<(ReplicaId, Instant)>,
    /// Taken out of service for good.
    gone: Vec<ReplicaId>,
    pub(super) kills: usize,
    pub(super) deaths_at_points: usize,
    pub(super) faults: usize,
}

impl Killer {
    pub(super) fn new(rng: StdRng) -> Self {
        let points = points();
        Self {
            rng,
            points,
            armed: vec![],
            away: None,
            gone: vec![],
            kills: 0,
            deaths_at_points: 0,
            faults: 0,
        }
    }

    /// Kills until there were `kills` deaths, or until `end`.
    pub(super) async fn kill(&mut self, rig: &mut Rig, kills: usize, end: Instant) -> anyhow::Result<()> {
        while self.kills + self.deaths_at_points < kills && Instant::now() < end {
            let pause = Duration::from_millis(self.rng.random_range(0..250));
            tokio::time::sleep(pause).await;
            if self.rng.random_bool(0.25) {
                self.misbehave(rig).await?;
            }
            self.bury(rig).await?;
            self.kill_some(rig).await?;
            self.come_and_go(rig).await?;
        }
        Ok(())
    }

    /// Leaves: two replicas or more work on, none of them about to die, and EC2 behaves.
    pub(super) async fn leave(&mut self, rig: &mut Rig) -> anyhow::Result<()> {
        rig.control().clear_faults().await?;
        for id in rig.replica_ids() {
            if self.gone.contains(&id) {
                continue;
            }
            rig.replica_mut(id).set("CLOUDAPP_CRASH_AT", None);
            if self.armed.iter().any(|(armed, _)| *armed == id) {
                rig.replica_mut(id).kill();
            }
            rig.restart(id).await?;
        }
        Ok(())
    }

    async fn misbehave(&mut self, rig: &Rig) -> anyhow::Result<()> {
        let action = ACTIONS[self.rng.random_range(0..ACTIONS.len())];
        let fault = match self.rng.random_range(0..4) {
            0 | 1 => Fault::reply_lost(action),
            2 => Fault::error(action, "RequestLimitExceeded").times(2),
            _ => Fault::delay(action, 400),
        };
        rig.control().add_fault(&fault).await?;
        self.faults += 1;
        Ok(())
    }

    /// Counts those that died at their points, and starts them again; those that never come to theirs are killed.
    async fn bury(&mut self, rig: &mut Rig) -> anyhow::Result<()> {
        for (id, since) in std::mem::take(&mut self.armed) {
            if !rig.replica_mut(id).is_running() {
                self.deaths_at_points += 1;
            } else if since.elapsed() > TO_ITS_POINT {
                rig.replica_mut(id).kill();
                self.kills += 1;
            } else {
                self.armed.push((id, since));
                continue;
            }
            self.start(rig, id).await?;
        }
        Ok(())
    }

    /// One, sometimes several in the same moment.
    async fn kill_some(&mut self, rig: &mut Rig) -> anyhow::Result<()> {
        let count = if self.rng.random_bool(0.2) { 2 } else { 1 };
        let mut living = Vec::new();
        for id in rig.replica_ids() {
            let armed = self.armed.iter().any(|(armed, _)| *armed == id);
            if !armed && rig.replica_mut(id).is_running() {
                living.push(id);
            }
        }
        let mut killed = Vec::new();
        while killed.len() < count && !living.is_empty() {
            let id = living.swap_remove(self.rng.random_range(0..living.len()));
            rig.replica_mut(id).kill();
            self.kills += 1;
            killed.push(id);
        }
        for id in killed {
            self.start(rig, id).await?;
        }
        Ok(())
    }

    /// Starts a replica, half of the time to die at a point.
    async fn start(&mut self, rig: &mut Rig, id: ReplicaId) -> anyhow::Result<()> {
        let point =
            self.rng.random_bool(0.5).then(|| self.points[self.rng.random_range(0..self.points.len())]);
        rig.replica_mut(id).set("CLOUDAPP_CRASH_AT", point);
        if let Err(error) = rig.restart(id).await {
            // It came to its point before it was ready; without one it must start.
            if point.is_none() {
                return Err(error);
            }
            self.deaths_at_points += 1;
            rig.replica_mut(id).set("CLOUDAPP_CRASH_AT", None);
            return rig.restart(id).await;
        }
        if point.is_some() {
            self.armed.push((id, Instant::now()));
        }
        Ok(())
    }

    /// Adds a replica now and then, and takes one away for a while or for good.
    async fn come_and_go(&mut self, rig: &mut Rig) -> anyhow::Result<()> {
        match self.away {
            Some((id, until)) if Instant::now() > until => {
                self.away = None;
                if rig.replica_ids().len() - self.gone.len() > MOST {
                    self.gone.push(id);
                } else {
                    self.start(rig, id).await?;
                }
            }
            None if self.rng.random_bool(0.05) => {
                let id = rig.add_replica(&[]).await?;
                self.away = Some((id, Instant::now() + Duration::from_secs(2)));
                // Politely, or not.
                if self.rng.random_bool(0.5) {
                    rig.replica_mut(id).stop().await?;
                } else {
                    rig.replica_mut(id).kill();
                    self.kills += 1;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_names_of_the_points_are_found() {
        let points = super::points();
        assert!(points.contains(&"after_run_instances") && points.len() > 5, "{points:?}");
    }
}
