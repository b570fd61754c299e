//! ECDSA on NIST P-256 as DER (what key stores speak) and as SSH writes it.

use der::asn1::{ObjectIdentifier, UintRef};
use der::{Decode, Sequence};
use ssh_encoding::Encode;
use ssh_key::public::{EcdsaPublicKey, KeyData};
use ssh_key::{Algorithm, EcdsaCurve, Mpint, Signature};
use x509_cert::spki::SubjectPublicKeyInfoRef;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const PRIME256V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// Bytes of a coordinate and of either half of a signature.
const FIELD: usize = 32;

/// Bytes that are not a public key or signature of ECDSA on NIST P-256.
#[derive(Debug, thiserror::Error)]
pub enum NotP256 {
    /// The bytes are not the DER they should be.
    #[error("not well-formed DER")]
    Der(#[from] der::Error),
    /// Well-formed, but of another algorithm or curve, or out of range.
    #[error("another algorithm, another curve, or out of range")]
    OtherKey,
    /// The point or number cannot be written as SSH writes it.
    #[error("not to be written in SSH's form")]
    Ssh(#[from] ssh_key::Error),
}

#[derive(Sequence)]
struct DerSignature<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// The SSH public key in a `SubjectPublicKeyInfo`.
pub(crate) fn public_key(spki: &[u8]) -> Result<KeyData, NotP256> {
    let spki = SubjectPublicKeyInfoRef::from_der(spki)?;
    let curve = spki.algorithm.parameters_oid().map_err(|_| NotP256::OtherKey)?;
    if (spki.algorithm.oid, curve) != (EC_PUBLIC_KEY, PRIME256V1) {
        return Err(NotP256::OtherKey);
    }
    let point = spki.subject_public_key.as_bytes().ok_or(NotP256::OtherKey)?;
    match EcdsaPublicKey::from_sec1_bytes(point)? {
        key @ EcdsaPublicKey::NistP256(_) => Ok(KeyData::Ecdsa(key)),
        _ => Err(NotP256::OtherKey),
    }
}

/// The SSH signature with the numbers of a DER one: `mpint r`, `mpint s`.
pub(crate) fn ssh_signature(signature: &[u8]) -> Result<Signature, NotP256> {
    let signature = DerSignature::from_der(signature)?;
    let mut data = Vec::with_capacity(2 * (4 + 1 + FIELD));
    for number in [signature.r.as_bytes(), signature.s.as_bytes()] {
        if number.len() > FIELD || number.iter().all(|byte| *byte == 0) {
            return Err(NotP256::OtherKey);
        }
        Mpint::from_positive_bytes(number)?.encode(&mut data).map_err(ssh_key::Error::from)?;
    }
    Ok(Signature::new(Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }, data)?)
}

#[cfg(test)]
mod tests {
    use der::Encode as _;
    use proptest::prelude::*;

    use super::*;

    fn der_signature(r: &[u8], s: &[u8]) -> Vec<u8> {
        DerSignature { r: UintRef::new(r).unwrap(), s: UintRef::new(s).unwrap() }.to_der().unwrap()
    }

    /// A number as SSH's mpint, by the definition in RFC 4251 and not by the code under test.
    fn mpint(number: &[u8]) -> Vec<u8> {
        let digits: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign = usize::from(digits[0] >= 0x80);
        let mut out = u32::try_from(digits.len() + sign).unwrap().to_be_bytes().to_vec();
        out.extend(std::iter::repeat_n(0, sign));
        out.extend(digits);
        out
    }

    #[test]
    fn high_bits_and_leading_zeros_are_kept_apart() {
        let high = [0xff; 32];
        let mut short = [0; 32];
        short[31] = 0x7f;
        let signature = ssh_signature(&der_signature(&high, &short)).unwrap();
        assert_eq!(signature.as_bytes(), [mpint(&high), mpint(&short)].concat());
        assert_eq!(signature.as_bytes()[..6], [0, 0, 0, 33, 0, 0xff]);
    }

    #[test]
    fn zero_and_longer_numbers_are_refused() {
        assert!(ssh_signature(&der_signature(&[0], &[1])).is_err());
        assert!(ssh_signature(&der_signature(&[1], &[1; 33])).is_err());
        assert!(ssh_signature(b"").is_err());
        let mut trailing = der_signature(&[1], &[1]);
        trailing.push(0);
        assert!(ssh_signature(&trailing).is_err());
    }

    proptest! {
        #[test]
        fn every_signature_keeps_its_numbers(r: [u8; 32], s: [u8; 32]) {
            prop_assume!(r != [0; 32] && s != [0; 32]);
            let signature = ssh_signature(&der_signature(&r, &s)).unwrap();
            prop_assert_eq!(signature.as_bytes(), [mpint(&r), mpint(&s)].concat());
        }

        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let _ = ssh_signature(&bytes);
            let _ = public_key(&bytes);
        }
    }
}
