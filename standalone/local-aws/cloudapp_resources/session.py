"""Clients for the local AWS, and the record of what was changed."""

import boto3
from botocore.config import Config

REGION = "us-east-1"
# MiniStack's root key; it checks no secret, and no real account has this one.
ROOT_KEY = "test"


class Session:
    """boto3 clients for one endpoint, and the changes made through them."""

    def __init__(self, endpoint: str):
        self.endpoint = endpoint.rstrip("/")
        self.changes: list[str] = []
        self._clients: dict = {}

    def client(self, service: str):
        """The client of a service, made once."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service, endpoint_url=self.endpoint, region_name=REGION,
                aws_access_key_id=ROOT_KEY, aws_secret_access_key=ROOT_KEY,
                config=Config(connect_timeout=5, read_timeout=60, retries={"max_attempts": 3},
                              s3={"addressing_style": "path"}))
        return self._clients[service]

    def changed(self, what: str) -> None:
        """Record a change."""
        self.changes.append(what)


def differing(wanted: dict, actual: dict) -> dict:
    """The entries of `wanted` that `actual` does not have with the same value."""
    return {name: value for name, value in wanted.items() if actual.get(name) != value}
