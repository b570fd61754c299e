use cloudapp_chassis::ApiError;
use cloudapp_chassis::token::Caller;
use cloudapp_contract::ProblemCode;
use cloudapp_contract::execution::LoginDetails;
use cloudapp_contract::instance::RequestCredentials;
use cloudapp_domain::configuration::FieldErrors;
use cloudapp_domain::{InstanceId, InstanceState};

use super::login_details;
use crate::deps::Deps;
use crate::instance::{self, InstanceRecord, columns};
use crate::ports::CertificateError;

/// Why there is no fresh certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    #[error("the caller has no such machine")]
    NotTheirs,
    #[error("the machine cannot be logged in to now")]
    NotReady,
    #[error("no public key was ever given")]
    NoKey,
    #[error("no certificate was made")]
    Certificate(#[from] CertificateError),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl From<CredentialsError> for ApiError {
    fn from(error: CredentialsError) -> Self {
        let field = |message: &str| FieldErrors::one("ssh_public_key", message).into();
        match &error {
            CredentialsError::NotTheirs => Self::not_found("machine"),
            CredentialsError::NotReady => {
                Self::new(ProblemCode::Conflict, "The machine is not ready; log in once it is.")
            }
            CredentialsError::NoKey => field("must be given: this machine has none yet"),
            CredentialsError::Certificate(CertificateError::PublicKey(sentence)) => field(sentence),
            CredentialsError::Certificate(unavailable) => Self::unavailable(unavailable),
            CredentialsError::Database(_) => Self::internal(&error),
        }
    }
}

/// A fresh login certificate. For the owner alone: an admin has no business inside a user's machine.
pub(crate) async fn renew(
    deps: &Deps,
    caller: &Caller,
    id: InstanceId,
    request: &RequestCredentials,
) -> Result<LoginDetails, CredentialsError> {
    let mut instance = instance::load(&deps.pool, id)
        .await?
        .filter(|instance| *instance.owner() == caller.sub)
        .ok_or(CredentialsError::NotTheirs)?;
    if instance.state() != InstanceState::Ready {
        return Err(CredentialsError::NotReady);
    }
    if let Some(key) = &request.ssh_public_key {
        deps.certificates.check(key)?;
        instance = remember_key(deps, id, key.trim()).await?;
    }
    if instance.ssh_public_key.is_none() {
        return Err(CredentialsError::NoKey);
    }
    Ok(login_details::make(deps, &instance).await?)
}

async fn remember_key(deps: &Deps, id: InstanceId, key: &str) -> Result<InstanceRecord, sqlx::Error> {
    sqlx::query_as(concat!("update instance set ssh_public_key = $2 where id = $1 returning ", columns!()))
        .bind(id.as_uuid())
        .bind(key)
        .fetch_one(&deps.pool)
        .await
}
