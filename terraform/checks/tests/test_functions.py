"""Lambda around a function: events reach its process one at a time, and routes lead where integrations say."""

import json
import subprocess
import sys
import threading
import unittest
import urllib.error
import urllib.request

from cloudapp_checks.running.expect import NotSo, eventually
from cloudapp_checks.running.functions import Function, Gateway

# Answers requests with what it got, batches with their failures, and fails when it is told to.
DOUBLE = """
import json, sys, urllib.request
runtime = f"http://{sys.argv[1]}/2018-06-01/runtime/invocation"
while True:
    with urllib.request.urlopen(f"{runtime}/next") as response:
        request, event = response.headers["Lambda-Runtime-Aws-Request-Id"], json.load(response)
    outcome, answer = "response", {"statusCode": 200, "headers": {"x-double": "1"}, "body": json.dumps(event)}
    if event.get("fail"):
        outcome, answer = "error", {"errorMessage": "refused"}
    urllib.request.urlopen(urllib.request.Request(f"{runtime}/{request}/{outcome}", data=json.dumps(answer).encode(), method="POST"))
"""


class Api:
    """What the emulator says of an HTTP API."""

    def get_apis(self):
        return {"Items": [{"Name": "other", "ApiId": "x"}, {"Name": "cloudapp", "ApiId": "a"}]}

    def get_integrations(self, ApiId):
        return {"Items": [{"IntegrationId": "i", "IntegrationUri": "arn:aws:lambda:eu-west-1:1:function:double"}]}

    def get_routes(self, ApiId):
        return {"Items": [{"RouteKey": "GET /executions/{id}", "Target": "integrations/i"}]}


class Functions(unittest.TestCase):
    def setUp(self):
        self.function = Function("double")
        process = subprocess.Popen([sys.executable, "-c", DOUBLE, self.function.server.address])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(self.function.server.close)

    def test_answers_and_failures_belong_to_their_events(self):
        answers = {}
        ask = lambda number: answers.update({number: json.loads(self.function.invoke({"number": number})["body"])})
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual(answers, {number: {"number": number} for number in range(5)})
        with self.assertRaisesRegex(NotSo, "double failed: .*refused"):
            self.function.invoke({"fail": True})
        self.assertEqual(self.function.invoke({})["statusCode"], 200, "it goes on after a failure")

    def test_requests_arrive_by_their_route(self):
        gateway = Gateway(lambda service: {"apigatewayv2": Api()}[service], "cloudapp", {"double": self.function})
        self.addCleanup(gateway.server.close)
        request = urllib.request.Request(f"{gateway.url}/executions/7?a=1", headers={"Authorization": "Bearer x"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.assertEqual(answer.headers["x-double"], "1")
            event = json.load(answer)
        self.assertEqual((event["rawPath"], event["rawQueryString"]), ("/executions/7", "a=1"))
        self.assertEqual(event["headers"]["authorization"], "Bearer x")
        self.assertEqual(event["requestContext"]["http"]["method"], "GET")
        for path in ("/executions", "/executions/7/more", "/other"):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{gateway.url}{path}", timeout=30)
            refused.exception.close()
            self.assertEqual(refused.exception.code, 404, path)


class Waiting(unittest.TestCase):
    def test_what_comes_is_returned_and_what_does_not_is_named(self):
        looks = iter([None, 0, 7])
        self.assertEqual(eventually("it comes", lambda: next(looks), seconds=5), 7)
        with self.assertRaisesRegex(NotSo, "it comes: not within 0 s"):
            eventually("it comes", lambda: None, seconds=0.01)


if __name__ == "__main__":
    unittest.main()
