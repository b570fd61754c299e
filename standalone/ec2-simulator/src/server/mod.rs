//! The HTTP side: the EC2 endpoint at `/` and the control endpoint below `/_simulator`.

mod connection;

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, State},
    response::{IntoResponse, Response},
    routing::post,
};
use chrono::{DateTime, Utc};
use connection::{BreakableListener, Breaker};
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use tokio::{net::TcpListener, time::sleep};

use crate::{
    actions::{Action, Call},
    control,
    faults::{Fault, FaultKind},
    first_boot::host_keys,
    ledger::LedgerEntry,
    model::{network::Network, region::Moment},
    simulator::{self, Shared},
    surroundings::{self, Passed, Question, is_passed_on},
    throttle::Cost,
    wire::{error::Ec2Error, request::Request, response::request_id},
};

/// User data in base64 and form encoding stay well below.
const LARGEST_BODY: usize = 256 * 1024;

/// Serves until the simulator stops.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    let app = Router::new()
        .route("/", post(ec2))
        .nest("/_simulator", control::routes())
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(shared)
        .into_make_service_with_connect_info::<Breaker>();
    let served = axum::serve(BreakableListener::new(listener), app)
        .with_graceful_shutdown({
            let stop = stop.clone();
            async move { stop.cancelled().await }
        })
        .into_future();
    // Idle connections that clients keep open must not keep the simulator alive.
    tokio::select! {
        served = served => {
            if let Err(error) = served {
                tracing::error!(%error, "the simulator stopped serving");
            }
        }
        () = async { stop.cancelled().await; sleep(Duration::from_millis(200)).await } => {}
    }
}

/// One call of EC2's Query protocol.
async fn ec2(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(breaker): ConnectInfo<Breaker>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = Request::parse(&body);
    let action = request.params().get("Action").unwrap_or_default().to_owned();
    let known = match &shared.neighbours {
        None => Ok(Cow::Borrowed(Network::own())),
        Some(neighbours) => {
            let question = Question::of(&action, &request.params());
            neighbours.look_up(question, &headers).await.map(Cow::Owned)
        }
    };
    let (network, known) = match known {
        Ok(network) => (network, Ok(())),
        Err(away) => (Cow::Owned(Network::default()), Err(away)),
    };
    let (fault, limited) = match admit(&shared, &action, &request, &network) {
        Ok(admitted) => admitted,
        Err(error) => return refuse(&error),
    };
    let limited = limited.and(known);
    if let Some(fault) = &fault {
        sleep(Duration::from_millis(fault.delay_ms)).await;
    }
    let reply_lost = fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::ReplyLost);
    let refused = fault.as_ref().filter(|fault| fault.kind == FaultKind::Error).map(Fault::refusal);
    let limited = limited.and(refused.map_or(Ok(()), Err));
    let neighbours = shared.neighbours.as_ref().filter(|_| is_passed_on(&action));
    let answered = match (neighbours, limited) {
        (Some(neighbours), Ok(())) => {
            let passed = neighbours.pass_on(&headers, body).await;
            enter_passed(&shared, &action, &request, &passed, reply_lost).and(passed.map(show))
        }
        (_, limited) => {
            let answered = perform(&shared, &action, &request, &network, limited, reply_lost);
            answered.map(|xml| ([(CONTENT_TYPE, "text/xml;charset=UTF-8")], xml).into_response())
        }
    };
    if reply_lost {
        breaker.break_connection();
    }
    answered.unwrap_or_else(|error| refuse(&error))
}

/// The fault that is planted for a call, and whether the call is let through at all.
type Admitted = (Option<Fault>, Result<(), Ec2Error>);

/// Takes the call's tokens, and its fault if it passes.
fn admit(
    shared: &Arc<Shared>,
    action: &str,
    request: &Request,
    network: &Network,
) -> Result<Admitted, Ec2Error> {
    shared.with_state(|state, now| {
        let params = request.params();
        let cost = match Action::find(action) {
            // It has no bucket of its own: those that are passed on share one.
            Err(_) if shared.neighbours.is_some() && is_passed_on(action) => {
                Ok(Cost { action: "", limit: surroundings::limit(action), resources: 0 })
            }
            known => known.map(|known| known.cost(&params)),
        };
        let limited = cost.and_then(|cost| state.throttle.admit(cost, &state.settings, now));
        let fault = if limited.is_ok() { state.faults.take(action, &params, network) } else { None };
        (fault, limited)
    })
}

/// Carries the call out, unless it was refused before, and enters it in the ledger in the same step.
fn perform(
    shared: &Arc<Shared>,
    action: &str,
    request: &Request,
    network: &Network,
    limited: Result<(), Ec2Error>,
    reply_lost: bool,
) -> Result<String, Ec2Error> {
    let mut host_keys = host_keys::generate;
    let performed = shared.with_state(|state, now| {
        let simulator::State { region, rng, ledger, .. } = state;
        let moment = Moment { now, rng };
        let mut call =
            Call { request, home: &shared.home, network, region, moment, host_keys: &mut host_keys };
        let result = limited.and_then(|()| Action::find(action)?.perform(&mut call));
        let outcome = match &result {
            Err(error) => error.code.clone(),
            Ok(_) => "ok".to_owned(),
        };
        let ids = result.as_ref().map(|answer| answer.ids.clone()).unwrap_or_default();
        ledger.enter(entry(action, request, now, told(outcome, reply_lost), ids));
        result
    })?;
    performed.map(|answer| answer.xml.finish())
}

/// Enters a call in the ledger that the network endpoint has answered, or should have.
fn enter_passed(
    shared: &Arc<Shared>,
    action: &str,
    request: &Request,
    passed: &Result<Passed, Ec2Error>,
    reply_lost: bool,
) -> Result<(), Ec2Error> {
    let outcome = match passed {
        Ok(passed) => passed.outcome(),
        Err(error) => error.code.clone(),
    };
    shared.with_state(|state, now| {
        state.ledger.enter(entry(action, request, now, told(outcome, reply_lost), Vec::new()));
    })
}

fn entry(
    action: &str,
    request: &Request,
    at: DateTime<Utc>,
    outcome: String,
    ids: Vec<String>,
) -> LedgerEntry {
    LedgerEntry {
        seq: 0,
        at,
        action: action.to_owned(),
        client_token: request.params().get("ClientToken").map(str::to_owned),
        params_digest: request.digest(),
        outcome,
        ids,
    }
}

/// What the caller hears of a call's outcome.
fn told(outcome: String, reply_lost: bool) -> String {
    if reply_lost && outcome == "ok" { "reply_lost".to_owned() } else { outcome }
}

fn show(passed: Passed) -> Response {
    let content_type = passed.content_type.unwrap_or(HeaderValue::from_static("text/xml;charset=UTF-8"));
    (passed.status, [(CONTENT_TYPE, content_type)], passed.body).into_response()
}

/// The request's id stands in a header and in the document, as at EC2: clients read the one or the other.
fn refuse(error: &Ec2Error) -> Response {
    let id = request_id();
    let body = error.body(&id);
    let headers = [
        (CONTENT_TYPE, "text/xml;charset=UTF-8".to_owned()),
        (HeaderName::from_static("x-amzn-requestid"), id),
    ];
    (error.status, headers, body).into_response()
}
