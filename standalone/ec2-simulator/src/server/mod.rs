//! The HTTP side: the EC2 endpoint at `/` and the control endpoint below `/_simulator`.

mod connection;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, State},
    response::{IntoResponse, Response},
    routing::post,
};
use connection::{BreakableListener, Breaker};
use http::HeaderName;
use http::header::CONTENT_TYPE;
use tokio::{net::TcpListener, time::sleep};

use crate::{
    actions::{Action, Answer, Call},
    control,
    faults::{Fault, FaultKind},
    first_boot::host_keys,
    ledger::LedgerEntry,
    model::region::Moment,
    simulator::{self, Shared},
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
    body: Bytes,
) -> Response {
    let request = Request::parse(&body);
    let action = request.params().get("Action").unwrap_or_default().to_owned();
    let (fault, limited) = match admit(&shared, &action, &request) {
        Ok(admitted) => admitted,
        Err(error) => return refuse(&error),
    };
    if let Some(fault) = &fault {
        sleep(Duration::from_millis(fault.delay_ms)).await;
    }
    let reply_lost = fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::ReplyLost);
    let answered = perform(&shared, &action, &request, limited, fault.as_ref());
    if reply_lost {
        breaker.break_connection();
    }
    match answered {
        Ok(xml) => ([(CONTENT_TYPE, "text/xml;charset=UTF-8")], xml).into_response(),
        Err(error) => refuse(&error),
    }
}

/// The fault that is planted for a call, and whether the call is let through at all.
type Admitted = (Option<Fault>, Result<(), Ec2Error>);

/// Takes the call's tokens, and its fault if it passes.
fn admit(shared: &Arc<Shared>, action: &str, request: &Request) -> Result<Admitted, Ec2Error> {
    shared.with_state(|state, now| {
        let params = request.params();
        let limited = match Action::find(action) {
            Ok(known) => state.throttle.admit(known.cost(&params), &state.settings, now),
            Err(error) => Err(error),
        };
        let fault = if limited.is_ok() { state.faults.take(action, &params) } else { None };
        (fault, limited)
    })
}

/// Carries the call out, unless it was refused before, and enters it in the ledger in the same step.
fn perform(
    shared: &Arc<Shared>,
    action: &str,
    request: &Request,
    limited: Result<(), Ec2Error>,
    fault: Option<&Fault>,
) -> Result<String, Ec2Error> {
    let mut host_keys = host_keys::generate;
    let performed = shared.with_state(|state, now| {
        let simulator::State { region, rng, ledger, .. } = state;
        let mut call = Call { request, region, moment: Moment { now, rng }, host_keys: &mut host_keys };
        let result = limited.and_then(|()| match fault {
            Some(fault) if fault.kind == FaultKind::Error => Err(fault.refusal()),
            _ => Action::find(action)?.perform(&mut call),
        });
        ledger.enter(LedgerEntry {
            seq: 0,
            at: now,
            action: action.to_owned(),
            client_token: request.params().get("ClientToken").map(str::to_owned),
            params_digest: request.digest(),
            outcome: outcome(&result, fault),
            ids: result.as_ref().map(|answer| answer.ids.clone()).unwrap_or_default(),
        });
        result
    })?;
    performed.map(|answer| answer.xml.finish())
}

fn outcome(result: &Result<Answer, Ec2Error>, fault: Option<&Fault>) -> String {
    match result {
        Err(error) => error.code.clone(),
        Ok(_) if fault.is_some_and(|fault| fault.kind == FaultKind::ReplyLost) => "reply_lost".to_owned(),
        Ok(_) => "ok".to_owned(),
    }
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
