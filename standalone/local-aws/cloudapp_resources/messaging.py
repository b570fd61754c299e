"""SQS queues and SNS topics."""

import json
from dataclasses import dataclass

from .session import Session, differing

MAX_RECEIVE_COUNT = 5
RETENTION_SECONDS = 14 * 24 * 3600


@dataclass(frozen=True)
class Queue:
    """A queue with its dead-letter queue."""

    url: str
    arn: str
    dlq_url: str


def ensure_queue(session: Session, name: str, visibility_seconds: int) -> Queue:
    """The queue `name` with a `-dlq` that takes a message after five receives."""
    retention = {"MessageRetentionPeriod": str(RETENTION_SECONDS)}
    dlq_url, dlq_arn = _ensure(session, f"{name}-dlq", retention)
    redrive = json.dumps({"deadLetterTargetArn": dlq_arn, "maxReceiveCount": MAX_RECEIVE_COUNT})
    url, arn = _ensure(session, name, {
        **retention, "VisibilityTimeout": str(visibility_seconds), "RedrivePolicy": redrive})
    return Queue(url, arn, dlq_url)


def _ensure(session: Session, name: str, attributes: dict) -> tuple[str, str]:
    sqs = session.client("sqs")
    try:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        session.changed(f"queue {name}")
    actual = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    stale = differing(attributes, actual)
    if stale:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=stale)
        session.changed(f"queue {name}: {', '.join(stale)}")
    return url, actual["QueueArn"]


def ensure_topic(session: Session, name: str) -> str:
    """The ARN of the topic `name`."""
    sns = session.client("sns")
    known = {topic["TopicArn"] for page in sns.get_paginator("list_topics").paginate() for topic in page["Topics"]}
    arn = sns.create_topic(Name=name)["TopicArn"]
    if arn not in known:
        session.changed(f"topic {name}")
    return arn


def ensure_mail_subscription(session: Session, topic_arn: str, address: str) -> None:
    """`address` gets the topic's messages by mail."""
    sns = session.client("sns")
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
    if any(known["Protocol"] == "email" and known["Endpoint"] == address
           for page in pages for known in page["Subscriptions"]):
        return
    sns.subscribe(TopicArn=topic_arn, Protocol="email", Endpoint=address)
    session.changed(f"mail subscription of {topic_arn.rsplit(':', 1)[-1]}")
