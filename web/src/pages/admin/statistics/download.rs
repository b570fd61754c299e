//! The figures as CSV.

use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use cloudapp_chassis::ApiError;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use super::csv::table;
use super::range::{Range, RangeQuery};
use crate::app::App;
use crate::pages::Admin;
use crate::pages::problem::call_error;

pub(super) async fn launches(
    State(app): State<App>,
    Admin(user): Admin,
    Query(query): Query<RangeQuery>,
) -> Result<Response, ApiError> {
    let range = query.range(app.clock.now().date_naive());
    let stats = app.backend.stats(user.token()).launches(&range.query()).await.map_err(call_error)?;
    let header = ["day", "configuration_id", "configuration", "launches", "ready", "failed"];
    let rows = stats.rows.into_iter().map(|row| {
        [
            row.day.to_string(),
            row.configuration_id.to_string(),
            row.configuration_name,
            row.launches.to_string(),
            row.ready.to_string(),
            row.failed.to_string(),
        ]
    });
    Ok(file("launches", range, table(header, rows)))
}

pub(super) async fn instance_hours(
    State(app): State<App>,
    Admin(user): Admin,
    Query(query): Query<RangeQuery>,
) -> Result<Response, ApiError> {
    let range = query.range(app.clock.now().date_naive());
    let stats = app.backend.stats(user.token()).instance_hours(&range.query()).await.map_err(call_error)?;
    let header = ["configuration_id", "configuration", "instances", "hours", "cost_usd"];
    let rows = stats.rows.into_iter().map(|row| {
        [
            row.configuration_id.to_string(),
            row.configuration_name,
            row.instances.to_string(),
            format!("{:.2}", row.hours),
            format!("{:.4}", row.cost_usd),
        ]
    });
    Ok(file("instance-hours", range, table(header, rows)))
}

pub(super) async fn failures(
    State(app): State<App>,
    Admin(user): Admin,
    Query(query): Query<RangeQuery>,
) -> Result<Response, ApiError> {
    let range = query.range(app.clock.now().date_naive());
    let stats = app.backend.stats(user.token()).failures(&range.query()).await.map_err(call_error)?;
    let rows = stats
        .rows
        .into_iter()
        .map(|row| [row.code, row.failures.to_string(), row.latest_reason.unwrap_or_default()]);
    Ok(file("failures", range, table(["code", "failures", "latest_reason"], rows)))
}

fn file(what: &str, range: Range, text: String) -> Response {
    let name = format!("attachment; filename=\"cloudapp-{what}-{}-{}.csv\"", range.from, range.to);
    let disposition = HeaderValue::from_str(&name).unwrap_or_else(|_| HeaderValue::from_static("attachment"));
    let content_type = HeaderValue::from_static("text/csv; charset=utf-8");
    ([(CONTENT_DISPOSITION, disposition), (CONTENT_TYPE, content_type)], text).into_response()
}
