//! The routes; one file each.

mod accepted;
mod boot_report;
mod cancel_execution;
mod create_instance;
mod destroy_instance;
mod execution_events;
mod extend_instance;
mod force_execution;
mod get_execution;
mod get_fleet;
mod get_instance;
mod get_my_limits;
mod get_revocation;
mod idle_report;
mod list_executions;
mod list_instances;
mod list_limits;
mod list_pools;
mod remove_limit;
mod request_credentials;
mod revoke;
mod set_limit;
mod skip_stop;
mod start_instance;
mod stop_instance;

use axum::Router;
use axum::routing::get as get_route;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

/// What every route has in common.
#[derive(OpenApi)]
#[openapi(
    info(title = "provision-instance", description = "CloudApp's machines and what is done to them."),
    modifiers(&BearerToken),
    security(("bearer" = []))
)]
struct Common;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut Document) {
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("A Cognito access token."))
            .build();
        document
            .components
            .get_or_insert_with(Default::default)
            .add_security_scheme("bearer", SecurityScheme::Http(token));
    }
}

fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Common::openapi())
        .routes(routes!(list_instances::handler, create_instance::handler))
        .routes(routes!(get_instance::handler, destroy_instance::handler))
        .routes(routes!(stop_instance::handler))
        .routes(routes!(start_instance::handler))
        .routes(routes!(extend_instance::handler))
        .routes(routes!(skip_stop::handler))
        .routes(routes!(request_credentials::handler))
        .routes(routes!(get_execution::handler))
        .routes(routes!(execution_events::handler))
        .routes(routes!(cancel_execution::handler))
        .routes(routes!(list_executions::handler))
        .routes(routes!(force_execution::handler))
        .routes(routes!(list_pools::handler))
        .routes(routes!(get_fleet::handler))
        .routes(routes!(list_limits::handler))
        .routes(routes!(get_my_limits::handler))
        .routes(routes!(set_limit::group, remove_limit::group))
        .routes(routes!(set_limit::user, remove_limit::user))
        .routes(routes!(boot_report::handler))
        .routes(routes!(idle_report::handler))
        .routes(routes!(revoke::handler))
        .routes(routes!(get_revocation::handler))
}

/// The API's description, as `/openapi.json` serves it.
#[must_use]
pub fn openapi() -> Document {
    documented().split_for_parts().1
}

/// The API and its description.
pub(crate) fn router(app: App) -> Router {
    let (routes, document) = documented().split_for_parts();
    routes.with_state(app).route("/openapi.json", get_route(async move || axum::Json(document)))
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    #[test]
    fn the_committed_description_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let current = format!("{}\n", serde_json::to_string_pretty(&super::openapi()).unwrap());
        if env::var_os("UPDATE_OPENAPI").is_some() {
            fs::write(path, &current).unwrap();
        }
        let committed = fs::read_to_string(path).unwrap_or_default();
        assert!(committed == current, "openapi.json is stale: run this test with UPDATE_OPENAPI=1");
    }
}
