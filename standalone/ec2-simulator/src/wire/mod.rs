//! The EC2 Query protocol: form-encoded requests, XML answers.

pub(crate) mod element;
pub(crate) mod error;
pub(crate) mod request;
pub(crate) mod response;
