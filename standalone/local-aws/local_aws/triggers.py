"""Invoke a user pool's Lambda triggers the way Cognito does.

Not a patch by itself: `cognito_issue` uses it. An error of a trigger breaks the sign-in, as on AWS, with the
exception names AWS documents for it.
"""

from ministack.services import cognito, lambda_svc


class TriggerError(Exception):
    """A trigger failed; `code` is the Cognito exception the caller of the API must see."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code
        self.message = message


def invoke(trigger: str, arn: str, event: dict) -> dict:
    """Run the Lambda `arn` with `event` and return its `response` object.

    `trigger` is the name AWS puts into messages, such as `PostAuthentication`. Raises `TriggerError`.
    """
    record, config, _name = lambda_svc._get_func_record_for_ref(arn)
    if record is None or config is None:
        raise TriggerError("UnexpectedLambdaException", f"{trigger} invocation failed: function not found.")
    result = lambda_svc._execute_function_with_config_scope(
        lambda_svc._execution_record_for_config(record, config), event)
    body = result.get("body")
    if result.get("error"):
        reason = body.get("errorMessage") if isinstance(body, dict) else body
        raise TriggerError("UserLambdaValidationException", f"{trigger} failed with error {reason}.")
    if not isinstance(body, dict) or not isinstance(body.get("response", {}), dict):
        raise TriggerError("InvalidLambdaResponseException", "Unrecognizable lambda output")
    return body.get("response") or {}


def event(version: str, source: str, pool_id: str, client_id: str, username: str, request: dict,
          response: dict) -> dict:
    """The envelope every user pool trigger gets."""
    return {
        "version": version,
        "triggerSource": source,
        "region": cognito._pool_region(pool_id),
        "userPoolId": pool_id,
        "userName": username,
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": client_id},
        "request": request,
        "response": response,
    }
