//! Executions that could not be undone: what is left behind, and the way out.

mod force;
mod list;

use axum::Router;
use axum::routing::get;
use cloudapp_contract::execution::Execution;

use crate::app::App;
use crate::pages::User;
use crate::view::StuckView;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/admin/stuck", get(list::show))
        .route("/admin/stuck/{id}/force", get(force::show).post(force::submit))
}

/// With its machine, if that can be shown: a spare's cannot, and one that does not answer hides nothing else.
async fn view(app: &App, user: &User, execution: &Execution) -> StuckView {
    let machine = app.backend.provision(user.token()).get(execution.instance_id).await;
    let machine = machine
        .inspect_err(|error| tracing::info!(%error, "a stuck execution is shown without its machine"))
        .ok();
    StuckView::new(execution, machine.as_ref())
}
