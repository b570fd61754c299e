//! Which machine speaks.

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::{Ec2InstanceId, InstanceState};

use super::ReportError;
use crate::deps::Deps;
use crate::instance::{self, InstanceRecord};
use crate::ports::{Identity, IdentityVerifier};

/// `pendingTime` is cut to seconds, and EC2's clock is not ours.
const CLOCK_DIFFERENCE: TimeDelta = TimeDelta::seconds(30);

/// The machine that calls itself `claimed`, if `proof` (its identity document and the document's signature) shows that
/// it is, that it is ours, and that it has not been started anew since or ended.
pub(crate) async fn known_machine(
    deps: &Deps,
    verifier: &dyn IdentityVerifier,
    claimed: &Ec2InstanceId,
    proof: (&str, &str),
) -> Result<(InstanceRecord, Identity), ReportError> {
    let identity = proven(deps, verifier, claimed, proof)?;
    let instance = instance::load_by_ec2_id(&deps.pool, &identity.instance_id).await?;
    Ok((current(deps, instance, &identity)?, identity))
}

/// What `proof` says, if it shows that it is about `claimed`, and that this is a machine of our account and region.
pub(super) fn proven(
    deps: &Deps,
    verifier: &dyn IdentityVerifier,
    claimed: &Ec2InstanceId,
    (document, signature): (&str, &str),
) -> Result<Identity, ReportError> {
    let refuse = |what: &str| Err(ReportError::NotProven(what.to_owned()));
    match verifier.verify(document, signature) {
        Err(refused) => refuse(&refused.to_string()),
        Ok(identity) if identity.account_id != deps.settings.account_id => refuse("another account"),
        Ok(identity) if identity.region != deps.settings.region => refuse("another region"),
        Ok(identity) if identity.instance_id != *claimed => refuse("another machine"),
        Ok(identity) => Ok(identity),
    }
}

/// The row of the machine that speaks, if it still is the start that the document is about.
pub(super) fn current(
    deps: &Deps,
    instance: Option<InstanceRecord>,
    identity: &Identity,
) -> Result<InstanceRecord, ReportError> {
    let recent = !deps.grace_is_over(identity.pending_time + CLOCK_DIFFERENCE);
    match instance {
        None if recent => Err(ReportError::NotKnownYet),
        None => Err(ReportError::Unknown),
        Some(instance) if is_outdated(&instance, identity) => Err(ReportError::Outdated),
        Some(instance) => Ok(instance),
    }
}

fn is_outdated(instance: &InstanceRecord, identity: &Identity) -> bool {
    let asked_later = instance
        .asked_at
        .is_some_and(|asked: DateTime<Utc>| identity.pending_time + CLOCK_DIFFERENCE < asked);
    asked_later || instance.state().is_final() || instance.state() == InstanceState::Stopped
}
