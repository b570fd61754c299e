"""Patch: the mail that AWS would send can be read.

MiniStack drops SNS e-mail deliveries with a log line. Here they go into MiniStack's own SES outbox, where SES
sends and Cognito invitations are already; the outbox is persisted, which MiniStack does not do, and served as JSON
and as a page. MiniStack confirms e-mail subscriptions at once, which suits us, as nobody could click the link.
"""

import copy
import html
from datetime import datetime, timezone

from ministack.services import ses, sns

KEPT_MESSAGES = 1000
OUTBOX = "_cloudapp_outbox"
EMAIL_PROTOCOLS = ("email", "email-json")

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>CloudApp mail</title><style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }}
article {{ border-top: 1px solid #bbb; padding: 1rem 0; }}
h2 {{ font-size: 1.1rem; margin: 0; }} p {{ margin: 0; color: #555; }} pre {{ white-space: pre-wrap; }}
</style></head><body><h1>Mail</h1>{messages}</body></html>"""

MESSAGE = "<article><h2>{subject}</h2><p>to {to} · {at}{topic}</p><pre>{body}</pre></article>"


def install() -> None:
    """Deliver SNS e-mail into the outbox; keep the outbox bounded, and over a restart."""
    fanout = sns._fanout
    record_send = ses._record_send
    get_state = ses.get_state
    load_persisted_state = ses.load_persisted_state

    def fan_out(topic_arn, msg_id, message, subject, message_structure="", message_attributes=None, **context):
        fanout(topic_arn, msg_id, message, subject, message_structure, message_attributes, **context)
        topic = sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": []}
        for subscription in topic["subscriptions"]:
            if subscription.get("confirmed") and subscription.get("protocol") in EMAIL_PROTOCOLS:
                text = sns._resolve_message_for_protocol(message, message_structure, subscription["protocol"])
                if sns._matches_filter_policy(subscription, message_attributes or {}, text):
                    ses.send_internal_email(
                        source="no-reply@sns.amazonaws.com", to_addrs=[subscription["endpoint"]],
                        subject=subject or "AWS Notification Message", body_text=text,
                        type_name="SnsNotification", extra={"TopicArn": topic_arn})

    def record(*args, **kwargs):
        message_id = record_send(*args, **kwargs)
        del ses._sent_emails_list()[:-KEPT_MESSAGES]
        return message_id

    def state():
        return {**get_state(), OUTBOX: copy.deepcopy(ses._sent_emails)}

    def load(data):
        load_persisted_state(data)
        if OUTBOX in data:
            ses._sent_emails.update(data[OUTBOX])

    sns._fanout = fan_out
    ses._record_send = record
    ses.get_state = state
    ses.load_persisted_state = load


def messages() -> list[dict]:
    """Every message of every account and region, newest first."""
    sent = [mail for _scope, entries in ses._sent_emails.all_items() if isinstance(entries, list) for mail in entries]
    return [_message(mail) for mail in sorted(sent, key=lambda mail: mail["Timestamp"], reverse=True)]


def _message(mail: dict) -> dict:
    return {
        "id": mail["MessageId"],
        "topic": mail.get("TopicArn"),
        "to": ", ".join(mail.get("To", [])),
        "subject": mail.get("RenderedSubject") or mail.get("Subject", ""),
        "body": (mail.get("RenderedBodyText") or mail.get("BodyText") or mail.get("RenderedBodyHtml")
                 or mail.get("BodyHtml") or ""),
        "at": datetime.fromtimestamp(mail["Timestamp"], timezone.utc).isoformat(timespec="milliseconds"),
    }


def page() -> str:
    """The outbox as an HTML page; everything that came from outside is escaped."""
    shown = []
    for message in messages():
        topic = f" · topic {message['topic'].rsplit(':', 1)[-1]}" if message["topic"] else ""
        escaped = {name: html.escape(value or "") for name, value in {**message, "topic": topic}.items()}
        shown.append(MESSAGE.format(**escaped))
    return PAGE.format(messages="".join(shown) or "<p>No mail yet.</p>")
