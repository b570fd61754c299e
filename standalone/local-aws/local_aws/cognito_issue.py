"""Patch: how Cognito issues tokens.

Gaps in MiniStack 1.5.33, all of which would let a test pass that AWS fails:

* PostAuthentication is never invoked. Here it runs at every sign-in (password, new password, MFA), before the
  tokens are made, and not at a refresh.
* PreTokenGeneration V2_0 is invoked once per token, its group override is looked for at the wrong level (AWS has
  `claimsAndScopeOverrideDetails.groupOverrideDetails`), and its errors are swallowed. Here it is invoked once per
  issue, refreshes included, and its answer is applied to the access token and the ID token.
* `auth_time` is stamped anew at a refresh, which would make every step-up guard pass. Here it is kept: it
  travels inside the refresh token, so it survives a restart without any state.
"""

import contextvars
import time
from dataclasses import dataclass

from ministack.core.responses import error_response_json
from ministack.services import cognito

from . import triggers

REFRESH = "TokenGeneration_RefreshTokens"

# What a pre-token trigger cannot change, by AWS's documentation.
RESERVED_CLAIMS = frozenset((
    "acr", "amr", "at_hash", "aud", "auth_time", "azp", "client_id", "cognito:username", "event_id", "exp", "iat",
    "iss", "jti", "nbf", "nonce", "origin_jti", "sub", "token_use", "username", "version"))


@dataclass(frozen=True)
class Issue:
    """One issue of tokens: when the user proved who they are, and what the pre-token trigger answered."""

    auth_time: int
    override: dict | None


_issue: contextvars.ContextVar[Issue | None] = contextvars.ContextVar("issue", default=None)
_refreshed_auth_time: contextvars.ContextVar[int | None] = contextvars.ContextVar("refreshed_auth_time", default=None)


def install() -> None:
    """Replace MiniStack's token issue."""
    build_auth_result = cognito._build_auth_result
    refresh_auth_result = cognito._refresh_auth_result
    signed_jwt = cognito._signed_jwt
    apply_pretoken_trigger = cognito._apply_pretoken_trigger
    run_idp_handler = cognito._run_idp_handler

    def build(pool_id, client_id, user, nonce="", trigger_source="TokenGeneration_Authentication",
              client_metadata=None, origin_jti="", scope=None):
        auth_time = _refreshed_auth_time.get() if trigger_source == REFRESH else None
        if trigger_source != REFRESH:
            _post_authentication(pool_id, client_id, user, client_metadata)
        override = _pre_token_generation(pool_id, client_id, user, trigger_source, client_metadata, scope)
        token = _issue.set(Issue(auth_time or int(time.time()), override))
        try:
            return build_auth_result(pool_id, client_id, user, nonce=nonce, trigger_source=trigger_source,
                                     client_metadata=client_metadata, origin_jti=origin_jti, scope=scope)
        finally:
            _issue.reset(token)

    def refresh(pool, pid, cid, refresh_token):
        claims = cognito._token_claims(refresh_token)
        token = _refreshed_auth_time.set(claims.get("auth_time") or claims.get("iat"))
        try:
            return refresh_auth_result(pool, pid, cid, refresh_token)
        finally:
            _refreshed_auth_time.reset(token)

    def apply_trigger(pool_id, claims, token_type, **context):
        issue = _issue.get()
        if issue is None:
            return apply_pretoken_trigger(pool_id=pool_id, claims=claims, token_type=token_type, **context)
        claims["auth_time"] = issue.auth_time
        return shape_claims(claims, token_type, issue.override)

    def sign(claims, pool_id="", use=""):
        issue = _issue.get()
        if issue is not None and claims.get("token_use") == "refresh":
            claims["auth_time"] = issue.auth_time
        return signed_jwt(claims, pool_id, use)

    def run(handler, action, data):
        try:
            return run_idp_handler(handler, action, data)
        except triggers.TriggerError as error:
            return error_response_json(error.code, error.message, 400)

    cognito._build_auth_result = build
    cognito._refresh_auth_result = refresh
    cognito._apply_pretoken_trigger = apply_trigger
    cognito._signed_jwt = sign
    cognito._run_idp_handler = run


def shape_claims(claims: dict, token_type: str, override: dict | None) -> dict:
    """Apply a V2_0 `claimsAndScopeOverrideDetails` to the claims of one token ("access" or "id").

    A `groupOverrideDetails` that is present replaces the groups, and an empty or null one removes them; without
    the key they stay. A token without groups has no `cognito:groups` claim at all.
    """
    if not override:
        return claims
    if "groupOverrideDetails" in override:
        groups = (override["groupOverrideDetails"] or {}).get("groupsToOverride") or []
        claims.pop("cognito:groups", None)
        if groups:
            claims["cognito:groups"] = list(groups)
    section = override.get("accessTokenGeneration" if token_type == "access" else "idTokenGeneration") or {}
    for name, value in (section.get("claimsToAddOrOverride") or {}).items():
        if _may_change(name):
            claims[name] = value
    for name in section.get("claimsToSuppress") or []:
        if _may_change(name):
            claims.pop(name, None)
    if token_type == "access":
        suppressed = set(section.get("scopesToSuppress") or [])
        scopes = [s for s in claims.get("scope", "").split() if s not in suppressed]
        scopes += [s for s in section.get("scopesToAdd") or [] if s not in scopes]
        claims["scope"] = " ".join(scopes)
    return claims


def _may_change(claim: str) -> bool:
    return claim not in RESERVED_CLAIMS and not claim.startswith(("cognito:", "dev:"))


def _user_attributes(user: dict) -> dict:
    attributes = cognito._attr_list_to_dict(user.get("Attributes", []))
    return {**attributes, "cognito:user_status": user.get("UserStatus", "CONFIRMED")}


def _post_authentication(pool_id, client_id, user, client_metadata) -> None:
    arn = (cognito._user_pools[pool_id].get("LambdaConfig") or {}).get("PostAuthentication")
    if not arn:
        return
    request = {"userAttributes": _user_attributes(user), "newDeviceUsed": False}
    if client_metadata:
        request["clientMetadata"] = client_metadata
    triggers.invoke("PostAuthentication", arn, triggers.event(
        "1", "PostAuthentication_Authentication", pool_id, client_id, user["Username"], request, {}))


def _pre_token_generation(pool_id, client_id, user, trigger_source, client_metadata, scope) -> dict | None:
    config = (cognito._user_pools[pool_id].get("LambdaConfig") or {}).get("PreTokenGenerationConfig") or {}
    arn = config.get("LambdaArn")
    if not arn:
        return None
    granted = cognito._API_TOKEN_SCOPE if scope is None else scope
    request = {
        "userAttributes": _user_attributes(user),
        "groupConfiguration": {
            "groupsToOverride": list(user.get("_groups", [])), "iamRolesToOverride": [], "preferredRole": None},
        "scopes": granted.split(),
    }
    if client_metadata:
        request["clientMetadata"] = client_metadata
    response = triggers.invoke("PreTokenGeneration", arn, triggers.event(
        "2", trigger_source, pool_id, client_id, user["Username"], request,
        {"claimsAndScopeOverrideDetails": None}))
    return response.get("claimsAndScopeOverrideDetails")
