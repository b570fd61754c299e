//! `GET /api/stats/*` and `/openapi.json`.

use std::sync::Arc;

use axum::extract::{FromRef, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use chrono::NaiveDate;
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Query;
use cloudapp_chassis::token::{FreshAdmin, Guard};
use cloudapp_contract::stats::{FailuresRow, InstanceHoursRow, LaunchesRow, Stats, StatsQuery};
use cloudapp_contract::{Problem, ProblemCode};
use cloudapp_domain::Clock;
use cloudapp_domain::configuration::FieldErrors;
use serde::{Deserialize, Serialize};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{self, Format};
use crate::figures::{Figures, NoFigures};
use crate::queries::Figure;
use crate::range::DayRange;
use crate::warehouse::{TableName, Warehouse};

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Service {
    guard: Guard,
    clock: Arc<dyn Clock>,
    launches: Arc<Figures<LaunchesRow>>,
    instance_hours: Arc<Figures<InstanceHoursRow>>,
    failures: Arc<Figures<FailuresRow>>,
}

impl FromRef<Service> for Guard {
    fn from_ref(service: &Service) -> Self {
        service.guard.clone()
    }
}

impl Service {
    pub(crate) fn new(
        warehouse: Arc<dyn Warehouse>,
        table: &TableName,
        guard: Guard,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            launches: Arc::new(Figures::new(Arc::clone(&warehouse), table, Arc::clone(&clock))),
            instance_hours: Arc::new(Figures::new(Arc::clone(&warehouse), table, Arc::clone(&clock))),
            failures: Arc::new(Figures::new(warehouse, table, Arc::clone(&clock))),
            guard,
            clock,
        }
    }

    async fn answer<F: Figure + Serialize>(
        &self,
        name: &str,
        figures: &Arc<Figures<F>>,
        days: &Days,
        format: Format,
    ) -> Result<Response, ApiError> {
        let range = DayRange::of(&days.query()?, self.clock.now().date_naive())?;
        Ok(answer::write(name, &figures.get(range).await?, format))
    }
}

impl From<NoFigures> for ApiError {
    fn from(_: NoFigures) -> Self {
        Self::new(
            ProblemCode::Unavailable,
            "The statistics cannot be computed at the moment because Athena does not answer. Nothing is lost; \
             try again in a minute.",
        )
    }
}

/// [`StatsQuery`] as it arrives, so that a day that is none can be named.
#[derive(Debug, Deserialize)]
struct Days {
    from: Option<String>,
    to: Option<String>,
}

impl Days {
    fn query(&self) -> Result<StatsQuery, FieldErrors> {
        let day = |field: &str, text: Option<&String>| -> Result<Option<NaiveDate>, FieldErrors> {
            // Nothing between `from=` and `&` is what an empty form field sends.
            let parsed = text.filter(|text| !text.is_empty()).map(|text| text.parse()).transpose();
            parsed.map_err(|_| FieldErrors::one(field, "must be a day such as 2026-11-22"))
        };
        Ok(StatsQuery { from: day("from", self.from.as_ref())?, to: day("to", self.to.as_ref())? })
    }
}

/// Launches by day and configuration.
#[utoipa::path(
    get, path = "/api/stats/launches", tag = "stats", params(StatsQuery),
    responses(
        (status = 200, description = "The figures", content((Stats<LaunchesRow> = "application/json"), (String = "text/csv"))),
        (status = "default", description = "Why not", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn launches(
    State(service): State<Service>,
    FreshAdmin(_): FreshAdmin,
    format: Format,
    Query(days): Query<Days>,
) -> Result<Response, ApiError> {
    service.answer("launches", &service.launches, &days, format).await
}

/// Hours by configuration, and their cost at list price.
#[utoipa::path(
    get, path = "/api/stats/instance-hours", tag = "stats", params(StatsQuery),
    responses(
        (status = 200, description = "The figures", content((Stats<InstanceHoursRow> = "application/json"), (String = "text/csv"))),
        (status = "default", description = "Why not", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn instance_hours(
    State(service): State<Service>,
    FreshAdmin(_): FreshAdmin,
    format: Format,
    Query(days): Query<Days>,
) -> Result<Response, ApiError> {
    service.answer("instance-hours", &service.instance_hours, &days, format).await
}

/// Failed launches by reason.
#[utoipa::path(
    get, path = "/api/stats/failures", tag = "stats", params(StatsQuery),
    responses(
        (status = 200, description = "The figures", content((Stats<FailuresRow> = "application/json"), (String = "text/csv"))),
        (status = "default", description = "Why not", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn failures(
    State(service): State<Service>,
    FreshAdmin(_): FreshAdmin,
    format: Format,
    Query(days): Query<Days>,
) -> Result<Response, ApiError> {
    service.answer("failures", &service.failures, &days, format).await
}

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "CloudApp view-stats",
    description = "Figures for the admin's dashboard. Every route needs the access token of an admin whose sign-in \
                   with the second factor is at most 15 minutes old."
))]
struct ApiDoc;

fn documented() -> OpenApiRouter<Service> {
    OpenApiRouter::with_openapi(ApiDoc::openapi())
        .routes(routes!(launches))
        .routes(routes!(instance_hours))
        .routes(routes!(failures))
}

/// The API's description.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    documented().into_openapi()
}

pub(crate) fn router(service: Service) -> Router {
    let (routes, api) = documented().split_for_parts();
    routes.with_state(service).route("/openapi.json", get(async move || Json(api)))
}
