"""Patch: TOTP behaves as on AWS.

* VerifySoftwareToken only marks the token verified; the user's MFA is on after Set(Admin)UserMFAPreference, which
  refuses while nothing is verified. MiniStack turns MFA on at once and lets the preference through without a secret.
* A code works once ("Your software token has already been used once."). The codes of one step before and after
  count too, as authenticators drift. `COGNITO_TOTP_SINGLE_USE=0` turns only this check off.
* `UserMFASettingList` and `PreferredMfaSetting` are left out when there is nothing in them.
"""

import hmac
import json
import os
import time

from ministack.core.responses import error_response_json
from ministack.services import cognito

from .settings import totp_single_use

STEP_SECONDS = 30
TOTP = "SOFTWARE_TOKEN_MFA"


def install() -> None:
    """Replace MiniStack's TOTP handling."""
    single_use = totp_single_use(os.environ)
    run_idp_handler = cognito._run_idp_handler
    verify_software_token = cognito._verify_software_token

    def run(handler, action, data):
        user, secret, code = _presented_code(action, data)
        step = _matching_step(secret, code)
        if single_use and step is not None and step in user.get("_totp_used_steps", []):
            return error_response_json("ExpiredCodeException",
                                       "Your software token has already been used once.", 400)
        response = run_idp_handler(handler, action, data)
        if step is not None and response[0] == 200:
            recent = [used for used in user.get("_totp_used_steps", []) if used >= step - 2]
            user["_totp_used_steps"] = [*recent, step]
        return response

    def verify(data):
        user = cognito._user_for_access_token(data.get("AccessToken"))
        if user is None:
            return verify_software_token(data)
        enabled, preferred = list(user.get("_mfa_enabled", [])), user.get("_preferred_mfa", "")
        response = verify_software_token(data)
        if response[0] == 200:
            user["_mfa_enabled"], user["_preferred_mfa"] = enabled, preferred
        return response

    cognito._run_idp_handler = run
    cognito._verify_software_token = verify
    cognito._set_user_mfa_preference = _needs_verified_token(
        cognito._set_user_mfa_preference, lambda data: cognito._user_for_access_token(data.get("AccessToken")))
    cognito._admin_set_user_mfa_preference = _needs_verified_token(
        cognito._admin_set_user_mfa_preference, _user_by_name)
    cognito._admin_get_user = _without_empty_mfa(cognito._admin_get_user)
    cognito._get_user = _without_empty_mfa(cognito._get_user)


def _user_by_name(data: dict) -> dict | None:
    pool = cognito._user_pools.get(data.get("UserPoolId"))
    return cognito._resolve_user(pool, data.get("Username"))[0] if pool else None


def _needs_verified_token(handler, find_user):
    def set_preference(data):
        user = find_user(data)
        enabling = (data.get("SoftwareTokenMfaSettings") or {}).get("Enabled")
        if user is not None and enabling and not user.get("_totp_secret"):
            return error_response_json("InvalidParameterException",
                                       "User has not verified software token mfa", 400)
        return handler(data)
    return set_preference


def _without_empty_mfa(handler):
    def get_user(data):
        status, headers, body = handler(data)
        if status != 200:
            return status, headers, body
        user = json.loads(body)
        for field in ("UserMFASettingList", "PreferredMfaSetting"):
            if not user.get(field):
                user.pop(field, None)
        return status, headers, json.dumps(user).encode()
    return get_user


def _presented_code(action: str, data: dict) -> tuple[dict | None, str | None, str | None]:
    """The user, the secret and the code of a request that presents a TOTP code."""
    if action == "VerifySoftwareToken" and data.get("AccessToken"):
        user = cognito._user_for_access_token(data["AccessToken"])
        if user is not None:
            return user, user.get("_totp_pending_secret") or user.get("_totp_secret"), data.get("UserCode")
    if action.endswith("RespondToAuthChallenge") and data.get("ChallengeName") == TOTP:
        responses = data.get("ChallengeResponses") or {}
        pool, _pool_id = cognito._pool_for_client(data.get("ClientId"))
        user = cognito._resolve_user(pool, responses.get("USERNAME"))[0] if pool else None
        if user is not None:
            return user, user.get("_totp_secret"), responses.get("SOFTWARE_TOKEN_MFA_CODE")
    return None, None, None


def _matching_step(secret: str | None, code: str | None) -> int | None:
    """The time step whose code this is, within one step of now, or None."""
    if not secret or not isinstance(code, str) or not code.isascii():
        return None
    now = int(time.time() // STEP_SECONDS)
    for offset in (0, -1, 1):
        if hmac.compare_digest(cognito._totp_code(secret, offset), code):
            return now + offset
    return None
