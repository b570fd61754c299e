//! A machine's SSH host keys. Nobody answers at a simulated machine's address, but a test may: it takes the private
//! half from the control endpoint and runs a real sshd with it.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{model::launch::HostKeys, wire::error::Ec2Error};

/// New host keys: Ed25519 and ECDSA over P-256, in OpenSSH's one-line form.
pub(crate) fn generate() -> Result<HostKeys, Ec2Error> {
    let failed = |_| Ec2Error::new("InternalError", "The host keys of the machine could not be made.");
    let ed25519 = Ed25519KeyPair::generate().map_err(failed)?;
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).map_err(failed)?;
    let ecdsa = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref())
        .map_err(|_| failed(aws_lc_rs::error::Unspecified))?;
    Ok(HostKeys {
        public: vec![
            line("ssh-ed25519", &[ed25519.public_key().as_ref()]),
            line("ecdsa-sha2-nistp256", &[b"nistp256", ecdsa.public_key().as_ref()]),
        ],
        ecdsa_private: pem(document.as_ref()),
    })
}

/// PKCS#8 in its textual form (RFC 7468, section 10).
fn pem(document: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(document);
    let mut lines = vec!["-----BEGIN PRIVATE KEY-----"];
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        lines.push(line);
        rest = after;
    }
    lines.push("-----END PRIVATE KEY-----");
    lines.join("\n") + "\n"
}

/// SSH's wire format is a chain of strings, each with its length before it (RFC 4253, section 6.6).
fn line(algorithm: &str, parts: &[&[u8]]) -> String {
    let mut blob = Vec::new();
    for part in [algorithm.as_bytes()].iter().chain(parts) {
        blob.extend(u32::try_from(part.len()).unwrap_or_default().to_be_bytes());
        blob.extend(*part);
    }
    format!("{algorithm} {}", BASE64_STANDARD.encode(blob))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_its_own_keys_of_both_kinds() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert!(one.public[0].starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"), "{}", one.public[0]);
        assert!(
            one.public[1]
                .starts_with("ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBB")
        );
        assert_ne!(one, other);
        assert!(one.ecdsa_private.starts_with("-----BEGIN PRIVATE KEY-----\nMIG"));
    }
}
