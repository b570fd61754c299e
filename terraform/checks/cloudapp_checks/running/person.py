"""Somebody who signs in to the user pool that Terraform made, and asks CloudApp's APIs with the token."""

import json
import secrets
import urllib.error
import urllib.request
import uuid

from .expect import expect


class Person:
    """A new account of a group of the pool, signed in."""

    def __init__(self, aws, identity: dict, email: str, group: str):
        cognito, pool, client = aws("cognito-idp"), identity["user_pool_id"], identity["client_id"]
        self.email, self.password = email, f"Bb2-{secrets.token_hex(12)}"
        temporary = f"Aa1-{secrets.token_hex(12)}"
        attributes = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
        user = cognito.admin_create_user(
            UserPoolId=pool, Username=email, UserAttributes=attributes, TemporaryPassword=temporary, MessageAction="SUPPRESS"
        )["User"]
        self.sub = next(one["Value"] for one in user["Attributes"] if one["Name"] == "sub")
        cognito.admin_add_user_to_group(UserPoolId=pool, Username=email, GroupName=group)
        asked = cognito.initiate_auth(
            ClientId=client, AuthFlow="USER_PASSWORD_AUTH", AuthParameters={"USERNAME": email, "PASSWORD": temporary}
        )
        expect(asked.get("ChallengeName") == "NEW_PASSWORD_REQUIRED", f"a new account is asked for {asked.get('ChallengeName')}")
        answer = cognito.respond_to_auth_challenge(
            ClientId=client,
            ChallengeName=asked["ChallengeName"],
            Session=asked["Session"],
            ChallengeResponses={"USERNAME": email, "NEW_PASSWORD": self.password},
        )
        self.token = answer["AuthenticationResult"]["AccessToken"]

    def ask(self, method: str, url: str, body: dict | None = None) -> tuple[int, dict]:
        """Status and body of the answer; every change has a key of its own."""
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        if method != "GET":
            headers["idempotency-key"] = str(uuid.uuid4())
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.loads(refusal.read() or b"{}")

    def get(self, url: str) -> dict:
        """What is there."""
        status, body = self.ask("GET", url)
        expect(status == 200, f"GET {url}: {status} {body}")
        return body

    def do(self, method: str, url: str, body: dict | None = None, status: int = 202) -> dict:
        """A change that is accepted."""
        answered, answer = self.ask(method, url, body)
        expect(answered == status, f"{method} {url}: {answered} {answer}")
        return answer
