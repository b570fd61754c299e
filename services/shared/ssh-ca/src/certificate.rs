//! The certificate's bytes, after OpenSSH's PROTOCOL.certkeys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use cloudapp_domain::Ec2InstanceId;
use ssh_encoding::Encode;
use ssh_key::Signature;
use ssh_key::public::KeyData;

use crate::{SignError, UserKey};

/// `SSH_CERT_TYPE_USER`.
const USER: u32 = 1;
/// What the holder may do beside running a command, in the order the format demands. No agent or X11 forwarding:
/// whoever breaks into the machine must not reach back through the user's connection.
const EXTENSIONS: [&str; 2] = ["permit-port-forwarding", "permit-pty"];
/// The comment behind the certificate.
const COMMENT: &str = "cloudapp";

/// What a certificate says beside the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    /// The authority's number for it.
    pub serial: u64,
    /// What `sshd` writes to the machine's log: who it is for. Not secret.
    pub key_id: String,
    /// The one machine that accepts it.
    pub principal: Ec2InstanceId,
    /// It is valid from this second …
    pub valid_after: DateTime<Utc>,
    /// … until before this one.
    pub valid_before: DateTime<Utc>,
}

/// Everything that the authority signs.
pub(crate) fn to_be_signed(
    key: &UserKey,
    request: &CertificateRequest,
    ca: &KeyData,
    nonce: &[u8],
) -> Result<Vec<u8>, SignError> {
    let (after, before) = validity(request)?;
    let mut out = Vec::with_capacity(1024);
    key.certificate_type().encode(&mut out)?;
    nonce.encode(&mut out)?;
    out.extend_from_slice(&key.fields()?);
    request.serial.encode(&mut out)?;
    USER.encode(&mut out)?;
    request.key_id.encode(&mut out)?;
    vec![request.principal.to_string()].encode(&mut out)?;
    after.encode(&mut out)?;
    before.encode(&mut out)?;
    // Critical options: none.
    "".encode(&mut out)?;
    extensions()?.as_slice().encode(&mut out)?;
    // Reserved.
    "".encode(&mut out)?;
    ca.encode_prefixed(&mut out)?;
    Ok(out)
}

fn validity(request: &CertificateRequest) -> Result<(u64, u64), SignError> {
    let second = |at: DateTime<Utc>| u64::try_from(at.timestamp()).map_err(|_| SignError::NeverValid);
    let (after, before) = (second(request.valid_after)?, second(request.valid_before)?);
    if after < before { Ok((after, before)) } else { Err(SignError::NeverValid) }
}

/// Each extension is its name and an empty value.
fn extensions() -> Result<Vec<u8>, ssh_encoding::Error> {
    let mut out = Vec::new();
    for name in EXTENSIONS {
        name.encode(&mut out)?;
        "".encode(&mut out)?;
    }
    Ok(out)
}

/// The signed certificate as one line.
pub(crate) fn line(
    key: &UserKey,
    mut signed: Vec<u8>,
    signature: &Signature,
) -> Result<String, ssh_key::Error> {
    signature.encode_prefixed(&mut signed)?;
    Ok(format!("{} {} {COMMENT}", key.certificate_type(), STANDARD.encode(signed)))
}
