//! The routes; one file each.

mod answer;
mod create;
mod get;
mod list;
mod publish;
mod retire;
mod update;
mod versions;

use axum::Router;
use axum::routing::get as get_route;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;

/// What every route has in common.
#[derive(OpenApi)]
#[openapi(
    info(title = "configure-instance", description = "CloudApp's catalogue of configurations and their versions."),
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
        .routes(routes!(list::handler, create::handler))
        .routes(routes!(get::handler, update::handler))
        .routes(routes!(publish::handler))
        .routes(routes!(retire::handler))
        .routes(routes!(versions::handler))
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
