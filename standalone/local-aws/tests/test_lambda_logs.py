"""What Lambdas print: `local_aws/lambda_logs.py`."""

from tests.support import SharedAwsTest, until


class Logs(SharedAwsTest):
    def test_output_is_in_the_functions_file(self):
        email, sub = self.aws.user()
        self.aws.tokens(email)

        def printed():
            with open(self.aws.lambda_log("cloudapp-auth")) as file:
                return sub in file.read()
        until(printed)
