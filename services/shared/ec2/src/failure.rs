use cloudapp_domain::{Failure, FailureCode, Fixer};

use crate::Ec2Error;

impl Ec2Error {
    /// The failure in words for the person who waited; EC2's own words go to the admins' detail.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let (code, sentence, fixer, next_step) = self.words();
        Failure {
            code,
            sentence: sentence.to_owned(),
            fixer,
            next_step: next_step.to_owned(),
            detail: Some(self.answer().to_string()),
        }
    }

    const fn words(&self) -> (FailureCode, &'static str, Fixer, &'static str) {
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
    use super::*;
    use crate::Answer;

    #[test]
    fn users_read_no_ec2_codes_and_admins_do() {
        let answer = Answer { code: "InvalidAMIID.NotFound".to_owned(), message: "ami-1".to_owned() };
        let failure = Ec2Error::Image(answer).failure();
        assert_eq!((failure.code, failure.fixer), (FailureCode::ImageUnavailable, Fixer::Admin));
        assert!(!failure.sentence.contains("AMI"));
        assert_eq!(failure.detail.as_deref(), Some("InvalidAMIID.NotFound: ami-1"));
    }
}
