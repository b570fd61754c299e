//! What provision-instance needs from outside, in its own words. The adapters are in [`crate::adapters`].

mod identity;
mod login_certificates;
mod machines;
mod outlets;

pub(crate) use identity::{Identity, IdentityRefused, IdentityVerifier};
pub(crate) use login_certificates::{CertificateError, CertificateOrder, LoginCertificates};
pub(crate) use machines::Machines;
pub(crate) use outlets::{
    Delivered, EventQueue, EventStore, LeftOut, Letter, Notice, Noticeboard, OutletError, Postbox,
};
