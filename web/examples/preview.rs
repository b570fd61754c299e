//! Every page with sample data, without any service: `cargo run --example preview -p cloudapp-web`.
//!
//! Sign in as `ada@example.com` (a user), `grace@example.com` (an admin; code 123456) or `new@example.com` (first
//! sign-in), all with the password `password`.

#![expect(clippy::print_stdout, reason = "a tool for people at a terminal")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;

use chrono::TimeDelta;
use cloudapp_contract::execution::QueuePlace;
use cloudapp_contract::instance::NoteKind;
use cloudapp_contract::stats::{FailuresRow, InstanceHoursRow, LaunchesRow};
use cloudapp_domain::configuration::ConfigurationState;
use cloudapp_domain::{
    Clock, ExecutionState, Failure, FailureCode, Fixer, InstanceState, OnStop, SystemClock,
};
use support::sample;
use support::site::Site;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::var("CLOUDAPP_LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let site = Site::start_with(Arc::clone(&clock), &format!("http://{address}"), &[1]).await;
    site.pool.add("grace@example.com", &["admin"], true);
    site.pool.add("ada@example.com", &[], false);
    site.pool.add("new@example.com", &[], false);
    site.pool.make_temporary("new@example.com");
    site.pool.add("alan.turing@research.example.com", &[], false);
    site.pool.disable("alan.turing@research.example.com");
    fill(&site, clock.as_ref());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("http://{address}");
    axum::serve(listener, site.router).await
}

fn fill(site: &Site, clock: &dyn Clock) {
    let now = clock.now();
    let shell =
        sample::configuration(1, "Linux shell", "terminal", "t3.micro", &["git", "htop", "tmux", "vim"]);
    let mut docker = sample::configuration(2, "Docker host", "container", "t3.small", &["docker", "git"]);
    docker.spec.on_stop = OnStop::Stop;
    let science = sample::configuration(
        3,
        "Python data science",
        "notebook",
        "m7i.large",
        &["python3", "python3-pip", "gcc", "git", "jupyter", "tmux", "r-base"],
    );
    let mut broken = sample::configuration(4, "Always fails", "warning", "t3.nano", &["no-such-package"]);
    broken.version = 3;
    let mut draft =
        sample::configuration(5, "PostgreSQL sandbox", "database", "t3.medium", &["postgresql15"]);
    (draft.state, draft.published_version) = (ConfigurationState::Draft, None);

    let mut ready = sample::machine(&docker, "sub-ada", InstanceState::Ready, now);
    ready.expires_at = Some(now + TimeDelta::minutes(38));
    ready.stop_at = Some(now + TimeDelta::minutes(25));
    ready.idle_stop_at = Some(now + TimeDelta::minutes(9));
    let booting = sample::machine(&shell, "sub-ada", InstanceState::Booting, now);
    let mut stopped = sample::machine(&docker, "sub-ada", InstanceState::Stopped, now);
    stopped.reason = Some(
        "It was shut down from inside: somebody on the machine, or a program there, shut it down.".to_owned(),
    );
    stopped.notes = vec![
        sample::note(
            NoteKind::Warned,
            "Its owner was warned that it ends in an hour.",
            None,
            TimeDelta::hours(30),
            now,
        ),
        sample::note(
            NoteKind::Rebooted,
            "It booted anew without having been started: AWS moved it to another host, or somebody restarted it.",
            Some("aws"),
            TimeDelta::hours(4),
            now,
        ),
        sample::note(
            NoteKind::ForceStopped,
            "An admin stopped it: it sends spam",
            Some("sub-grace"),
            TimeDelta::hours(2),
            now,
        ),
        sample::note(
            NoteKind::ShutDownInside,
            "It was shut down from inside: somebody on the machine, or a program there, shut it down.",
            Some("machine"),
            TimeDelta::minutes(12),
            now,
        ),
    ];
    let waiting = sample::machine(&science, "sub-ada", InstanceState::Requested, now);
    let mut in_line = sample::launch(&waiting, 1, now);
    in_line.queue = Some(QueuePlace { position: 312, estimated_seconds: 104 });
    let halted = sample::machine(&science, "sub-ada", InstanceState::Booting, now);
    let stuck = sample::stuck(&halted, now);
    let mut gone = sample::machine(&science, "sub-ada", InstanceState::Terminated, now);
    gone.reason = Some("AWS took the spot machine back.".to_owned());
    gone.notes = vec![
        sample::note(
            NoteKind::SpotWarning,
            "AWS takes this spot machine back at 20:14:00 UTC: save what you need elsewhere now.",
            Some("aws"),
            TimeDelta::minutes(14),
            now,
        ),
        sample::note(
            NoteKind::SpotInterrupted,
            "AWS took the spot machine back.",
            Some("aws"),
            TimeDelta::minutes(12),
            now,
        ),
    ];
    let mut failed = sample::machine(&broken, "sub-ada", InstanceState::Failed, now);
    let failure = Failure {
        code: FailureCode::InstallationFailed,
        sentence: "The machine came up, but its installation failed.".to_owned(),
        fixer: Fixer::Admin,
        next_step: "Tell an admin: the configuration must be corrected before it can be used.".to_owned(),
        detail: Some("Error: Unable to find a match: no-such-package".to_owned()),
    };
    failed.failure = Some(failure.clone());
    let mut failed_launch = sample::launch(&failed, 2, now);
    failed_launch.state = ExecutionState::Failed;
    failed_launch.failure = Some(failure);
    failed_launch.steps[2].state = cloudapp_domain::StepState::Failed;

    let mut world = site.services.world();
    world.executions = vec![
        sample::launch(&ready, 4, now),
        sample::launch(&booting, 2, now),
        sample::launch(&stopped, 4, now),
        failed_launch,
        in_line,
        sample::launch(&gone, 4, now),
        stuck.clone(),
    ];
    world.fleet = Some(sample::fleet(&[stuck.id], now));
    let mut troubled = sample::pool(&science, 2, 0);
    troubled.trouble = Some(sample::pool_trouble(now));
    world.pools = vec![sample::pool(&shell, 3, 3), sample::pool(&docker, 0, 0), troubled];
    let launches =
        |configuration: &cloudapp_contract::configuration::Configuration, day: i64, count: i64| LaunchesRow {
            day: (now - TimeDelta::days(day)).date_naive(),
            configuration_id: configuration.id,
            configuration_name: configuration.spec.name.clone(),
            launches: count,
            ready: count,
            failed: 0,
        };
    for day in 0..28_i64 {
        let weekday = if day % 7 < 5 { 2 } else { 0 };
        world.launches.push(launches(&shell, day, 1 + weekday + (day * 5) % 4));
        world.launches.push(launches(&docker, day, weekday + (day * 3) % 3));
        world.launches.push(launches(&science, day, weekday * ((day * 7) % 3)));
    }
    let hours =
        |configuration: &cloudapp_contract::configuration::Configuration, instances, hours: f64, cost| {
            InstanceHoursRow {
                configuration_id: configuration.id,
                configuration_name: configuration.spec.name.clone(),
                instances,
                hours,
                cost_usd: cost,
            }
        };
    world.hours = vec![
        hours(&shell, 98, 412.5, 4.29),
        hours(&docker, 67, 301.2, 6.27),
        hours(&science, 41, 188.0, 18.95),
    ];
    world.failures = vec![
        FailuresRow {
            code: "installation_failed".to_owned(),
            failures: 5,
            latest_reason: Some("The machine came up, but its installation failed.".to_owned()),
        },
        FailuresRow {
            code: "insufficient_capacity".to_owned(),
            failures: 2,
            latest_reason: Some("EC2 has no machine of this type free at the moment.".to_owned()),
        },
    ];
    world.configurations = vec![shell, docker, science, broken, draft];
    world.machines = vec![waiting, halted, booting, ready, stopped, failed, gone];
    world.login = Some(sample::login(now));
}
