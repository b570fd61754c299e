//! Judges a world that has been left alone: 0 lost, 0 twice, 0 left over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use cloudapp_domain::ExecutionId;
use cloudapp_ec2_simulator::InstanceState;
use sqlx::PgPool;

use crate::Rig;

/// How long executions may take to end once nobody disturbs them: the longest lease and some work.
const TO_END: Duration = Duration::from_secs(120);
/// How long it may take until every machine is owned again.
const TO_REST: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(250);

/// What was found.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict {
    /// Executions by kind and how they ended.
    pub(super) outcomes: BTreeMap<String, i64>,
    /// What should not be.
    pub(super) violations: Vec<String>,
}

/// Waits until everything has come to rest, for as long as it may take, and judges.
pub(super) async fn judge(rig: &Rig, accepted: &[ExecutionId]) -> anyhow::Result<Verdict> {
    let pool = rig.database().pool();
    let mut violations = Vec::new();
    within(TO_END, async || Ok(unended(pool).await?.is_empty())).await?;
    violations.extend(unended(pool).await?.into_iter().map(|what| format!("lost: never ends: {what}")));
    within(TO_REST, async || Ok(restless(rig).await?.is_empty())).await?;
    violations.extend(restless(rig).await?);
    violations.extend(lost(pool, accepted).await?);
    violations.extend(twice(rig).await?);
    violations.extend(untold(rig).await?);
    let outcomes: Vec<(String, i64)> =
        sqlx::query_as("select kind || ' ' || state, count(*) from execution group by 1 order by 1")
            .fetch_all(pool)
            .await?;
    Ok(Verdict { outcomes: outcomes.into_iter().collect(), violations })
}

async fn within(patience: Duration, condition: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let end = Instant::now() + patience;
    while !condition().await? && Instant::now() < end {
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

async fn texts(pool: &PgPool, sql: &'static str) -> anyhow::Result<Vec<String>> {
    Ok(sqlx::query_scalar(sql).fetch_all(pool).await?)
}

/// Executions that have not ended. Those of pools come and go for ever, so they may be young.
async fn unended(pool: &PgPool) -> anyhow::Result<Vec<String>> {
    texts(
        pool,
        "select e.kind || ' ' || e.id || ' is ' || e.state || ' at step ' || e.position from execution e \
         where e.state in ('pending', 'running') and (e.owner <> 'cloudapp:pool' or e.created_at < now() - interval '1 minute')",
    )
    .await
}

/// Where rows and machines disagree, and what has not been delivered.
async fn restless(rig: &Rig) -> anyhow::Result<Vec<String>> {
    let pool = rig.database().pool();
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select ec2_instance_id, state from instance where ec2_instance_id is not null \
         and state not in ('terminated', 'failed')",
    )
    .fetch_all(pool)
    .await?;
    let mut rows: BTreeMap<String, String> = rows.into_iter().collect();
    let mut restless = Vec::new();
    for machine in rig.control().instances().await? {
        let machine = machine.instance;
        if matches!(machine.state, InstanceState::Terminated | InstanceState::ShuttingDown) {
            continue;
        }
        match (rows.remove(&machine.id).as_deref(), machine.state) {
            (Some("ready"), InstanceState::Running) | (Some("stopped"), InstanceState::Stopped) => {}
            (Some(state), at_ec2) => {
                restless.push(format!("{} is {state} here and {at_ec2:?} at EC2", machine.id));
            }
            (None, _) => restless.push(format!("orphan: nobody owns {}", machine.id)),
        }
    }
    restless
        .extend(rows.into_iter().map(|(id, state)| format!("lost: {id} is {state} here, and no machine")));
    let undelivered: i64 =
        sqlx::query_scalar("select count(*) from outbox where delivered_at is null").fetch_one(pool).await?;
    if undelivered > 0 {
        restless.push(format!("lost: {undelivered} messages are not delivered"));
    }
    Ok(restless)
}

/// What was accepted and is not there, and what is there and does not stand.
async fn lost(pool: &PgPool, accepted: &[ExecutionId]) -> anyhow::Result<Vec<String>> {
    let ids: Vec<_> = accepted.iter().map(ExecutionId::as_uuid).collect();
    let gone: Vec<String> = sqlx::query_scalar(
        "select 'lost: accepted and not there: ' || id from unnest($1::uuid[]) as a (id) \
         where not exists (select from execution e where e.id = a.id)",
    )
    .bind(ids)
    .fetch_all(pool)
    .await?;
    let mut lost = gone;
    lost.extend(
        texts(pool, "select 'stuck: ' || kind || ' ' || id from execution where state = 'stuck'").await?,
    );
    lost.extend(
        texts(
            pool,
            "select 'lost: launch ' || e.id || ' succeeded without a machine' from execution e \
             join instance i on i.id = e.subject where e.kind = 'launch' and e.state = 'succeeded' \
             and i.ec2_instance_id is null",
        )
        .await?,
    );
    lost.extend(
        texts(
            pool,
            "select 'lost: machine row ' || id || ' is ' || state || ' and nobody is at work on it' from instance i \
             where state not in ('ready', 'stopped', 'terminated', 'failed') and not exists \
                 (select from execution e where e.subject = i.id and e.state in ('pending', 'running'))",
        )
        .await?,
    );
    Ok(lost)
}

/// More than one of anything there may be one of.
async fn twice(rig: &Rig) -> anyhow::Result<Vec<String>> {
    let pool = rig.database().pool();
    let mut made: BTreeMap<String, i64> = BTreeMap::new();
    for machine in rig.control().instances().await? {
        *made.entry(machine.instance.client_token.unwrap_or_default()).or_default() += 1;
    }
    let asked: Vec<(String, i64)> =
        sqlx::query_as("select client_token, (parameters ->> 'max_count')::bigint from launch_attempt")
            .fetch_all(pool)
            .await?;
    let asked: BTreeMap<String, i64> = asked.into_iter().collect();
    let mut twice: Vec<String> = made
        .iter()
        .filter(|(token, count)| asked.get(*token).is_none_or(|asked| *count > asked))
        .map(|(token, count)| {
            format!("twice: {count} machines under token {token}, asked for {:?}", asked.get(token))
        })
        .collect();
    twice.extend(
        texts(
            pool,
            "select 'twice: machine ' || ec2_instance_id || ' has ' || count(*) || ' rows' from instance \
             where ec2_instance_id is not null group by ec2_instance_id having count(*) > 1",
        )
        .await?,
    );
    twice.extend(
        texts(
            pool,
            "select 'twice: machine row ' || i.id || ' is the subject of ' || count(*) || ' launches' from instance i \
             join execution e on e.subject = i.id and e.kind = 'launch' group by i.id having count(*) > 1",
        )
        .await?,
    );
    Ok(twice)
}

/// Login details that were never sent, or told twice under different ids.
async fn untold(rig: &Rig) -> anyhow::Result<Vec<String>> {
    let ready: Vec<String> = texts(
        rig.database().pool(),
        "select id::text from execution where kind = 'launch' and state = 'succeeded'",
    )
    .await?;
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for body in rig.stub().drain("cloudapp-login") {
        let message: serde_json::Value = serde_json::from_str(&body)?;
        let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        told.entry(text("execution_id")).or_default().insert(text("event_id"));
    }
    let count = |id: &String| told.get(id).map_or(0, BTreeSet::len);
    let wrong = ready.iter().filter(|id| count(id) != 1);
    Ok(wrong.map(|id| format!("lost or twice: launch {id} was told {} times", count(id))).collect())
}
