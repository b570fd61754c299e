use std::collections::BTreeSet;
use std::sync::Arc;

use cloudapp_domain::EventId;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::outbox::{self, Entry, Relay, Topic};
use crate::ports::{LeftOut, Notice, Noticeboard, OutletError};
use crate::testing::World;

fn entry(world: &World, topic: Topic, number: usize) -> Entry {
    let payload = json!({ "number": number, "subject": "s", "body": format!("notice {number}") });
    let id = EventId::new(world.app.deps.clock.as_ref());
    Entry { id, topic, dedupe: format!("{}:{number}", topic.as_str()), payload }
}

#[tokio::test]
async fn messages_leave_together_and_one_that_is_refused_leaves_alone_later() {
    let world = World::asleep(json!({})).await;
    let deps = &world.app.deps;
    let mut entries: Vec<Entry> = (0..25).map(|number| entry(&world, Topic::Login, number)).collect();
    entries.extend((0..13).map(|number| entry(&world, Topic::Admin, number)));
    let mut connection = world.pool().acquire().await.unwrap();
    outbox::put(&mut connection, deps.clock.as_ref(), &entries).await.unwrap();
    outbox::put(&mut connection, deps.clock.as_ref(), &entries[..3]).await.unwrap();
    *world.outside.refusals.lock().unwrap() = vec!["\"number\":7,".to_owned()];
    let relay = Relay::new(Arc::clone(deps), world.outside.clone(), world.outside.clone());
    assert_eq!(relay.carry().await.unwrap(), 38);
    assert_eq!(world.outside.logins.lock().unwrap().len(), 24);
    assert_eq!(world.outside.notices.lock().unwrap().len(), 13);
    let again = world
        .until("the refused one is due again", async || {
            Some(relay.carry().await.unwrap()).filter(|carried| *carried > 0)
        })
        .await;
    assert_eq!(again, 1);
    let numbers: Vec<u64> =
        world.outside.logins.lock().unwrap().iter().map(|login| login["number"].as_u64().unwrap()).collect();
    assert_eq!((numbers.len(), numbers.last()), (25, Some(&7)));
    assert_eq!(numbers.into_iter().collect::<BTreeSet<_>>(), (0..25).collect());
}

/// Never answers.
struct Silent;

#[async_trait::async_trait]
impl Noticeboard for Silent {
    async fn publish(&self, _: &[Notice]) -> Result<Vec<LeftOut>, OutletError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn where_notices_hang_login_details_leave_all_the_same() {
    let world = World::asleep(json!({})).await;
    let deps = &world.app.deps;
    let put = async |topic: Topic, number: usize| {
        let mut connection = world.pool().acquire().await.unwrap();
        outbox::put(&mut connection, deps.clock.as_ref(), &[entry(&world, topic, number)]).await.unwrap();
    };
    let relay = Relay::new(Arc::clone(deps), world.outside.clone(), Arc::new(Silent));
    let carrying = tokio::spawn(relay.run(CancellationToken::new()));
    // The second one comes when the notice has long been under way.
    for number in [1, 2] {
        put(Topic::Admin, number).await;
        put(Topic::Login, number).await;
        world
            .until("login details leave", async || {
                (world.outside.logins.lock().unwrap().len() == number).then_some(())
            })
            .await;
    }
    carrying.abort();
}
