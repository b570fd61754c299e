//! Launching machines: idempotency by client token, capacity by type and zone, partial fulfilment.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rand::{Rng, seq::IndexedRandom};

use super::{
    catalog::InstanceType,
    images::Image,
    instance::{Instance, InstanceState, Market, MetadataOptions, ShutdownBehavior, StateReason, Volume},
    network::{Group, Place},
    region::{Effect, Moment, Region, Reservation, new_id},
};
use crate::wire::error::Ec2Error;

/// A disk that was asked for, or that the image brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VolumeRequest {
    pub(crate) device: String,
    pub(crate) size_gib: u32,
    pub(crate) kind: String,
    pub(crate) encrypted: bool,
    pub(crate) delete_on_termination: bool,
}

/// A `RunInstances` call whose parameters were found to be valid.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) client_token: Option<String>,
    pub(crate) digest: String,
    pub(crate) min_count: u32,
    pub(crate) max_count: u32,
    pub(crate) image: &'static Image,
    pub(crate) instance_type: &'static InstanceType,
    /// Where the machines may go: the one subnet that was named or that follows from the zone, or several of which EC2
    /// chooses.
    pub(crate) places: Vec<Place>,
    pub(crate) security_groups: Vec<Group>,
    pub(crate) key_name: Option<String>,
    pub(crate) instance_profile: Option<String>,
    pub(crate) user_data: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) volume_tags: BTreeMap<String, String>,
    pub(crate) market: Market,
    pub(crate) shutdown_behavior: ShutdownBehavior,
    pub(crate) termination_protection: bool,
    pub(crate) metadata_options: MetadataOptions,
    pub(crate) volumes: Vec<VolumeRequest>,
}

/// The SSH host keys of a new machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostKeys {
    /// The public halves, in OpenSSH's one-line form.
    pub(crate) public: Vec<String>,
    /// The private half of the ECDSA key, PKCS#8 PEM.
    pub(crate) ecdsa_private: String,
}

/// Makes a machine's SSH host keys; real ones, so outside the model.
pub(crate) type MakeHostKeys<'a> = &'a mut dyn FnMut() -> Result<HostKeys, Ec2Error>;

impl Region {
    /// The reservation that an earlier call with this token made, if there was one.
    ///
    /// As EC2: the same token with other parameters, or for machines that are gone, is refused. Where only
    /// some of them are gone, all are returned in their present state.
    pub(crate) fn repeated(&self, token: &str, digest: &str) -> Result<Option<&Reservation>, Ec2Error> {
        let Some(reservation) = self.launched_with(token) else { return Ok(None) };
        if reservation.digest != digest {
            return Err(Ec2Error::new(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            ));
        }
        let alive =
            |id: &String| self.get(id).is_some_and(|instance| instance.state != InstanceState::Terminated);
        if reservation.instance_ids.iter().any(alive) {
            return Ok(Some(reservation));
        }
        Err(Ec2Error::new(
            "IdempotentInstanceTerminated",
            format!("The client token '{token}' was used for instances that have been terminated."),
        ))
    }

    /// Launches as many machines as there is room for, at least `min_count`, all in one zone.
    pub(crate) fn launch<R: Rng>(
        &mut self,
        launch: &Launch,
        moment: &mut Moment<'_, R>,
        host_keys: MakeHostKeys<'_>,
    ) -> Result<Reservation, Ec2Error> {
        let (place, count) = self.place(launch, moment.rng)?;
        let reservation = Reservation {
            id: new_id("r-", moment.rng),
            client_token: launch.client_token.clone(),
            digest: launch.digest.clone(),
            user_data: launch.user_data.clone(),
            instance_ids: (0..count).map(|_| new_id("i-", moment.rng)).collect(),
            created_at: moment.now,
        };
        let keys = reservation.instance_ids.iter().map(|_| host_keys()).collect::<Result<Vec<_>, _>>()?;
        for (index, (id, keys)) in (0..).zip(reservation.instance_ids.iter().zip(keys)) {
            let instance = self.build(launch, &reservation, place, (id, index), keys, moment);
            self.add(instance, moment.now);
        }
        self.take_capacity(launch.instance_type.name, &place.zone, count);
        self.insert_reservation(reservation.clone());
        Ok(reservation)
    }

    fn place<'l, R: Rng>(&self, launch: &'l Launch, rng: &mut R) -> Result<(&'l Place, u32), Ec2Error> {
        let name = launch.instance_type.name;
        let room = |place: &Place| self.room(name, &place.zone).min(launch.max_count);
        let fitting: Vec<&Place> =
            launch.places.iter().filter(|place| room(place) >= launch.min_count).collect();
        match (fitting.choose(rng), launch.places.as_slice()) {
            (Some(place), _) => Ok((place, room(place))),
            (None, [only]) => Err(no_capacity(name, Some(&only.zone))),
            (None, _) => Err(no_capacity(name, None)),
        }
    }

    /// How many more machines of this type fit into the zone.
    pub(super) fn room(&self, instance_type: &str, zone: &str) -> u32 {
        let place = (instance_type.to_owned(), zone.to_owned());
        self.capacity.get(&place).copied().unwrap_or(u32::MAX)
    }

    pub(super) fn take_capacity(&mut self, instance_type: &str, zone: &str, count: u32) {
        if let Some(room) = self.capacity.get_mut(&(instance_type.to_owned(), zone.to_owned())) {
            *room = room.saturating_sub(count);
        }
    }

    pub(super) fn give_capacity_back(&mut self, instance_type: &str, zone: &str) {
        if let Some(room) = self.capacity.get_mut(&(instance_type.to_owned(), zone.to_owned())) {
            *room = room.saturating_add(1);
        }
    }

    fn build<R: Rng>(
        &mut self,
        launch: &Launch,
        reservation: &Reservation,
        place: &Place,
        (id, launch_index): (&str, u32),
        host_keys: HostKeys,
        moment: &mut Moment<'_, R>,
    ) -> Instance {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let Moment { now, rng } = moment;
        let volumes = launch.volumes.iter().map(|wanted| volume(wanted, &launch.volume_tags, rng)).collect();
        Instance {
            id: id.to_owned(),
            sequence,
            reservation_id: reservation.id.clone(),
            launch_index,
            client_token: launch.client_token.clone(),
            image_id: launch.image.id.to_owned(),
            instance_type: launch.instance_type.name.to_owned(),
            architecture: launch.image.architecture.to_owned(),
            zone: place.zone.clone(),
            subnet_id: place.subnet_id.clone(),
            vpc_id: place.vpc_id.clone(),
            security_groups: launch.security_groups.iter().map(|group| group.id.clone()).collect(),
            group_names: named(&launch.security_groups),
            private_ip: place.address(sequence),
            is_public: place.is_public,
            public_ip: None,
            key_name: launch.key_name.clone(),
            instance_profile: launch.instance_profile.clone(),
            tags: launch.tags.clone(),
            market: launch.market,
            shutdown_behavior: launch.shutdown_behavior,
            termination_protection: launch.termination_protection,
            metadata_options: launch.metadata_options.clone(),
            volumes,
            created_at: *now,
            launch_time: *now,
            visible_at: *now + self.timings.not_found.draw(*rng),
            state: InstanceState::Pending,
            state_since: *now,
            due: Some(*now + self.timings.pending.draw(*rng)),
            state_reason: Some(StateReason { code: "pending".to_owned(), message: "pending".to_owned() }),
            interruption_at: None,
            boot: None,
            next_boot_outcome: None,
            boot_log: None,
            host_keys: host_keys.public,
            host_private_key: host_keys.ecdsa_private,
            console: String::new(),
        }
    }

    fn add(&mut self, instance: Instance, now: DateTime<Utc>) {
        self.effects.push(Effect::StateChanged {
            instance_id: instance.id.clone(),
            state: instance.state,
            at: now,
        });
        self.insert(instance);
    }
}

pub(super) fn no_capacity(instance_type: &str, zone: Option<&str>) -> Ec2Error {
    let message = match zone {
        Some(zone) => format!(
            "We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested \
             ({zone}). Our system will be working on provisioning additional capacity."
        ),
        None => format!("There is no Spot or On-Demand capacity available for {instance_type} in any zone."),
    };
    Ec2Error::new("InsufficientInstanceCapacity", message)
}

fn named(groups: &[Group]) -> BTreeMap<String, String> {
    groups.iter().map(|group| (group.id.clone(), group.name.clone())).collect()
}

fn volume(wanted: &VolumeRequest, tags: &BTreeMap<String, String>, rng: &mut impl Rng) -> Volume {
    Volume {
        id: new_id("vol-", rng),
        device: wanted.device.clone(),
        size_gib: wanted.size_gib,
        kind: wanted.kind.clone(),
        encrypted: wanted.encrypted,
        delete_on_termination: wanted.delete_on_termination,
        tags: tags.clone(),
    }
}
