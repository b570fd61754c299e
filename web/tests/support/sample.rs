//! Sample data that looks like the real thing.

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_contract::configuration::Configuration;
use cloudapp_contract::execution::{Execution, LoginDetails, Step};
use cloudapp_contract::fleet::{DriftCount, Fleet, Orphan};
use cloudapp_contract::instance::{Instance, InstanceNote, NoteKind};
use cloudapp_contract::pool::{Pool, PoolTrouble};
use cloudapp_domain::configuration::{ConfigurationDraft, ConfigurationState, SpareKind};
use cloudapp_domain::{
    ConfigurationId, ExecutionId, ExecutionKind, ExecutionState, Failure, FailureCode, Fixer, InstanceId,
    InstanceState, Market, PricePerHour, StepState,
};
use serde_json::json;
use uuid::Uuid;

/// A certificate in form only: long, and one line.
const CERTIFICATE: &str = "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIJ0yZ1k3bX1\
    0cm9uZ25vbmNlMTIzNDU2Nzg5MAAAACBkZW1vcHVibGlja2V5Ynl0ZXNkZW1vcHVibGljAAAAAAAAAAEAAAABAAAADWNsb3VkYXBwLWRlbW8 ada@laptop";

/// A published configuration; `number` makes its id.
pub fn configuration(number: u128, name: &str, icon: &str, price: &str, packages: &[&str]) -> Configuration {
    let spec: ConfigurationDraft = serde_json::from_value(json!({
        "name": name,
        "description": format!("{name}: ready when you log in, with everything you need to begin."),
        "icon": icon,
        "image": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
        "instance_types": [price, "t3.large"],
        "packages": packages,
    }))
    .unwrap();
    let price_per_hour = spec.clone().validate().unwrap().price_per_hour();
    Configuration {
        id: ConfigurationId::from(Uuid::from_u128(number)),
        state: ConfigurationState::Published,
        version: 2,
        published_version: Some(2),
        spec,
        price_per_hour,
        updated_at: "2026-11-20T09:30:00Z".parse().unwrap(),
    }
}

/// A machine in `state`.
pub fn machine(
    configuration: &Configuration,
    owner: &str,
    state: InstanceState,
    now: DateTime<Utc>,
) -> Instance {
    let placed = !matches!(state, InstanceState::Requested | InstanceState::Failed);
    let number = configuration.id.as_uuid().as_u128() * 100 + state as u128;
    Instance {
        id: InstanceId::from(Uuid::from_u128(number)),
        owner: owner.parse().unwrap(),
        state,
        configuration_id: configuration.id,
        configuration_version: configuration.version,
        configuration_name: configuration.spec.name.clone(),
        ec2_instance_id: placed.then(|| "i-0123456789abcdef0".parse().unwrap()),
        instance_type: placed.then(|| configuration.spec.instance_types[0].clone()),
        zone: placed.then(|| "us-east-1b".to_owned()),
        market: placed.then_some(Market::OnDemand),
        host: (state == InstanceState::Ready).then(|| "203.0.113.24".to_owned()),
        login_user: "ec2-user".to_owned(),
        on_stop: configuration.spec.on_stop,
        price_per_hour: configuration.price_per_hour,
        execution_id: ExecutionId::from(Uuid::from_u128(number)),
        reason: None,
        failure: None,
        has_public_key: true,
        created_at: now - TimeDelta::minutes(42),
        ready_at: None,
        expires_at: Some(now + TimeDelta::minutes(438)),
        max_expires_at: Some(now + TimeDelta::hours(72)),
        stop_at: None,
        idle_stop_at: None,
        ended_at: state.is_final().then(|| now - TimeDelta::minutes(12)),
        notes: Vec::new(),
    }
}

/// The launch of a machine, with `done` of its four steps done.
pub fn launch(machine: &Instance, done: usize, now: DateTime<Utc>) -> Execution {
    let began = now - TimeDelta::seconds(48);
    let details =
        [None, Some("t3.micro in us-east-1b, on demand"), Some("Waiting for the boot report"), None];
    let seconds = [0, 1, 7, 46, 48];
    let steps = ["admit", "place", "boot", "login"]
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let state = match index.cmp(&done) {
                std::cmp::Ordering::Less => StepState::Succeeded,
                std::cmp::Ordering::Equal => StepState::Running,
                std::cmp::Ordering::Greater => StepState::Pending,
            };
            let at = |index: usize| began + TimeDelta::seconds(seconds[index]);
            Step {
                name: (*name).to_owned(),
                state,
                started_at: (state != StepState::Pending).then(|| at(index)),
                finished_at: (state == StepState::Succeeded).then(|| at(index + 1)),
                detail: details[index].filter(|_| state != StepState::Pending).map(str::to_owned),
                obstacle: None,
            }
        })
        .collect();
    let finished = done >= 4;
    Execution {
        id: machine.execution_id,
        kind: ExecutionKind::Launch,
        state: if finished { ExecutionState::Succeeded } else { ExecutionState::Running },
        instance_id: machine.id,
        steps,
        failure: None,
        queue: None,
        created_at: began,
        finished_at: finished.then_some(now),
    }
}

/// Login details with a certificate.
pub fn login(now: DateTime<Utc>) -> LoginDetails {
    LoginDetails {
        host: "203.0.113.24".to_owned(),
        port: 22,
        username: "ec2-user".to_owned(),
        certificate: Some(CERTIFICATE.to_owned()),
        host_keys: vec![
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE1hY2hpbmVzT3duSG9zdEtleUZvclNhbXBsZXM".to_owned(),
        ],
        valid_until: Some(now + TimeDelta::minutes(52)),
    }
}

/// A note of this kind, as long ago.
pub fn note(
    kind: NoteKind,
    sentence: &str,
    actor: Option<&str>,
    ago: TimeDelta,
    now: DateTime<Utc>,
) -> InstanceNote {
    InstanceNote { at: now - ago, kind, sentence: sentence.to_owned(), actor: actor.map(str::to_owned) }
}

/// A launch that was cancelled and could not be undone: the machine is protected at AWS.
pub fn stuck(machine: &Instance, now: DateTime<Utc>) -> Execution {
    let mut execution = launch(machine, 2, now);
    execution.state = ExecutionState::Stuck;
    execution.finished_at = Some(now - TimeDelta::minutes(25));
    execution.failure = Some(Failure {
        code: FailureCode::Cancelled,
        sentence: "You cancelled it.".to_owned(),
        fixer: Fixer::User,
        next_step: "Start again whenever you like.".to_owned(),
        detail: None,
    });
    execution.steps[1].state = StepState::Failed;
    let obstacle = Failure {
        code: FailureCode::PermissionDenied,
        sentence: "CloudApp is not allowed to do this at AWS.".to_owned(),
        fixer: Fixer::Operator,
        next_step: "Ask the operator to check CloudApp's AWS role.".to_owned(),
        detail: Some("UnauthorizedOperation: You are not authorized to perform this operation.".to_owned()),
    };
    execution.steps[1].detail = Some(format!("Could not be undone: {}", obstacle.sentence));
    execution.steps[1].obstacle = Some(obstacle);
    execution.steps[2].state = StepState::Undone;
    execution
}

/// A fleet with something of everything.
pub fn fleet(stuck: &[ExecutionId], now: DateTime<Utc>) -> Fleet {
    let orphan = |id: &str, marked: i64| Orphan {
        ec2_instance_id: id.parse().unwrap(),
        marked_at: now - TimeDelta::seconds(marked),
        ends_after: Some(now - TimeDelta::seconds(marked) + TimeDelta::minutes(2)),
    };
    Fleet {
        waiting: 184,
        oldest_waiting_seconds: Some(97),
        launching: 23,
        orphans: vec![orphan("i-0aa3c9f1d2e4b5a67", 140), orphan("i-0f00ba4cafe123456", 35)],
        drift_last_day: ["ended_again", "looked_at", "orphan_removed"]
            .map(|kind| DriftCount { kind: kind.to_owned(), count: kind.len() as u64 % 5 })
            .into(),
        stuck: stuck.to_vec(),
    }
}

/// The spares of a configuration.
pub fn pool(configuration: &Configuration, wanted: u32, ready: u32) -> Pool {
    Pool {
        configuration_id: configuration.id,
        configuration_name: configuration.spec.name.clone(),
        configuration_version: Some(configuration.version),
        kind: SpareKind::Running,
        size: 3,
        schedule: Some("Mon-Fri 08:00-18:00 Europe/Berlin".to_owned()),
        wanted,
        ready,
        warming: wanted.saturating_sub(ready),
        leaving: 0,
        claimed_today: 17,
        missed_today: 4,
        idle_price_per_hour: PricePerHour::from_micros(i64::from(ready) * 20_800),
        schedule_problem: None,
        trouble: None,
    }
}

/// Why there are no spares.
pub fn pool_trouble(now: DateTime<Utc>) -> PoolTrouble {
    PoolTrouble {
        failures: 3,
        failure: Some(Failure {
            code: FailureCode::InstallationFailed,
            sentence: "The machine started, but installing this configuration on it failed.".to_owned(),
            fixer: Fixer::Admin,
            next_step: "Tell an admin: the configuration needs to be corrected.".to_owned(),
            detail: None,
        }),
        next_try_at: Some(now + TimeDelta::minutes(8)),
    }
}
