"""Mail that can be read: `local_aws/mail.py`."""

import json
import uuid

from tests.support import PASSWORD, SharedAwsTest


class Mail(SharedAwsTest):
    def inbox(self) -> list[dict]:
        return json.loads(self.aws.get("/_cloudapp/mail")[1])

    def test_a_message_to_the_admins_is_readable_at_once(self):
        topic = self.aws.names["topics"]["admin"]
        for subject in ("first", "<b>second</b>"):
            self.aws.session.client("sns").publish(TopicArn=topic, Subject=subject, Message="<script>alert(1)</script>")
        newest, older = self.inbox()[:2]
        self.assertEqual((older["subject"], newest["subject"]), ("first", "<b>second</b>"))
        self.assertEqual((newest["to"], newest["topic"]), ("admins@example.com", topic))
        self.assertEqual(newest["body"], "<script>alert(1)</script>")
        page = self.aws.get("/_cloudapp/mail/")[1]
        self.assertIn("&lt;script&gt;", page)
        self.assertNotIn("<script>", page)
        self.assertLess(page.index("second"), page.index("first"))

    def test_a_topic_without_subscribers_sends_no_mail(self):
        before = len(self.inbox())
        self.aws.session.client("sns").publish(TopicArn=self.aws.names["topics"]["events"], Message="x")
        self.assertEqual(len(self.inbox()), before)

    def test_an_invitation(self):
        email = f"{uuid.uuid4().hex}@example.com"
        self.aws.cognito.admin_create_user(UserPoolId=self.aws.names["user_pool_id"], Username=email,
                                           TemporaryPassword=PASSWORD)
        invitation = next(message for message in self.inbox() if message["to"] == email)
        self.assertIn(PASSWORD, invitation["body"])
        self.assertIn("http://127.0.0.1:8080", invitation["body"])
