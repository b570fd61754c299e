"""The event sources of the Lambdas: from which queue, to which function, and how many at a time is as Terraform mapped it."""

import threading

from botocore.exceptions import BotoCoreError, ClientError

from .expect import NotSo
from .functions import PATIENCE, Function


class EventSources:
    """Takes messages from the queues that Terraform mapped to functions, and deletes those that were dealt with."""

    def __init__(self, aws, functions: dict[str, Function]):
        self.ended = threading.Event()
        self.threads = []
        for mapping in aws("lambda").list_event_source_mappings()["EventSourceMappings"]:
            function = functions[mapping["FunctionArn"].rsplit(":", 1)[-1]]
            arn = mapping["EventSourceArn"]
            url = aws("sqs").get_queue_url(QueueName=arn.rsplit(":", 1)[-1])["QueueUrl"]
            arguments = (aws("sqs"), url, arn, mapping["BatchSize"], function)
            self.threads.append(threading.Thread(target=self._serve, args=arguments, daemon=True))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(PATIENCE)

    def _serve(self, sqs, url: str, arn: str, batch: int, function: Function) -> None:
        while not self.ended.is_set():
            try:
                answer = sqs.receive_message(
                    QueueUrl=url, MaxNumberOfMessages=min(batch, 10), WaitTimeSeconds=1, AttributeNames=["All"]
                )
                messages = answer.get("Messages", [])
                if messages:
                    self._hand_over(sqs, url, arn, messages, function)
            except (BotoCoreError, ClientError, NotSo) as trouble:
                # As with Lambda: the messages come again.
                print(f"event source of {function.name}: {trouble}", flush=True)

    def _hand_over(self, sqs, url: str, arn: str, messages: list[dict], function: Function) -> None:
        records = [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "messageAttributes": {},
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
                "awsRegion": arn.split(":")[3],
            }
            for message in messages
        ]
        answer = function.invoke({"Records": records}) or {}
        failed = {one["itemIdentifier"] for one in answer.get("batchItemFailures", [])}
        for message in messages:
            if message["MessageId"] not in failed:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
