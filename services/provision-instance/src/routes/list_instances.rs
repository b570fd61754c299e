use axum::Json;
use axum::extract::State;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Query;
use cloudapp_chassis::token::{Caller, SignedIn};
use cloudapp_contract::instance::{Instance, InstanceQuery, OwnerFilter};
use cloudapp_contract::{Page, Problem};
use cloudapp_domain::configuration::FieldErrors;
use cloudapp_domain::{InstanceId, InstanceState};

use crate::app::App;
use crate::instance::{InstanceRecord, columns};

const DEFAULT_LIMIT: u16 = 50;
const LARGEST_LIMIT: u16 = 200;

/// Machines, newest first: the caller's, or for admins everybody's.
#[utoipa::path(
    get, path = "/api/instances", operation_id = "list_instances", tag = "machines",
    params(InstanceQuery),
    responses(
        (status = 200, body = Page<Instance>),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Query(query): Query<InstanceQuery>,
) -> Result<Json<Page<Instance>>, ApiError> {
    if query.owner == OwnerFilter::All {
        app.guard.require_fresh_admin(&caller)?;
    }
    let wanted = Wanted::from_query(&caller, &query)?;
    let page = wanted.load(&app).await.map_err(|error| ApiError::internal(&error))?;
    Ok(Json(caller.shown(page)))
}

/// A checked query.
#[derive(Debug)]
struct Wanted {
    owner: Option<String>,
    states: Vec<&'static str>,
    before: Option<InstanceId>,
    limit: u16,
}

impl Wanted {
    fn from_query(caller: &Caller, query: &InstanceQuery) -> Result<Self, FieldErrors> {
        let states = match query.state.as_deref() {
            None | Some("") => InstanceState::ALL.to_vec(),
            Some("live") => InstanceState::ALL.iter().copied().filter(|state| !state.is_final()).collect(),
            Some(name) => vec![name.parse().map_err(|_| {
                FieldErrors::one(
                    "state",
                    "must be a state of a machine, or `live` for every state that is not final",
                )
            })?],
        };
        let before = query.cursor.as_deref().map(str::parse).transpose();
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=LARGEST_LIMIT).contains(&limit) {
            return Err(FieldErrors::one("limit", format!("must be between 1 and {LARGEST_LIMIT}")));
        }
        Ok(Self {
            owner: (query.owner == OwnerFilter::Me).then(|| caller.sub.to_string()),
            states: states.into_iter().map(InstanceState::as_str).collect(),
            before: before.map_err(|_| FieldErrors::one("cursor", "must be the next_cursor of a page"))?,
            limit,
        })
    }

    async fn load(&self, app: &App) -> Result<Page<Instance>, sqlx::Error> {
        let mut rows: Vec<InstanceRecord> = sqlx::query_as(concat!(
            "select ",
            columns!(),
            " from instance where pool is null and ($1::text is null or owner = $1) and state = any($2) \
             and ($3::uuid is null or id < $3) order by id desc limit $4"
        ))
        .bind(&self.owner)
        .bind(&self.states)
        .bind(self.before.map(|id| id.as_uuid()))
        .bind(i64::from(self.limit) + 1)
        .fetch_all(&app.deps.pool)
        .await?;
        let more = rows.len() > usize::from(self.limit);
        rows.truncate(usize::from(self.limit));
        let next_cursor = rows.last().filter(|_| more).map(|last| last.id().to_string());
        Ok(Page { items: rows.into_iter().map(InstanceRecord::into_contract).collect(), next_cursor })
    }
}
