//! EC2's error codes with the HTTP status and wording that clients see.

use http::StatusCode;

use super::response::Xml;

/// A refusal, as EC2 words it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct Ec2Error {
    /// EC2's stable code, such as `InvalidInstanceID.NotFound`.
    pub(crate) code: String,
    /// The sentence beside it.
    pub(crate) message: String,
    /// The HTTP status.
    pub(crate) status: StatusCode,
}

impl Ec2Error {
    /// A client error: 400, as EC2 answers for nearly everything.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), status: status_of(code) }
    }

    pub(crate) fn missing_parameter(name: &str) -> Self {
        Self::new("MissingParameter", format!("The request must contain the parameter {name}"))
    }

    pub(crate) fn invalid_value(name: &str, value: &str) -> Self {
        Self::new("InvalidParameterValue", format!("Value ({value}) for parameter {name} is invalid."))
    }

    pub(crate) fn instances_not_found(ids: &[String]) -> Self {
        let message = match ids {
            [id] => format!("The instance ID '{id}' does not exist"),
            ids => format!("The instance IDs '{}' do not exist", ids.join(", ")),
        };
        Self::new("InvalidInstanceID.NotFound", message)
    }

    pub(crate) fn incorrect_state(id: &str, wish: &str) -> Self {
        Self::new(
            "IncorrectInstanceState",
            format!("The instance '{id}' is not in a state from which it can be {wish}."),
        )
    }

    /// The XML document of the answer to the request with this id.
    pub(crate) fn body(&self, request_id: &str) -> String {
        let mut xml = Xml::bare("Response");
        xml.list("Errors", "Error", [self], |xml, error| {
            xml.text("Code", &error.code);
            xml.text("Message", &error.message);
        });
        xml.text("RequestID", request_id);
        xml.finish()
    }
}

/// The status EC2 sends with a code: server-side codes are 5xx, which is what makes clients retry them.
pub(crate) fn status_of(code: &str) -> StatusCode {
    match code {
        "RequestLimitExceeded" | "Unavailable" | "ServiceUnavailable" => StatusCode::SERVICE_UNAVAILABLE,
        "InternalError"
        | "InternalFailure"
        | "InsufficientInstanceCapacity"
        | "InsufficientAddressCapacity" => StatusCode::INTERNAL_SERVER_ERROR,
        "DryRunOperation" => StatusCode::PRECONDITION_FAILED,
        "UnauthorizedOperation" => StatusCode::FORBIDDEN,
        "AuthFailure" => StatusCode::UNAUTHORIZED,
        _ => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_document_has_the_shape_that_clients_parse() {
        let body = Ec2Error::new("Some.Code", "less < more").body("id-1");
        let start = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>Some.Code</Code>\
                     <Message>less &lt; more</Message></Error></Errors><RequestID>id-1</RequestID></Response>";
        assert_eq!(body, start);
    }

    #[test]
    fn what_clients_should_retry_is_5xx() {
        assert_eq!(status_of("RequestLimitExceeded"), 503);
        assert_eq!(status_of("InsufficientInstanceCapacity"), 500);
        assert_eq!(status_of("DryRunOperation"), 412);
        assert_eq!(status_of("IdempotentParameterMismatch"), 400);
    }
}
