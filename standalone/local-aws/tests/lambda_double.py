"""A Lambda for the tests: speaks the runtime API, notes every event, and answers as `$TEST_DIR/behaviour.json` says.

Run as `python lambda_double.py <function>`.
"""

import json
import os
import sys
import urllib.request

RUNTIME = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
FOLDER = os.environ["TEST_DIR"]


def answer(event: dict) -> dict:
    with open(os.path.join(FOLDER, "behaviour.json")) as file:
        behaviour = json.load(file)
    if "triggerSource" in event:
        if event["triggerSource"].split("_")[0] == behaviour.get("fail"):
            raise ValueError("refused by the test")
        if event["triggerSource"].startswith("TokenGeneration"):
            event["response"] = {"claimsAndScopeOverrideDetails": behaviour.get("override")}
        return event
    if "Records" in event:
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"]
                                      if "bad" in record["body"]]}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(event)}


def post(path: str, body: dict) -> None:
    request = urllib.request.Request(f"{RUNTIME}/{path}", data=json.dumps(body).encode(), method="POST")
    urllib.request.urlopen(request).read()


while True:
    with urllib.request.urlopen(f"{RUNTIME}/next") as response:
        request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
        received = json.load(response)
    with open(os.path.join(FOLDER, "events.jsonl"), "a") as notes:
        notes.write(json.dumps({"function": sys.argv[1], "pid": os.getpid(), "event": received}) + "\n")
    print(received.get("triggerSource"), received.get("userName"), flush=True)
    try:
        post(f"{request_id}/response", answer(received))
    except ValueError as error:
        post(f"{request_id}/error", {"errorMessage": str(error), "errorType": "ValueError"})
