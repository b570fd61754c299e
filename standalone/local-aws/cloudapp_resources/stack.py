"""CloudApp's resources together: names, sizes, and how they hang on each other."""

from string import Template

from . import catalog, functions, http_api, identity, messaging, storage
from .session import REGION, Session

TIMEOUT_SECONDS = {"auth": 5, "login-poller": 10, "stop-ec2": 10, "mailer": 30}
# AWS asks for six times the consumer's timeout, so that a batch is not seen again while it is being worked on.
VISIBILITY_FACTOR = 6
EVENTS_VISIBILITY_SECONDS = 60
DATABASE, TABLE, WORKGROUP = "cloudapp", "instance_events", "cloudapp"


class ConfigurationError(Exception):
    """The input names something that does not exist."""


def ensure_all(session: Session, config: dict) -> dict:
    """Make or update every resource and return the names others need.

    `config` has `lambda_command`, `lambda_env`, `admin_mail` and `web_url`. A value in `lambda_env` may hold
    `${name}` for any text in the returned object (`${issuer}`, `${user_pool_id}`, `${queues_login}`, …); a plain
    `$` is written `$$`. The `mailer` is made when `lambda_env` has it. Raises `ConfigurationError`.
    """
    queues = {
        "login": messaging.ensure_queue(session, "cloudapp-login", VISIBILITY_FACTOR * TIMEOUT_SECONDS["login-poller"]),
        "mail": messaging.ensure_queue(session, "cloudapp-mail", VISIBILITY_FACTOR * TIMEOUT_SECONDS["mailer"]),
        "instance_events": messaging.ensure_queue(session, "cloudapp-instance-events", EVENTS_VISIBILITY_SECONDS),
    }
    topics = {name: messaging.ensure_topic(session, f"cloudapp-{name}") for name in ("admin", "events")}
    messaging.ensure_mail_subscription(session, topics["admin"], config["admin_mail"])
    buckets = {name: storage.ensure_bucket(session, "cloudapp-" + name.replace("_", "-"))
               for name in ("events", "athena_results", "first_seen")}
    catalog.ensure_events_table(session, DATABASE, TABLE, buckets["events"])
    catalog.ensure_workgroup(session, WORKGROUP, buckets["athena_results"])
    pool = identity.ensure_pool(session, "cloudapp", config["web_url"])

    output = {
        "region": REGION,
        "endpoint": session.endpoint,
        "queues": {**{name: queue.url for name, queue in queues.items()},
                   **{f"{name}_dlq": queue.dlq_url for name, queue in queues.items()}},
        "queue_arns": {name: queue.arn for name, queue in queues.items()},
        "topics": topics,
        "buckets": buckets,
        "kms_key_id": storage.ensure_signing_key(session, "alias/cloudapp-ssh-ca"),
        "user_pool_id": pool.pool_id,
        "client_id": pool.client_id,
        "issuer": f"https://cognito-idp.{REGION}.amazonaws.com/{pool.pool_id}",
        "jwks_url": f"{session.endpoint}/{pool.pool_id}/.well-known/jwks.json",
        "workgroup": WORKGROUP,
        "glue_database": DATABASE,
        "glue_table": TABLE,
    }
    output["functions"] = _ensure_functions(session, config, output)
    identity.ensure_triggers(session, pool.pool_id, output["functions"]["auth"])
    functions.ensure_event_source(session, queues["login"].arn, "cloudapp-login-poller")
    if "mailer" in output["functions"]:
        functions.ensure_event_source(session, queues["mail"].arn, "cloudapp-mailer")
    output["api_gateway"] = http_api.ensure_api(session, "cloudapp", output["issuer"], pool.client_id, {
        "GET /executions/{id}": output["functions"]["login-poller"],
        "POST /instances/{id}/force-stop": output["functions"]["stop-ec2"],
    })
    return output


def _ensure_functions(session: Session, config: dict, output: dict) -> dict:
    environments = {"auth": {}, "login-poller": {}, "stop-ec2": {}, **config["lambda_env"]}
    known = flat(output)
    arns = {}
    for name, environment in environments.items():
        if name not in TIMEOUT_SECONDS:
            raise ConfigurationError(f"lambda_env names an unknown function: {name}")
        try:
            filled = {key: Template(value).substitute(known) for key, value in environment.items()}
        except (KeyError, ValueError) as error:
            raise ConfigurationError(f"lambda_env of {name}: unknown placeholder {error}") from error
        package = functions.bootstrap_zip(config["lambda_command"], name)
        arns[name] = functions.ensure_function(session, f"cloudapp-{name}", package, filled, TIMEOUT_SECONDS[name])
    return arns


def flat(output: dict) -> dict[str, str]:
    """The output's texts under one name each: `queues.login` becomes `queues_login`."""
    names = {}
    for name, value in output.items():
        if isinstance(value, dict):
            names.update({f"{name}_{inner}": text for inner, text in value.items()})
        else:
            names[name] = value
    return names
