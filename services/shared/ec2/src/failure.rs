use cloudapp_domain::{Failure, FailureCode, Fixer};

use crate::Ec2Error;
use crate::error::is_about_the_disk_key;

/// The cause, a sentence, who can fix it, and what to do next.
type Words = (FailureCode, &'static str, Fixer, &'static str);

impl Ec2Error {
    /// The failure in words for the person who waited; EC2's own words go to the admins' detail.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let (code, sentence, fixer, next_step) = self.particular().unwrap_or_else(|| self.words());
        Failure {
            code,
            sentence: sentence.to_owned(),
            fixer,
            next_step: next_step.to_owned(),
            detail: Some(self.answer().to_string()),
        }
    }

    /// What EC2's code says more exactly than its class.
    fn particular(&self) -> Option<Words> {
        let answer = self.answer();
        Some(match answer.code.as_str() {
            "OptInRequired" => (
                FailureCode::ImageUnavailable,
                "The image of this configuration has to be subscribed to on AWS Marketplace first.",
                Fixer::Admin,
                "Ask an admin to subscribe to it, or to choose another image.",
            ),
            "InsufficientFreeAddressesInSubnet" => (
                FailureCode::InsufficientCapacity,
                "The network that this configuration uses has no free address left.",
                Fixer::Admin,
                "Ask an admin to add a subnet to the configuration.",
            ),
            "PendingVerification" | "Blocked" | "AccountDisabled" => (
                FailureCode::PermissionDenied,
                "AWS does not let the organisation's account start machines at the moment.",
                Fixer::Operator,
                "Ask the operator to contact AWS.",
            ),
            "ServiceLinkedRoleCreationNotPermitted" | "AuthFailure.ServiceLinkedRoleCreationNotPermitted" => {
                (
                    FailureCode::PermissionDenied,
                    "The organisation's AWS account is not set up for spot machines.",
                    Fixer::Operator,
                    "Ask the operator to create the role that AWS needs for spot machines.",
                )
            }
            "OperationNotPermitted" => (
                FailureCode::PermissionDenied,
                "Somebody has protected this machine at AWS against what was asked for.",
                Fixer::Operator,
                "Ask the operator to lift the protection at AWS.",
            ),
            code if is_about_the_disk_key(code) => (
                FailureCode::PermissionDenied,
                "The key that encrypts the machine's disk cannot be used.",
                Fixer::Operator,
                "Ask the operator to check the key and CloudApp's right to use it.",
            ),
            "InvalidParameterValue" if answer.message.contains("iamInstanceProfile") => (
                FailureCode::ConfigurationRefused,
                "The role that this configuration gives to its machines does not exist.",
                Fixer::Admin,
                "Ask an admin to correct the instance profile in the configuration.",
            ),
            code if code.starts_with("InvalidSubnet") || code.starts_with("InvalidGroup") => (
                FailureCode::ConfigurationRefused,
                "A network or security group that this configuration names does not exist.",
                Fixer::Admin,
                "Ask an admin to correct the network settings of the configuration.",
            ),
            _ => return None,
        })
    }

    const fn words(&self) -> Words {
        match self {
            Self::Capacity(_) => (
                FailureCode::InsufficientCapacity,
                "AWS has no machine of this kind free at the moment.",
                Fixer::User,
                "Try again in a few minutes, or choose another configuration.",
            ),
            Self::UnsupportedHere(_) => (
                FailureCode::InsufficientCapacity,
                "AWS does not offer this kind of machine where this configuration asks for it.",
                Fixer::Admin,
                "Ask an admin to add another instance type or zone to the configuration.",
            ),
            Self::Quota(_) => (
                FailureCode::AccountQuota,
                "The organisation has reached its limit of machines at AWS.",
                Fixer::Admin,
                "Stop a machine you do not need, or ask an admin to raise the limit at AWS.",
            ),
            Self::Image(_) => (
                FailureCode::ImageUnavailable,
                "The image of this configuration cannot be used.",
                Fixer::Admin,
                "Ask an admin to choose another image in the configuration.",
            ),
            Self::Invalid(_) => (
                FailureCode::ConfigurationRefused,
                "AWS refused a setting of this configuration.",
                Fixer::Admin,
                "Ask an admin to correct the configuration.",
            ),
            Self::Permission(_) => (
                FailureCode::PermissionDenied,
                "CloudApp is not allowed to do this at AWS.",
                Fixer::Operator,
                "Ask the operator to check CloudApp's AWS role.",
            ),
            Self::NotFound(_) | Self::IdempotentInstanceTerminated(_) => (
                FailureCode::MachineLost,
                "The machine no longer exists at AWS.",
                Fixer::User,
                "Create a new one.",
            ),
            Self::SpotNotStoppable(_) => (
                FailureCode::ConfigurationRefused,
                "A spot machine cannot be stopped and kept.",
                Fixer::User,
                "Destroy it instead.",
            ),
            Self::IncorrectState(_) => (
                FailureCode::Ec2Unavailable,
                "The machine is in the middle of another change.",
                Fixer::User,
                "Try again in a minute.",
            ),
            Self::Throttled(_) | Self::Unavailable(_) | Self::OutcomeUnknown(_) => (
                FailureCode::Ec2Unavailable,
                "AWS did not answer in time.",
                Fixer::User,
                "Try again in a few minutes.",
            ),
            Self::IdempotentParameterMismatch(_) | Self::Other(_) => (
                FailureCode::Internal,
                "AWS refused the request for a reason that CloudApp does not know.",
                Fixer::Operator,
                "Ask the operator to look at the details.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use cloudapp_domain::NextAction;

    use super::*;
    use crate::Answer;
    use crate::error::{Effect, Reached, classify};

    #[test]
    fn users_read_no_ec2_codes_and_admins_do() {
        let answer = Answer { code: "InvalidAMIID.NotFound".to_owned(), message: "ami-1".to_owned() };
        let failure = Ec2Error::Image(answer).failure();
        assert_eq!((failure.code, failure.fixer), (FailureCode::ImageUnavailable, Fixer::Admin));
        assert!(!failure.sentence.contains("AMI"));
        assert_eq!(failure.detail.as_deref(), Some("InvalidAMIID.NotFound: ami-1"));
    }

    /// Every code that CloudApp's calls can meet, by AWS's list: the cause, who can fix it, the button.
    const CODES: &[(&[&str], FailureCode, Fixer, NextAction)] = {
        use Fixer::{Admin, Operator, User};
        use NextAction::{
            AskAdmin, AskOperator, ChooseAnother, CreateNew, Destroy, GiveUpAMachine, TryAgain,
        };
        &[
            (
                &[
                    "InsufficientInstanceCapacity",
                    "InsufficientHostCapacity",
                    "InsufficientReservedInstanceCapacity",
                    "InsufficientCapacity",
                    "InsufficientVolumeCapacity",
                    "InsufficientAddressCapacity",
                    "ReservationCapacityExceeded",
                    "UnfulfillableCapacity",
                    "SpotMaxPriceTooLow",
                ],
                FailureCode::InsufficientCapacity,
                User,
                ChooseAnother,
            ),
            (
                &[
                    "InsufficientFreeAddressesInSubnet",
                    "Unsupported",
                    "UnsupportedHostConfiguration",
                    "UnsupportedTenancy",
                    "UnavailableHostRequirements",
                    "VolumeTypeNotAvailableInZone",
                    "EncryptedVolumesNotSupported",
                    "InstanceCreditSpecification.NotSupported",
                ],
                FailureCode::InsufficientCapacity,
                Admin,
                AskAdmin,
            ),
            (
                &[
                    "InstanceLimitExceeded",
                    "VcpuLimitExceeded",
                    "MaxSpotInstanceCountExceeded",
                    "MaxSpotFleetRequestCountExceeded",
                    "VolumeLimitExceeded",
                    "PendingSnapshotLimitExceeded",
                    "MaxIOPSLimitExceeded",
                    "AddressLimitExceeded",
                    "PrivateIpAddressLimitExceeded",
                    "NetworkInterfaceLimitExceeded",
                    "SecurityGroupsPerInstanceLimitExceeded",
                    "ResourceLimitExceeded",
                    "ResourceCountLimitExceeded",
                    "TagLimitExceeded",
                ],
                FailureCode::AccountQuota,
                Admin,
                GiveUpAMachine,
            ),
            (
                &[
                    "InvalidAMIID.NotFound",
                    "InvalidAMIID.Malformed",
                    "InvalidAMIID.Unavailable",
                    "InvalidAMIAttributeItemValue",
                    "InvalidSnapshot.NotFound",
                    "OptInRequired",
                ],
                FailureCode::ImageUnavailable,
                Admin,
                AskAdmin,
            ),
            (
                &[
                    "InvalidParameterValue",
                    "InvalidParameterCombination",
                    "InvalidParameter",
                    "InvalidInput",
                    "InvalidGroup.NotFound",
                    "InvalidGroupId.Malformed",
                    "InvalidSubnetID.NotFound",
                    "InvalidSubnet",
                    "InvalidAvailabilityZone",
                    "InvalidBlockDeviceMapping",
                    "InvalidUserData.Malformed",
                    "InvalidTagKey.Malformed",
                    "InvalidInstanceID.Malformed",
                    "InvalidInstanceType",
                    "MissingParameter",
                    "MalformedQueryString",
                    "UnknownParameter",
                    "ValidationError",
                    "UnsupportedOperation",
                ],
                FailureCode::ConfigurationRefused,
                Admin,
                AskAdmin,
            ),
            (
                &[
                    "UnauthorizedOperation",
                    "AuthFailure",
                    "AccessDenied",
                    "AccountDisabled",
                    "Blocked",
                    "PendingVerification",
                    "InvalidClientTokenId",
                    "InvalidAccessKeyId",
                    "SignatureDoesNotMatch",
                    "ExpiredToken",
                    "RequestExpired",
                    "OperationNotPermitted",
                    "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
                    "KMSKeyNotAccessibleFault",
                    "InvalidKMSKey.InvalidState",
                    "Client.InvalidKMSKey.InvalidState",
                ],
                FailureCode::PermissionDenied,
                Operator,
                AskOperator,
            ),
            (
                &["InvalidInstanceID.NotFound", "IdempotentInstanceTerminated"],
                FailureCode::MachineLost,
                User,
                CreateNew,
            ),
            (
                &[
                    "RequestLimitExceeded",
                    "Throttling",
                    "Unavailable",
                    "ServiceUnavailable",
                    "InternalError",
                    "InternalFailure",
                    "IncorrectInstanceState",
                    "IncorrectState",
                ],
                FailureCode::Ec2Unavailable,
                User,
                TryAgain,
            ),
            (
                &["IdempotentParameterMismatch", "SomethingThatIsNewToday"],
                FailureCode::Internal,
                Operator,
                AskOperator,
            ),
            (&["SpotNotStoppable"], FailureCode::ConfigurationRefused, User, Destroy),
        ]
    };

    fn refused(code: &str) -> Ec2Error {
        match code {
            "SpotNotStoppable" => {
                let message = "You can't stop the Spot Instance".to_owned();
                classify(Effect::Changes, Reached::Refused(400), "UnsupportedOperation", message)
            }
            "Unavailable" | "ServiceUnavailable" | "InternalError" | "InternalFailure" => {
                classify(Effect::Changes, Reached::Refused(500), code, String::new())
            }
            code => classify(Effect::Changes, Reached::Refused(400), code, String::new()),
        }
    }

    #[test]
    fn every_code_has_a_cause_somebody_who_can_fix_it_and_a_button() {
        for (codes, cause, fixer, action) in CODES {
            for code in *codes {
                let failure = refused(code).failure();
                assert_eq!((failure.code, failure.fixer), (*cause, *fixer), "{code}");
                assert_eq!(failure.next_action(), *action, "{code}");
                for sentence in [&failure.sentence, &failure.next_step] {
                    assert!(sentence.ends_with('.') && !sentence.contains(code), "{code}: {sentence}");
                }
                assert!(failure.detail.is_some(), "{code}");
            }
        }
    }

    #[test]
    fn a_missing_role_and_a_lost_reply_are_told_as_what_they_are() {
        let message = "Value (web) for parameter iamInstanceProfile.name is invalid".to_owned();
        let role = classify(Effect::Changes, Reached::Refused(400), "InvalidParameterValue", message);
        assert!(role.failure().sentence.contains("role"));
        let lost = classify(Effect::Changes, Reached::ReplyLost, "", String::new());
        assert_eq!(lost.failure().next_action(), NextAction::TryAgain);
    }
}
