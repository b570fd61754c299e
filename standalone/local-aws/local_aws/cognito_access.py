"""Patch: Cognito checks the tokens it is given, and ends sessions when AWS ends them.

MiniStack makes these checks only with AUTH=true, which also turns on IAM enforcement for every service and
that we do not want. Without them a forged or revoked access token is accepted by GetUser and
AssociateSoftwareToken, and a disabled or signed-out user can go on refreshing for twelve hours.
"""

import time

from ministack.core.responses import error_response_json
from ministack.services import cognito


def install() -> None:
    """Check access tokens and refresh tokens always; end the sessions of a user who is disabled."""
    refresh_auth_user = cognito._refresh_auth_user
    admin_disable_user = cognito._admin_disable_user

    def run(handler, action, data):
        if action in cognito._UNSIGNED_IDP_ACTIONS:
            cognito._pin_unsigned_idp_scope(data)
        refusal = (cognito._validate_client_secret_hash(action, data) or cognito._auth_flow_error(action, data)
                   or cognito._access_token_error(data) or cognito._confirmation_code_error(action, data))
        return refusal or handler(data)

    def refresh_user(pool, pid, cid, refresh_token):
        user, refusal = refresh_auth_user(pool, pid, cid, refresh_token)
        if refusal:
            return None, refusal
        reason = _refresh_refusal(user, refresh_token)
        if reason:
            return None, error_response_json("NotAuthorizedException", reason, 400)
        return user, None

    def disable_user(data):
        response = admin_disable_user(data)
        if response[0] == 200:
            pool = cognito._user_pools[data["UserPoolId"]]
            user, _missing = cognito._resolve_user(pool, data["Username"])
            cognito._revoked_tokens.update(user.pop("_origin_jtis", []))
        return response

    cognito._run_idp_handler = run
    cognito._refresh_auth_user = refresh_user
    cognito._admin_disable_user = disable_user


def _refresh_refusal(user: dict, refresh_token: str) -> str | None:
    """Why AWS would refuse this refresh token, or None."""
    claims = cognito._token_claims(refresh_token)
    if not cognito._signature_valid(refresh_token):
        return "Invalid Refresh Token"
    if not user.get("Enabled", True):
        return "User is disabled."
    if claims.get("exp", 0) <= time.time():
        return "Refresh Token has expired"
    if claims.get("origin_jti") in cognito._revoked_tokens:
        return "Refresh Token has been revoked"
    return None
