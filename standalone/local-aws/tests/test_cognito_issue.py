"""Triggers and claims: `local_aws/cognito_issue.py`."""

import json
import time

from tests.support import PASSWORD, TOTP, SharedAwsTest, claims, code, until


class Triggers(SharedAwsTest):
    def test_a_sign_in_runs_post_authentication_and_then_pre_token_once(self):
        email, sub = self.aws.user()
        self.aws.tokens(email)
        seen = self.aws.triggers(sub)
        self.assertEqual([event["triggerSource"] for event in seen],
                         ["PostAuthentication_Authentication", "TokenGeneration_Authentication"])
        self.assertEqual(seen[1]["version"], "2")
        self.assertEqual(seen[1]["request"]["userAttributes"]["email"], email)
        self.assertEqual(seen[1]["request"]["groupConfiguration"]["groupsToOverride"], ["user"])
        self.assertEqual(seen[1]["request"]["scopes"], ["aws.cognito.signin.user.admin"])

    def test_a_new_password_is_a_sign_in(self):
        email, sub = self.aws.user(permanent=False)
        self.aws.answer(self.aws.sign_in(email), USERNAME=email, NEW_PASSWORD=PASSWORD + "x")
        self.assertEqual([event["triggerSource"] for event in self.aws.triggers(sub)],
                         ["PostAuthentication_Authentication", "TokenGeneration_NewPasswordChallenge"])

    def test_a_totp_sign_in_runs_the_triggers_after_the_code_only(self):
        email, sub = self.aws.user("admin")
        secret = self.aws.enrol_totp(email)
        before = len(self.aws.triggers(sub))
        challenge = self.aws.sign_in(email)
        self.assertEqual(challenge["ChallengeName"], TOTP)
        self.assertEqual(len(self.aws.triggers(sub)), before)
        self.aws.answer(challenge, USERNAME=email, SOFTWARE_TOKEN_MFA_CODE=code(secret))
        self.assertEqual([event["triggerSource"] for event in self.aws.triggers(sub)[before:]],
                         ["PostAuthentication_Authentication", "TokenGeneration_Authentication"])

    def test_an_error_of_a_trigger_breaks_the_sign_in(self):
        email, _sub = self.aws.user()
        for trigger, name in (("PostAuthentication", "PostAuthentication"), ("TokenGeneration", "PreTokenGeneration")):
            self.aws.behave(fail=trigger)
            self.assert_refused("UserLambdaValidationException",
                                f"{name} failed with error refused by the test", self.aws.sign_in, email)
        self.aws.behave()
        self.assertIn("AccessToken", self.aws.tokens(email))

    def test_a_refresh_runs_pre_token_only(self):
        email, sub = self.aws.user()
        refresh_token = self.aws.tokens(email)["RefreshToken"]
        self.aws.refresh(refresh_token)
        self.assertEqual(self.aws.triggers(sub)[-1]["triggerSource"], "TokenGeneration_RefreshTokens")
        self.assertEqual(len(self.aws.triggers(sub)), 3)


class Claims(SharedAwsTest):
    def test_the_access_token_has_what_the_guard_reads(self):
        email, sub = self.aws.user()
        answer = self.aws.tokens(email)
        access = claims(answer["AccessToken"])
        self.assertEqual(access["token_use"], "access")
        self.assertEqual(access["client_id"], self.aws.names["client_id"])
        self.assertEqual(access["cognito:groups"], ["user"])
        self.assertEqual((access["sub"], access["username"]), (sub, sub))
        self.assertEqual(access["iss"], self.aws.names["issuer"])
        self.assertEqual(access["exp"] - access["iat"], 300)
        self.assertEqual(answer["ExpiresIn"], 300)
        self.assertEqual(access["origin_jti"], claims(answer["IdToken"])["origin_jti"])
        self.assertNotIn("email", access)

    def test_the_signature_is_the_one_of_the_published_key(self):
        import base64
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
        token = self.aws.tokens(self.aws.user()[0])["AccessToken"]

        def decoded(text):
            return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        head, payload, signature = token.split(".")
        keys = json.loads(self.aws.get(self.aws.names["jwks_url"])[1])["keys"]
        key = next(key for key in keys if key["kid"] == json.loads(decoded(head))["kid"])
        numbers = rsa.RSAPublicNumbers(int.from_bytes(decoded(key["e"]), "big"), int.from_bytes(decoded(key["n"]), "big"))
        numbers.public_key().verify(decoded(signature), f"{head}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256())

    def test_auth_time_is_kept_at_a_refresh(self):
        tokens = self.aws.tokens(self.aws.user()[0])
        first = claims(tokens["AccessToken"])
        until(lambda: int(time.time()) > first["iat"])
        again = self.aws.refresh(tokens["RefreshToken"])
        for token in (again["AccessToken"], again["IdToken"]):
            self.assertEqual(claims(token)["auth_time"], first["auth_time"])
            self.assertEqual(claims(token)["origin_jti"], first["origin_jti"])
        self.assertGreater(claims(again["AccessToken"])["iat"], first["iat"])

    def test_the_trigger_can_withhold_a_group_from_both_tokens_and_at_a_refresh(self):
        email, _sub = self.aws.user("admin")
        refresh_token = self.aws.tokens(email)["RefreshToken"]
        self.aws.behave(override={"groupOverrideDetails": {"groupsToOverride": []}})
        for answer in (self.aws.tokens(email), self.aws.refresh(refresh_token)):
            self.assertNotIn("cognito:groups", claims(answer["AccessToken"]))
            self.assertNotIn("cognito:groups", claims(answer["IdToken"]))
        self.aws.behave(override={"groupOverrideDetails": {"groupsToOverride": ["user"]}})
        self.assertEqual(claims(self.aws.tokens(email)["AccessToken"])["cognito:groups"], ["user"])
        self.aws.behave()
        self.assertEqual(claims(self.aws.refresh(refresh_token)["AccessToken"])["cognito:groups"], ["admin"])

    def test_the_trigger_can_change_claims_but_not_reserved_ones(self):
        email, sub = self.aws.user()
        self.aws.behave(override={
            "accessTokenGeneration": {"claimsToAddOrOverride": {"tenant": "a", "sub": "forged", "auth_time": 1},
                                      "claimsToSuppress": ["jti"]},
            "idTokenGeneration": {"claimsToSuppress": ["email"]}})
        answer = self.aws.tokens(email)
        access = claims(answer["AccessToken"])
        self.assertEqual((access["tenant"], access["sub"]), ("a", sub))
        self.assertGreater(access["auth_time"], 1)
        self.assertIn("jti", access)
        self.assertEqual(access["cognito:groups"], ["user"])
        self.assertNotIn("email", claims(answer["IdToken"]))
        self.assertNotIn("tenant", claims(answer["IdToken"]))
