//! CloudApp's SSH certificate authority.
//!
//! The signing key lives elsewhere (in KMS) behind [`CaKey`]; this crate reads users' public keys, writes
//! OpenSSH user certificates (OpenSSH's PROTOCOL.certkeys) and has their digest signed. It never holds a
//! private key.

mod authority;
mod ca_key;
mod certificate;
mod ecdsa;
mod user_key;

pub use authority::{CertificateAuthority, SignError};
pub use ca_key::{CaKey, CaKeyError};
pub use certificate::CertificateRequest;
pub use ecdsa::NotP256;
pub use user_key::{UserKey, UserKeyError};
