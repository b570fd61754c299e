//! Everything that exists, and what has changed since it was last written down.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::instance::{Instance, InstanceState};
use crate::{config::Timings, wire::error::Ec2Error};

/// The result of one `RunInstances` call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reservation {
    pub(crate) id: String,
    pub(crate) client_token: Option<String>,
    /// Digest of the call's parameters: the same token must come with the same.
    pub(crate) digest: String,
    /// Raw user data, base64-encoded as they came; one copy for all machines.
    pub(crate) user_data: Option<String>,
    pub(crate) instance_ids: Vec<String>,
    pub(crate) created_at: DateTime<Utc>,
}

/// Something that the world outside the model has to learn or do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A machine changed its state at this time.
    StateChanged { instance_id: String, state: InstanceState, at: DateTime<Utc> },
    /// A spot machine will be taken away.
    InterruptionWarning { instance_id: String, at: DateTime<Utc> },
    /// A machine has booted: its user data are to be carried out.
    Booted { instance_id: String, boot_id: String },
}

/// What has to be written down.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) reservations: BTreeSet<String>,
    pub(crate) instances: BTreeSet<u64>,
    pub(crate) forgotten: BTreeSet<String>,
}

/// Chance and time for one change.
pub(crate) struct Moment<'a, R> {
    pub(crate) now: DateTime<Utc>,
    pub(crate) rng: &'a mut R,
}

/// All machines of the account in the region.
#[derive(Debug, Default)]
pub(crate) struct Region {
    instances: BTreeMap<u64, Instance>,
    sequences: HashMap<String, u64>,
    reservations: BTreeMap<String, Reservation>,
    /// Reservation by client token.
    tokens: HashMap<String, String>,
    /// How many more machines of a type fit into a zone; no entry is no limit.
    pub(super) capacity: BTreeMap<(String, String), u32>,
    pub(super) next_sequence: u64,
    pub(super) starts: u64,
    pub(super) timings: Timings,
    /// Machines by the time when something happens to them by themselves, and that time by machine.
    agenda: BTreeSet<(DateTime<Utc>, u64)>,
    appointments: HashMap<u64, DateTime<Utc>>,
    /// Machines that were changed since the agenda was last made up.
    rescheduled: BTreeSet<u64>,
    changes: Changes,
    pub(super) effects: Vec<Effect>,
}

impl Region {
    /// A region without machines.
    pub(crate) fn new(timings: Timings) -> Self {
        Self { timings, ..Self::default() }
    }

    /// Takes over what was written down.
    pub(crate) fn restore(&mut self, reservations: Vec<Reservation>, instances: Vec<Instance>) {
        for reservation in reservations {
            if let Some(token) = &reservation.client_token {
                self.tokens.insert(token.clone(), reservation.id.clone());
            }
            self.reservations.insert(reservation.id.clone(), reservation);
        }
        for instance in instances {
            self.next_sequence = self.next_sequence.max(instance.sequence + 1);
            self.rescheduled.insert(instance.sequence);
            self.sequences.insert(instance.id.clone(), instance.sequence);
            self.instances.insert(instance.sequence, instance);
        }
        self.starts = self.next_sequence;
    }

    /// New durations for what begins from now on.
    pub(crate) fn set_timings(&mut self, timings: Timings) {
        self.timings = timings;
    }

    /// Limits how many more machines of a type fit into a zone; `None` lifts the limit.
    pub(crate) fn set_capacity(&mut self, instance_type: &str, zone: &str, available: Option<u32>) {
        let place = (instance_type.to_owned(), zone.to_owned());
        match available {
            Some(available) => self.capacity.insert(place, available),
            None => self.capacity.remove(&place),
        };
    }

    /// The limits in force.
    pub(crate) fn capacity(&self) -> &BTreeMap<(String, String), u32> {
        &self.capacity
    }

    /// All machines, in the order of their launches, hidden ones too.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values()
    }

    /// A machine, hidden or not.
    pub(crate) fn get(&self, id: &str) -> Option<&Instance> {
        self.instances.get(self.sequences.get(id)?)
    }

    /// A machine that may be changed; it will be written down.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Instance> {
        let sequence = *self.sequences.get(id)?;
        self.by_sequence_mut(sequence)
    }

    /// As [`get_mut`](Self::get_mut), by the place in the order of launches.
    pub(super) fn by_sequence_mut(&mut self, sequence: u64) -> Option<&mut Instance> {
        self.changes.instances.insert(sequence);
        self.rescheduled.insert(sequence);
        self.instances.get_mut(&sequence)
    }

    /// Takes in a new machine.
    pub(super) fn insert(&mut self, instance: Instance) {
        self.changes.instances.insert(instance.sequence);
        self.rescheduled.insert(instance.sequence);
        self.sequences.insert(instance.id.clone(), instance.sequence);
        self.instances.insert(instance.sequence, instance);
    }

    /// Takes in a new launch.
    pub(super) fn insert_reservation(&mut self, reservation: Reservation) {
        if let Some(token) = &reservation.client_token {
            self.tokens.insert(token.clone(), reservation.id.clone());
        }
        self.changes.reservations.insert(reservation.id.clone());
        self.reservations.insert(reservation.id.clone(), reservation);
    }

    /// Takes a machine out for good.
    pub(super) fn forget(&mut self, sequence: u64) {
        if let Some(instance) = self.instances.remove(&sequence) {
            self.rescheduled.insert(sequence);
            self.sequences.remove(&instance.id);
            self.changes.instances.remove(&sequence);
            self.changes.forgotten.insert(instance.id);
        }
    }

    /// The machine to which something happens next, and when, as `due_of` tells it of each.
    pub(super) fn next_appointment(
        &mut self,
        due_of: impl Fn(&Instance) -> Option<DateTime<Utc>>,
    ) -> Option<(DateTime<Utc>, u64)> {
        for sequence in std::mem::take(&mut self.rescheduled) {
            if let Some(before) = self.appointments.remove(&sequence) {
                self.agenda.remove(&(before, sequence));
            }
            if let Some(at) = self.instances.get(&sequence).and_then(&due_of) {
                self.appointments.insert(sequence, at);
                self.agenda.insert((at, sequence));
            }
        }
        self.agenda.first().copied()
    }

    /// The machine's launch.
    pub(crate) fn reservation(&self, id: &str) -> Option<&Reservation> {
        self.reservations.get(id)
    }

    /// The machines that a client may see now.
    pub(crate) fn visible(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Instance> {
        self.instances.values().filter(move |instance| instance.visible_at <= now)
    }

    /// Checks a list of ids as EC2 does: all of them well-formed, all of them known, or none is acted on.
    pub(crate) fn require(&self, ids: &[&str], now: DateTime<Utc>) -> Result<Vec<String>, Ec2Error> {
        if let Some(malformed) = ids.iter().find(|id| !is_resource_id(id, "i-")) {
            let message = format!("Invalid id: \"{malformed}\"");
            return Err(Ec2Error::new("InvalidInstanceID.Malformed", message));
        }
        let missing: Vec<String> = ids
            .iter()
            .filter(|id| self.get(id).is_none_or(|instance| instance.visible_at > now))
            .map(|id| (*id).to_owned())
            .collect();
        if missing.is_empty() {
            Ok(ids.iter().map(|id| (*id).to_owned()).collect())
        } else {
            Err(Ec2Error::instances_not_found(&missing))
        }
    }

    /// The launch that was made with this client token.
    pub(super) fn launched_with(&self, token: &str) -> Option<&Reservation> {
        self.reservations.get(self.tokens.get(token)?)
    }

    /// What has to be written down, since the last time this was asked.
    pub(crate) fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// What the world has to learn, since the last time this was asked.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Puts effects back that were only looked at, before any that came since.
    pub(crate) fn put_back_effects(&mut self, effects: &mut Vec<Effect>) {
        effects.append(&mut self.effects);
        self.effects = std::mem::take(effects);
    }

    /// A machine by its place in the order of launches.
    pub(crate) fn by_sequence(&self, sequence: u64) -> Option<&Instance> {
        self.instances.get(&sequence)
    }
}

/// A new id: the prefix and 17 hexadecimal digits.
pub(crate) fn new_id(prefix: &str, rng: &mut impl Rng) -> String {
    let digits: u128 = rng.random();
    format!("{prefix}0{:016x}", digits & u128::from(u64::MAX))
}

/// Whether this is the prefix and 8 or 17 hexadecimal digits.
pub(crate) fn is_resource_id(id: &str, prefix: &str) -> bool {
    id.strip_prefix(prefix).is_some_and(|digits| {
        matches!(digits.len(), 8 | 17) && digits.chars().all(|digit| matches!(digit, '0'..='9' | 'a'..='f'))
    })
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn new_ids_are_well_formed() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..100 {
            assert!(is_resource_id(&new_id("i-", &mut rng), "i-"));
        }
        for bad in ["i-123", "i-0123456789ABCDEF0", "r-0123456789abcdef0", ""] {
            assert!(!is_resource_id(bad, "i-"), "{bad}");
        }
    }
}
