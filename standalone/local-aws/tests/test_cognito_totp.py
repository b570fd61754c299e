"""TOTP as on AWS: `local_aws/cognito_totp.py`."""

from tests.support import TOTP, SharedAwsTest, code


class Totp(SharedAwsTest):
    def setUp(self):
        super().setUp()
        self.email, _sub = self.aws.user("admin")
        self.named = {"UserPoolId": self.aws.names["user_pool_id"], "Username": self.email}

    def settings(self) -> list | None:
        return self.aws.cognito.admin_get_user(**self.named).get("UserMFASettingList")

    def test_mfa_is_on_only_after_the_preference_and_the_preference_wants_a_verified_token(self):
        enable = {"SoftwareTokenMfaSettings": {"Enabled": True, "PreferredMfa": True}}
        token = self.aws.tokens(self.email)["AccessToken"]
        self.assertIsNone(self.settings())
        self.assert_refused("InvalidParameterException", "not verified",
                            self.aws.cognito.admin_set_user_mfa_preference, **self.named, **enable)
        self.assert_refused("InvalidParameterException", "not verified",
                            self.aws.cognito.set_user_mfa_preference, AccessToken=token, **enable)
        secret = self.aws.cognito.associate_software_token(AccessToken=token)["SecretCode"]
        self.assert_refused("EnableSoftwareTokenMFAException", "Code mismatch",
                            self.aws.cognito.verify_software_token, AccessToken=token, UserCode="000000")
        self.aws.cognito.verify_software_token(AccessToken=token, UserCode=code(secret))
        self.assertIsNone(self.settings())
        self.assertIn("AuthenticationResult", self.aws.sign_in(self.email))
        self.aws.cognito.set_user_mfa_preference(AccessToken=token, **enable)
        self.assertEqual(self.settings(), [TOTP])
        self.assertEqual(self.aws.cognito.get_user(AccessToken=token)["PreferredMfaSetting"], TOTP)
        self.assertEqual(self.aws.sign_in(self.email)["ChallengeName"], TOTP)
        self.aws.cognito.admin_set_user_mfa_preference(**self.named, SoftwareTokenMfaSettings={"Enabled": False})
        self.assertIsNone(self.settings())
        self.assertIn("AuthenticationResult", self.aws.sign_in(self.email))

    def test_a_code_works_once(self):
        secret = self.aws.enrol_totp(self.email)
        used = code(secret)
        self.aws.answer(self.aws.sign_in(self.email), USERNAME=self.email, SOFTWARE_TOKEN_MFA_CODE=used)
        challenge = self.aws.sign_in(self.email)
        self.assert_refused("ExpiredCodeException", "already been used once", self.aws.answer, challenge,
                            USERNAME=self.email, SOFTWARE_TOKEN_MFA_CODE=used)
        following = next(one for one in (code(secret, 1), code(secret)) if one != used)
        self.assertIn("AuthenticationResult", self.aws.answer(
            challenge, USERNAME=self.email, SOFTWARE_TOKEN_MFA_CODE=following))
