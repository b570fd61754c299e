"""The Cognito user pool, its app client, groups and triggers."""

from dataclasses import dataclass

from .session import Session, differing

PASSWORD_POLICY = {"MinimumLength": 12, "RequireUppercase": True, "RequireLowercase": True, "RequireNumbers": True,
                   "RequireSymbols": False, "TemporaryPasswordValidityDays": 7}
CLIENT = {
    "ExplicitAuthFlows": ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH"],
    "AccessTokenValidity": 5,
    "IdTokenValidity": 5,
    "RefreshTokenValidity": 12,
    "TokenValidityUnits": {"AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "hours"},
    "PreventUserExistenceErrors": "ENABLED",
    "EnableTokenRevocation": True,
}
GROUPS = {"admin": "Administrators", "user": "Users"}


@dataclass(frozen=True)
class Pool:
    """A user pool with its app client."""

    pool_id: str
    client_id: str


def ensure_pool(session: Session, name: str, web_url: str) -> Pool:
    """The user pool, its client and its groups. Ids are kept once made."""
    pool_id = _ensure_pool(session, name, web_url)
    client_id = _ensure_client(session, pool_id, name)
    for group, description in GROUPS.items():
        _ensure_group(session, pool_id, group, description)
    return Pool(pool_id, client_id)


def _mutable_settings(web_url: str) -> dict:
    return {
        "Policies": {"PasswordPolicy": PASSWORD_POLICY},
        "AdminCreateUserConfig": {
            "AllowAdminCreateUserOnly": True,
            "InviteMessageTemplate": {
                "EmailSubject": "Your CloudApp account",
                "EmailMessage": f"Sign in at {web_url} as {{username}} with the temporary password {{####}}",
            },
        },
    }


def _ensure_pool(session: Session, name: str, web_url: str) -> str:
    cognito = session.client("cognito-idp")
    pages = cognito.get_paginator("list_user_pools").paginate(MaxResults=60)
    pool_id = next((pool["Id"] for page in pages for pool in page["UserPools"] if pool["Name"] == name), None)
    settings = _mutable_settings(web_url)
    if pool_id is None:
        # Device remembering is off because no DeviceConfiguration is given.
        pool_id = cognito.create_user_pool(
            PoolName=name, UsernameAttributes=["email"], AutoVerifiedAttributes=["email"],
            UsernameConfiguration={"CaseSensitive": False}, **settings)["UserPool"]["Id"]
        session.changed(f"user pool {name}")
    actual = cognito.describe_user_pool(UserPoolId=pool_id)["UserPool"]
    if actual["Policies"]["PasswordPolicy"] != PASSWORD_POLICY or differing(
            settings["AdminCreateUserConfig"], actual.get("AdminCreateUserConfig", {})):
        cognito.update_user_pool(UserPoolId=pool_id, AutoVerifiedAttributes=["email"],
                                 LambdaConfig=actual.get("LambdaConfig", {}), **settings)
        session.changed(f"user pool {name}: settings")
    mfa = cognito.get_user_pool_mfa_config(UserPoolId=pool_id)
    if mfa["MfaConfiguration"] != "OPTIONAL" or not mfa.get("SoftwareTokenMfaConfiguration", {}).get("Enabled"):
        cognito.set_user_pool_mfa_config(UserPoolId=pool_id, MfaConfiguration="OPTIONAL",
                                         SoftwareTokenMfaConfiguration={"Enabled": True})
        session.changed(f"user pool {name}: MFA")
    return pool_id


def _ensure_client(session: Session, pool_id: str, name: str) -> str:
    cognito = session.client("cognito-idp")
    pages = cognito.get_paginator("list_user_pool_clients").paginate(UserPoolId=pool_id, MaxResults=60)
    client_id = next((client["ClientId"] for page in pages for client in page["UserPoolClients"]
                      if client["ClientName"] == name), None)
    if client_id is None:
        client_id = cognito.create_user_pool_client(
            UserPoolId=pool_id, ClientName=name, GenerateSecret=False, **CLIENT)["UserPoolClient"]["ClientId"]
        session.changed(f"app client {name}")
        return client_id
    actual = cognito.describe_user_pool_client(UserPoolId=pool_id, ClientId=client_id)["UserPoolClient"]
    stale = differing(CLIENT, actual)
    if stale:
        cognito.update_user_pool_client(UserPoolId=pool_id, ClientId=client_id, ClientName=name, **CLIENT)
        session.changed(f"app client {name}: {', '.join(stale)}")
    return client_id


def _ensure_group(session: Session, pool_id: str, group: str, description: str) -> None:
    cognito = session.client("cognito-idp")
    try:
        cognito.create_group(UserPoolId=pool_id, GroupName=group, Description=description)
        session.changed(f"group {group}")
    except cognito.exceptions.GroupExistsException:
        pass


def ensure_triggers(session: Session, pool_id: str, function_arn: str) -> None:
    """The auth Lambda as PostAuthentication and PreTokenGeneration (V2_0) trigger."""
    cognito = session.client("cognito-idp")
    wanted = {
        "PostAuthentication": function_arn,
        "PreTokenGenerationConfig": {"LambdaVersion": "V2_0", "LambdaArn": function_arn},
    }
    actual = cognito.describe_user_pool(UserPoolId=pool_id)["UserPool"]
    if differing(wanted, actual.get("LambdaConfig", {})):
        # What UpdateUserPool is not given goes back to its default, so everything is given.
        cognito.update_user_pool(UserPoolId=pool_id, LambdaConfig=wanted, AutoVerifiedAttributes=["email"],
                                 Policies=actual["Policies"], AdminCreateUserConfig=actual["AdminCreateUserConfig"])
        session.changed("user pool triggers")
