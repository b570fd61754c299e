//! Adapters to the AWS services that CloudApp uses, one module per service.
//!
//! Each adapter offers what CloudApp needs of its service, in plain types, with a deadline on every call. Calls
//! are repeated by the SDK's standard retries and nowhere else. EC2 has a crate of its own.

pub mod athena;
mod batch;
pub mod cognito;
pub mod config;
mod error;
pub mod kms;
pub mod rds;
pub mod s3;
pub mod secrets;
pub mod sns;
pub mod sqs;

pub use batch::Refused;
pub use cloudapp_aws_calls::describe as describe_measures;
pub use error::AwsError;
