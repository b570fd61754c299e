//! Those who wait for machines, and the batches that are formed of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::database::{InstanceNo, UserNo};
use super::invariants::Invariant;
use super::placing::{BATCH_LEASE, Batch, Placement};
use super::world::World;
use crate::placing::decide::{Group, PlacementState, Rank, turn};

type Time = DateTime<Utc>;

impl World {
    /// Gives a launch its place in the queue, once.
    pub(super) fn enqueue(&mut self, no: InstanceNo, now: Time) {
        if self.db.placements.contains_key(&no) {
            return;
        }
        let (owner, configuration) = (self.db.instances[&no].owner, self.db.instances[&no].configuration);
        let waiting = || self.db.placements.values().filter(|p| p.state == PlacementState::Waiting);
        let own_last = waiting().filter(|placement| placement.owner == owner).map(|p| p.turn).max();
        let head = waiting().map(|placement| placement.turn).min();
        let placement = Placement {
            instance: no,
            owner,
            configuration,
            state: PlacementState::Waiting,
            turn: turn(own_last, head),
            enqueued_at: now,
            batch: None,
            overtaken: BTreeMap::new(),
            refused: BTreeMap::new(),
        };
        self.db.placements.insert(no, placement);
    }

    /// Those who wait, by what they wait for.
    pub(super) fn groups(&self) -> Vec<(usize, Group)> {
        let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
        for placement in self.db.placements.values().filter(|p| p.state == PlacementState::Waiting) {
            let rank = rank(placement);
            let at = placement.enqueued_at;
            let group = groups.entry(placement.configuration).or_insert(Group {
                count: 0,
                oldest: at,
                newest: at,
                head: rank,
                asked_at: None,
                more: false,
            });
            group.count += 1;
            (group.oldest, group.newest) = (group.oldest.min(at), group.newest.max(at));
            group.head = group.head.min(rank);
        }
        groups.into_iter().collect()
    }

    /// A batch of the first `most` who wait, with its first attempt written down.
    pub(super) fn form(&mut self, configuration: usize, most: u32, holder: usize, now: Time) -> Option<u32> {
        let mut waiting: Vec<(Rank, InstanceNo)> = self
            .db
            .placements
            .values()
            .filter(|p| p.state == PlacementState::Waiting && p.configuration == configuration)
            .map(|p| (rank(p), p.instance))
            .collect();
        waiting.sort_unstable();
        waiting.truncate(most as usize);
        let members: Vec<InstanceNo> = waiting.into_iter().map(|(_, no)| no).collect();
        if members.is_empty() {
            return None;
        }
        let no = self.db.number();
        for member in &members {
            if let Some(placement) = self.db.placements.get_mut(member) {
                (placement.state, placement.batch) = (PlacementState::Batched, Some(no));
            }
        }
        self.count_overtaking(configuration, &members);
        self.tell(|| format!("batch {no} is formed of {members:?}"));
        let batch = Batch {
            no,
            members,
            configuration,
            attempt: None,
            attempts: 0,
            refused: Vec::new(),
            fence: 1,
            lease_until: Some(now + BATCH_LEASE),
            holder,
            next_at: now,
            tries: 0,
        };
        self.db.batches.insert(no, batch);
        self.intend(no, now);
        Some(no)
    }

    /// Nobody's only launch is overtaken again and again by one user's many.
    fn count_overtaking(&mut self, configuration: usize, chosen: &[InstanceNo]) {
        let owners: Vec<UserNo> = chosen.iter().map(|no| self.db.placements[no].owner).collect();
        let mut worst = None;
        for waiting in self.db.placements.values_mut() {
            if waiting.state != PlacementState::Waiting
                || waiting.configuration != configuration
                || waiting.turn > 0
            {
                continue;
            }
            for owner in owners.iter().filter(|owner| **owner != waiting.owner) {
                let count = waiting.overtaken.entry(*owner).or_default();
                *count += 1;
                if *count > 3 {
                    worst = Some((waiting.instance, *owner, *count));
                }
            }
        }
        if let Some((no, owner, count)) = worst {
            self.violate(Invariant::NobodyStarves, || {
                format!("instance {no} waits while user {owner} was served {count} times")
            });
        }
    }
}

const fn rank(placement: &Placement) -> Rank {
    Rank { pool: false, turn: placement.turn, enqueued_at: placement.enqueued_at }
}
