"""Make CloudApp's AWS resources, or its demo users, on a local AWS. Idempotent.

    python bootstrap.py --endpoint URL --config in.json --output out.json
    python bootstrap.py seed-users --endpoint URL --pool ID --client ID --users users.json [--previous FILE]

The first writes the names of everything it made (`cloudapp_resources/stack.py`) to the output file. The second
prints the users as a JSON list; `--previous` is an earlier list, whose passwords and TOTP secrets are kept. What was
changed is said on standard error.
"""

import argparse
import json
import os
import sys

from botocore.exceptions import BotoCoreError, ClientError

from cloudapp_resources import stack, users
from cloudapp_resources.session import Session


def main(arguments: list[str]) -> int:
    """Run one of the two commands; returns the exit code."""
    seeding = arguments[:1] == ["seed-users"]
    try:
        session = _seed_users(arguments[1:]) if seeding else _ensure_resources(arguments)
    except (ClientError, BotoCoreError, stack.ConfigurationError) as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return 1
    print(f"bootstrap: {len(session.changes)} changes", *session.changes, sep="\n  ", file=sys.stderr)
    return 0


def _ensure_resources(arguments: list[str]) -> Session:
    parser = argparse.ArgumentParser(description="Make CloudApp's AWS resources")
    for name in ("--endpoint", "--config", "--output"):
        parser.add_argument(name, required=True)
    options = parser.parse_args(arguments)
    session = Session(options.endpoint)
    output = stack.ensure_all(session, _read(options.config))
    with open(options.output + ".new", "w") as file:
        json.dump(output, file, indent=2)
    os.replace(options.output + ".new", options.output)
    return session


def _seed_users(arguments: list[str]) -> Session:
    parser = argparse.ArgumentParser(description="Make CloudApp's demo users")
    for name in ("--endpoint", "--pool", "--client", "--users"):
        parser.add_argument(name, required=True)
    parser.add_argument("--previous")
    options = parser.parse_args(arguments)
    session = Session(options.endpoint)
    previous = _read(options.previous) if options.previous and os.path.exists(options.previous) else []
    print(json.dumps(users.seed(session, options.pool, options.client, _read(options.users), previous), indent=2))
    return session


def _read(path: str):
    with open(path) as file:
        return json.load(file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
