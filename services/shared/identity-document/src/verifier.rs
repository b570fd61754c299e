use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::DecodePem;
use x509_cert::Certificate;

use crate::IdentityDocument;
use crate::bundle::CERTIFICATES;
use crate::signed_data::Signed;

/// Documents are about 500 bytes.
const LONGEST_DOCUMENT: usize = 8 * 1024;
/// Signatures are about 2,000 characters.
const LONGEST_SIGNATURE: usize = 16 * 1024;

/// Why a document is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Far longer than EC2 makes it.
    #[error("the identity document or its signature is too long")]
    TooLong,
    /// Not the JSON that EC2 writes.
    #[error("the identity document is not one of EC2's")]
    NotADocument,
    /// Not base64, or not PKCS#7 `SignedData` with one signer.
    #[error("the identity document's signature is not signed data in PKCS#7")]
    NotSignedData,
    /// The signature belongs to another document.
    #[error("the signature is over another identity document")]
    OtherDocument,
    /// Not SHA-256 with RSA.
    #[error("the signature is not made with RSA and SHA-256")]
    OtherAlgorithm,
    /// No certificate is known for the document's region.
    #[error("no certificate is known for the region that the identity document names")]
    UnknownRegion,
    /// None of the region's certificates made the signature.
    #[error("the identity document is not signed by its region's certificate")]
    OtherSigner,
}

/// A certificate that cannot be trusted because it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Not PEM, or not X.509 in it.
    #[error("the certificate cannot be read")]
    Unreadable(#[from] der::Error),
    /// No certificate at all.
    #[error("there is no certificate in it")]
    None,
}

/// A key as PKCS#1 `RSAPublicKey`.
type Key = Vec<u8>;

/// Knows whose signatures count.
#[derive(Debug, Clone, Default)]
pub struct Verifier {
    by_region: HashMap<String, Vec<Key>>,
    everywhere: Vec<Key>,
}

impl Verifier {
    /// Trusts these certificates (PEM, one or more each), each for its region.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn new<'a>(trusted: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, CertificateError> {
        let mut by_region: HashMap<String, Vec<Key>> = HashMap::new();
        for (region, pem) in trusted {
            by_region.entry(region.to_owned()).or_default().extend(keys(pem.as_bytes())?);
        }
        Ok(Self { by_region, everywhere: Vec::new() })
    }

    /// Trusts AWS, as far as its regions' certificates are compiled in.
    #[must_use]
    #[expect(clippy::expect_used, reason = "they are compiled in, and a test reads every one")]
    pub fn bundled() -> Self {
        Self::new(CERTIFICATES.iter().copied()).expect("AWS's certificates are readable")
    }

    /// Trusts these certificates too (PEM, one or more), for any region: for local runs, whose EC2 is simulated.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn with_extra(mut self, pem: &[u8]) -> Result<Self, CertificateError> {
        self.everywhere.extend(keys(pem)?);
        Ok(self)
    }

    /// What `document` says, if AWS signed it: the text at `/latest/dynamic/instance-identity/document`, byte for
    /// byte, and the base64 at `…/rsa2048`. How old it may be is for the caller to judge.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn verify(&self, document: &str, signature_base64: &str) -> Result<IdentityDocument, IdentityError> {
        if document.len() > LONGEST_DOCUMENT || signature_base64.len() > LONGEST_SIGNATURE {
            return Err(IdentityError::TooLong);
        }
        let said: IdentityDocument =
            serde_json::from_str(document).map_err(|_| IdentityError::NotADocument)?;
        let signed = Signed::read(&decoded(signature_base64)?, document.as_bytes())?;
        let of_region = self.by_region.get(&said.region).map(Vec::as_slice).unwrap_or_default();
        let mut keys = of_region.iter().chain(&self.everywhere).peekable();
        if keys.peek().is_none() {
            return Err(IdentityError::UnknownRegion);
        }
        if keys.any(|key| signed.is_by(key)) { Ok(said) } else { Err(IdentityError::OtherSigner) }
    }
}

/// The public keys of the certificates in PEM; what stands between them is ignored.
fn keys(pem: &[u8]) -> Result<Vec<Key>, CertificateError> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let text = str::from_utf8(pem).map_err(|_| CertificateError::None)?;
    let keys = text
        .split(BEGIN)
        .skip(1)
        .map(|certificate| {
            let certificate = Certificate::from_pem(format!("{BEGIN}{}", only_this(certificate)))?;
            Ok(certificate.tbs_certificate.subject_public_key_info.subject_public_key.raw_bytes().to_vec())
        })
        .collect::<Result<Vec<Key>, der::Error>>()?;
    if keys.is_empty() { Err(CertificateError::None) } else { Ok(keys) }
}

/// A certificate's text up to its end.
fn only_this(rest: &str) -> &str {
    const END: &str = "-----END CERTIFICATE-----";
    rest.find(END).map_or(rest, |at| &rest[..at + END.len()])
}

/// Base64 over several lines, with or without PEM's first and last line.
fn decoded(base64: &str) -> Result<Vec<u8>, IdentityError> {
    let text: String = base64
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .flat_map(str::chars)
        .filter(|character| !character.is_ascii_whitespace())
        .collect();
    STANDARD.decode(text).map_err(|_| IdentityError::NotSignedData)
}
