//! Admits a launch: one wish joins a group, whose transaction writes the rows of all that it admits.

use std::sync::Arc;

use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::Caller;
use cloudapp_coalesce::Failed;
use cloudapp_contract::ProblemCode;
use cloudapp_contract::instance::{Accepted, CreateInstance};
use cloudapp_domain::{ExecutionId, IdempotencyKey, InstanceId};
use cloudapp_workflow::StoreError;

use super::admission::{Refusal, Wish};
use super::admitting::{Admissions, Answer};
use super::idempotency;
use crate::deps::Deps;
use crate::ports::CertificateError;

/// Why no machine was admitted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    #[error("refused: {0:?}")]
    Refused(Refusal),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the execution was not accepted")]
    Workflow(#[from] StoreError),
    #[error("the admission was cut off")]
    CutOff,
}

impl From<CreateError> for ApiError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Refused(refusal) => refusal.into(),
            CreateError::Database(_) | CreateError::Workflow(_) | CreateError::CutOff => {
                Self::internal(&error)
            }
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoConfiguration => Self::not_found("configuration"),
            Refusal::Fields(fields) => fields.into(),
            Refusal::LimitReached(exceeded) => Self::new(ProblemCode::LimitReached, exceeded.sentence()),
            Refusal::KeyReused => key_reused(),
        }
    }
}

pub(super) fn key_reused() -> ApiError {
    ApiError::new(
        ProblemCode::IdempotencyMismatch,
        "This Idempotency-Key was used for another request. Use a new one for a new request.",
    )
}

/// Admits a launch, or says why not.
pub(crate) async fn create(
    deps: &Deps,
    admissions: &Admissions,
    caller: &Caller,
    key: &IdempotencyKey,
    request: &CreateInstance,
) -> Result<Accepted, CreateError> {
    let wish = Arc::new(wish(deps, caller, key, request));
    let _coming = deps.doorbell.coming();
    let answer = match admissions.groups.submit(Arc::clone(&wish)).await {
        Ok(Answer::Busy) => admissions.alone(&wish).await?,
        Ok(answer) => answer,
        Err(Failed::Item(error)) => return Err(error),
        Err(Failed::CutOff) => return Err(CreateError::CutOff),
    };
    match answer {
        Answer::Accepted(accepted) => Ok(accepted),
        Answer::Refused(refusal) => {
            if matches!(refusal, Refusal::LimitReached(_)) {
                metrics::counter!(crate::measures::LIMIT_REFUSALS).increment(1);
                tracing::info!("a launch is refused by a limit");
            }
            Err(CreateError::Refused(refusal))
        }
        // Only a group does not wait for the owner's lock.
        Answer::Busy => Err(CreateError::CutOff),
    }
}

fn wish(deps: &Deps, caller: &Caller, key: &IdempotencyKey, request: &CreateInstance) -> Wish {
    let key_complaint = match request.ssh_public_key.as_deref().map(|key| deps.certificates.check(key)) {
        Some(Err(CertificateError::PublicKey(sentence))) => Some(sentence),
        _ => None,
    };
    Wish {
        owner: caller.sub.clone(),
        groups: caller.groups.clone(),
        key: key.clone(),
        digest: idempotency::digest("create", "", request),
        request: request.clone(),
        key_complaint,
        proposed: Accepted {
            execution_id: ExecutionId::new(deps.clock.as_ref()),
            instance_id: InstanceId::new(deps.clock.as_ref()),
        },
        trace: cloudapp_trace::current(),
    }
}
