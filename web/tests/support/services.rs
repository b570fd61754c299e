use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::{IfMatch, Json as Body};
use cloudapp_contract::configuration::{Configuration, ConfigurationVersion};
use cloudapp_contract::execution::{
    Execution, ExecutionQuery, ExecutionStatus, ForceExecution, LoginDetails,
};
use cloudapp_contract::fleet::Fleet;
use cloudapp_contract::instance::{
    Accepted, CreateInstance, ExtendInstance, ForceStop, ForceStopOutcome, ForceStopped, Instance,
    InstanceQuery, OwnerFilter, RequestCredentials, SkipStop,
};
use cloudapp_contract::limits::{GroupLimit, LimitSource, Limits, MyLimits, SetGroupLimit, SetUserLimit};
use cloudapp_contract::pool::Pool;
use cloudapp_contract::revocation::{Revocation, Revoke};
use cloudapp_contract::stats::{FailuresRow, InstanceHoursRow, LaunchesRow, Stats, StatsQuery};
use cloudapp_contract::{Page, ProblemCode};
use cloudapp_domain::configuration::{ConfigurationDraft, ConfigurationState, FieldErrors};
use cloudapp_domain::{
    Clock, ConfigurationId, ExecutionId, ExecutionKind, ExecutionState, InstanceId, InstanceState,
};
use http::HeaderMap;
use uuid::Uuid;

/// What the services know. Tests look into it and change it.
#[derive(Default)]
pub struct World {
    pub configurations: Vec<Configuration>,
    pub machines: Vec<Instance>,
    pub executions: Vec<Execution>,
    pub login: Option<LoginDetails>,
    pub launches: Vec<LaunchesRow>,
    pub hours: Vec<InstanceHoursRow>,
    pub failures: Vec<FailuresRow>,
    /// Subjects that were revoked, and when.
    pub revoked: Vec<(String, DateTime<Utc>)>,
    /// What was done: `stop {id}` and the like.
    pub done: Vec<String>,
    pub limit_reached: bool,
    pub limits: Option<Limits>,
    pub stats_down: bool,
    pub fleet: Option<Fleet>,
    pub pools: Vec<Pool>,
    /// Something else is being done to the machine of whatever is to be forced.
    pub force_refused: bool,
    /// Which services have nobody behind the load balancer: `configure-instance`, `provision-instance`, `view-stats`,
    /// `gateway`.
    pub away: Vec<&'static str>,
}

/// All of them.
pub const SERVICES: [&str; 4] = ["configure-instance", "provision-instance", "view-stats", "gateway"];

/// Whose path it is.
fn service(path: &str) -> &'static str {
    if !path.starts_with("/api/") {
        "gateway"
    } else if path.starts_with("/api/configurations") {
        "configure-instance"
    } else if path.starts_with("/api/stats/") {
        "view-stats"
    } else {
        "provision-instance"
    }
}

/// All services on one loopback port, speaking the contract.
#[derive(Clone)]
pub struct FakeServices {
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Clock>,
}

impl FakeServices {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { world: Arc::default(), clock }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Serves on a free port until the runtime ends.
    pub async fn serve(&self) -> url::Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let router = self.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    fn router(&self) -> Router {
        Router::new()
            .route("/api/configurations", get(configurations).post(create_configuration))
            .route("/api/configurations/{id}", get(configuration).put(update_configuration))
            .route("/api/configurations/{id}/publish", post(publish))
            .route("/api/configurations/{id}/retire", post(retire))
            .route("/api/configurations/{id}/versions", get(versions))
            .route("/api/instances", get(machines).post(create))
            .route("/api/instances/{id}", get(machine).delete(destroy))
            .route("/api/instances/{id}/stop", post(stop))
            .route("/api/instances/{id}/start", post(start))
            .route("/api/instances/{id}/extend", post(extend))
            .route("/api/instances/{id}/credentials", post(credentials))
            .route("/api/executions", get(executions))
            .route("/api/executions/{id}/force", post(force))
            .route("/api/fleet", get(fleet))
            .route("/api/pools", get(pools))
            .route("/api/executions/{id}", get(execution))
            .route("/api/executions/{id}/events", get(events))
            .route("/api/executions/{id}/cancel", post(cancel))
            .route("/api/instances/{id}/skip-stop", post(skip_stop))
            .route("/api/limits", get(limits))
            .route("/api/limits/me", get(my_limits))
            .route("/api/limits/groups/{group}", put(set_group_limit).delete(remove_group_limit))
            .route("/api/limits/users/{sub}", put(set_user_limit).delete(remove_user_limit))
            .route("/api/revocations", post(revoke))
            .route("/api/revocations/{subject}", get(revocation))
            .route("/api/stats/launches", get(launches))
            .route("/api/stats/instance-hours", get(instance_hours))
            .route("/api/stats/failures", get(failures))
            .route("/executions/{id}", get(execution_status))
            .route("/instances/{id}/force-stop", post(force_stop))
            .layer(axum::middleware::from_fn_with_state(self.clone(), behind_a_load_balancer))
            .with_state(self.clone())
    }

    fn find(&self, id: Uuid) -> Result<Instance, ApiError> {
        let wanted = InstanceId::from(id);
        let machine = self.world().machines.iter().find(|machine| machine.id == wanted).cloned();
        machine.ok_or_else(|| ApiError::not_found("machine"))
    }

    /// Begins an execution on a machine, as the real service does.
    fn begin(
        &self,
        id: Uuid,
        kind: ExecutionKind,
        allowed: &[InstanceState],
        next: InstanceState,
    ) -> Result<Json<Accepted>, ApiError> {
        let mut machine = self.find(id)?;
        if !allowed.contains(&machine.state) {
            return Err(ApiError::new(ProblemCode::Conflict, format!("The machine is {}.", machine.state)));
        }
        let execution = Execution {
            id: ExecutionId::new(self.clock.as_ref()),
            kind,
            state: ExecutionState::Running,
            instance_id: machine.id,
            steps: Vec::new(),
            failure: None,
            queue: None,
            created_at: self.clock.now(),
            finished_at: None,
        };
        machine.state = next;
        machine.execution_id = execution.id;
        let accepted = Accepted { execution_id: execution.id, instance_id: machine.id };
        let mut world = self.world();
        world.done.push(format!("{kind} {}", machine.id));
        world.executions.push(execution);
        world.machines.retain(|other| other.id != machine.id);
        world.machines.insert(0, machine);
        Ok(Json(accepted))
    }
}

/// Who calls: the `sub` of the token that was forwarded.
fn caller(headers: &HeaderMap) -> Result<String, ApiError> {
    let sub = || {
        let token = headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
        let payload = token.split('.').nth(1)?;
        let engine = &base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let payload = base64::Engine::decode(engine, payload).ok()?;
        let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
        Some(claims["sub"].as_str()?.to_owned())
    };
    sub().ok_or_else(|| ApiError::new(ProblemCode::Unauthenticated, "No token."))
}

async fn configurations(State(fake): State<FakeServices>) -> Json<Page<Configuration>> {
    Json(Page { items: fake.world().configurations.clone(), next_cursor: None })
}

async fn configuration(
    State(fake): State<FakeServices>,
    Path(id): Path<Uuid>,
) -> Result<Json<Configuration>, ApiError> {
    let wanted = ConfigurationId::from(id);
    let found = fake.world().configurations.iter().find(|known| known.id == wanted).cloned();
    found.map(Json).ok_or_else(|| ApiError::not_found("configuration"))
}

async fn create_configuration(
    State(fake): State<FakeServices>,
    Body(draft): Body<ConfigurationDraft>,
) -> Result<Json<Configuration>, ApiError> {
    let price_per_hour = draft.clone().validate()?.price_per_hour();
    let created = Configuration {
        id: ConfigurationId::new(fake.clock.as_ref()),
        state: ConfigurationState::Draft,
        version: 1,
        published_version: None,
        spec: draft,
        price_per_hour,
        updated_at: fake.clock.now(),
    };
    fake.world().configurations.push(created.clone());
    Ok(Json(created))
}

async fn update_configuration(
    State(fake): State<FakeServices>,
    Path(id): Path<Uuid>,
    IfMatch(version): IfMatch,
    Body(draft): Body<ConfigurationDraft>,
) -> Result<Json<Configuration>, ApiError> {
    let wanted = ConfigurationId::from(id);
    let mut world = fake.world();
    let known = world.configurations.iter_mut().find(|known| known.id == wanted);
    let known = known.ok_or_else(|| ApiError::not_found("configuration"))?;
    if known.version != version {
        return Err(ApiError::new(ProblemCode::Stale, "Changed in the meantime."));
    }
    draft.clone().validate()?;
    known.version += 1;
    known.spec = draft;
    Ok(Json(known.clone()))
}

fn set_state(
    fake: &FakeServices,
    id: Uuid,
    state: ConfigurationState,
) -> Result<Json<Configuration>, ApiError> {
    let wanted = ConfigurationId::from(id);
    let mut world = fake.world();
    let known = world.configurations.iter_mut().find(|known| known.id == wanted);
    let known = known.ok_or_else(|| ApiError::not_found("configuration"))?;
    known.state = state;
    known.published_version = Some(known.version);
    Ok(Json(known.clone()))
}

async fn behind_a_load_balancer(
    State(fake): State<FakeServices>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> axum::response::Response {
    use axum::response::IntoResponse as _;
    if fake.world().away.contains(&service(request.uri().path())) {
        return (http::StatusCode::SERVICE_UNAVAILABLE, "<html>503 Service Temporarily Unavailable</html>")
            .into_response();
    }
    next.run(request).await
}

async fn publish(
    State(fake): State<FakeServices>,
    Path(id): Path<Uuid>,
) -> Result<Json<Configuration>, ApiError> {
    set_state(&fake, id, ConfigurationState::Published)
}

async fn retire(
    State(fake): State<FakeServices>,
    Path(id): Path<Uuid>,
) -> Result<Json<Configuration>, ApiError> {
    set_state(&fake, id, ConfigurationState::Retired)
}

async fn versions(
    State(fake): State<FakeServices>,
    Path(id): Path<Uuid>,
) -> Result<Json<Page<ConfigurationVersion>>, ApiError> {
    let Json(known) = configuration(State(fake), Path(id)).await?;
    let version = |version| ConfigurationVersion {
        version,
        spec: known.spec.clone(),
        author: "sub-admin".parse().unwrap(),
        created_at: known.updated_at - TimeDelta::days(i64::from(known.version - version)),
        published: known.published_version == Some(version),
    };
    Ok(Json(Page { items: (1..=known.version).rev().map(version).collect(), next_cursor: None }))
}

async fn machines(
    State(fake): State<FakeServices>,
    headers: HeaderMap,
    Query(query): Query<InstanceQuery>,
) -> Result<Json<Page<Instance>>, ApiError> {
    let caller = caller(&headers)?;
    let wanted = |machine: &&Instance| {
        let owned = query.owner == OwnerFilter::All || machine.owner.as_str() == caller;
        let state = match query.state.as_deref() {
            None => true,
            Some("live") => !machine.state.is_final(),
            Some(name) => machine.state.as_str() == name,
        };
        owned && state
    };
    Ok(Json(Page {
        items: fake.world().machines.iter().filter(wanted).cloned().collect(),
        next_cursor: None,
    }))
}

async fn create(
    State(fake): State<FakeServices>,
    headers: HeaderMap,
    Body(request): Body<CreateInstance>,
) -> Result<Json<Accepted>, ApiError> {
    let owner = caller(&headers)?;
    if fake.world().limit_reached {
        return Err(ApiError::new(
            ProblemCode::LimitReached,
            "You have 3 machines; 3 are allowed at a time.",
        ));
    }
    if request
        .ssh_public_key
        .as_deref()
        .is_some_and(|key| !key.starts_with("ssh-") && !key.starts_with("ecdsa-"))
    {
        return Err(FieldErrors::one("ssh_public_key", "must be one line of an OpenSSH public key").into());
    }
    let Json(configuration) =
        configuration(State(fake.clone()), Path(request.configuration_id.as_uuid())).await?;
    let execution = ExecutionId::new(fake.clock.as_ref());
    let mut machine =
        super::sample::machine(&configuration, &owner, InstanceState::Requested, fake.clock.now());
    machine.id = InstanceId::new(fake.clock.as_ref());
    machine.execution_id = execution;
    machine.has_public_key = request.ssh_public_key.is_some();
    let accepted = Accepted { execution_id: execution, instance_id: machine.id };
    let mut world = fake.world();
    world.executions.push(super::sample::launch(&machine, 1, fake.clock.now()));
    world.done.push(format!("create {}", request.ssh_public_key.unwrap_or_default()));
    world.machines.insert(0, machine);
    Ok(Json(accepted))
}

async fn machine(
    State(fake): State<FakeServices>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Result<Json<Instance>, ApiError> {
    caller(&headers)?;
    fake.find(id).map(Json)
}

async fn stop(State(fake): State<FakeServices>, Path(id): Path<Uuid>) -> Result<Json<Accepted>, ApiError> {
    fake.begin(id, ExecutionKind::Stop, &[InstanceState::Ready], InstanceState::Stopping)
}

async fn start(State(fake): State<FakeServices>, Path(id): Path<Uuid>) -> Result<Json<Accepted>, ApiError> {
    fake.begin(id, ExecutionKind::Start, &[InstanceState::Stopped], InstanceState::Starting)
}

async fn destroy(State(fake): State<FakeServices>, Path(id): Path<Uuid>) -> Result<Json<Accepted>, ApiError> {
    let live: Vec<_> = InstanceState::ALL.iter().copied().filter(|state| !state.is_final()).collect();
    fake.begin(id, ExecutionKind::Destroy, &live, InstanceState::Terminating)
}

async fn extend(
    State(fake): State<FakeServices>,
    Path(id): Path<Uuid>,
    Body(request): Body<ExtendInstance>,
) -> Result<Json<Accepted>, ApiError> {
    if request.hours > 24 {
        return Err(FieldErrors::one("hours", "must be at most 24").into());
    }
    fake.begin(id, ExecutionKind::Extend, &[InstanceState::Ready], InstanceState::Ready)
}

async fn credentials(
    State(fake): State<FakeServices>,
    Path(id): Path<Uuid>,
    Body(request): Body<RequestCredentials>,
) -> Result<Json<LoginDetails>, ApiError> {
    fake.find(id)?;
    if request.ssh_public_key.as_deref() == Some("rubbish") {
        return Err(FieldErrors::one("ssh_public_key", "must be one line of an OpenSSH public key").into());
    }
    Ok(Json(super::sample::login(fake.clock.now())))
}

async fn execution(
    State(fake): State<FakeServices>,
    Path(id): Path<Uuid>,
) -> Result<Json<Execution>, ApiError> {
    let wanted = ExecutionId::from(id);
    let found = fake.world().executions.iter().find(|known| known.id == wanted).cloned();
    found.map(Json).ok_or_else(|| ApiError::not_found("execution"))
}

async fn executions(
    State(fake): State<FakeServices>,
    Query(query): Query<ExecutionQuery>,
) -> Json<Page<Execution>> {
    let wanted =
        |execution: &&Execution| query.state.as_deref().is_none_or(|state| execution.state.as_str() == state);
    Json(Page { items: fake.world().executions.iter().filter(wanted).cloned().collect(), next_cursor: None })
}

async fn force(
    State(fake): State<FakeServices>,
    Path(id): Path<Uuid>,
    Body(request): Body<ForceExecution>,
) -> Result<Json<Execution>, ApiError> {
    if fake.world().force_refused {
        return Err(ApiError::new(ProblemCode::Conflict, "Something else is being done to the machine."));
    }
    let wanted = ExecutionId::from(id);
    let mut world = fake.world();
    let how = if request.abandon { "give up" } else { "undo" };
    world.done.push(format!("{how} {id}: {}", request.reason));
    let known = world.executions.iter_mut().find(|known| known.id == wanted);
    let known = known.ok_or_else(|| ApiError::not_found("execution"))?;
    known.state = if request.abandon { ExecutionState::Failed } else { ExecutionState::Running };
    Ok(Json(known.clone()))
}

async fn fleet(State(fake): State<FakeServices>) -> Json<Fleet> {
    let world = fake.world();
    Json(world.fleet.clone().unwrap_or_else(|| Fleet {
        waiting: 0,
        oldest_waiting_seconds: None,
        launching: 0,
        orphans: vec![],
        drift_last_day: vec![],
        stuck: vec![],
    }))
}

async fn pools(State(fake): State<FakeServices>) -> Json<Page<Pool>> {
    Json(Page { items: fake.world().pools.clone(), next_cursor: None })
}

async fn events(
    State(fake): State<FakeServices>,
    Path(id): Path<Uuid>,
) -> Result<impl IntoResponse, ApiError> {
    let Json(execution) = execution(State(fake), Path(id)).await?;
    let event = format!("event: execution\ndata: {}\n\n", serde_json::to_string(&execution).unwrap());
    Ok(([("content-type", "text/event-stream")], event))
}

async fn cancel(State(fake): State<FakeServices>, Path(id): Path<Uuid>) -> Result<Json<Execution>, ApiError> {
    fake.world().done.push(format!("cancel {id}"));
    execution(State(fake), Path(id)).await
}

async fn revoke(
    State(fake): State<FakeServices>,
    headers: HeaderMap,
    Body(request): Body<Revoke>,
) -> Result<(), ApiError> {
    caller(&headers)?;
    let now = fake.clock.now();
    fake.world().revoked.push((request.subject, now));
    Ok(())
}

async fn revocation(State(fake): State<FakeServices>, Path(subject): Path<String>) -> Json<Revocation> {
    let not_before =
        fake.world().revoked.iter().filter(|(revoked, _)| *revoked == subject).map(|(_, at)| *at).max();
    Json(Revocation { subject, not_before })
}

fn stats<T>(fake: &FakeServices, query: &StatsQuery, rows: Vec<T>) -> Result<Json<Stats<T>>, ApiError> {
    if fake.world().stats_down {
        return Err(ApiError::new(ProblemCode::Unavailable, "Athena does not answer at the moment."));
    }
    let today = fake.clock.now().date_naive();
    let (from, to) = (query.from.unwrap_or(today), query.to.unwrap_or(today));
    Ok(Json(Stats { from, to, as_of: fake.clock.now() - TimeDelta::minutes(4), stale: false, rows }))
}

async fn launches(
    State(fake): State<FakeServices>,
    Query(query): Query<StatsQuery>,
) -> Result<Json<Stats<LaunchesRow>>, ApiError> {
    let rows = fake.world().launches.clone();
    stats(&fake, &query, rows)
}

async fn instance_hours(
    State(fake): State<FakeServices>,
    Query(query): Query<StatsQuery>,
) -> Result<Json<Stats<InstanceHoursRow>>, ApiError> {
    let rows = fake.world().hours.clone();
    stats(&fake, &query, rows)
}

async fn failures(
    State(fake): State<FakeServices>,
    Query(query): Query<StatsQuery>,
) -> Result<Json<Stats<FailuresRow>>, ApiError> {
    let rows = fake.world().failures.clone();
    stats(&fake, &query, rows)
}

async fn execution_status(
    State(fake): State<FakeServices>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Result<Json<ExecutionStatus>, ApiError> {
    caller(&headers)?;
    let login = fake.world().login.clone();
    let Json(execution) = execution(State(fake), Path(id)).await?;
    Ok(Json(ExecutionStatus {
        id: execution.id,
        kind: execution.kind,
        state: execution.state,
        instance_id: execution.instance_id,
        failure: execution.failure,
        login,
    }))
}

async fn force_stop(
    State(fake): State<FakeServices>,
    Path(id): Path<Uuid>,
    Body(request): Body<ForceStop>,
) -> Result<Json<ForceStopped>, ApiError> {
    fake.find(id)?;
    fake.world().done.push(format!("force-stop {id}: {}", request.reason));
    Ok(Json(ForceStopped { outcome: ForceStopOutcome::Terminating }))
}

async fn skip_stop(
    State(fake): State<FakeServices>,
    Path(id): Path<Uuid>,
    Body(request): Body<SkipStop>,
) -> Result<Json<Instance>, ApiError> {
    let machine = fake.find(id)?;
    fake.world().done.push(format!("skip {}", request.stop_at.to_rfc3339()));
    Ok(Json(machine))
}

fn no_limits() -> Limits {
    Limits { machines_per_user: 3, groups: vec![], users: vec![] }
}

async fn limits(State(fake): State<FakeServices>) -> Json<Limits> {
    Json(fake.world().limits.clone().unwrap_or_else(no_limits))
}

async fn my_limits(State(fake): State<FakeServices>, headers: HeaderMap) -> Result<Json<MyLimits>, ApiError> {
    let sub = caller(&headers)?;
    let world = fake.world();
    let mine = |machine: &&Instance| machine.owner.as_str() == sub && !machine.state.is_final();
    let used = u32::try_from(world.machines.iter().filter(mine).count()).unwrap();
    let (limit, source) = (3, LimitSource::Default);
    Ok(Json(MyLimits { used, limit, source, group: None, groups: vec![], refusal: None }))
}

async fn set_group_limit(
    State(fake): State<FakeServices>,
    Path(group): Path<String>,
    Body(wanted): Body<SetGroupLimit>,
) -> Result<http::StatusCode, ApiError> {
    if wanted.machines_per_member.is_some_and(|machines| machines > 1_000) {
        return Err(FieldErrors::one("machines_per_member", "must be at most 1000").into());
    }
    let now = fake.clock.now();
    let mut world = fake.world();
    world.done.push(format!("limit {group}"));
    let set = GroupLimit {
        group: group.parse().unwrap(),
        machines_per_member: wanted.machines_per_member,
        machines_together: wanted.machines_together,
        changed_by: "sub-grace".parse().unwrap(),
        changed_at: now,
    };
    world.limits.get_or_insert_with(no_limits).groups.push(set);
    Ok(http::StatusCode::NO_CONTENT)
}

async fn remove_group_limit(State(fake): State<FakeServices>, Path(group): Path<String>) -> http::StatusCode {
    let mut world = fake.world();
    world.done.push(format!("unlimit {group}"));
    world.limits = None;
    http::StatusCode::NO_CONTENT
}

async fn set_user_limit(
    State(fake): State<FakeServices>,
    Path(sub): Path<String>,
    Body(wanted): Body<SetUserLimit>,
) -> http::StatusCode {
    fake.world().done.push(format!("limit {sub} to {}", wanted.machines));
    http::StatusCode::NO_CONTENT
}

async fn remove_user_limit(State(fake): State<FakeServices>, Path(sub): Path<String>) -> http::StatusCode {
    fake.world().done.push(format!("unlimit {sub}"));
    http::StatusCode::NO_CONTENT
}
