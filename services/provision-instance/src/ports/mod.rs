//! What provision-instance needs from outside, in its own words. The adapters are in [`crate::adapters`].

mod identity;
mod login_certificates;
mod machines;
mod outlets;

pub use identity::{Identity, IdentityRefused, IdentityVerifier};
pub use login_certificates::{CertificateError, CertificateOrder, LoginCertificates};
pub use machines::Machines;
pub use outlets::{Delivered, EventQueue, EventStore, Noticeboard, OutletError, Postbox};
