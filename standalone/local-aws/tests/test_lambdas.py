"""What MiniStack does by itself and CloudApp relies on: event sources with partial failures, the HTTP API."""

import json

from tests.support import SharedAwsTest, until


class EventSource(SharedAwsTest):
    def test_only_the_failed_message_of_a_batch_comes_again(self):
        sqs, queue = self.aws.session.client("sqs"), self.aws.names["queues"]["login"]
        for body in ("good", "bad"):
            sqs.send_message(QueueUrl=queue, MessageBody=body)

        def left():
            attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
            return (int(attributes["ApproximateNumberOfMessages"]),
                    int(attributes["ApproximateNumberOfMessagesNotVisible"]))
        until(lambda: {"good", "bad"} <= {record["body"] for note in self.aws.events()
                                          for record in note["event"].get("Records", [])})
        until(lambda: left() == (0, 1))
        sqs.purge_queue(QueueUrl=queue)


class HttpApi(SharedAwsTest):
    def call(self, path: str, method: str = "GET", headers: dict | None = None):
        return self.aws.get(self.aws.names["api_gateway"] + path, headers=headers, method=method)

    def test_the_lambda_gets_the_request(self):
        headers = {"authorization": "Bearer " + self.aws.tokens(self.aws.user()[0])["AccessToken"]}
        for method, path, identifier in (("GET", "/executions/e1?x=1", "e1"),
                                         ("POST", "/instances/i1/force-stop", "i1")):
            status, body = self.call(path, method, headers)
            self.assertEqual(status, 200, body)
            event = json.loads(body)
            self.assertEqual(event["version"], "2.0")
            self.assertEqual(event["requestContext"]["http"]["method"], method)
            self.assertEqual(event["rawPath"], path.split("?")[0])
            self.assertEqual(event["pathParameters"], {"id": identifier})
            self.assertEqual(event["headers"]["authorization"], headers["authorization"])

    def test_the_authorizer_wants_a_token_of_the_pool(self):
        self.assertEqual(self.call("/executions/e1")[0], 401)
        self.assertEqual(self.call("/executions/e1", headers={"authorization": "Bearer a.b.c"})[0], 401)
