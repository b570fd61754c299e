"""S3 buckets and the KMS key that signs login certificates."""

from botocore.exceptions import ClientError

from .session import Session


def ensure_bucket(session: Session, name: str) -> str:
    """The bucket `name`."""
    s3 = session.client("s3")
    try:
        s3.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        s3.create_bucket(Bucket=name)
        session.changed(f"bucket {name}")
    return name


def ensure_signing_key(session: Session, alias: str) -> str:
    """The id of the P-256 signing key behind `alias`."""
    kms = session.client("kms")
    for page in kms.get_paginator("list_aliases").paginate():
        for known in page["Aliases"]:
            if known["AliasName"] == alias and known.get("TargetKeyId"):
                return known["TargetKeyId"]
    key_id = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY",
                            Description="CloudApp SSH certificate authority")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=alias, TargetKeyId=key_id)
    session.changed(f"key {alias}")
    return key_id
