//! Properties of the model: whatever is asked of it in whatever order, EC2's promises hold.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

use super::{
    catalog, images,
    instance::{InstanceState, Market, MetadataOptions, ShutdownBehavior},
    launch::{HostKeys, Launch, VolumeRequest},
    lifecycle::Manner,
    network::SUBNETS,
    region::{Effect, Moment, Region, Reservation},
};
use crate::{config::Timings, wire::error::Ec2Error};

struct World {
    region: Region,
    rng: StdRng,
    now: DateTime<Utc>,
}

impl World {
    fn new(seed: u64) -> Self {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        Self { region: Region::new(Timings::default()), rng: StdRng::seed_from_u64(seed), now }
    }

    fn pass(&mut self, milliseconds: i64) {
        self.now += TimeDelta::milliseconds(milliseconds);
        self.region.advance(&mut Moment { now: self.now, rng: &mut self.rng });
    }

    /// What the action `RunInstances` does: repeat or launch.
    fn launch(&mut self, launch: &Launch) -> Result<Reservation, Ec2Error> {
        if let Some(token) = &launch.client_token
            && let Some(earlier) = self.region.repeated(token, &launch.digest)?
        {
            return Ok(earlier.clone());
        }
        let mut moment = Moment { now: self.now, rng: &mut self.rng };
        let keys = HostKeys { public: vec!["ssh-ed25519 key".to_owned()], ecdsa_private: String::new() };
        self.region.launch(launch, &mut moment, &mut || Ok(keys.clone()))
    }

    fn terminate(&mut self, ids: &[String]) {
        let mut moment = Moment { now: self.now, rng: &mut self.rng };
        self.region.terminate(ids, Manner::Orderly, &mut moment).unwrap();
    }

    fn state(&self, id: &str) -> InstanceState {
        self.region.get(id).unwrap().state
    }
}

fn wanted(token: Option<&str>, digest: &str, (min_count, max_count): (u32, u32)) -> Launch {
    Launch {
        client_token: token.map(str::to_owned),
        digest: digest.to_owned(),
        min_count,
        max_count,
        image: &images::IMAGES[0],
        instance_type: catalog::find("t3.micro").unwrap(),
        places: vec![SUBNETS[0].place()],
        security_groups: Vec::new(),
        key_name: None,
        instance_profile: None,
        user_data: None,
        tags: BTreeMap::new(),
        volume_tags: BTreeMap::new(),
        market: Market::OnDemand,
        shutdown_behavior: ShutdownBehavior::Stop,
        termination_protection: false,
        metadata_options: MetadataOptions::default(),
        volumes: vec![VolumeRequest {
            device: "/dev/xvda".to_owned(),
            size_gib: 8,
            kind: "gp3".to_owned(),
            encrypted: true,
            delete_on_termination: true,
        }],
    }
}

#[test]
fn states_take_their_time() {
    let mut world = World::new(1);
    let ids = world.launch(&wanted(None, "", (1, 1))).unwrap().instance_ids;
    world.pass(1_999);
    assert_eq!(world.state(&ids[0]), InstanceState::Pending);
    world.pass(2_001);
    assert_eq!(world.state(&ids[0]), InstanceState::Running);
    world.terminate(&ids);
    assert_eq!(world.state(&ids[0]), InstanceState::ShuttingDown);
    world.pass(3_000);
    assert_eq!(world.state(&ids[0]), InstanceState::Terminated);
    world.pass(3_600_000);
    assert!(world.region.get(&ids[0]).is_none());
    assert_eq!(world.region.require(&[&ids[0]], world.now).unwrap_err().code, "InvalidInstanceID.NotFound");
}

#[test]
fn a_boot_comes_once_per_start_and_not_to_a_machine_that_was_stopped_before() {
    let mut world = World::new(2);
    let ids = world.launch(&wanted(None, "", (1, 1))).unwrap().instance_ids;
    let boots = |world: &mut World| {
        let effects = world.region.take_effects();
        effects.iter().filter(|effect| matches!(effect, Effect::Booted { .. })).count()
    };
    world.pass(4_000);
    let mut moment = Moment { now: world.now, rng: &mut world.rng };
    world.region.stop(&ids, Manner::Orderly, &mut moment).unwrap();
    world.pass(20_000);
    assert_eq!(world.state(&ids[0]), InstanceState::Stopped);
    boots(&mut world);
    let mut moment = Moment { now: world.now, rng: &mut world.rng };
    world.region.start(&ids, &mut moment).unwrap();
    world.pass(20_000);
    world.pass(20_000);
    assert_eq!(boots(&mut world), 1);
}

#[test]
fn capacity_is_taken_shared_out_and_given_back() {
    let mut world = World::new(3);
    world.region.set_capacity("t3.micro", SUBNETS[0].zone, Some(3));
    let first = world.launch(&wanted(None, "", (1, 5))).unwrap();
    assert_eq!(first.instance_ids.len(), 3);
    let refused = world.launch(&wanted(None, "", (1, 1))).unwrap_err();
    assert_eq!(refused.code, "InsufficientInstanceCapacity");
    world.terminate(&first.instance_ids[..2]);
    world.pass(10_000);
    assert_eq!(world.launch(&wanted(None, "", (1, 5))).unwrap().instance_ids.len(), 2);
}

#[test]
fn a_protected_machine_saves_those_named_beside_it() {
    let mut world = World::new(4);
    let ids = world.launch(&wanted(None, "", (2, 2))).unwrap().instance_ids;
    world.region.get_mut(&ids[1]).unwrap().termination_protection = true;
    let mut moment = Moment { now: world.now, rng: &mut world.rng };
    let refused = world.region.terminate(&ids, Manner::Orderly, &mut moment).unwrap_err();
    assert_eq!(refused.code, "OperationNotPermitted");
    assert_eq!(world.state(&ids[0]), InstanceState::Pending);
}

#[derive(Debug, Clone)]
enum Step {
    Launch { token: u8, digest: u8, count: u32 },
    Start(usize),
    Stop(usize),
    Terminate(usize),
    Reboot(usize),
    Pass(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..4_u8, 0..2_u8, 1..4_u32).prop_map(|(token, digest, count)| Step::Launch { token, digest, count }),
        (0..12_usize).prop_map(Step::Start),
        (0..12_usize).prop_map(Step::Stop),
        (0..12_usize).prop_map(Step::Terminate),
        (0..12_usize).prop_map(Step::Reboot),
        (0..8_000_i64).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..60)
}

/// Takes one step; launches that passed are entered under their token.
fn take(
    world: &mut World,
    step: &Step,
    tokens: &mut HashMap<u8, (u8, Vec<String>)>,
) -> Result<(), TestCaseError> {
    let ids: Vec<String> = world.region.all().map(|instance| instance.id.clone()).collect();
    let one = |index: usize| ids.get(index % ids.len().max(1)).cloned().into_iter().collect::<Vec<_>>();
    let mut moment = Moment { now: world.now, rng: &mut world.rng };
    // Illegal wishes are refused; what matters here is what they leave behind.
    match step {
        Step::Launch { token, digest, count } => {
            let launch = wanted(Some(&token.to_string()), &digest.to_string(), (1, *count));
            // The count is part of what the digest stands for.
            let launch = Launch { digest: format!("{digest} {count}"), ..launch };
            if let Ok(reservation) = world.launch(&launch) {
                let made = (*digest, reservation.instance_ids);
                let known = tokens.entry(*token).or_insert_with(|| made.clone());
                prop_assert_eq!(&made.1, &known.1, "a token stands for the same machines for ever");
            }
        }
        Step::Start(index) => drop(world.region.start(&one(*index), &mut moment)),
        Step::Stop(index) => drop(world.region.stop(&one(*index), Manner::Orderly, &mut moment)),
        Step::Terminate(index) => drop(world.region.terminate(&one(*index), Manner::Abrupt, &mut moment)),
        Step::Reboot(index) => drop(world.region.reboot(&one(*index), &mut moment)),
        Step::Pass(milliseconds) => world.pass(*milliseconds),
    }
    Ok(())
}

proptest! {
    #[test]
    fn tokens_never_make_a_second_machine_and_states_follow_each_other_legally(seed: u64, steps in steps()) {
        let mut world = World::new(seed);
        let mut tokens = HashMap::new();
        let mut states: HashMap<String, InstanceState> = HashMap::new();
        for step in &steps {
            take(&mut world, step, &mut tokens)?;
            for effect in world.region.take_effects() {
                let Effect::StateChanged { instance_id, state, .. } = effect else { continue };
                match states.insert(instance_id, state) {
                    None => prop_assert_eq!(state, InstanceState::Pending),
                    Some(before) => prop_assert!(before.can_become(state), "{:?} to {:?}", before, state),
                }
            }
            for instance in world.region.all() {
                prop_assert_eq!(states.get(&instance.id), Some(&instance.state), "every change is told");
            }
        }
        let launched: usize = tokens.values().map(|(_, ids)| ids.len()).sum();
        prop_assert_eq!(world.region.all().count(), launched);
    }
}
