use std::error::Error as StdError;
use std::{fmt, io};

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};

/// What EC2 (or the way there) said: a code to branch on and a text for admins. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// EC2's error code, or ours (`NotSent`, `ReplyLost`, `Unreadable`) where EC2 said nothing.
    pub code: String,
    /// EC2's message, or what happened on the way.
    pub message: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// Why EC2 did not do what was asked, by what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ec2Error {
    /// No machine of this type is free here now: try another type, zone or market, or later.
    #[error("EC2 has no capacity: {0}")]
    Capacity(Answer),
    /// This type, zone or market does not go together: try another, later is no better.
    #[error("EC2 does not offer this here: {0}")]
    UnsupportedHere(Answer),
    /// A limit of the AWS account is reached.
    #[error("the AWS account's limit is reached: {0}")]
    Quota(Answer),
    /// Asked too often: wait, and ask the same again.
    #[error("EC2 asks for fewer calls: {0}")]
    Throttled(Answer),
    /// The image does not exist, is not ready, or may not be used.
    #[error("the image cannot be used: {0}")]
    Image(Answer),
    /// EC2 refuses a value of the request: the same request will never succeed.
    #[error("EC2 refuses the request: {0}")]
    Invalid(Answer),
    /// CloudApp's role or credentials do not allow it.
    #[error("EC2 denies permission: {0}")]
    Permission(Answer),
    /// The client token was used before with another request, which may have made machines.
    #[error("the client token belongs to another request: {0}")]
    IdempotentParameterMismatch(Answer),
    /// The client token made machines before, and they have been terminated since.
    #[error("the client token's machines are gone: {0}")]
    IdempotentInstanceTerminated(Answer),
    /// EC2 does not know the machine; a new one may be unknown for some seconds.
    #[error("EC2 does not know the machine: {0}")]
    NotFound(Answer),
    /// The machine is in a state in which this cannot be done.
    #[error("the machine's state does not allow it: {0}")]
    IncorrectState(Answer),
    /// A one-time spot machine cannot be stopped, only terminated.
    #[error("a one-time spot machine cannot be stopped: {0}")]
    SpotNotStoppable(Answer),
    /// The request may or may not have been executed: the reply was lost, late, unreadable or a server fault.
    #[error("it is unknown whether EC2 executed the request: {0}")]
    OutcomeUnknown(Answer),
    /// EC2 was not reached, or a read failed on EC2's side. Nothing was changed.
    #[error("EC2 is unavailable: {0}")]
    Unavailable(Answer),
    /// A refusal that has no class of its own.
    #[error("EC2 refused: {0}")]
    Other(Answer),
}

impl Ec2Error {
    /// Whether this call certainly changed nothing, so that another attempt under a new client token makes no
    /// second machine. An *earlier* call with the same token may still have executed; for the two idempotency
    /// refusals it did, and they count as executed: look for machines by token.
    #[must_use]
    pub const fn certainly_not_executed(&self) -> bool {
        !matches!(
            self,
            Self::OutcomeUnknown(_)
                | Self::IdempotentParameterMismatch(_)
                | Self::IdempotentInstanceTerminated(_)
        )
    }

    /// What EC2 said.
    #[must_use]
    pub const fn answer(&self) -> &Answer {
        match self {
            Self::Capacity(answer)
            | Self::UnsupportedHere(answer)
            | Self::Quota(answer)
            | Self::Throttled(answer)
            | Self::Image(answer)
            | Self::Invalid(answer)
            | Self::Permission(answer)
            | Self::IdempotentParameterMismatch(answer)
            | Self::IdempotentInstanceTerminated(answer)
            | Self::NotFound(answer)
            | Self::IncorrectState(answer)
            | Self::SpotNotStoppable(answer)
            | Self::OutcomeUnknown(answer)
            | Self::Unavailable(answer)
            | Self::Other(answer) => answer,
        }
    }

    /// EC2's error code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.answer().code
    }
}

/// Whether a call changes something, which decides what a lost reply means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    Changes,
}

/// How far a failed call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// It never left this process.
    NotSent,
    /// It was, or may have been, sent; no reply came.
    ReplyLost,
    /// A reply came that nobody can read, with this HTTP status.
    Unreadable(u16),
    /// EC2 refused, with this HTTP status.
    Refused(u16),
}

/// What an SDK error means for a call with this effect.
pub(crate) fn from_sdk<E>(effect: Effect, error: &SdkError<E, HttpResponse>) -> Ec2Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    cloudapp_aws_calls::refused(error);
    let reached = reached(error);
    let code = error.code().unwrap_or_default();
    let message = error.message().map_or_else(|| chain(error), str::to_owned);
    classify(effect, reached, code, message)
}

fn reached<E: StdError + 'static>(error: &SdkError<E, HttpResponse>) -> Reached {
    match error {
        SdkError::ConstructionFailure(_) => Reached::NotSent,
        SdkError::ResponseError(response) => Reached::Unreadable(response.raw().status().as_u16()),
        SdkError::ServiceError(refusal) => Reached::Refused(refusal.raw().status().as_u16()),
        SdkError::DispatchFailure(_) if never_connected(error) => Reached::NotSent,
        _ => Reached::ReplyLost,
    }
}

/// Whether nobody listened. Everything else on the way there counts as possibly sent: that costs a repeat with
/// the same token, the opposite mistake costs a machine that nobody owns.
fn never_connected(error: &(dyn StdError + 'static)) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| matches!(cause.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable))
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |cause: &&'a (dyn StdError + 'static)| (**cause).source())
}

fn chain(error: &(dyn StdError + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The taxonomy. EC2 answers some plain refusals (no capacity, throttled) with a 5xx status, so its code is read
/// first and the status only where the code says nothing.
pub(crate) fn classify(effect: Effect, reached: Reached, code: &str, message: String) -> Ec2Error {
    let lost: fn(Answer) -> Ec2Error = match effect {
        Effect::Changes => Ec2Error::OutcomeUnknown,
        Effect::Reads => Ec2Error::Unavailable,
    };
    let (class, code): (fn(Answer) -> Ec2Error, &str) = match reached {
        Reached::NotSent => (Ec2Error::Unavailable, "NotSent"),
        Reached::ReplyLost => (lost, "ReplyLost"),
        Reached::Unreadable(_) => (lost, "Unreadable"),
        Reached::Refused(status) => {
            let by_status = if status >= 500 { lost } else { Ec2Error::Other };
            let code = if code.is_empty() { "Unknown" } else { code };
            (by_code(code, &message).unwrap_or(by_status), code)
        }
    };
    class(Answer { code: code.to_owned(), message })
}

fn by_code(code: &str, message: &str) -> Option<fn(Answer) -> Ec2Error> {
    Some(match code {
        "RequestLimitExceeded"
        | "RequestThrottled"
        | "Throttling"
        | "ThrottlingException"
        | "EC2ThrottledException"
        | "SlowDown"
        | "Client.RequestLimitExceeded" => Ec2Error::Throttled,
        "UnfulfillableCapacity" | "SpotMaxPriceTooLow" | "ReservationCapacityExceeded" => Ec2Error::Capacity,
        "Unsupported"
        | "UnsupportedHostConfiguration"
        | "UnsupportedTenancy"
        | "UnavailableHostRequirements"
        | "VolumeTypeNotAvailableInZone"
        | "VolumeTypeNotAvailableInRegion"
        | "EncryptedVolumesNotSupported"
        | "InstanceCreditSpecification.NotSupported" => Ec2Error::UnsupportedHere,
        "MaxSpotInstanceCountExceeded" | "MaxSpotFleetRequestCountExceeded" => Ec2Error::Quota,
        "AuthFailure" if message.contains("image") => Ec2Error::Image,
        "OptInRequired" | "InvalidSnapshot.NotFound" => Ec2Error::Image,
        "UnauthorizedOperation"
        | "AuthFailure"
        | "AuthFailure.ServiceLinkedRoleCreationNotPermitted"
        | "ServiceLinkedRoleCreationNotPermitted"
        | "AccessDenied"
        | "AccessDeniedException"
        | "AccountDisabled"
        | "Blocked"
        | "PendingVerification"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidSecurity"
        | "UnrecognizedClientException"
        | "IncompleteSignature"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "MissingAuthenticationToken"
        | "OperationNotPermitted" => Ec2Error::Permission,
        "IdempotentParameterMismatch" => Ec2Error::IdempotentParameterMismatch,
        "IdempotentInstanceTerminated" => Ec2Error::IdempotentInstanceTerminated,
        "InvalidInstanceID.NotFound" | "InvalidInstanceId.NotFound" | "InvalidID" => Ec2Error::NotFound,
        "IncorrectInstanceState" | "IncorrectState" => Ec2Error::IncorrectState,
        "UnsupportedOperation" if message.to_ascii_lowercase().contains("spot") => Ec2Error::SpotNotStoppable,
        "UnsupportedOperation" => Ec2Error::Invalid,
        _ if is_about_the_disk_key(code) => Ec2Error::Permission,
        _ if code.starts_with("InvalidAMI") => Ec2Error::Image,
        // `VcpuLimitExceeded`, `InstanceLimitExceeded`, `VolumeLimitExceeded`, `AddressLimitExceeded` and many more.
        _ if code.ends_with("LimitExceeded") => Ec2Error::Quota,
        // Of instances, hosts, volumes, addresses.
        _ if code.starts_with("Insufficient") => Ec2Error::Capacity,
        _ if ["Invalid", "Missing", "Malformed", "Unknown", "Validation"]
            .iter()
            .any(|p| code.starts_with(p)) =>
        {
            return (code != "Unknown").then_some(Ec2Error::Invalid);
        }
        _ => return None,
    })
}

/// Whether EC2 cannot use the KMS key that disks are encrypted with.
pub(crate) fn is_about_the_disk_key(code: &str) -> bool {
    code.contains("KMS") || code.contains("Kms")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(effect: Effect, status: u16, code: &str, message: &str) -> Ec2Error {
        classify(effect, Reached::Refused(status), code, message.to_owned())
    }

    fn name(error: &Ec2Error) -> String {
        format!("{error:?}").split('(').next().unwrap_or_default().to_owned()
    }

    #[test]
    fn codes_decide_before_the_status() {
        let table = [
            (500, "InsufficientInstanceCapacity", "We currently do not have sufficient capacity", "Capacity"),
            (400, "InsufficientFreeAddressesInSubnet", "", "Capacity"),
            (400, "SpotMaxPriceTooLow", "", "Capacity"),
            (400, "Unsupported", "not supported in your requested Availability Zone", "UnsupportedHere"),
            (400, "VcpuLimitExceeded", "", "Quota"),
            (400, "MaxSpotInstanceCountExceeded", "", "Quota"),
            (503, "RequestLimitExceeded", "Request limit exceeded.", "Throttled"),
            (400, "InvalidAMIID.NotFound", "", "Image"),
            (400, "InvalidAMIID.Unavailable", "", "Image"),
            (400, "AuthFailure", "Not authorized for images: [ami-1]", "Image"),
            (
                401,
                "AuthFailure",
                "AWS was not able to validate the provided access credentials",
                "Permission",
            ),
            (403, "UnauthorizedOperation", "You are not authorized", "Permission"),
            (400, "InvalidParameterValue", "", "Invalid"),
            (400, "InvalidGroup.NotFound", "", "Invalid"),
            (400, "MissingParameter", "", "Invalid"),
            (400, "IdempotentParameterMismatch", "", "IdempotentParameterMismatch"),
            (400, "IdempotentInstanceTerminated", "", "IdempotentInstanceTerminated"),
            (400, "InvalidInstanceID.NotFound", "", "NotFound"),
            (400, "InvalidInstanceID.Malformed", "", "Invalid"),
            (400, "IncorrectInstanceState", "", "IncorrectState"),
            (400, "UnsupportedOperation", "You can't stop the Spot Instance 'i-1'", "SpotNotStoppable"),
            (400, "UnsupportedOperation", "The instance does not support hibernation", "Invalid"),
            (400, "SomethingNew", "", "Other"),
            (400, "", "", "Other"),
            (500, "InternalError", "", "OutcomeUnknown"),
            (503, "Unavailable", "", "OutcomeUnknown"),
            (502, "", "", "OutcomeUnknown"),
        ];
        for (status, code, message, expected) in table {
            let error = refused(Effect::Changes, status, code, message);
            assert_eq!(name(&error), expected, "{status} {code} {message}");
        }
    }

    #[test]
    fn only_a_change_can_have_an_unknown_outcome() {
        for reached in [Reached::ReplyLost, Reached::Unreadable(200), Reached::Refused(500)] {
            let changed = classify(Effect::Changes, reached, "", String::new());
            let read = classify(Effect::Reads, reached, "", String::new());
            assert_eq!(name(&changed), "OutcomeUnknown", "{reached:?}");
            assert!(!changed.certainly_not_executed());
            assert_eq!(name(&read), "Unavailable", "{reached:?}");
            assert!(read.certainly_not_executed());
        }
        let unsent = classify(Effect::Changes, Reached::NotSent, "", String::new());
        assert_eq!((name(&unsent).as_str(), unsent.certainly_not_executed()), ("Unavailable", true));
    }

    #[test]
    fn a_token_that_was_used_is_no_proof_of_failure() {
        for code in ["IdempotentParameterMismatch", "IdempotentInstanceTerminated"] {
            assert!(!refused(Effect::Changes, 400, code, "").certainly_not_executed());
        }
        for code in ["RequestLimitExceeded", "InsufficientInstanceCapacity", "VcpuLimitExceeded"] {
            assert!(refused(Effect::Changes, 503, code, "").certainly_not_executed(), "{code}");
        }
    }
}
