//! PKCS#7 `SignedData` (RFC 5652) with one signer, reduced to what was signed by what signature.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedAttributes, SignedData, SignerInfo};
use der::asn1::{ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode};

use crate::IdentityError;
use crate::ber;

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_WITH_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");

/// A signature with the bytes it was made over.
#[derive(Debug)]
pub(crate) struct Signed {
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Signed {
    /// Reads the message and ties it to `document`: where it carries content or a digest, that must be the
    /// document's. Says nothing yet about who signed.
    pub(crate) fn read(message: &[u8], document: &[u8]) -> Result<Self, IdentityError> {
        let message = ber::to_der(message).map_err(|_| IdentityError::NotSignedData)?;
        let message = ContentInfo::from_der(&message).map_err(|_| IdentityError::NotSignedData)?;
        if message.content_type != SIGNED_DATA {
            return Err(IdentityError::NotSignedData);
        }
        let data: SignedData = message.content.decode_as().map_err(|_| IdentityError::NotSignedData)?;
        same_content(&data, document)?;
        let [signer] = data.signer_infos.0.as_slice() else { return Err(IdentityError::NotSignedData) };
        expected_algorithms(signer)?;
        let message = match &signer.signed_attrs {
            None => document.to_vec(),
            Some(attributes) => {
                same_digest(attributes, document)?;
                attributes.to_der().map_err(|_| IdentityError::NotSignedData)?
            }
        };
        Ok(Self { message, signature: signer.signature.as_bytes().to_vec() })
    }

    /// Whether the holder of this RSA key (PKCS#1 `RSAPublicKey`) signed it.
    pub(crate) fn is_by(&self, key: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
            .verify(&self.message, &self.signature)
            .is_ok()
    }
}

fn same_content(data: &SignedData, document: &[u8]) -> Result<(), IdentityError> {
    let content = &data.encap_content_info;
    if content.econtent_type != DATA {
        return Err(IdentityError::NotSignedData);
    }
    let Some(attached) = &content.econtent else { return Ok(()) };
    let attached: OctetStringRef<'_> = attached.decode_as().map_err(|_| IdentityError::NotSignedData)?;
    if attached.as_bytes() == document { Ok(()) } else { Err(IdentityError::OtherDocument) }
}

fn expected_algorithms(signer: &SignerInfo) -> Result<(), IdentityError> {
    let signature = signer.signature_algorithm.oid;
    if signer.digest_alg.oid == SHA_256 && (signature == RSA || signature == RSA_WITH_SHA_256) {
        Ok(())
    } else {
        Err(IdentityError::OtherAlgorithm)
    }
}

/// Signed attributes stand in for the content, so they must name it: its type and its digest, once each.
fn same_digest(attributes: &SignedAttributes, document: &[u8]) -> Result<(), IdentityError> {
    let only = |oid: ObjectIdentifier| {
        let mut named = attributes.iter().filter(|attribute| attribute.oid == oid);
        match (named.next().map(|attribute| attribute.values.as_slice()), named.next()) {
            (Some([value]), None) => Ok(value),
            _ => Err(IdentityError::NotSignedData),
        }
    };
    let kind: ObjectIdentifier = only(CONTENT_TYPE)?.decode_as().map_err(|_| IdentityError::NotSignedData)?;
    if kind != DATA {
        return Err(IdentityError::NotSignedData);
    }
    let named: OctetStringRef<'_> =
        only(MESSAGE_DIGEST)?.decode_as().map_err(|_| IdentityError::NotSignedData)?;
    if named.as_bytes() == digest(&SHA256, document).as_ref() {
        Ok(())
    } else {
        Err(IdentityError::OtherDocument)
    }
}
