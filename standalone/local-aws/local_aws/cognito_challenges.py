"""Patch: a challenge is answered only with the session that asked it.

MiniStack ignores `Session` in RespondToAuthChallenge: whoever knows a user name could answer
NEW_PASSWORD_REQUIRED, set a password and be signed in, and a TOTP code alone would replace the password. Here a
challenge's session is remembered (in MiniStack's own persisted table, so it survives a restart), must belong to
the client, user and challenge, expires after the client's AuthSessionValidity and is used up by success. The new
password must meet the pool's policy, which MiniStack does not check here either.
"""

import json
import time

from ministack.core.responses import error_response_json
from ministack.services import cognito

BOUND_CHALLENGES = ("NEW_PASSWORD_REQUIRED", "SOFTWARE_TOKEN_MFA", "MFA_SETUP")
ANSWERS = ("RespondToAuthChallenge", "AdminRespondToAuthChallenge")
QUESTIONS = ("InitiateAuth", "AdminInitiateAuth", *ANSWERS)


def install() -> None:
    """Bind challenge answers to the sessions that asked."""
    run_idp_handler = cognito._run_idp_handler

    def run(handler, action, data):
        bound = action in ANSWERS and data.get("ChallengeName") in BOUND_CHALLENGES
        if bound:
            cognito._pin_unsigned_idp_scope(data)
            refusal = _refusal(data)
            if refusal:
                return refusal
        response = run_idp_handler(handler, action, data)
        if bound and response[0] == 200:
            cognito._challenge_sessions.pop(data["Session"], None)
        if action in QUESTIONS and response[0] == 200:
            _remember(data, json.loads(response[2]))
        return response

    cognito._run_idp_handler = run


def _remember(data: dict, answer: dict) -> None:
    """Keep the session of a challenge that was just asked."""
    if answer.get("ChallengeName") not in BOUND_CHALLENGES:
        return
    pool, pool_id = cognito._pool_for_client(data["ClientId"])
    user, _missing = cognito._resolve_user(pool, answer["ChallengeParameters"]["USER_ID_FOR_SRP"])
    token, session = cognito._create_challenge_session(pool_id, data["ClientId"], user["Username"])
    del cognito._challenge_sessions[token]
    # Marks it as no custom challenge and no password verifier for MiniStack's own handlers.
    session["pending_builtin_challenge"] = answer["ChallengeName"]
    cognito._challenge_sessions[answer["Session"]] = session


def _refusal(data: dict):
    session = cognito._challenge_sessions.get(data.get("Session") or "")
    pool, _pool_id = cognito._pool_for_client(data.get("ClientId"))
    responses = data.get("ChallengeResponses") or {}
    user = cognito._resolve_user(pool, responses.get("USERNAME"))[0] if pool else None
    if (session is None or user is None or session["client_id"] != data.get("ClientId")
            or session["username"] != user["Username"]
            or session.get("pending_builtin_challenge") != data["ChallengeName"]):
        return error_response_json("NotAuthorizedException", "Invalid session for the user.", 400)
    if time.time() > session["expires_at"]:
        del cognito._challenge_sessions[data["Session"]]
        return error_response_json("NotAuthorizedException",
                                   "Invalid session for the user, session is expired.", 400)
    if not user.get("Enabled", True):
        return error_response_json("NotAuthorizedException", "User is disabled.", 400)
    if data["ChallengeName"] == "NEW_PASSWORD_REQUIRED":
        if not responses.get("NEW_PASSWORD"):
            return error_response_json("InvalidParameterException", "Missing required parameter NEW_PASSWORD", 400)
        return cognito._validate_password(pool, responses["NEW_PASSWORD"])
    return None
