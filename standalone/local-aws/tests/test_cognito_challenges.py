"""Answers without the session that asked: `local_aws/cognito_challenges.py`."""

from tests.support import PASSWORD, TOTP, SharedAwsTest, code

REFUSED = ("NotAuthorizedException", "Invalid session for the user")


class Challenges(SharedAwsTest):
    def test_a_new_password_wants_the_session_of_the_temporary_one(self):
        email, _sub = self.aws.user(permanent=False)
        forged = {"ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "x" * 24}
        self.assert_refused(*REFUSED, self.aws.answer, forged, USERNAME=email, NEW_PASSWORD=PASSWORD + "1")
        challenge = self.aws.sign_in(email)
        other, _sub = self.aws.user(permanent=False)
        self.assert_refused(*REFUSED, self.aws.answer, challenge, USERNAME=other, NEW_PASSWORD=PASSWORD + "1")
        self.assert_refused("InvalidPasswordException", "length", self.aws.answer, challenge,
                            USERNAME=email, NEW_PASSWORD="Short-1")
        self.aws.answer(challenge, USERNAME=email, NEW_PASSWORD=PASSWORD + "1")
        self.assert_refused(*REFUSED, self.aws.answer, challenge, USERNAME=email, NEW_PASSWORD=PASSWORD + "2")
        self.assertIn("AccessToken", self.aws.tokens(email, PASSWORD + "1"))

    def test_a_code_wants_the_session_of_the_password(self):
        email, _sub = self.aws.user("admin")
        secret = self.aws.enrol_totp(email)
        forged = {"ChallengeName": TOTP, "Session": "x" * 24}
        self.assert_refused(*REFUSED, self.aws.answer, forged, USERNAME=email, SOFTWARE_TOKEN_MFA_CODE=code(secret))
        challenge = self.aws.sign_in(email)
        self.assert_refused("CodeMismatchException", "Invalid code", self.aws.answer, challenge,
                            USERNAME=email, SOFTWARE_TOKEN_MFA_CODE="000000")
        self.assertIn("AuthenticationResult", self.aws.answer(
            challenge, USERNAME=email, SOFTWARE_TOKEN_MFA_CODE=code(secret)))
