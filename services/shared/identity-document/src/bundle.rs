//! AWS's own certificates, compiled in: see `certificates/README.md`.

/// Region and PEM.
pub(crate) const CERTIFICATES: &[(&str, &str)] = &[
    ("af-south-1", include_str!("../certificates/af-south-1.pem")),
    ("ap-east-1", include_str!("../certificates/ap-east-1.pem")),
    ("ap-east-2", include_str!("../certificates/ap-east-2.pem")),
    ("ap-northeast-1", include_str!("../certificates/ap-northeast-1.pem")),
    ("ap-northeast-2", include_str!("../certificates/ap-northeast-2.pem")),
    ("ap-northeast-3", include_str!("../certificates/ap-northeast-3.pem")),
    ("ap-south-1", include_str!("../certificates/ap-south-1.pem")),
    ("ap-south-2", include_str!("../certificates/ap-south-2.pem")),
    ("ap-southeast-1", include_str!("../certificates/ap-southeast-1.pem")),
    ("ap-southeast-2", include_str!("../certificates/ap-southeast-2.pem")),
    ("ap-southeast-3", include_str!("../certificates/ap-southeast-3.pem")),
    ("ap-southeast-4", include_str!("../certificates/ap-southeast-4.pem")),
    ("ap-southeast-5", include_str!("../certificates/ap-southeast-5.pem")),
    ("ap-southeast-6", include_str!("../certificates/ap-southeast-6.pem")),
    ("ap-southeast-7", include_str!("../certificates/ap-southeast-7.pem")),
    ("ca-central-1", include_str!("../certificates/ca-central-1.pem")),
    ("ca-west-1", include_str!("../certificates/ca-west-1.pem")),
    ("cn-north-1", include_str!("../certificates/cn-north-1.pem")),
    ("cn-northwest-1", include_str!("../certificates/cn-northwest-1.pem")),
    ("eu-central-1", include_str!("../certificates/eu-central-1.pem")),
    ("eu-central-2", include_str!("../certificates/eu-central-2.pem")),
    ("eu-north-1", include_str!("../certificates/eu-north-1.pem")),
    ("eu-south-1", include_str!("../certificates/eu-south-1.pem")),
    ("eu-south-2", include_str!("../certificates/eu-south-2.pem")),
    ("eu-west-1", include_str!("../certificates/eu-west-1.pem")),
    ("eu-west-2", include_str!("../certificates/eu-west-2.pem")),
    ("eu-west-3", include_str!("../certificates/eu-west-3.pem")),
    ("eusc-de-east-1", include_str!("../certificates/eusc-de-east-1.pem")),
    ("il-central-1", include_str!("../certificates/il-central-1.pem")),
    ("me-central-1", include_str!("../certificates/me-central-1.pem")),
    ("me-south-1", include_str!("../certificates/me-south-1.pem")),
    ("mx-central-1", include_str!("../certificates/mx-central-1.pem")),
    ("sa-east-1", include_str!("../certificates/sa-east-1.pem")),
    ("us-east-1", include_str!("../certificates/us-east-1.pem")),
    ("us-east-2", include_str!("../certificates/us-east-2.pem")),
    ("us-gov-east-1", include_str!("../certificates/us-gov-east-1.pem")),
    ("us-gov-west-1", include_str!("../certificates/us-gov-west-1.pem")),
    ("us-west-1", include_str!("../certificates/us-west-1.pem")),
    ("us-west-2", include_str!("../certificates/us-west-2.pem")),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use der::{DecodePem, Encode};
    use x509_cert::Certificate;

    use super::*;

    #[test]
    fn the_table_names_every_file() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("certificates");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".pem").map(str::to_owned))
            .collect();
        let named: BTreeSet<String> = CERTIFICATES.iter().map(|(region, _)| (*region).to_owned()).collect();
        assert_eq!(named, files);
        assert_eq!(named.len(), CERTIFICATES.len());
    }

    #[test]
    fn every_certificate_is_whole_and_no_two_are_the_same() {
        let mut keys = BTreeSet::new();
        for (region, pem) in CERTIFICATES {
            let certificate = Certificate::from_pem(pem).unwrap();
            let signed = certificate.tbs_certificate.to_der().unwrap();
            let key = certificate.tbs_certificate.subject_public_key_info.subject_public_key.raw_bytes();
            // Signed by itself: one wrong character anywhere, and this fails.
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
                .verify(&signed, certificate.signature.raw_bytes())
                .unwrap_or_else(|_| panic!("{region}"));
            assert!(
                certificate.tbs_certificate.subject.to_string().contains("Amazon Web Services LLC"),
                "{region}"
            );
            assert!(keys.insert(key.to_vec()), "{region} has another region's key");
        }
    }
}
