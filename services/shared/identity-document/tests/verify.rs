//! Signatures as OpenSSL makes them (`fixtures/make.sh`), and everything that must not pass for one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloudapp_identity_document::{IdentityError, Verifier};
use proptest::prelude::*;

const DOCUMENT: &str = include_str!("fixtures/document.json");
const SIGNER: &str = include_str!("fixtures/signer.pem");
const OTHER: &str = include_str!("fixtures/other.pem");
const ATTACHED: &str = include_str!("fixtures/attached.base64");
const INDEFINITE: &str = include_str!("fixtures/indefinite-lengths.base64");

const GOOD: [(&str, &str); 6] = [
    ("attached", ATTACHED),
    ("detached", include_str!("fixtures/detached.base64")),
    ("without attributes", include_str!("fixtures/without-attributes.base64")),
    ("detached, without attributes", include_str!("fixtures/detached-without-attributes.base64")),
    ("indefinite lengths", INDEFINITE),
    ("without certificates", include_str!("fixtures/without-certificates.base64")),
];

fn verifier() -> Verifier {
    Verifier::new([("xx-test-1", SIGNER)]).unwrap()
}

#[test]
fn every_form_of_a_good_signature_passes() {
    for (form, signature) in GOOD {
        let said = verifier().verify(DOCUMENT, signature).unwrap_or_else(|error| panic!("{form}: {error}"));
        assert_eq!(said.instance_id.as_str(), "i-0123456789abcdef0");
        assert_eq!((said.account_id.as_str(), said.region.as_str()), ("000000000000", "xx-test-1"));
        assert_eq!(said.availability_zone, "xx-test-1a");
        assert_eq!((said.instance_type.as_str(), said.architecture.as_str()), ("t3.micro", "x86_64"));
        assert_eq!(said.image_id, "ami-0123456789abcdef0");
        assert_eq!(said.private_ip.to_string(), "10.0.0.7");
        assert_eq!(said.pending_time.to_rfc3339(), "2026-03-01T12:00:00+00:00");
    }
    let with_pem_lines = format!("-----BEGIN PKCS7-----\n{ATTACHED}-----END PKCS7-----\n");
    assert!(verifier().verify(DOCUMENT, &with_pem_lines).is_ok());
}

#[test]
fn another_document_does_not_pass() {
    let mut tampered: Vec<String> = [
        ("000000000000", "000000000001"),
        ("i-0123456789abcdef0", "i-0123456789abcdef1"),
        ("12:00:00Z", "12:00:01Z"),
        ("10.0.0.7", "10.0.0.8"),
    ]
    .map(|(from, to)| DOCUMENT.replace(from, to))
    .into();
    tampered.push(format!("{DOCUMENT}\n"));
    for (form, signature) in GOOD {
        for document in &tampered {
            let error = verifier().verify(document, signature).unwrap_err();
            assert!(
                matches!(error, IdentityError::OtherDocument | IdentityError::OtherSigner),
                "{form}: {error}"
            );
        }
    }
}

#[test]
fn only_the_regions_own_certificate_counts() {
    let other_signer = include_str!("fixtures/other-signer.base64");
    assert_eq!(verifier().verify(DOCUMENT, other_signer), Err(IdentityError::OtherSigner));
    let elsewhere = Verifier::new([("xx-test-1", OTHER), ("xx-test-2", SIGNER)]).unwrap();
    assert_eq!(elsewhere.verify(DOCUMENT, ATTACHED), Err(IdentityError::OtherSigner));
    assert!(elsewhere.verify(DOCUMENT, other_signer).is_ok());
    assert_eq!(Verifier::default().verify(DOCUMENT, ATTACHED), Err(IdentityError::UnknownRegion));
    assert_eq!(Verifier::bundled().verify(DOCUMENT, ATTACHED), Err(IdentityError::UnknownRegion));
}

#[test]
fn an_extra_certificate_counts_for_any_region() {
    let local = Verifier::bundled().with_extra(format!("{OTHER}{SIGNER}").as_bytes()).unwrap();
    assert!(local.verify(DOCUMENT, ATTACHED).is_ok());
    let commented = format!("# local\n{OTHER}\n# and\n{SIGNER}# end\n");
    assert!(Verifier::default().with_extra(commented.as_bytes()).unwrap().verify(DOCUMENT, ATTACHED).is_ok());
    for wrong in [&b""[..], b"hello", b"\xff", &SIGNER.as_bytes()[..200]] {
        assert!(Verifier::default().with_extra(wrong).is_err());
    }
    assert!(
        Verifier::default()
            .with_extra(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            .is_err()
    );
}

#[test]
fn other_algorithms_and_other_messages_are_refused() {
    let sha512 = include_str!("fixtures/sha512.base64");
    assert_eq!(verifier().verify(DOCUMENT, sha512), Err(IdentityError::OtherAlgorithm));
    let two = include_str!("fixtures/two-signers.base64");
    assert_eq!(verifier().verify(DOCUMENT, two), Err(IdentityError::NotSignedData));
    for wrong in ["", "not base64!", "MAA=", "AAAA", SIGNER] {
        assert_eq!(verifier().verify(DOCUMENT, wrong), Err(IdentityError::NotSignedData), "{wrong}");
    }
    for wrong in ["", "{}", "[]", "null", &DOCUMENT.replace("i-0123456789abcdef0", "me")] {
        assert_eq!(verifier().verify(wrong, ATTACHED), Err(IdentityError::NotADocument), "{wrong}");
    }
    let twice = DOCUMENT.replacen('{', "{\"region\": \"xx-test-1\",", 1);
    assert_eq!(verifier().verify(&twice, ATTACHED), Err(IdentityError::NotADocument));
}

#[test]
fn huge_inputs_are_refused_before_they_are_read() {
    let huge = "A".repeat(1 << 20);
    assert_eq!(verifier().verify(&huge, ATTACHED), Err(IdentityError::TooLong));
    assert_eq!(verifier().verify(DOCUMENT, &huge), Err(IdentityError::TooLong));
}

#[test]
fn every_truncation_is_refused() {
    for signature in [ATTACHED, INDEFINITE] {
        let bytes = STANDARD.decode(signature.replace('\n', "")).unwrap();
        for length in 0..bytes.len() {
            let cut = STANDARD.encode(&bytes[..length]);
            assert!(verifier().verify(DOCUMENT, &cut).is_err(), "{length} of {} bytes", bytes.len());
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic_and_never_pass(bytes: Vec<u8>, text in "\\PC*") {
        prop_assert!(verifier().verify(DOCUMENT, &STANDARD.encode(&bytes)).is_err());
        prop_assert!(verifier().verify(&text, ATTACHED).is_err());
        prop_assert!(verifier().verify(DOCUMENT, &text).is_err());
    }

    /// A changed byte may hit what nobody relies on (a carried certificate), but never makes another document pass.
    #[test]
    fn a_changed_byte_never_panics(at: prop::sample::Index, byte: u8, indefinite: bool) {
        let mut bytes = STANDARD.decode((if indefinite { INDEFINITE } else { ATTACHED }).replace('\n', "")).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let changed = STANDARD.encode(&bytes);
        let _ = verifier().verify(DOCUMENT, &changed);
        prop_assert!(verifier().verify(&DOCUMENT.replace("t3.micro", "t3.large"), &changed).is_err());
    }
}
