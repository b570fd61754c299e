//! Verifies EC2 instance identity documents: which machine speaks, as AWS itself signed it.
//!
//! EC2 hands every machine a JSON document about itself and signatures over it; the `rsa2048` one is PKCS#7
//! `SignedData`. A document counts when the certificate of *its region* signed it. Certificates inside the message
//! are never looked at: anybody can put one there.

mod ber;
mod bundle;
mod document;
mod signed_data;
mod verifier;

pub use document::IdentityDocument;
pub use verifier::{CertificateError, IdentityError, Verifier};
