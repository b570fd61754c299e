//! Carries out admissions: wishes that come together share one transaction.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cloudapp_coalesce::{Bounds, Coalescer, Job};
use cloudapp_contract::event::EventKind;
use cloudapp_contract::instance::Accepted;
use cloudapp_domain::{ExecutionKind, InstanceId, InstanceState, PricePerHour, UserSub};
use cloudapp_workflow::{Begun, Definitions, NewExecution, StoreError};
use sqlx::PgConnection;

use super::admission::{Facts, Refusal, Verdict, Wish, decide_all};
use super::create::CreateError;
use super::idempotency::{self, Answered};
use crate::column::Word;
use crate::configurations::{self, Published};
use crate::deps::Deps;
use crate::instance::{InstanceRecord, Told, columns, entry};
use crate::launch;
use crate::limits::{self, Share};
use crate::outbox;
use crate::placing;
use crate::pool::{self, Claimant, Claimed};

/// One transaction admits at most as many, so that the first of a crowd do not wait long for their neighbours; one is
/// under way, and the next group collects behind it.
const BOUNDS: Bounds = Bounds { items: 64, groups: 1 };

/// Admits launches in groups. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Admissions {
    pub(super) groups: Coalescer<Desk>,
    desk: Desk,
}

/// What becomes of a wish in a group.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Accepted(Accepted),
    Refused(Refusal),
    /// Something else is being written for this owner: to be asked again alone, so that nobody else has to wait.
    Busy,
}

/// Who has something to do once a group is committed.
#[derive(Debug, Clone, Copy, Default)]
struct Calls {
    /// Some machine is from the pool: its execution is due.
    worker: bool,
    /// Some machine waits in the queue.
    placer: bool,
}

/// Where wishes are decided and written down.
#[derive(Clone)]
pub(crate) struct Desk {
    deps: Arc<Deps>,
    definitions: Definitions,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// A wish that is admitted.
#[derive(Debug, Clone, Copy)]
struct Admitted<'a> {
    wish: &'a Wish,
    published: &'a Published,
    share: Share,
}

impl Admissions {
    pub(crate) fn new(deps: &Arc<Deps>, definitions: &Definitions) -> Self {
        let desk = Desk { deps: Arc::clone(deps), definitions: definitions.clone() };
        Self { groups: Coalescer::new(desk.clone(), BOUNDS), desk }
    }

    /// Decides one wish in a transaction of its own, after whatever else is being written for its owner.
    pub(super) async fn alone(&self, wish: &Arc<Wish>) -> Result<Answer, CreateError> {
        let mut transaction = self.desk.deps.pool.begin().await?;
        idempotency::serialize(&mut transaction, &wish.owner).await?;
        let (answers, calls) = self.desk.decide_and_write(&mut transaction, &[wish]).await?;
        transaction.commit().await?;
        self.desk.call(calls);
        answers.into_iter().next().ok_or(CreateError::CutOff)
    }
}

#[async_trait]
impl Job for Desk {
    type Item = Arc<Wish>;
    type Outcome = Answer;
    type Error = CreateError;

    async fn handle(&self, wishes: &[Arc<Wish>]) -> Result<Vec<Answer>, CreateError> {
        let mut transaction = self.deps.pool.begin().await?;
        let owners: BTreeSet<&str> = wishes.iter().map(|wish| wish.owner.as_str()).collect();
        let owners: Vec<&str> = owners.into_iter().collect();
        let let_in: HashSet<UserSub> = idempotency::try_serialize(&mut transaction, &owners)
            .await?
            .into_iter()
            .map(|Word(owner)| owner)
            .collect();
        let decided: Vec<&Arc<Wish>> = wishes.iter().filter(|wish| let_in.contains(&wish.owner)).collect();
        let (answers, calls) = self.decide_and_write(&mut transaction, &decided).await?;
        transaction.commit().await?;
        self.call(calls);
        let mut answers = answers.into_iter();
        let answer = |wish: &Arc<Wish>| match let_in.contains(&wish.owner) {
            true => answers.next().unwrap_or(Answer::Busy),
            false => Answer::Busy,
        };
        Ok(wishes.iter().map(answer).collect())
    }
}

impl Desk {
    /// Under the owners' locks: reads what is known, decides, and writes everything that is admitted.
    async fn decide_and_write(
        &self,
        connection: &mut PgConnection,
        wishes: &[&Arc<Wish>],
    ) -> Result<(Vec<Answer>, Calls), CreateError> {
        if wishes.is_empty() {
            return Ok(<_>::default());
        }
        let facts = self.facts(connection, wishes).await?;
        let verdicts = decide_all(wishes.iter().map(AsRef::as_ref), facts);
        let admitted: Vec<Admitted<'_>> = wishes
            .iter()
            .zip(&verdicts)
            .filter_map(|(wish, verdict)| match verdict {
                Verdict::Admit { published, share } => Some(Admitted { wish, published, share: *share }),
                Verdict::Repeat(_) | Verdict::Refuse(_) => None,
            })
            .collect();
        let calls = match admitted.as_slice() {
            [] => Calls::default(),
            admitted => self.write(connection, admitted).await?,
        };
        let answers = wishes.iter().zip(verdicts).map(|(wish, verdict)| match verdict {
            Verdict::Repeat(accepted) => Answer::Accepted(accepted),
            Verdict::Refuse(refusal) => Answer::Refused(refusal),
            Verdict::Admit { .. } => Answer::Accepted(wish.proposed.clone()),
        });
        Ok((answers.collect(), calls))
    }

    /// To be called after the commit.
    fn call(&self, calls: Calls) {
        if calls.worker {
            self.deps.signals.work();
        }
        if calls.placer {
            self.deps.signals.ring();
        }
    }

    async fn facts(
        &self,
        connection: &mut PgConnection,
        wishes: &[&Arc<Wish>],
    ) -> Result<Facts, sqlx::Error> {
        let keys: Vec<_> = wishes.iter().map(|wish| (&wish.owner, &wish.key)).collect();
        let configurations: BTreeSet<_> = wishes.iter().map(|wish| wish.request.configuration_id).collect();
        let configurations: Vec<_> = configurations.into_iter().collect();
        let users = wishes.iter().map(|wish| (&wish.owner, wish.groups.as_slice()));
        let default = self.deps.settings.instances_per_user;
        Ok(Facts {
            remembered: idempotency::find(connection, &keys).await?,
            published: configurations::published(&mut *connection, &configurations).await?,
            standing: limits::standing(connection, default, users).await?,
        })
    }

    /// Rows, places in the queue, executions, first events and keys of all that is admitted, one statement each.
    async fn write(
        &self,
        connection: &mut PgConnection,
        admitted: &[Admitted<'_>],
    ) -> Result<Calls, CreateError> {
        let (deps, kind) = (&self.deps, ExecutionKind::Launch);
        let definition = self.definitions.get(kind).ok_or(StoreError::UnknownKind(kind))?;
        let (claimed, instances) = self.claim_or_insert(connection, admitted).await?;
        let look_at = deps.safety_net();
        let executions: Vec<NewExecution> =
            admitted.iter().map(|admitted| admitted.execution(&claimed, look_at)).collect();
        deps.executions.insert_many(connection, definition, &executions).await?;
        let events = instances.iter().map(|instance| {
            let told = Told {
                kind: EventKind::Requested,
                dedupe: format!("{}:requested", instance.id()),
                execution: Some(instance.execution_id()),
                running_since: None,
            };
            entry(deps.clock.as_ref(), instance, told)
        });
        let events: Vec<_> = events.collect::<Result<_, _>>()?;
        outbox::put(connection, deps.clock.as_ref(), &events).await?;
        let answers: Vec<Answered<'_>> = admitted.iter().map(Admitted::answer).collect();
        idempotency::remember(connection, &answers, deps.clock.now()).await?;
        Ok(Calls { worker: !claimed.is_empty(), placer: claimed.len() < admitted.len() })
    }
}

impl Desk {
    /// Machines from the pool for whom there are some; for the others rows of machines to be launched, each with its
    /// place in the queue. Answers which are from the pool, by id, and all of them.
    async fn claim_or_insert(
        &self,
        connection: &mut PgConnection,
        admitted: &[Admitted<'_>],
    ) -> Result<(HashMap<InstanceId, Claimed>, Vec<InstanceRecord>), sqlx::Error> {
        let deps = &self.deps;
        let claimants: Vec<Claimant<'_>> = admitted.iter().filter_map(Admitted::claimant).collect();
        let claimed = pool::claim(deps, connection, &claimants).await?;
        let claimed: HashMap<_, _> = claimed.into_iter().map(|it| (it.instance.id(), it)).collect();
        let now = deps.clock.now();
        let cold: Vec<serde_json::Value> = admitted
            .iter()
            .filter(|admitted| !claimed.contains_key(&admitted.wish.proposed.instance_id))
            .map(|admitted| admitted.row(now))
            .collect();
        let mut instances: Vec<_> = claimed.values().map(|claimed| claimed.instance.clone()).collect();
        let missed = cold.iter().filter(|row| !row["warm"].is_null()).count();
        metrics::counter!(crate::measures::POOL_CLAIMS).increment(claimed.len() as u64);
        metrics::counter!(crate::measures::POOL_MISSES).increment(missed as u64);
        if !cold.is_empty() {
            let cold = insert(deps, connection, cold).await?;
            placing::enqueue(connection, &cold, false, now).await?;
            instances.extend(cold);
        }
        Ok((claimed, instances))
    }
}

impl<'a> Admitted<'a> {
    /// `None` if the configuration has no pool.
    fn claimant(&self) -> Option<Claimant<'a>> {
        let (Wish { owner, groups, request, proposed, .. }, spec) = (self.wish, &self.published.spec);
        (spec.warm_pool.size > 0).then(|| Claimant {
            instance: proposed.instance_id,
            owner,
            groups,
            execution: proposed.execution_id,
            configuration: request.configuration_id,
            version: self.published.version,
            ssh_public_key: request.ssh_public_key.as_deref().map(str::trim),
            lifetime_hours: request.hours.unwrap_or(spec.lifetime_hours),
        })
    }

    /// Of a machine that waits in the queue until `look_at`, or that is from the pool.
    fn execution(&self, claimed: &HashMap<InstanceId, Claimed>, look_at: DateTime<Utc>) -> NewExecution {
        let warm = claimed.get(&self.wish.proposed.instance_id).map(Claimed::done);
        let queued = Begun { look_at, detail: launch::WAITING.to_owned() };
        let Share { number, limit } = self.share;
        let admitted = format!("machine {number} of at most {limit}");
        NewExecution {
            id: self.wish.proposed.execution_id,
            subject: self.wish.proposed.instance_id.as_uuid(),
            owner: self.wish.owner.clone(),
            input: serde_json::json!({}),
            begun: warm.is_none().then_some(queued),
            done: std::iter::once(admitted).chain(warm.unwrap_or_default()).collect(),
            trace: self.wish.trace,
        }
    }

    fn answer(&self) -> Answered<'a> {
        let Wish { owner, key, digest, proposed, .. } = self.wish;
        Answered { owner, key, digest, accepted: proposed }
    }

    /// The machine's row, as the columns of `instance` are named.
    fn row(&self, now: DateTime<Utc>) -> serde_json::Value {
        let (Wish { owner, groups, request, proposed, .. }, spec) = (self.wish, &self.published.spec);
        let pool_should_be_ready = spec.warm_pool.wanted_at(now).is_ok_and(|wanted| wanted > 0);
        serde_json::json!({
            "warm": pool_should_be_ready.then_some("missed"),
            "id": proposed.instance_id,
            "owner": owner,
            "owner_groups": groups,
            "configuration_id": request.configuration_id,
            "configuration_version": self.published.version,
            "configuration_name": spec.name,
            "login_user": spec.login_user.as_str(),
            "on_stop": spec.on_stop.as_str(),
            "boot_report_required": spec.boot_report_required,
            "ssh_public_key": request.ssh_public_key.as_deref().map(str::trim),
            "lifetime_hours": request.hours.unwrap_or(spec.lifetime_hours),
            "max_lifetime_hours": spec.max_lifetime_hours,
            "price_micros": spec.price_per_hour().map(PricePerHour::micros),
            "execution_id": proposed.execution_id,
        })
    }
}

async fn insert(
    deps: &Deps,
    connection: &mut PgConnection,
    rows: Vec<serde_json::Value>,
) -> Result<Vec<InstanceRecord>, sqlx::Error> {
    sqlx::query_as(
        concat!("insert into instance (id, owner, owner_groups, state, configuration_id, configuration_version, \
         configuration_name, login_user, on_stop, boot_report_required, ssh_public_key, lifetime_hours, max_lifetime_hours, \
         price_micros, execution_id, warm, created_at) \
         select id, owner, owner_groups, $2, configuration_id, configuration_version, configuration_name, \
             login_user, on_stop, boot_report_required, ssh_public_key, lifetime_hours, max_lifetime_hours, price_micros, \
             execution_id, warm, $3 \
         from jsonb_populate_recordset(null::instance, $1) returning ", columns!()),
    )
    .bind(serde_json::Value::Array(rows))
    .bind(InstanceState::Requested.as_str())
    .bind(deps.clock.now())
    .fetch_all(connection)
    .await
}
