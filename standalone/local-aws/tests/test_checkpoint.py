"""Nothing is lost by a kill: `local_aws/checkpoint.py`, and queues on another port: `local_aws/sqs_urls.py`."""

import json
import os
import time
import unittest

from tests.support import LocalAws, claims, code, until


class Checkpoint(unittest.TestCase):
    def setUp(self):
        self.aws = LocalAws().start().bootstrap()
        self.addCleanup(self.aws.remove)

    def state_files(self) -> dict:
        folder = os.path.join(self.aws.folder, "state")
        return {name: os.stat(os.path.join(folder, name)).st_mtime_ns
                for name in os.listdir(folder) if name.endswith(".json")}

    def test_everything_is_there_after_a_kill_and_a_restart_on_another_port(self):
        aws, names = self.aws, self.aws.names
        email, sub = aws.user("admin")
        secret = aws.enrol_totp(email)
        tokens = aws.answer(aws.sign_in(email), USERNAME=email,
                            SOFTWARE_TOKEN_MFA_CODE=code(secret))["AuthenticationResult"]
        signed_out, _sub = aws.user()
        revoked = aws.tokens(signed_out)["RefreshToken"]
        aws.cognito.admin_user_global_sign_out(UserPoolId=names["user_pool_id"], Username=signed_out)
        keys = aws.get(names["jwks_url"])[1]
        public_key = aws.session.client("kms").get_public_key(KeyId=names["kms_key_id"])["PublicKey"]
        aws.session.client("s3").put_object(Bucket="cloudapp-events", Key="k", Body=b"object")
        aws.session.client("secretsmanager").create_secret(Name="s", SecretString="secret")
        aws.session.client("sns").publish(TopicArn=names["topics"]["admin"], Message="mail")
        aws.session.client("sqs").send_message(QueueUrl=names["queues"]["instance_events"], MessageBody="queued")
        pending = aws.sign_in(email)
        time.sleep(1.0)  # the promise: what is a second old survives
        aws.kill()

        aws.start()
        again = aws.session
        aws.bootstrap()
        self.assertEqual(again.changes, [], "the bootstrap finds everything as it was")
        for name in ("user_pool_id", "client_id", "kms_key_id", "issuer", "functions", "topics"):
            self.assertEqual(aws.names[name], names[name])
        self.assertEqual(aws.names["api_gateway"].rsplit("/", 1)[1], names["api_gateway"].rsplit("/", 1)[1])
        self.assertEqual(aws.get(aws.names["jwks_url"])[1], keys)
        self.assertEqual(again.client("kms").get_public_key(KeyId=names["kms_key_id"])["PublicKey"], public_key)
        self.assertEqual(again.client("s3").get_object(Bucket="cloudapp-events", Key="k")["Body"].read(), b"object")
        self.assertEqual(again.client("secretsmanager").get_secret_value(SecretId="s")["SecretString"], "secret")
        self.assertIn("mail", [message["body"] for message in json.loads(aws.get("/_cloudapp/mail")[1])])
        received = again.client("sqs").receive_message(QueueUrl=aws.names["queues"]["instance_events"])
        self.assertEqual([message["Body"] for message in received["Messages"]], ["queued"])

        refreshed = claims(aws.refresh(tokens["RefreshToken"])["AccessToken"])
        self.assertEqual((refreshed["sub"], refreshed["auth_time"]),
                         (sub, claims(tokens["AccessToken"])["auth_time"]))
        with self.assertRaises(aws.cognito.exceptions.NotAuthorizedException):
            aws.refresh(revoked)
        following = code(secret, 1)
        self.assertIn("AuthenticationResult", aws.answer(pending, USERNAME=email, SOFTWARE_TOKEN_MFA_CODE=following))
        again.client("sqs").send_message(QueueUrl=aws.names["queues"]["login"], MessageBody="for the Lambda")
        until(lambda: "for the Lambda" in {record["body"] for note in aws.events()
                                           for record in note["event"].get("Records", [])})
        status, _body = aws.get(aws.names["api_gateway"] + "/executions/e1", {
            "authorization": "Bearer " + aws.refresh(tokens["RefreshToken"])["AccessToken"]})
        self.assertEqual(status, 200)

    def test_reads_write_nothing_and_a_change_writes_only_its_service(self):
        functions = self.aws.session.client("lambda")
        until(lambda: all(  # MiniStack makes a new function active on a timer, which is a change too
            functions.get_function_configuration(FunctionName=arn)["State"] == "Active"
            for arn in self.aws.names["functions"].values()))
        self.assertEqual(self.aws.get("/_cloudapp/checkpoint", method="POST")[0], 204)
        before = self.state_files()
        self.aws.cognito.describe_user_pool(UserPoolId=self.aws.names["user_pool_id"])
        self.assertEqual(self.aws.get("/_cloudapp/checkpoint", method="POST")[0], 204)
        self.assertEqual(self.state_files(), before)
        self.aws.session.client("sqs").send_message(QueueUrl=self.aws.names["queues"]["mail"], MessageBody="x")
        until(lambda: self.state_files() != before, 2)
        after = self.state_files()
        self.assertEqual({name for name in after if after[name] != before.get(name)}, {"sqs.json"})
