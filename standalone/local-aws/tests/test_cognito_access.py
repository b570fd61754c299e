"""Tokens that must be refused: `local_aws/cognito_access.py`."""

from tests.support import SharedAwsTest

REFUSED = "NotAuthorizedException"


class Access(SharedAwsTest):
    def setUp(self):
        super().setUp()
        self.email, _sub = self.aws.user()
        self.tokens = self.aws.tokens(self.email)
        self.named = {"UserPoolId": self.aws.names["user_pool_id"], "Username": self.email}

    def test_a_wrong_password(self):
        self.assert_refused(REFUSED, "Incorrect username or password.", self.aws.sign_in, self.email, "Wrong-horse-77")
        self.assert_refused(REFUSED, "Incorrect username or password.", self.aws.sign_in, "nobody@example.com")

    def test_no_refresh_after_a_global_sign_out_by_an_admin(self):
        self.aws.cognito.admin_user_global_sign_out(**self.named)
        self.assert_refused(REFUSED, "revoked", self.aws.refresh, self.tokens["RefreshToken"])
        self.assertIn("AccessToken", self.aws.refresh(self.aws.tokens(self.email)["RefreshToken"]))

    def test_no_refresh_after_a_global_sign_out_by_the_user(self):
        self.aws.cognito.global_sign_out(AccessToken=self.tokens["AccessToken"])
        self.assert_refused(REFUSED, "revoked", self.aws.refresh, self.tokens["RefreshToken"])
        self.assert_refused(REFUSED, "revoked", self.aws.cognito.get_user, AccessToken=self.tokens["AccessToken"])

    def test_no_refresh_after_a_revocation(self):
        self.aws.cognito.revoke_token(Token=self.tokens["RefreshToken"], ClientId=self.aws.names["client_id"])
        self.assert_refused(REFUSED, "revoked", self.aws.refresh, self.tokens["RefreshToken"])

    def test_a_disabled_user_is_out_and_the_old_session_stays_out(self):
        self.aws.cognito.admin_disable_user(**self.named)
        self.assert_refused(REFUSED, "disabled", self.aws.sign_in, self.email)
        self.assert_refused(REFUSED, "disabled", self.aws.refresh, self.tokens["RefreshToken"])
        self.aws.cognito.admin_enable_user(**self.named)
        self.assert_refused(REFUSED, "revoked", self.aws.refresh, self.tokens["RefreshToken"])
        self.assertIn("AccessToken", self.aws.tokens(self.email))

    def test_a_token_with_another_signature(self):
        head, payload, _signature = self.tokens["AccessToken"].split(".")
        signature = self.aws.tokens(self.email)["AccessToken"].split(".")[2]
        self.assert_refused(REFUSED, "signature", self.aws.cognito.associate_software_token,
                            AccessToken=f"{head}.{payload}.{signature}")
        head, payload, _signature = self.tokens["RefreshToken"].split(".")
        self.assert_refused(REFUSED, "Invalid Refresh Token", self.aws.refresh, f"{head}.{payload}.{signature}")
