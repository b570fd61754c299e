use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloudapp_contract::Page;
use cloudapp_contract::instance::{Accepted, Instance};
use cloudapp_contract::message::LoginMessage;
use cloudapp_contract::pool::Pool;
use cloudapp_domain::{ExecutionState, FailureCode, InstanceState, NextAction, StepState};
use cloudapp_ec2_simulator::InstanceState as MachineState;
use http::StatusCode;
use serde_json::{Value, json};

use crate::observe::Watch;
use crate::pool::Pools;
use crate::prune::Pruner;
use crate::testing::World;

fn running(size: u16) -> Value {
    json!({ "warm_pool": { "size": size } })
}

fn stopped(size: u16) -> Value {
    json!({ "warm_pool": { "size": size, "kind": "stopped" } })
}

async fn pools(world: &World) -> Vec<Pool> {
    world.get::<Page<Pool>>("/api/pools", &world.admin()).await.items
}

/// The one pool once it has so many spares that are ready, and none on the way.
async fn filled(world: &World, ready: u32) -> Pool {
    world
        .until("the pool is filled", async || {
            pools(world)
                .await
                .into_iter()
                .find(|pool| (pool.ready, pool.warming, pool.leaving) == (ready, 0, 0))
        })
        .await
}

/// Fills the pool without any task of a replica.
async fn fill_by_hand(world: &World) {
    let keeper = keeper(world);
    assert!(keeper.pass().await.unwrap() > 0);
    let refills: Vec<uuid::Uuid> = sqlx::query_scalar("select id from execution where kind = 'refill'")
        .fetch_all(world.pool())
        .await
        .unwrap();
    for refill in refills {
        world.run_by_hand(refill.into()).await;
    }
}

fn keeper(world: &World) -> Pools {
    Pools::new(Arc::clone(&world.app.deps), world.app.definitions.clone(), "hand")
}

async fn count(world: &World, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(world.pool()).await.unwrap()
}

async fn machines(world: &World) -> BTreeSet<String> {
    world.living_machines().await.into_iter().map(|machine| machine.instance.id).collect()
}

#[tokio::test]
async fn a_pool_fills_by_itself_and_nobody_sees_its_spares() {
    let world = World::with_configuration(running(3)).await;
    let pool = filled(&world, 3).await;
    assert_eq!((pool.wanted, pool.configuration_version, pool.claimed_today), (3, Some(1), 0));
    assert_eq!((pool.size, pool.schedule), (3, None));
    assert!(pool.idle_price_per_hour.micros() > 0, "idle spares cost something, and admins see how much");
    assert_eq!(machines(&world).await.len(), 3);
    let all: Page<Instance> = world.get("/api/instances?owner=all", &world.admin()).await;
    assert_eq!(all.items, []);
    assert_eq!(
        count(&world, "select count(*) from instance_ref").await,
        0,
        "nothing outside acts on a spare"
    );
    assert_eq!(
        count(&world, "select count(*) from outbox").await,
        0,
        "no login message, no notice, no event"
    );
    let spare: uuid::Uuid =
        sqlx::query_scalar("select id from instance limit 1").fetch_one(world.pool()).await.unwrap();
    for (method, path) in
        [("GET", format!("/api/instances/{spare}")), ("DELETE", format!("/api/instances/{spare}"))]
    {
        let answer = world.send(method, &path, Some(&world.admin()), "k", None).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method}: {}", answer.body);
    }
    let user = world.send("GET", "/api/pools", Some(&world.user("ann")), "-", None).await;
    assert_eq!(user.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_claimed_machine_is_as_one_that_was_launched() {
    let world = World::asleep(running(1)).await;
    fill_by_hand(&world).await;
    let spares = machines(&world).await;
    // One machine was waiting; the other click gets an ordinary launch.
    let warm = world.create("ann", "warm").await;
    world.run_by_hand(warm.execution_id).await;
    assert_eq!(world.calls("RunInstances").await, 1, "nothing more was asked of EC2");
    let cold = world.create("bob", "cold").await;
    world.work("worker");
    for execution in [warm.execution_id, cold.execution_id] {
        let execution = world.ended(execution).await;
        assert_eq!(execution.state, ExecutionState::Succeeded, "{execution:?}");
        let names: Vec<&str> = execution.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["admit", "place", "boot", "login"]);
        assert!(execution.steps.iter().all(|step| step.state == StepState::Succeeded), "{execution:?}");
    }
    let (claimed, launched) =
        (world.instance(warm.instance_id).await, world.instance(cold.instance_id).await);
    let machine = claimed.ec2_instance_id.clone().unwrap();
    assert_eq!(spares, BTreeSet::from([machine.to_string()]));
    assert_same_shape(&claimed, &launched);
    let login = world
        .until("the login message", async || {
            let logins = world.outside.logins.lock().unwrap();
            let mut messages =
                logins.iter().map(|login| serde_json::from_value::<LoginMessage>(login.clone()).unwrap());
            messages.find(|message| message.instance_id == warm.instance_id)
        })
        .await
        .login;
    assert!(!login.host_keys.is_empty(), "reported when it was made");
    let certificate = login.certificate.unwrap();
    let blob = STANDARD.decode(certificate.split(' ').nth(1).unwrap()).unwrap();
    let principal = machine.as_str().as_bytes();
    assert!(blob.windows(principal.len()).any(|part| part == principal), "it opens this machine");
    let told: Vec<String> = sqlx::query_scalar(
        "select payload ->> 'kind' from outbox where topic = 'event' and payload ->> 'instance_id' = $1 order by seq",
    )
    .bind(warm.instance_id.to_string())
    .fetch_all(world.pool())
    .await
    .unwrap();
    assert_eq!(told, ["requested", "ready"]);
    let destroyed = world.act("ann", warm.instance_id, "destroy", "d").await;
    assert_eq!(destroyed.state, ExecutionState::Succeeded, "{destroyed:?}");
    assert!(!machines(&world).await.contains(machine.as_str()));
}

/// Two machines say the same things about themselves; the values differ where machines do.
fn assert_same_shape(claimed: &Instance, launched: &Instance) {
    let fields = |instance: &Instance| -> BTreeMap<String, Value> {
        serde_json::from_value(serde_json::to_value(instance).unwrap()).unwrap()
    };
    let (claimed, launched) = (fields(claimed), fields(launched));
    assert_eq!(claimed.keys().collect::<Vec<_>>(), launched.keys().collect::<Vec<_>>());
    let own = [
        "id",
        "owner",
        "ec2_instance_id",
        "host",
        "execution_id",
        "zone",
        "created_at",
        "ready_at",
        "expires_at",
        "max_expires_at",
    ];
    for (name, value) in claimed {
        if own.contains(&name.as_str()) {
            assert_eq!(value.is_null(), launched[&name].is_null(), "{name}");
        } else {
            assert_eq!(value, launched[&name], "{name}");
        }
    }
}

#[tokio::test]
async fn twenty_clicks_on_five_spares_get_five_machines_at_once_and_fifteen_launches() {
    let world = World::asleep(running(5)).await;
    fill_by_hand(&world).await;
    let spares = machines(&world).await;
    assert_eq!(spares.len(), 5);
    let users: Vec<String> = (0..20).map(|number| format!("user-{number}")).collect();
    let accepted = futures::future::join_all(users.iter().map(|user| world.create(user, "click"))).await;
    assert_eq!(count(&world, "select count(*) from instance where warm = 'claimed'").await, 5);
    assert_eq!(count(&world, "select count(*) from instance where warm = 'missed'").await, 15);
    assert_eq!(count(&world, "select count(*) from instance where pool is not null").await, 0);
    let pool = pools(&world).await.remove(0);
    assert_eq!((pool.claimed_today, pool.missed_today), (5, 15));
    world.work("worker");
    let mut given = BTreeSet::new();
    for accepted in &accepted {
        let execution = world.ended(accepted.execution_id).await;
        assert_eq!(execution.state, ExecutionState::Succeeded, "{execution:?}");
        given.insert(world.instance(accepted.instance_id).await.ec2_instance_id.unwrap().to_string());
    }
    assert_eq!(given.len(), 20, "no machine twice");
    assert!(given.is_superset(&spares));
    // Nobody waits any more: the pool is filled again.
    filled(&world, 5).await;
    assert_eq!(machines(&world).await.len(), 25);
}

#[tokio::test]
async fn a_new_version_drains_the_pool_and_a_retired_one_empties_it() {
    let world = World::with_configuration(running(2)).await;
    filled(&world, 2).await;
    let first = machines(&world).await;
    world.next_version(2, "published", running(2)).await;
    let replaced = world
        .until("the pool is of the new version", async || {
            let pool = filled(&world, 2).await;
            let machines = machines(&world).await;
            (pool.configuration_version == Some(2) && machines.is_disjoint(&first)).then_some(machines)
        })
        .await;
    assert_eq!(replaced.len(), 2);
    let claimed = world.create("ann", "click").await;
    world.ended(claimed.execution_id).await;
    assert_eq!(world.instance(claimed.instance_id).await.configuration_version, 2);
    filled(&world, 2).await;
    world.next_version(3, "retired", running(2)).await;
    world
        .until("only the user's machine is left", async || (machines(&world).await.len() == 1).then_some(()))
        .await;
    world.until("the pool is forgotten", async || pools(&world).await.is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_refill_waits_while_a_user_does() {
    let world = World::asleep(json!({ "warm_pool": { "size": 2 } })).await;
    let accepted = world.create("ann", "click").await;
    let keeper = keeper(&world);
    assert_eq!(keeper.pass().await.unwrap(), 0, "users first");
    world.run_by_hand(accepted.execution_id).await;
    assert_eq!(keeper.pass().await.unwrap(), 2);
    assert_eq!(keeper.pass().await.unwrap(), 0, "and not twice");
}

#[tokio::test]
async fn a_spare_that_ends_outside_is_replaced_and_never_claimed() {
    let world = World::with_configuration(running(1)).await;
    filled(&world, 1).await;
    let dead = machines(&world).await.pop_first().unwrap();
    world.control.terminate_outside(&dead).await.unwrap();
    let alive = world
        .until("another one waits", async || {
            sqlx::query_scalar::<_, String>(
                "select ec2_instance_id from instance where pool is not null and state = 'ready' \
                 and ec2_instance_id <> $1",
            )
            .bind(&dead)
            .fetch_optional(world.pool())
            .await
            .unwrap()
        })
        .await;
    let accepted = world.create("ann", "click").await;
    world.ended(accepted.execution_id).await;
    let given = world.instance(accepted.instance_id).await.ec2_instance_id.unwrap();
    assert_eq!(given.as_str(), alive);
}

#[tokio::test]
async fn a_stopped_spare_is_started_for_its_user() {
    let world = World::with_configuration(stopped(1)).await;
    let pool = filled(&world, 1).await;
    assert_eq!(pool.idle_price_per_hour.micros(), 0, "it costs its disk only");
    let spare = world.living_machines().await.remove(0).instance;
    assert_eq!(spare.state, MachineState::Stopped);
    let accepted = world.create("ann", "click").await;
    let execution = world.ended(accepted.execution_id).await;
    assert_eq!(execution.state, ExecutionState::Succeeded, "{execution:?}");
    assert!(execution.steps[1].detail.as_deref().unwrap().contains("warm"), "{execution:?}");
    let instance = world.instance(accepted.instance_id).await;
    assert_eq!(instance.state, InstanceState::Ready);
    assert_eq!(instance.ec2_instance_id.unwrap().as_str(), spare.id);
    assert_eq!(world.calls("StartInstances").await, 1);
    let reports = count(
        &world,
        "select count(*) from boot_report r join instance i on i.id = r.instance_id where i.owner = 'ann'",
    )
    .await;
    assert_eq!(reports, 2, "of the boot in the pool, and of the one that counts");
    filled(&world, 1).await;
}

#[tokio::test]
async fn a_stopped_spare_that_died_unnoticed_costs_its_user_nothing_but_time() {
    let world = World::asleep(stopped(1)).await;
    fill_by_hand(&world).await;
    let dead = machines(&world).await.pop_first().unwrap();
    world.control.terminate_outside(&dead).await.unwrap();
    let accepted = world.create("ann", "click").await;
    world.work("worker");
    let execution = world.ended(accepted.execution_id).await;
    assert_eq!(execution.state, ExecutionState::Succeeded, "{execution:?}");
    let instance = world.instance(accepted.instance_id).await;
    assert_ne!(instance.ec2_instance_id.unwrap().as_str(), dead);
    world
        .until("the dead one's row ends", async || {
            let living = "select count(*) from instance where state = 'terminating'";
            (count(&world, living).await == 0).then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_running_spare_that_is_found_dead_after_its_claim_is_replaced_in_the_same_launch() {
    let world = World::asleep(running(1)).await;
    fill_by_hand(&world).await;
    let dead = machines(&world).await.pop_first().unwrap();
    world.control.terminate_outside(&dead).await.unwrap();
    let accepted = world.create("ann", "click").await;
    assert_eq!(count(&world, "select count(*) from instance where warm = 'claimed'").await, 1);
    // The shared describe is faster than the login details.
    let watch = Watch::new(Arc::clone(&world.app.deps), "hand");
    world
        .until("its end is noticed", async || {
            watch.look().await.unwrap();
            let down = "select count(*) from instance where ec2_state in ('shutting-down', 'terminated')";
            (count(&world, down).await == 1).then_some(())
        })
        .await;
    world.work("worker");
    let execution = world.ended(accepted.execution_id).await;
    assert_eq!(execution.state, ExecutionState::Succeeded, "{execution:?}");
    let instance = world.instance(accepted.instance_id).await;
    assert_eq!(instance.state, InstanceState::Ready);
    assert_ne!(instance.ec2_instance_id.unwrap().as_str(), dead);
    let told = count(&world, "select count(*) from outbox where topic = 'event'").await;
    assert_eq!(told, 2, "requested and ready, nothing of the dead one");
}

/// The process dies between the commit of the login details and the word that the launch is over.
async fn forget_that_it_is_over(world: &World, accepted: &Accepted) {
    sqlx::query(
        "with again as (update execution set state = 'running', finished_at = null, next_run_at = now(), \
             lease_until = null, lease_holder = null where id = $1 returning id) \
         update execution_step s set state = 'running', finished_at = null from again \
         where s.execution_id = again.id and s.name = 'login'",
    )
    .bind(accepted.execution_id.as_uuid())
    .execute(world.pool())
    .await
    .unwrap();
}

async fn look_until_the_end_is_known(world: &World) {
    let watch = Watch::new(Arc::clone(&world.app.deps), "hand");
    world
        .until("its end is noticed", async || {
            watch.look().await.unwrap();
            (count(world, "select count(*) from instance where ec2_state = 'terminated'").await == 1)
                .then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_claimed_machine_that_dies_before_its_launch_is_over_is_replaced_though_login_details_are_out() {
    let world = World::asleep(running(1)).await;
    fill_by_hand(&world).await;
    let dead = machines(&world).await.pop_first().unwrap();
    let accepted = world.create("ann", "click").await;
    world.run_by_hand(accepted.execution_id).await;
    forget_that_it_is_over(&world, &accepted).await;
    world.control.terminate_outside(&dead).await.unwrap();
    look_until_the_end_is_known(&world).await;
    let instance = world.instance(accepted.instance_id).await;
    assert_eq!(instance.state, InstanceState::Ready, "its launch has to judge");
    world.work("worker");
    let execution = world.ended(accepted.execution_id).await;
    assert_eq!(execution.state, ExecutionState::Succeeded, "{execution:?}");
    let instance = world.instance(accepted.instance_id).await;
    assert_eq!((instance.state, instance.failure), (InstanceState::Ready, None));
    let alive = instance.ec2_instance_id.unwrap();
    assert_ne!(alive.as_str(), dead);
    let host = instance.host.unwrap();
    world
        .until("login details of the living machine are sent last", async || {
            let logins = world.outside.logins.lock().unwrap();
            let last =
                logins.last().map(|login| serde_json::from_value::<LoginMessage>(login.clone()).unwrap());
            (logins.len() == 2 && last.unwrap().login.host == host).then_some(())
        })
        .await;
    let told = count(&world, "select count(*) from outbox where topic = 'event'").await;
    assert_eq!(told, 2, "requested and ready");
    world
        .until("the dead one's row ends", async || {
            let living = "select count(*) from instance where state = 'terminating'";
            (count(&world, living).await == 0).then_some(())
        })
        .await;
}

#[tokio::test]
async fn whose_claimed_machine_dies_at_once_reads_that_and_can_create_a_new_one() {
    // A while after the claim it is a machine as any other.
    for (claimed, expected) in [("0 minutes", Some(FailureCode::MachineLost)), ("10 minutes", None)] {
        let world = World::asleep(running(1)).await;
        fill_by_hand(&world).await;
        let dead = machines(&world).await.pop_first().unwrap();
        let accepted = world.create("ann", "click").await;
        world.run_by_hand(accepted.execution_id).await;
        assert_eq!(world.execution(accepted.execution_id).await.state, ExecutionState::Succeeded);
        sqlx::query("update instance set created_at = created_at - $1::text::interval")
            .bind(claimed)
            .execute(world.pool())
            .await
            .unwrap();
        world.control.terminate_outside(&dead).await.unwrap();
        let watch = Watch::new(Arc::clone(&world.app.deps), "hand");
        let instance = world
            .until("its end is noticed", async || {
                watch.look().await.unwrap();
                Some(world.instance(accepted.instance_id).await)
                    .filter(|instance| instance.state == InstanceState::Terminated)
            })
            .await;
        assert_eq!(instance.failure.as_ref().map(|failure| failure.code), expected, "{instance:?}");
        if let Some(failure) = instance.failure {
            assert_eq!(failure.next_action(), NextAction::CreateNew);
            assert!(failure.detail.unwrap().contains("outside CloudApp"));
        }
        assert_eq!(instance.notes.len(), 1, "{:?}", instance.notes);
    }
}

#[tokio::test]
async fn a_claimed_machine_is_looked_at_soon_although_it_is_ready_at_once() {
    let world = World::asleep(running(1)).await;
    fill_by_hand(&world).await;
    let accepted = world.create("ann", "click").await;
    let worker = crate::testing::worker(&world, "hand");
    world
        .until("the launch is over", async || {
            worker.run_due().await.unwrap();
            world.execution(accepted.execution_id).await.state.is_final().then_some(())
        })
        .await;
    // The look at a machine at rest would come much later.
    let look = i32::try_from(world.app.deps.settings.pace.look.as_millis()).unwrap() * 2;
    let soon: bool = sqlx::query_scalar(
        "select state = 'ready' and look_at <= placed_at + make_interval(secs => $1 / 1000.0) from instance",
    )
    .bind(look)
    .fetch_one(world.pool())
    .await
    .unwrap();
    assert!(soon, "nobody has looked at it lately");
}

#[tokio::test]
async fn a_launch_whose_claimed_machine_has_ended_for_good_fails_as_that() {
    let world = World::asleep(running(1)).await;
    fill_by_hand(&world).await;
    let dead = machines(&world).await.pop_first().unwrap();
    let accepted = world.create("ann", "click").await;
    world.run_by_hand(accepted.execution_id).await;
    // Its row was closed while it was thought to be over.
    world.control.terminate_outside(&dead).await.unwrap();
    let watch = Watch::new(Arc::clone(&world.app.deps), "hand");
    world
        .until("its end is noticed", async || {
            watch.look().await.unwrap();
            let instance = world.instance(accepted.instance_id).await;
            (instance.state == InstanceState::Terminated).then_some(())
        })
        .await;
    forget_that_it_is_over(&world, &accepted).await;
    world.run_by_hand(accepted.execution_id).await;
    let execution = world.execution(accepted.execution_id).await;
    assert_eq!(execution.state, ExecutionState::Failed, "{execution:?}");
    assert_eq!(execution.failure.unwrap().next_action(), NextAction::CreateNew);
}

#[tokio::test]
async fn what_is_left_of_spares_is_forgotten_a_week_after_their_end() {
    let world = World::with_configuration(running(3)).await;
    filled(&world, 3).await;
    let claimed = world.create("ann", "click").await;
    world.ended(claimed.execution_id).await;
    filled(&world, 3).await;
    world.next_version(2, "retired", running(3)).await;
    world
        .until("only the user's machine is left", async || (machines(&world).await.len() == 1).then_some(()))
        .await;
    world.act("ann", claimed.instance_id, "destroy", "d").await;
    world.until_state(claimed.instance_id, InstanceState::Terminated).await;
    world
        .until("all spares have ended", async || {
            let left = "select count(*) from instance where state not in ('terminated', 'failed')";
            let under_way = "select count(*) from execution where finished_at is null";
            (count(&world, left).await + count(&world, under_way).await == 0).then_some(())
        })
        .await;
    let spares = "select count(*) from instance where pool is not null";
    let of_pool = "select count(*) from execution where owner = 'cloudapp:pool'";
    assert_eq!((count(&world, spares).await, count(&world, of_pool).await), (3, 7), "four made, three ended");
    let pruner = Pruner::new(Arc::clone(&world.app.deps), "hand");
    pruner.pass().await.unwrap();
    assert_eq!(count(&world, spares).await, 3, "they have just ended");

    for sql in [
        "update instance set ended_at = now() - interval '8 days'",
        "update execution set finished_at = now() - interval '8 days'",
        // One of them could not be ended: a person must look.
        "update execution set state = 'stuck' where id = (select min(id::text)::uuid from execution e \
             where kind = 'destroy' and owner = 'cloudapp:pool')",
    ] {
        sqlx::query(sql).execute(world.pool()).await.unwrap();
    }
    pruner.pass().await.unwrap();
    assert_eq!(count(&world, spares).await, 1, "the stuck one is still somebody's business");
    assert_eq!(count(&world, of_pool).await, 2, "what made it, and what could not end it");
    sqlx::query("update execution set state = 'failed' where state = 'stuck'")
        .execute(world.pool())
        .await
        .unwrap();
    pruner.pass().await.unwrap();
    assert_eq!((count(&world, spares).await, count(&world, of_pool).await), (0, 0));
    let reports = "select count(*) from boot_report";
    assert_eq!(count(&world, reports).await, 1, "of the user's machine");
    assert_eq!(world.instance(claimed.instance_id).await.state, InstanceState::Terminated);
    assert_eq!(world.execution(claimed.execution_id).await.state, ExecutionState::Succeeded);
}

#[tokio::test]
async fn a_version_whose_spares_fail_is_tried_less_and_told_to_the_admins() {
    let world = World::asleep(running(2)).await;
    world.control.change_settings(&json!({ "next_boot_outcomes": vec!["failure"; 4] })).await.unwrap();
    world.work("worker");
    let (subject, body) = world
        .until("the admins are told", async || world.outside.notices.lock().unwrap().first().cloned())
        .await;
    assert!(subject.contains("spare") && body.contains("Shell box"), "{subject} {body}");
    let pool = pools(&world).await.remove(0);
    let trouble = pool.trouble.unwrap();
    assert!(trouble.failures >= 3 && trouble.next_try_at.is_some(), "{trouble:?}");
    assert_eq!(trouble.failure.unwrap().code, FailureCode::InstallationFailed);
    // The fault is mended: the pool comes back by itself, and forgets.
    let pool = filled(&world, 2).await;
    assert_eq!(pool.trouble, None);
    assert_eq!(world.outside.notices.lock().unwrap().len(), 1, "told once");
    assert_eq!(machines(&world).await.len(), 2);
}

#[tokio::test]
async fn a_claim_that_is_cancelled_takes_the_machine_down() {
    let world = World::asleep(running(1)).await;
    fill_by_hand(&world).await;
    let accepted = world.create("ann", "click").await;
    let path = format!("/api/executions/{}/cancel", accepted.execution_id);
    assert_eq!(world.post(&path, "ann", "c", json!({})).await.status, StatusCode::OK);
    world.run_by_hand(accepted.execution_id).await;
    assert_eq!(world.execution(accepted.execution_id).await.state, ExecutionState::Cancelled);
    assert_eq!(world.instance(accepted.instance_id).await.state, InstanceState::Terminated);
    assert!(machines(&world).await.is_empty());
}

#[tokio::test]
async fn a_spare_that_is_claimed_before_its_refill_is_over_is_left_alone() {
    let world = World::asleep(running(1)).await;
    fill_by_hand(&world).await;
    // As if the process had died between the last step and its record, and somebody had cancelled the refill then.
    sqlx::query(
        "update execution set state = 'running', finished_at = null, next_run_at = now(), lease_until = null, \
         cancel = '{\"code\":\"cancelled\",\"sentence\":\"No.\",\"fixer\":\"admin\",\"next_step\":\"-\"}' \
         where kind = 'refill'",
    )
    .execute(world.pool())
    .await
    .unwrap();
    let accepted = world.create("ann", "click").await;
    let refill: uuid::Uuid = sqlx::query_scalar("select id from execution where kind = 'refill'")
        .fetch_one(world.pool())
        .await
        .unwrap();
    world.run_by_hand(refill.into()).await;
    world.run_by_hand(accepted.execution_id).await;
    Watch::new(Arc::clone(&world.app.deps), "hand").look().await.unwrap();
    assert_eq!(world.execution(refill.into()).await.state, ExecutionState::Cancelled);
    assert_eq!(world.instance(accepted.instance_id).await.state, InstanceState::Ready);
    assert_eq!(machines(&world).await.len(), 1);
}
