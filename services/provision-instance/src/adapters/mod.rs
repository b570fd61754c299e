//! The ports, filled: EC2, SQS, SNS, S3, KMS, and EC2's signature on identity documents.

mod batcher;
mod certificates;
mod ec2;
mod identity;
mod outlets;

pub(crate) use certificates::KmsCertificates;
pub(crate) use ec2::Ec2Machines;
pub(crate) use identity::Ec2Identities;
pub(crate) use outlets::{AdminTopic, EventBucket, InstanceEventsQueue, LoginQueue};
