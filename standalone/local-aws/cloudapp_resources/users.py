"""Demo users: made once, and left as their owners leave them afterwards."""

import base64
import hashlib
import hmac
import struct
import time

from .session import Session

STEP_SECONDS = 30
TOTP = "SOFTWARE_TOKEN_MFA"


def seed(session: Session, pool_id: str, client_id: str, users: list[dict], previous: list[dict]) -> list[dict]:
    """Make the users that are missing and return all with `sub`, `email`, `password`, `role` and `totp_secret`.

    A user who is there keeps password and second factor; what `previous` (an earlier return value) knows of them
    is returned again. `totp_secret` is None where nobody knows it. Users with the role `admin` get TOTP.
    """
    remembered = {user["email"]: user for user in previous}
    return [_seed_one(session, pool_id, client_id, user, remembered.get(user["email"], {})) for user in users]


def _seed_one(session: Session, pool_id: str, client_id: str, user: dict, remembered: dict) -> dict:
    cognito = session.client("cognito-idp")
    email = user["email"]
    known = _find(cognito, pool_id, email)
    if known is None:
        cognito.admin_create_user(
            UserPoolId=pool_id, Username=email, MessageAction="SUPPRESS", TemporaryPassword=user["password"],
            UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}])
        session.changed(f"user {email}")
        known = _find(cognito, pool_id, email)
    if known["UserStatus"] == "FORCE_CHANGE_PASSWORD":
        # New, or made by a run that stopped here: nobody has chosen a password yet.
        cognito.admin_set_user_password(UserPoolId=pool_id, Username=email, Password=user["password"], Permanent=True)
    groups = cognito.admin_list_groups_for_user(UserPoolId=pool_id, Username=email)["Groups"]
    if user["role"] not in (group["GroupName"] for group in groups):
        cognito.admin_add_user_to_group(UserPoolId=pool_id, Username=email, GroupName=user["role"])
        session.changed(f"user {email}: group {user['role']}")
    secret = remembered.get("totp_secret")
    if user["role"] == "admin" and TOTP not in known.get("UserMFASettingList", []):
        secret = _enrol(session, pool_id, client_id, email, remembered.get("password") or user["password"])
    attributes = {attribute["Name"]: attribute["Value"] for attribute in known["UserAttributes"]}
    return {"sub": attributes["sub"], "email": email, "role": user["role"], "totp_secret": secret,
            "password": remembered.get("password") or user["password"]}


def _find(cognito, pool_id: str, email: str) -> dict | None:
    try:
        return cognito.admin_get_user(UserPoolId=pool_id, Username=email)
    except cognito.exceptions.UserNotFoundException:
        return None


def _enrol(session: Session, pool_id: str, client_id: str, email: str, password: str) -> str | None:
    """Enrol TOTP as the user would; None when the user has changed the password. Cognito makes the secret."""
    cognito = session.client("cognito-idp")
    try:
        signed_in = cognito.initiate_auth(ClientId=client_id, AuthFlow="USER_PASSWORD_AUTH",
                                          AuthParameters={"USERNAME": email, "PASSWORD": password})
    except cognito.exceptions.NotAuthorizedException:
        return None
    token = signed_in["AuthenticationResult"]["AccessToken"]
    secret = cognito.associate_software_token(AccessToken=token)["SecretCode"]
    # The code of the step before is still good, and leaves the current one for the first real sign-in.
    cognito.verify_software_token(AccessToken=token, UserCode=totp_code(secret, time.time() - STEP_SECONDS))
    cognito.set_user_mfa_preference(AccessToken=token,
                                    SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True})
    cognito.admin_user_global_sign_out(UserPoolId=pool_id, Username=email)
    session.changed(f"user {email}: TOTP")
    return secret


def totp_code(secret: str, at: float) -> str:
    """The six digits for a base32 `secret` at a time in Unix seconds (RFC 6238)."""
    counter = struct.pack(">Q", int(at // STEP_SECONDS))
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    return f"{(struct.unpack('>I', digest[offset:offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"
