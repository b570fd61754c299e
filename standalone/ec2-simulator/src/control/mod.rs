//! The control endpoint, `/_simulator/…`: what tests and people use to plant faults and to look behind the
//! scenes. JSON in and out.

pub(crate) mod client;
mod views;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
pub use views::{Capacity, IdleReported, InstanceView, Milestones, NextBootOutcome, SaidIdle};

use crate::{
    config::Settings,
    faults::Fault,
    first_boot::idle,
    ledger::{LedgerEntry, Tally},
    model::{
        lifecycle::{Happening, Manner},
        region::{Moment, is_resource_id},
    },
    simulator::{self, Shared},
    wire::error::Ec2Error,
};

type Simulated = State<Arc<Shared>>;

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/health", get(|| async { "ok" }))
        .route("/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/capacity", get(list_capacity).put(set_capacity))
        .route("/ledger", get(list_calls).delete(clear_calls))
        .route("/tallies", get(list_tallies))
        .route("/milestones", get(list_milestones))
        .route("/settings", get(show_settings).post(change_settings))
        .route("/identity-certificate", get(identity_certificate))
        .route("/instances", get(list_instances))
        .route("/instances/{id}", get(show_instance))
        .route("/instances/{id}/boot-outcome", post(set_boot_outcome))
        .route("/instances/{id}/spot-interruption", post(interrupt_spot))
        .route("/instances/{id}/idle-report", post(report_idle))
        .route("/instances/{id}/terminate-outside", post(terminate_outside))
        .route("/instances/{id}/happening", post(befall))
}

/// A refusal, with EC2's code.
#[derive(Debug)]
pub(crate) struct ControlError(Ec2Error);

impl From<Ec2Error> for ControlError {
    fn from(error: Ec2Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let status = if self.0.code.ends_with("NotFound") { StatusCode::NOT_FOUND } else { self.0.status };
        (status, Json(json!({ "code": self.0.code, "message": self.0.message }))).into_response()
    }
}

type Answered<T> = Result<T, ControlError>;

async fn list_faults(State(shared): Simulated) -> Answered<Json<Vec<Fault>>> {
    Ok(Json(shared.with_state(|state, _| state.faults.list())?))
}

async fn add_fault(State(shared): Simulated, Json(fault): Json<Fault>) -> Answered<StatusCode> {
    shared.with_state(|state, _| state.faults.add(fault))?;
    Ok(StatusCode::CREATED)
}

async fn clear_faults(State(shared): Simulated) -> Answered<StatusCode> {
    shared.with_state(|state, _| state.faults.clear())?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_capacity(State(shared): Simulated) -> Answered<Json<Vec<Capacity>>> {
    Ok(Json(shared.with_state(|state, _| views::capacity(&state.region))?))
}

async fn set_capacity(State(shared): Simulated, Json(capacity): Json<Capacity>) -> Answered<StatusCode> {
    let Capacity { instance_type, zone, available } = capacity;
    shared.with_state(|state, _| state.region.set_capacity(&instance_type, &zone, available))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_calls(State(shared): Simulated) -> Answered<Json<Vec<LedgerEntry>>> {
    Ok(Json(shared.with_state(|state, _| state.ledger.list())?))
}

async fn list_tallies(State(shared): Simulated) -> Answered<Json<Vec<Tally>>> {
    Ok(Json(shared.with_state(|state, _| state.ledger.tallies())?))
}

async fn list_milestones(State(shared): Simulated) -> Answered<Json<Vec<Milestones>>> {
    Ok(Json(shared.with_state(|state, _| views::milestones(&state.region))?))
}

async fn clear_calls(State(shared): Simulated) -> Answered<StatusCode> {
    shared.with_state(|state, _| state.ledger.clear())?;
    Ok(StatusCode::NO_CONTENT)
}

async fn show_settings(State(shared): Simulated) -> Answered<Json<Settings>> {
    Ok(Json(shared.with_state(|state, _| state.settings.clone())?))
}

/// Changes the settings that the body names and leaves the others.
async fn change_settings(State(shared): Simulated, Json(changes): Json<Value>) -> Answered<Json<Settings>> {
    let changed = shared.with_state(|state, _| {
        let settings = views::merge_settings(&state.settings, changes)?;
        state.region.set_timings(settings.timings);
        state.settings = settings.clone();
        Ok::<_, Ec2Error>(settings)
    })??;
    Ok(Json(changed))
}

async fn identity_certificate(State(shared): Simulated) -> String {
    shared.certificate_pem.clone()
}

async fn list_instances(State(shared): Simulated) -> Answered<Json<Vec<InstanceView>>> {
    Ok(Json(shared.with_state(|state, _| views::instances(&state.region))?))
}

async fn show_instance(State(shared): Simulated, Path(id): Path<String>) -> Answered<Json<InstanceView>> {
    let view = shared.with_state(|state, _| {
        let instance =
            state.region.get(&id).ok_or_else(|| Ec2Error::instances_not_found(std::slice::from_ref(&id)))?;
        Ok::<_, Ec2Error>(views::instance(&state.region, instance))
    })??;
    Ok(Json(view))
}

async fn set_boot_outcome(
    shared: Simulated,
    Path(id): Path<String>,
    Json(next): Json<NextBootOutcome>,
) -> Answered<StatusCode> {
    on_instance(&shared, &id, |state, _| {
        if let Some(instance) = state.region.get_mut(&id) {
            instance.next_boot_outcome = Some(next.outcome);
        }
        Ok(())
    })
}

/// The machine reports its use now; the answer says how that went.
async fn report_idle(
    State(shared): Simulated,
    Path(id): Path<String>,
    Json(said): Json<SaidIdle>,
) -> Answered<Json<IdleReported>> {
    let found = shared.with_state(|state, _| {
        let instance = state.region.get(&id)?;
        let reservation = state.region.reservation(&instance.reservation_id);
        Some((instance.clone(), reservation.and_then(|launch| launch.user_data.clone())))
    })?;
    let (instance, user_data) =
        found.ok_or_else(|| Ec2Error::instances_not_found(std::slice::from_ref(&id)))?;
    let status = idle::report(&shared, &instance, user_data.as_deref(), said).await?;
    Ok(Json(IdleReported { status }))
}

async fn interrupt_spot(shared: Simulated, Path(id): Path<String>) -> Answered<StatusCode> {
    on_instance(&shared, &id, |state, moment_now| {
        let simulator::State { region, rng, .. } = state;
        region.interrupt(&id, &mut Moment { now: moment_now, rng })
    })
}

/// As if somebody had used the console: no call of ours, and no protection.
async fn terminate_outside(shared: Simulated, Path(id): Path<String>) -> Answered<StatusCode> {
    on_instance(&shared, &id, |state, now| {
        let simulator::State { region, rng, .. } = state;
        if let Some(instance) = region.get_mut(&id) {
            instance.termination_protection = false;
        }
        region.terminate(std::slice::from_ref(&id), Manner::Orderly, &mut Moment { now, rng }).map(drop)
    })
}

/// Something happens to a machine that no call asked for.
async fn befall(
    shared: Simulated,
    Path(id): Path<String>,
    Json(what): Json<Happening>,
) -> Answered<StatusCode> {
    on_instance(&shared, &id, |state, now| {
        let simulator::State { region, rng, .. } = state;
        region.befall(&id, what, &mut Moment { now, rng })
    })
}

fn on_instance(
    shared: &Arc<Shared>,
    id: &str,
    act: impl FnOnce(&mut simulator::State, chrono::DateTime<chrono::Utc>) -> Result<(), Ec2Error>,
) -> Answered<StatusCode> {
    shared.with_state(|state, now| {
        if !is_resource_id(id, "i-") || state.region.get(id).is_none() {
            return Err(Ec2Error::instances_not_found(&[id.to_owned()]));
        }
        act(state, now)
    })??;
    Ok(StatusCode::NO_CONTENT)
}
