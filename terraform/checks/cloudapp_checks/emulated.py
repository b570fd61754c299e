"""boto3 on the emulator."""

import boto3
from botocore.config import Config


class Aws:
    """boto3 clients for the emulator."""

    def __init__(self, endpoint: str):
        self.endpoint = endpoint
        self.clients: dict = {}

    def __call__(self, service: str, region: str = "eu-west-1"):
        if (service, region) not in self.clients:
            self.clients[service, region] = boto3.client(
                service,
                region_name=region,
                endpoint_url=self.endpoint,
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(connect_timeout=5, read_timeout=60, retries={"max_attempts": 2}),
            )
        return self.clients[service, region]
