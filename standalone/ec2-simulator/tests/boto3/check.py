"""Drives the EC2 simulator with boto3, as any AWS client would; its address is the one argument.

Every check stands alone, and together they cover what CloudApp's launches rely on.
"""

import base64
import sys
import time
import urllib.request
import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, BotoCoreError

ENDPOINT = sys.argv[1]
IMAGE = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
EC2 = boto3.client(
    "ec2",
    endpoint_url=ENDPOINT,
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
    config=Config(retries={"total_max_attempts": 1}, read_timeout=10),
)


def control(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{ENDPOINT}/_simulator{path}", data, {"content-type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text.startswith((b"{", b"[")) else text


def run(**changes):
    wanted = {"ImageId": IMAGE, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1}
    return EC2.run_instances(**{**wanted, **changes})


def ids(reservation):
    return [instance["InstanceId"] for instance in reservation["Instances"]]


def describe(instance_ids):
    reservations = EC2.describe_instances(InstanceIds=instance_ids)["Reservations"]
    return [instance for reservation in reservations for instance in reservation["Instances"]]


def until_state(instance_id, state):
    deadline = time.monotonic() + 20
    while (seen := describe([instance_id])[0]["State"]["Name"]) != state:
        assert time.monotonic() < deadline, f"{instance_id} is {seen}, not {state}"
        time.sleep(0.01)


def refused(code, call, *args, status=None, **kwargs):
    try:
        call(*args, **kwargs)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        if status is not None:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status, error.response
        return error.response["Error"]["Message"]
    raise AssertionError(f"{code} was expected")


def check_launch_shows_what_was_asked_for():
    user_data = "#cloud-config\n{}\n"
    reservation = run(
        MaxCount=2,
        UserData=user_data,
        SubnetId="subnet-0a1b2c3d4e5f60002",
        SecurityGroupIds=["sg-0d1e2f3a4b5c60002"],
        IamInstanceProfile={"Name": "machine"},
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        BlockDeviceMappings=[
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 33, "VolumeType": "gp3", "Encrypted": True}}
        ],
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "cloudapp:managed", "Value": "yes"}]},
            {"ResourceType": "volume", "Tags": [{"Key": "disk", "Value": "<&>"}]},
        ],
    )
    assert len(reservation["Instances"]) == 2
    assert {i["State"]["Name"] for i in reservation["Instances"]} == {"pending"}
    assert [i["AmiLaunchIndex"] for i in reservation["Instances"]] == [0, 1]
    instance = describe(ids(reservation))[0]
    assert instance["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert instance["Tags"] == [{"Key": "cloudapp:managed", "Value": "yes"}]
    assert instance["PrivateIpAddress"].startswith("172.31.")
    assert instance["IamInstanceProfile"]["Arn"].endswith(":instance-profile/machine")
    attribute = EC2.describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute="userData")
    assert base64.b64decode(attribute["UserData"]["Value"]).decode() == user_data
    volume = instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    tags = EC2.describe_tags(Filters=[{"Name": "resource-id", "Values": [volume]}])["Tags"]
    assert tags[0]["Value"] == "<&>", tags


def check_life_of_a_machine():
    [instance] = ids(run())
    until_state(instance, "running")
    assert describe([instance])[0]["PublicIpAddress"]
    EC2.get_waiter("instance_running").wait(InstanceIds=[instance])
    stopped = EC2.stop_instances(InstanceIds=[instance])["StoppingInstances"][0]
    assert (stopped["PreviousState"]["Name"], stopped["CurrentState"]["Name"]) == ("running", "stopping")
    until_state(instance, "stopped")
    assert "PublicIpAddress" not in describe([instance])[0]
    started = EC2.start_instances(InstanceIds=[instance])["StartingInstances"][0]
    assert (started["PreviousState"]["Name"], started["CurrentState"]["Name"]) == ("stopped", "pending")
    until_state(instance, "running")
    EC2.reboot_instances(InstanceIds=[instance])
    EC2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": True})
    refused("OperationNotPermitted", EC2.terminate_instances, InstanceIds=[instance])
    EC2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": False})
    ended = EC2.terminate_instances(InstanceIds=[instance], SkipOsShutdown=True)["TerminatingInstances"][0]
    assert ended["CurrentState"]["Name"] == "shutting-down"
    until_state(instance, "terminated")
    assert describe([instance])[0]["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    EC2.terminate_instances(InstanceIds=[instance])
    refused("IncorrectInstanceState", EC2.start_instances, InstanceIds=[instance])
    refused("IncorrectInstanceState", EC2.stop_instances, InstanceIds=[instance])


def check_client_token():
    first = run(ClientToken="same", MaxCount=3)
    assert ids(run(ClientToken="same", MaxCount=3)) == ids(first)
    refused("IdempotentParameterMismatch", run, ClientToken="same", MaxCount=2)
    EC2.terminate_instances(InstanceIds=ids(first))
    for instance in ids(first):
        until_state(instance, "terminated")
    refused("IdempotentInstanceTerminated", run, ClientToken="same", MaxCount=3)
    found = EC2.describe_instances(Filters=[{"Name": "client-token", "Values": ["same"]}])
    assert len(found["Reservations"]) == 1, found


def check_reply_lost_is_found_again_by_its_token():
    control("POST", "/faults", {"action": "RunInstances", "kind": "reply_lost"})
    try:
        run(ClientToken="lost")
        raise AssertionError("the reply arrived")
    except BotoCoreError:
        pass
    again = ids(run(ClientToken="lost"))
    found = EC2.describe_instances(Filters=[{"Name": "client-token", "Values": ["lost"]}])["Reservations"]
    assert [i["InstanceId"] for r in found for i in r["Instances"]] == again
    outcomes = [call["outcome"] for call in control("GET", "/ledger") if call["client_token"] == "lost"]
    assert outcomes == ["reply_lost", "ok"], outcomes


def check_refusals():
    refused("InvalidAMIID.NotFound", run, ImageId="ami-00000000000000000")
    refused("InvalidParameterValue", run, InstanceType="t3.gigantic")
    refused("InvalidParameterValue", run, UserData="x" * 16385)
    run(UserData="x" * 16384)
    refused("InvalidParameterValue", EC2.describe_instances, Filters=[{"Name": "mood", "Values": ["good"]}])
    refused("InvalidInstanceID.Malformed", EC2.describe_instances, InstanceIds=["i-nonsense"])
    refused("DryRunOperation", run, DryRun=True, status=412)
    refused("UnknownParameter", run, LaunchTemplate={"LaunchTemplateName": "x"})
    refused("InvalidAction", EC2.describe_key_pairs)
    [known] = ids(run())
    missing = "i-00000000000000000"
    message = refused("InvalidInstanceID.NotFound", describe, [known, missing])
    assert message == f"The instance ID '{missing}' does not exist", message
    refused("InvalidInstanceID.NotFound", EC2.terminate_instances, InstanceIds=[known, missing])
    assert describe([known])[0]["State"]["Name"] in ("pending", "running"), "one bad id ends nothing"


def check_capacity():
    place = {"instance_type": "c7i.large", "zone": "us-east-1a"}
    control("PUT", "/capacity", {**place, "available": 3})
    wanted = {"InstanceType": "c7i.large", "Placement": {"AvailabilityZone": "us-east-1a"}}
    assert len(ids(run(MaxCount=5, **wanted))) == 3
    refused("InsufficientInstanceCapacity", run, status=500, **wanted)
    other = {"InstanceType": "c7i.large", "Placement": {"AvailabilityZone": "us-east-1c"}}
    assert len(ids(run(MaxCount=5, **other))) == 5
    control("PUT", "/capacity", {**place, "available": None})


def check_spot():
    spot = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}
    [instance] = ids(run(InstanceMarketOptions=spot))
    until_state(instance, "running")
    assert describe([instance])[0]["InstanceLifecycle"] == "spot"
    refused("UnsupportedOperation", EC2.stop_instances, InstanceIds=[instance])
    control("POST", f"/instances/{instance}/spot-interruption")
    until_state(instance, "terminated")
    assert describe([instance])[0]["StateReason"]["Code"] == "Server.SpotInstanceTermination"


def check_pages_and_filters():
    run(MaxCount=12, TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "page", "Value": "one"}]}])
    seen = []
    pages = EC2.get_paginator("describe_instances").paginate(
        Filters=[{"Name": "tag:page", "Values": ["o*"]}], PaginationConfig={"PageSize": 5}
    )
    sizes = []
    for page in pages:
        found = [i["InstanceId"] for r in page["Reservations"] for i in r["Instances"]]
        sizes.append(len(found))
        seen += found
    assert sizes == [5, 5, 2] and len(set(seen)) == 12, sizes
    for name, value, count in [
        ("tag-key", "page", 12),
        ("instance-id", seen[0], 1),
        ("subnet-id", "subnet-none", 0),
        ("instance-state-name", "stopped", 0),
    ]:
        filters = [{"Name": name, "Values": [value]}, {"Name": "tag:page", "Values": ["one"]}]
        reservations = EC2.describe_instances(Filters=filters)["Reservations"]
        assert sum(len(r["Instances"]) for r in reservations) == count, name
    refused("InvalidParameterCombination", EC2.describe_instances, InstanceIds=seen[:1], MaxResults=5)
    statuses = EC2.describe_instance_status(InstanceIds=seen, IncludeAllInstances=True)
    assert len(statuses["InstanceStatuses"]) == 12


def check_tags():
    [instance] = ids(run())
    EC2.create_tags(Resources=[instance], Tags=[{"Key": "cloudapp:owner", "Value": "someone"}])
    EC2.create_tags(Resources=[instance], Tags=[{"Key": "other", "Value": ""}])
    assert {t["Key"] for t in describe([instance])[0]["Tags"]} == {"cloudapp:owner", "other"}
    EC2.delete_tags(Resources=[instance], Tags=[{"Key": "other"}])
    assert [t["Key"] for t in describe([instance])[0]["Tags"]] == ["cloudapp:owner"]
    missing = ["i-00000000000000000"]
    refused("InvalidInstanceID.NotFound", EC2.create_tags, Resources=missing, Tags=[{"Key": "a", "Value": "b"}])


def check_new_ids_cannot_be_found_at_first():
    control("POST", "/settings", {"timings": {"not_found": {"from_ms": 400, "to_ms": 400}}})
    [instance] = ids(run())
    control("POST", "/settings", {"timings": {"not_found": {"from_ms": 0, "to_ms": 0}}})
    refused("InvalidInstanceID.NotFound", describe, [instance])
    deadline = time.monotonic() + 10
    while True:
        try:
            describe([instance])
            return
        except ClientError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def check_throttle():
    control("POST", "/settings", {"throttle": True})
    try:
        codes = []
        for _ in range(12):
            try:
                run()
                codes.append("ok")
            except ClientError as error:
                codes.append(error.response["Error"]["Code"])
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert codes[:5] == ["ok"] * 5, codes
        assert "RequestLimitExceeded" in codes, codes
    finally:
        control("POST", "/settings", {"throttle": False})


def check_catalog():
    types = EC2.describe_instance_types(InstanceTypes=["t4g.small"])["InstanceTypes"]
    assert types[0]["VCpuInfo"]["DefaultVCpus"] == 2 and types[0]["MemoryInfo"]["SizeInMiB"] == 2048
    assert types[0]["ProcessorInfo"]["SupportedArchitectures"] == ["arm64"]
    refused("InvalidInstanceType", EC2.describe_instance_types, InstanceTypes=["t9.none"])
    offered = EC2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["t3.micro"]}]
    )["InstanceTypeOfferings"]
    assert {offer["Location"] for offer in offered} == {"us-east-1a", "us-east-1b", "us-east-1c"}
    filters = [{"Name": "name", "Values": ["al2023-ami-2023*"]}, {"Name": "architecture", "Values": ["arm64"]}]
    assert len(EC2.describe_images(Owners=["amazon"], Filters=filters)["Images"]) == 1
    assert len(EC2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]) == 3
    assert EC2.describe_vpcs()["Vpcs"][0]["IsDefault"]
    assert EC2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"].startswith("sg-")
    assert len(EC2.describe_availability_zones()["AvailabilityZones"]) == 3
    assert EC2.describe_regions()["Regions"][0]["RegionName"] == "us-east-1"


def check_console_shows_the_host_keys():
    [instance] = ids(run())
    until_state(instance, "running")
    deadline = time.monotonic() + 10
    while "-----END SSH HOST KEY KEYS-----" not in (
        output := EC2.get_console_output(InstanceId=instance, Latest=True).get("Output", "")
    ):
        assert time.monotonic() < deadline, output
        time.sleep(0.02)
    [key, _] = control("GET", f"/instances/{instance}")["host_keys"]
    assert key.startswith("ssh-ed25519 ") and key in output


def check_metadata_options():
    [instance] = ids(run())
    changed = EC2.modify_instance_metadata_options(InstanceId=instance, HttpTokens="required")
    assert changed["InstanceMetadataOptions"]["HttpTokens"] == "required"
    assert describe([instance])[0]["MetadataOptions"]["HttpTokens"] == "required"


CHECKS = [value for name, value in sorted(globals().items()) if name.startswith("check_")]
for check in CHECKS:
    check()
    print("ok", check.__name__, flush=True)
print(f"{len(CHECKS)} checks")
