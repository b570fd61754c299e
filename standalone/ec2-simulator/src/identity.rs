//! Instance identity documents, signed as EC2's `rsa2048` endpoint signs them.
//!
//! The signature is a PKCS #7 SignedData that holds the document and no certificate: whoever verifies it
//! has to have the region's certificate already, here the one that the control endpoint hands out.

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use cms::{
    content_info::{CmsVersion, ContentInfo},
    signed_data::{
        EncapsulatedContentInfo, SignedAttributes, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
    },
};
use der::{
    Any, Decode, DecodePem, Encode, Tag,
    asn1::{ObjectIdentifier, OctetString, SetOfVec, UtcTime},
};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_RSA_SHA256};
use serde::{Deserialize, Serialize};
use x509_cert::{Certificate, attr::Attribute, spki::AlgorithmIdentifierOwned};

use crate::{config::Home, model::instance::Instance};

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Why documents cannot be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// The certificate could not be made.
    #[error("making the signing certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The kept key or certificate cannot be read.
    #[error("the kept signing key cannot be used: {0}")]
    Key(String),
    /// ASN.1 could not be written.
    #[error("writing the signature: {0}")]
    Der(#[from] der::Error),
}

/// The key as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SigningKeyFile {
    private_key_pem: String,
    certificate_pem: String,
}

impl std::fmt::Debug for SigningKeyFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SigningKeyFile(***)")
    }
}

impl SigningKeyFile {
    /// A new key with its certificate; takes a moment.
    pub(crate) fn generate() -> Result<Self, IdentityError> {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "CloudApp EC2 simulator");
        params.distinguished_name.push(DnType::CommonName, "instance identity documents, local only");
        let certificate = params.self_signed(&key)?;
        Ok(Self { private_key_pem: key.serialize_pem(), certificate_pem: certificate.pem() })
    }

    /// The certificate that verifies the signatures.
    pub(crate) fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }
}

/// Signs identity documents.
pub(crate) struct IdentitySigner {
    key: RsaKeyPair,
    certificate: Certificate,
}

impl std::fmt::Debug for IdentitySigner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("IdentitySigner(***)")
    }
}

impl IdentitySigner {
    pub(crate) fn new(file: &SigningKeyFile) -> Result<Self, IdentityError> {
        let pair = KeyPair::from_pem(&file.private_key_pem)?;
        let key = RsaKeyPair::from_pkcs8(pair.serialized_der())
            .map_err(|error| IdentityError::Key(error.to_string()))?;
        Ok(Self { key, certificate: Certificate::from_pem(&file.certificate_pem)? })
    }

    /// The signature over a document, in base64 without lines or armour.
    pub(crate) fn sign(&self, document: &str, now: DateTime<Utc>) -> Result<String, IdentityError> {
        let attributes = signed_attributes(document, now)?;
        // What is signed is the set itself, not its place in the structure (RFC 5652, section 5.4).
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &attributes.to_der()?, &mut signature)
            .map_err(|error| IdentityError::Key(error.to_string()))?;
        let certificate = &self.certificate.tbs_certificate;
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(cms::cert::IssuerAndSerialNumber {
                issuer: certificate.issuer.clone(),
                serial_number: certificate.serial_number.clone(),
            }),
            digest_alg: algorithm(SHA256, false),
            signed_attrs: Some(attributes),
            signature_algorithm: algorithm(RSA_ENCRYPTION, true),
            signature: OctetString::new(signature)?,
            unsigned_attrs: None,
        };
        let signed = SignedData {
            version: CmsVersion::V1,
            digest_algorithms: SetOfVec::try_from(vec![algorithm(SHA256, false)])?,
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: DATA,
                econtent: Some(Any::new(Tag::OctetString, document.as_bytes())?),
            },
            certificates: None,
            crls: None,
            signer_infos: SignerInfos(SetOfVec::try_from(vec![signer])?),
        };
        let content = Any::from_der(&signed.to_der()?)?;
        let info = ContentInfo { content_type: SIGNED_DATA, content };
        Ok(BASE64_STANDARD.encode(info.to_der()?))
    }
}

fn algorithm(oid: ObjectIdentifier, with_null: bool) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid, parameters: with_null.then(Any::null) }
}

fn signed_attributes(document: &str, now: DateTime<Utc>) -> Result<SignedAttributes, IdentityError> {
    let digest = digest::digest(&digest::SHA256, document.as_bytes());
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let time = UtcTime::from_unix_duration(std::time::Duration::from_secs(seconds))?;
    let attribute = |oid, value: Any| -> Result<Attribute, der::Error> {
        Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? })
    };
    let attributes = vec![
        attribute(CONTENT_TYPE, Any::from_der(&DATA.to_der()?)?)?,
        attribute(SIGNING_TIME, Any::from_der(&time.to_der()?)?)?,
        attribute(MESSAGE_DIGEST, Any::new(Tag::OctetString, digest.as_ref())?)?,
    ];
    Ok(SetOfVec::try_from(attributes)?)
}

/// The document that the metadata service of a machine serves, in EC2's order of names.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct IdentityDocument<'a> {
    account_id: &'a str,
    architecture: &'a str,
    availability_zone: &'a str,
    billing_products: Option<()>,
    devpay_product_codes: Option<()>,
    marketplace_product_codes: Option<()>,
    image_id: &'a str,
    instance_id: &'a str,
    instance_type: &'a str,
    kernel_id: Option<()>,
    pending_time: String,
    private_ip: &'a str,
    ramdisk_id: Option<()>,
    region: &'a str,
    version: &'a str,
}

/// The identity document of a machine; `pendingTime` is that of its current start.
pub(crate) fn document(instance: &Instance, home: &Home) -> String {
    let document = IdentityDocument {
        account_id: &home.account_id,
        architecture: &instance.architecture,
        availability_zone: &instance.zone,
        billing_products: None,
        devpay_product_codes: None,
        marketplace_product_codes: None,
        image_id: &instance.image_id,
        instance_id: &instance.id,
        instance_type: &instance.instance_type,
        kernel_id: None,
        pending_time: instance.launch_time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        private_ip: &instance.private_ip,
        ramdisk_id: None,
        region: &home.region,
        version: "2017-09-30",
    };
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn openssl_accepts_the_signature_and_no_other_document() {
        let file = SigningKeyFile::generate().unwrap();
        let signer = IdentitySigner::new(&file).unwrap();
        let document = "{\n  \"instanceId\" : \"i-0123456789abcdef0\"\n}";
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let signature = signer.sign(document, now).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("certificate"), file.certificate_pem()).unwrap();
        let verify = |signature: &[u8]| {
            std::fs::write(path("signature"), signature).unwrap();
            Command::new("openssl")
                .args(["smime", "-verify", "-noverify", "-binary", "-inform", "DER", "-in"])
                .arg(path("signature"))
                .arg("-certfile")
                .arg(path("certificate"))
                .output()
                .expect("openssl is needed for this test: apt-get install openssl")
        };
        let mut bytes = BASE64_STANDARD.decode(&signature).unwrap();
        let verified = verify(&bytes);
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
        assert_eq!(String::from_utf8_lossy(&verified.stdout), document);
        let at = bytes.windows(2).position(|pair| pair == b"i-").unwrap();
        bytes[at] = b'j';
        assert!(!verify(&bytes).status.success());
    }
}
