use cloudapp_contract::instance::Accepted;
use cloudapp_domain::{ExecutionState, FailureCode};
use cloudapp_ec2_simulator::{Capacity, Fault};
use serde_json::json;

use crate::limiter::{Family, Priority};
use crate::placing::{OwnerTags, Placer};
use crate::prune::Pruner;
use crate::testing::World;

/// As many launches of as many users, accepted before anything is asked.
async fn burst(world: &World, users: usize) -> Vec<Accepted> {
    let names: Vec<String> = (0..users).map(|user| format!("user-{user}")).collect();
    let mut accepted = Vec::with_capacity(users);
    for some in names.chunks(20) {
        accepted.extend(futures::future::join_all(some.iter().map(|name| world.create(name, "k"))).await);
    }
    accepted
}

async fn count(world: &World, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(world.pool()).await.unwrap()
}

async fn until_count(world: &World, sql: &'static str, wanted: i64) {
    world.until(sql, async || (count(world, sql).await == wanted).then_some(())).await;
}

/// The machines that EC2 says it made; without listing them, for a thousand with their user data are long.
async fn made(world: &World) -> usize {
    let ledger = world.control.ledger().await.unwrap();
    let calls = ledger.iter().filter(|call| call.action == "RunInstances");
    calls.flat_map(|call| &call.ids).collect::<std::collections::BTreeSet<_>>().len()
}

/// Everybody has asked and waits in the queue; nothing has been asked of EC2.
async fn all_in_the_queue(world: &World, users: i64) {
    let worker = crate::testing::worker(world, "hand");
    world
        .until("all wait", async || {
            worker.run_due().await.unwrap();
            (count(world, "select count(*) from placement where state = 'waiting'").await == users)
                .then_some(())
        })
        .await;
}

fn room(zone: &str, available: Option<u32>) -> Capacity {
    Capacity { instance_type: "t3.micro".to_owned(), zone: zone.to_owned(), available }
}

async fn cancel(world: &World, accepted: &Accepted, user: &str) {
    let path = format!("/api/executions/{}/cancel", accepted.execution_id);
    world.post(&path, user, "c", json!({})).await;
}

#[tokio::test]
async fn a_hundred_clicks_become_one_call_and_a_hundred_machines() {
    let world = World::asleep(json!({})).await;
    burst(&world, 100).await;
    all_in_the_queue(&world, 100).await;
    for replica in ["a", "b"] {
        world.work(replica);
    }
    until_count(&world, "select count(*) from placement where state = 'placed'", 100).await;
    assert_eq!(world.calls("RunInstances").await, 1);
    assert_eq!(made(&world).await, 100);
    assert_eq!(count(&world, "select count(distinct ec2_instance_id) from instance").await, 100);
}

#[tokio::test]
async fn three_hundred_clicks_are_placed_by_one_call() {
    let world = World::asleep(json!({})).await;
    burst(&world, 1).await;
    all_in_the_queue(&world, 1).await;
    // The others are like the first one, each of a user of its own.
    for sql in [
        "insert into instance (id, owner, state, configuration_id, configuration_version, configuration_name, \
             login_user, on_stop, boot_report_required, lifetime_hours, max_lifetime_hours, execution_id, created_at) \
         select gen_random_uuid(), 'other-' || n, state, configuration_id, configuration_version, \
             configuration_name, login_user, on_stop, boot_report_required, lifetime_hours, max_lifetime_hours, \
             gen_random_uuid(), created_at from instance, generate_series(1, 299) as n",
        "insert into placement (instance_id, configuration_id, configuration_version, owner, state, turn, enqueued_at) \
         select id, configuration_id, configuration_version, owner, 'waiting', 0, created_at from instance \
         where owner like 'other-%'",
    ] {
        sqlx::query(sql).execute(world.pool()).await.unwrap();
    }
    let placer = Placer::new(world.app.deps.clone(), "hand");
    world
        .until("all have machines", async || {
            placer.pass().await.unwrap();
            (count(&world, "select count(*) from placement where state = 'placed'").await == 300)
                .then_some(())
        })
        .await;
    assert_eq!(world.calls("RunInstances").await, 1);
    assert_eq!(count(&world, "select count(distinct ec2_instance_id) from instance").await, 300);
    assert_eq!(made(&world).await, 300);
}

#[tokio::test]
async fn what_a_full_zone_cannot_give_is_got_elsewhere_and_told() {
    let world = World::asleep(json!({})).await;
    world.control.set_capacity(&room("us-east-1a", Some(4))).await.unwrap();
    let accepted = burst(&world, 10).await;
    all_in_the_queue(&world, 10).await;
    world.work("worker");
    let mut told = std::collections::BTreeMap::<String, usize>::new();
    for accepted in &accepted {
        let execution = world.ended(accepted.execution_id).await;
        assert_eq!(execution.state, ExecutionState::Succeeded, "{execution:?}");
        *told.entry(execution.steps[1].detail.clone().unwrap()).or_default() += 1;
    }
    let expected = [
        ("t3.micro in us-east-1a", 4),
        ("t3.micro was full in us-east-1a; you have t3.micro in us-east-1b", 6),
    ];
    assert_eq!(told, expected.map(|(text, count)| (text.to_owned(), count)).into());
    assert_eq!(world.control.instances().await.unwrap().len(), 10);
    assert_eq!(world.calls("RunInstances").await, 2);
}

#[tokio::test]
async fn a_full_offering_is_remembered_for_a_while_and_then_forgotten() {
    let world = World::start().await;
    world.control.set_capacity(&room("us-east-1a", Some(0))).await.unwrap();
    let detail = async |user: &str| {
        let execution = world.ended(world.create(user, "k").await.execution_id).await;
        execution.steps[1].detail.clone().unwrap()
    };
    let told = "t3.micro was full in us-east-1a; you have t3.micro in us-east-1b";
    assert_eq!(detail("ann").await, told);
    assert_eq!(world.calls("RunInstances").await, 2);
    assert_eq!(detail("bob").await, told);
    assert_eq!(world.calls("RunInstances").await, 3, "zone a was not asked again");
    // Later there is room again.
    world.control.set_capacity(&room("us-east-1a", None)).await.unwrap();
    sqlx::query("update offering_memory set until = now()").execute(world.pool()).await.unwrap();
    assert_eq!(detail("eve").await, "t3.micro in us-east-1a");
    assert_eq!(count(&world, "select count(*) from offering_memory").await, 0);
}

#[tokio::test]
async fn a_lost_reply_to_a_batch_makes_exactly_its_machines() {
    let world = World::asleep(json!({})).await;
    world.control.add_fault(&Fault::reply_lost("RunInstances").times(2)).await.unwrap();
    burst(&world, 20).await;
    all_in_the_queue(&world, 20).await;
    for replica in ["a", "b"] {
        world.work(replica);
    }
    until_count(&world, "select count(*) from placement where state = 'placed'", 20).await;
    assert_eq!(made(&world).await, 20);
    assert_eq!(count(&world, "select count(*) from launch_attempt").await, 1, "one token");
}

#[tokio::test]
async fn who_leaves_the_queue_costs_nothing_and_others_go_on() {
    let world = World::asleep(json!({})).await;
    let accepted = burst(&world, 3).await;
    all_in_the_queue(&world, 3).await;
    cancel(&world, &accepted[1], "user-1").await;
    let worker = crate::testing::worker(&world, "hand");
    worker.run_due().await.unwrap();
    assert_eq!(world.ended(accepted[1].execution_id).await.state, ExecutionState::Cancelled);
    world.work("worker");
    for index in [0, 2] {
        assert_eq!(world.ended(accepted[index].execution_id).await.state, ExecutionState::Succeeded);
    }
    assert_eq!(world.control.instances().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_member_that_leaves_a_batch_in_doubt_gets_no_machine_while_others_want_one() {
    let world = World::asleep(json!({})).await;
    world.control.set_capacity(&room("us-east-1a", Some(2))).await.unwrap();
    world.control.add_fault(&Fault::reply_lost("RunInstances").times(1)).await.unwrap();
    let accepted = burst(&world, 3).await;
    all_in_the_queue(&world, 3).await;
    let placer = Placer::new(world.app.deps.clone(), "hand");
    world
        .until("EC2 is asked", async || {
            placer.pass().await.unwrap();
            (world.calls("RunInstances").await == 1).then_some(())
        })
        .await;
    cancel(&world, &accepted[0], "user-0").await;
    // It has left before anybody learns what the batch made.
    crate::testing::worker(&world, "hand").run_due().await.unwrap();
    world.work("worker");
    assert_eq!(world.ended(accepted[0].execution_id).await.state, ExecutionState::Cancelled);
    for index in [1, 2] {
        assert_eq!(world.ended(accepted[index].execution_id).await.state, ExecutionState::Succeeded);
    }
    assert_eq!(world.control.instances().await.unwrap().len(), 2, "what was made went to those who want it");
    assert_eq!(count(&world, "select count(*) from launch_attempt where state = 'intended'").await, 0);
}

#[tokio::test]
async fn time_without_aws_is_not_counted_against_a_batch_that_was_certainly_not_asked_for() {
    let world = World::asleep(json!({})).await;
    world.control.add_fault(&Fault::error("RunInstances", "RequestLimitExceeded").times(2)).await.unwrap();
    let accepted = burst(&world, 1).await;
    all_in_the_queue(&world, 1).await;
    let placer = Placer::new(world.app.deps.clone(), "hand");
    let asked = async |times| {
        let pass = async || {
            placer.pass().await.unwrap();
            (world.calls("RunInstances").await == times).then_some(())
        };
        world.until("EC2 is asked", pass).await;
    };
    asked(1).await;
    // The outage has lasted for longer than a place may be looked for.
    sqlx::query("update instance set asked_at = now() - interval '1 hour'")
        .execute(world.pool())
        .await
        .unwrap();
    asked(2).await;
    assert_eq!(
        count(&world, "select count(*) from instance where asked_at > now() - interval '1 minute'").await,
        1
    );
    world.work("worker");
    assert_eq!(world.ended(accepted[0].execution_id).await.state, ExecutionState::Succeeded);
}

#[tokio::test]
async fn a_batch_that_everybody_has_left_is_found_and_ended() {
    let world = World::asleep(json!({})).await;
    world.control.add_fault(&Fault::reply_lost("RunInstances").times(1)).await.unwrap();
    let accepted = burst(&world, 4).await;
    all_in_the_queue(&world, 4).await;
    let placer = Placer::new(world.app.deps.clone(), "hand");
    world
        .until("EC2 is asked", async || {
            placer.pass().await.unwrap();
            (world.calls("RunInstances").await == 1).then_some(())
        })
        .await;
    for (index, accepted) in accepted.iter().enumerate() {
        cancel(&world, accepted, &format!("user-{index}")).await;
    }
    // The batch is left by all before it is gone on with.
    let worker = crate::testing::worker(&world, "hand");
    world
        .until("all have left", async || {
            worker.run_due().await.unwrap();
            (count(&world, "select count(*) from placement where state = 'abandoned'").await == 4)
                .then_some(())
        })
        .await;
    world.work("worker");
    for accepted in &accepted {
        assert_eq!(world.ended(accepted.execution_id).await.state, ExecutionState::Cancelled);
    }
    assert_eq!(world.calls("RunInstances").await, 1, "nothing was asked for anew");
    assert_eq!(world.control.instances().await.unwrap().len(), 4);
    assert!(world.living_machines().await.is_empty());
}

#[tokio::test]
async fn a_refusal_that_concerns_all_fails_all_with_its_sentence() {
    let world = World::asleep(json!({})).await;
    world.control.add_fault(&Fault::error("RunInstances", "VcpuLimitExceeded")).await.unwrap();
    let accepted = burst(&world, 5).await;
    all_in_the_queue(&world, 5).await;
    world.work("worker");
    for accepted in &accepted {
        let execution = world.ended(accepted.execution_id).await;
        assert_eq!(execution.failure.map(|failure| failure.code), Some(FailureCode::AccountQuota));
    }
    assert_eq!(world.calls("RunInstances").await, 1);
    assert!(world.living_machines().await.is_empty());
}

#[tokio::test]
async fn a_token_that_belongs_to_another_request_is_never_asked_for_again() {
    let world = World::asleep(json!({})).await;
    world.control.add_fault(&Fault::error("RunInstances", "IdempotentParameterMismatch")).await.unwrap();
    let accepted = burst(&world, 2).await;
    all_in_the_queue(&world, 2).await;
    world.work("worker");
    for accepted in &accepted {
        let execution = world.ended(accepted.execution_id).await;
        assert_eq!(execution.failure.map(|failure| failure.code), Some(FailureCode::Internal));
    }
    assert_eq!(world.calls("RunInstances").await, 1);
}

#[tokio::test]
async fn what_was_made_and_is_gone_is_asked_for_anew_under_another_token() {
    let world = World::asleep(json!({})).await;
    world.control.add_fault(&Fault::error("RunInstances", "IdempotentInstanceTerminated")).await.unwrap();
    let accepted = burst(&world, 2).await;
    all_in_the_queue(&world, 2).await;
    world.work("worker");
    for accepted in &accepted {
        assert_eq!(world.ended(accepted.execution_id).await.state, ExecutionState::Succeeded);
    }
    let attempts: Vec<(String, i32)> =
        sqlx::query_as("select state, number from launch_attempt order by number")
            .fetch_all(world.pool())
            .await
            .unwrap();
    assert_eq!(attempts, [("ended".to_owned(), 1), ("fulfilled".to_owned(), 2)]);
    until_count(&world, "select count(*) from batch where next_run_at is not null", 0).await;
}

#[tokio::test]
async fn how_machines_were_placed_is_forgotten_long_after_their_end() {
    let world = World::asleep(json!({})).await;
    burst(&world, 2).await;
    all_in_the_queue(&world, 2).await;
    let placer = Placer::new(world.app.deps.clone(), "hand");
    world
        .until("both are placed", async || {
            placer.pass().await.unwrap();
            (made(&world).await == 2).then_some(())
        })
        .await;
    let pruner = Pruner::new(world.app.deps.clone(), "hand");
    for sql in [
        "update instance set state = 'terminated', ended_at = now() - interval '8 days' where owner = 'user-0'",
        "update launch_attempt set settled_at = now() - interval '8 days'",
        "update batch set created_at = now() - interval '8 days'",
    ] {
        sqlx::query(sql).execute(world.pool()).await.unwrap();
    }
    pruner.pass().await.unwrap();
    assert_eq!(count(&world, "select count(*) from placement").await, 1, "one machine still lives");
    assert_eq!(count(&world, "select count(*) from batch").await, 1);
    assert_eq!(count(&world, "select count(*) from launch_attempt").await, 0);
    sqlx::query("update instance set state = 'terminated', ended_at = now() - interval '8 days'")
        .execute(world.pool())
        .await
        .unwrap();
    pruner.pass().await.unwrap();
    for sql in
        ["select count(*) from placement", "select count(*) from batch_member", "select count(*) from batch"]
    {
        assert_eq!(count(&world, sql).await, 0, "{sql}");
    }
}

#[tokio::test]
async fn calls_stay_below_what_aws_allows() {
    let world = World::throttled().await;
    world.work("a");
    world.work("b");
    // Each is asked for by itself: more calls than AWS allows at once.
    for user in 0..9 {
        world.create(&format!("user-{user}"), "k").await;
        until_count(&world, "select count(*) from placement where state = 'placed'", user + 1).await;
    }
    assert_eq!(world.calls("RunInstances").await, 9);
    let ledger = world.control.ledger().await.unwrap();
    let throttled = ledger.iter().filter(|call| call.outcome == "RequestLimitExceeded").count();
    assert_eq!(throttled, 0);
}

#[tokio::test]
async fn an_outage_spends_no_machines() {
    let world = World::throttled().await;
    burst(&world, 3).await;
    all_in_the_queue(&world, 3).await;
    let died = Placer::new(world.app.deps.clone(), "died");
    world
        .until("they are a batch", async || (died.form_and_vanish().await.unwrap() == 1).then_some(()))
        .await;
    let full = Family::RunInstances.rates(1.0);
    sqlx::query("update batch set lease_until = null, next_run_at = now()")
        .execute(world.pool())
        .await
        .unwrap();
    sqlx::query("update ec2_bucket set requests = $1, resources = $2 where family = 'RunInstances'")
        .bind(full.requests.capacity)
        .bind(full.resources.unwrap().capacity)
        .execute(world.pool())
        .await
        .unwrap();
    let placer = Placer::new(world.cut_off().await, "hand");
    assert_eq!(placer.pass().await.unwrap(), 1);
    assert_eq!(count(&world, "select count(*) from batch where tries > 0").await, 1, "it was asked for");
    let (requests, machines) = tokens(&world).await;
    assert_eq!(Some(machines), full.resources.map(|size| size.capacity), "whoever waits has them at its end");
    assert!(requests < full.requests.capacity, "{requests}");
}

#[tokio::test]
async fn machines_that_may_have_been_made_stay_spent() {
    let world = World::throttled().await;
    world.control.add_fault(&Fault::reply_lost("RunInstances")).await.unwrap();
    burst(&world, 3).await;
    all_in_the_queue(&world, 3).await;
    let placer = Placer::new(world.app.deps.clone(), "hand");
    world.until("they were asked for", async || (placer.pass().await.unwrap() == 1).then_some(())).await;
    assert_eq!(made(&world).await, 3);
    let (_, machines) = tokens(&world).await;
    let full = Family::RunInstances.rates(1.0);
    assert_eq!(Some(machines + 3.0), full.resources.map(|size| size.capacity));
}

/// The requests and the machines that the limiter has left for launches, as of its last change.
async fn tokens(world: &World) -> (f64, f64) {
    sqlx::query_as("select requests, resources from ec2_bucket where family = 'RunInstances'")
        .fetch_one(world.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn those_who_wait_read_their_place_and_an_estimate() {
    let world = World::throttled().await;
    let limiter = &world.app.deps.limiter;
    limiter.take(Family::RunInstances, Priority::User, 2000..=2000).await.unwrap();
    let accepted = burst(&world, 3).await;
    all_in_the_queue(&world, 3).await;
    assert_eq!(Placer::new(world.app.deps.clone(), "hand").pass().await.unwrap(), 0, "there is no turn");
    sqlx::query("update execution_step set started_at = now() - interval '10 seconds' where name = 'place'")
        .execute(world.pool())
        .await
        .unwrap();
    let mut places = Vec::new();
    for accepted in &accepted {
        let execution = world
            .until("the queue is told", async || {
                Some(world.execution(accepted.execution_id).await)
                    .filter(|execution| execution.queue.is_some())
            })
            .await;
        let queue = execution.queue.unwrap();
        assert!(queue.estimated_seconds > 60, "{queue:?}");
        let words = execution.steps[1].detail.clone().unwrap();
        assert!(words.starts_with(&format!("Place {} in the queue; about ", queue.position)), "{words}");
        places.push(queue.position);
    }
    places.sort_unstable();
    assert_eq!(places, [1, 2, 3]);
}

#[tokio::test]
async fn those_whose_batch_was_throttled_stand_before_those_who_are_in_none() {
    let world = World::throttled().await;
    let refusal = Fault::error("RunInstances", "RequestLimitExceeded").times(1_000);
    world.control.add_fault(&refusal).await.unwrap();
    let accepted = burst(&world, 3).await;
    all_in_the_queue(&world, 3).await;
    let placer = Placer::new(world.app.deps.clone(), "hand");
    world
        .until("the batch is throttled", async || {
            placer.pass().await.unwrap();
            let throttled = "select count(*) from launch_attempt where uncertain_since is null";
            (count(&world, throttled).await == 1).then_some(())
        })
        .await;
    let late = world.create("late", "k").await;
    all_in_the_queue(&world, 1).await;
    sqlx::query("update execution_step set started_at = now() - interval '10 seconds' where name = 'place'")
        .execute(world.pool())
        .await
        .unwrap();
    let queue_of = async |accepted: &Accepted| {
        world
            .until("the queue is told", async || {
                let execution = world.execution(accepted.execution_id).await;
                let queue = execution.queue?;
                let words = execution.steps[1].detail.clone()?;
                assert!(words.starts_with(&format!("Place {} in the queue; ", queue.position)), "{words}");
                Some(queue)
            })
            .await
    };
    let last = world
        .until("the reading is new", async || {
            let last = queue_of(&late).await;
            (last.position == 4).then_some(last)
        })
        .await;
    let mut places = Vec::new();
    for accepted in &accepted {
        let queue = queue_of(accepted).await;
        assert!(queue.estimated_seconds <= last.estimated_seconds, "{queue:?} {last:?}");
        places.push(queue.position);
    }
    places.sort_unstable();
    assert_eq!(places, [1, 2, 3]);
}

#[tokio::test]
async fn machines_are_tagged_with_their_owner_later_and_once() {
    let world = World::asleep(json!({})).await;
    let accepted = burst(&world, 2).await;
    all_in_the_queue(&world, 2).await;
    let (placer, tags) =
        (Placer::new(world.app.deps.clone(), "hand"), OwnerTags::new(world.app.deps.clone(), "hand"));
    assert_eq!(tags.pass().await.unwrap(), 0, "there is nothing to tag yet");
    world
        .until("both are placed", async || {
            placer.pass().await.unwrap();
            (made(&world).await == 2).then_some(())
        })
        .await;
    assert_eq!(tags.pass().await.unwrap(), 2);
    assert_eq!(tags.pass().await.unwrap(), 0);
    for (user, accepted) in accepted.iter().enumerate() {
        let machine = world.instance(accepted.instance_id).await.ec2_instance_id.unwrap();
        let tagged = world.control.instance(machine.as_str()).await.unwrap().instance.tags;
        assert_eq!(tagged.get("cloudapp:owner"), Some(&format!("user-{user}")));
    }
    assert_eq!(world.calls("CreateTags").await, 2, "one call for each owner");
}
