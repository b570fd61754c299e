use cloudapp_identity_document::Verifier;

use crate::ports::{Identity, IdentityRefused, IdentityVerifier};

/// EC2's regional certificates, and those of a local run.
pub(crate) struct Ec2Identities(pub(crate) Verifier);

impl IdentityVerifier for Ec2Identities {
    fn verify(&self, document: &str, signature: &str) -> Result<Identity, IdentityRefused> {
        let verified =
            self.0.verify(document, signature).map_err(|error| IdentityRefused(error.to_string()))?;
        Ok(Identity {
            instance_id: verified.instance_id,
            account_id: verified.account_id,
            region: verified.region,
            private_ip: verified.private_ip,
            pending_time: verified.pending_time,
        })
    }
}
