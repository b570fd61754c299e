use chrono::TimeDelta;
use cloudapp_contract::execution::LoginDetails;

use crate::deps::Deps;
use crate::instance::InstanceRecord;
use crate::ports::{CertificateError, CertificateOrder};

/// Certificates are accepted from a little before they are made, for machines whose clock is behind.
const BEFORE: TimeDelta = TimeDelta::minutes(5);
/// And for this long after.
const AFTER: TimeDelta = TimeDelta::hours(1);
const SSH_PORT: u16 = 22;

/// How one logs in to a machine: with a fresh certificate, if its owner has given a key.
pub(crate) async fn make(deps: &Deps, instance: &InstanceRecord) -> Result<LoginDetails, CertificateError> {
    let reported = deps
        .reports
        .load(instance.this_start())
        .await
        .map_err(|error| CertificateError::Unavailable(Box::new(error)))?;
    let now = deps.clock.now();
    let mut details = LoginDetails {
        host: instance.host.clone().unwrap_or_default(),
        port: SSH_PORT,
        username: instance.login_user.clone(),
        certificate: None,
        host_keys: reported.map(|reported| reported.host_keys).unwrap_or_default(),
        valid_until: None,
    };
    if let (Some(public_key), Some(machine)) = (instance.ssh_public_key.clone(), instance.ec2_id().cloned()) {
        let order = CertificateOrder {
            public_key,
            key_id: format!("cloudapp {} {}", instance.owner(), instance.id()),
            machine,
            valid_after: now - BEFORE,
            valid_before: now + AFTER,
        };
        details.certificate = Some(deps.certificates.sign(&order).await?);
        details.valid_until = Some(order.valid_before);
    }
    Ok(details)
}
