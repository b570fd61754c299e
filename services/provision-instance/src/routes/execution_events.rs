use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use cloudapp_chassis::ApiError;
use cloudapp_chassis::extract::Id;
use cloudapp_chassis::token::SignedIn;
use cloudapp_contract::execution::Execution;
use cloudapp_contract::{Problem, ProblemCode};
use cloudapp_domain::ExecutionId;
use futures::stream::{self, Stream, StreamExt as _};

use crate::app::App;
use crate::application::executions;
use crate::feed::Subscription;

/// A comment goes out this often while nothing happens, so that nobody on the way closes the stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// An execution as it happens: events `execution`, each with the whole execution; the first at once, the last with
/// the final state.
#[utoipa::path(
    get, path = "/api/executions/{id}/events", operation_id = "execution_events", tag = "executions",
    params(("id" = ExecutionId, Path)),
    responses(
        (status = 200, body = Execution, content_type = "text/event-stream"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn handler(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Id(id): Id<ExecutionId>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    // Subscribed before the first look, so that no change falls between the two.
    let subscription = app.feed.subscribe(id).ok_or_else(|| {
        ApiError::new(
            ProblemCode::Unavailable,
            "Too many people are watching; reload the page to see how it stands.",
        )
    })?;
    let first = executions::visible(&app.deps, &app.guard, &caller, id).await?;
    let events = changes(first, subscription)
        .map(move |execution| Ok(event(&caller.shown(Arc::unwrap_or_clone(execution)))));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn event(execution: &Execution) -> Event {
    // An execution is always JSON; a comment is the least bad answer if it were not.
    Event::default()
        .event("execution")
        .json_data(execution)
        .unwrap_or_else(|_| Event::default().comment("unreadable"))
}

/// The execution now, then each change, until its final state.
fn changes(first: Execution, subscription: Subscription) -> impl Stream<Item = Arc<Execution>> {
    enum Next {
        First(Arc<Execution>),
        Change,
        End,
    }
    let start = (Next::First(Arc::new(first)), subscription);
    stream::unfold(start, async |(next, mut subscription)| {
        let execution = match next {
            Next::End => return None,
            Next::First(execution) => execution,
            Next::Change => loop {
                // The sender is gone when the process ends.
                subscription.changes.changed().await.ok()?;
                let change = subscription.changes.borrow_and_update().clone();
                if let Some(execution) = change {
                    break execution;
                }
            },
        };
        let next = if execution.state.is_final() { Next::End } else { Next::Change };
        Some((execution, (next, subscription)))
    })
}
