"""What people do with the installation, and what must come of it where Terraform made things."""

import html
import json
import re
import urllib.parse
import urllib.request
import uuid

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from .expect import eventually, expect
from .installation import Installation
from .person import Person

IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
# No id that EC2 gives.
UNKNOWN_SUBNET = "subnet-00000000000000000"


class Journey:
    """An admin who publishes configurations and a user who launches machines."""

    def __init__(self, aws, outputs: dict, installation: Installation):
        self.aws, self.outputs, self.at = aws, outputs, installation
        self.values = outputs["helm_values"]
        self.machines = self.values["provisionInstance"]
        tail = uuid.uuid4().hex[:8]
        self.admin = Person(aws, outputs["identity"], f"admin-{tail}@example.com", "admin")
        self.user = Person(aws, outputs["identity"], f"user-{tail}@example.com", "user")
        key = ed25519.Ed25519PrivateKey.generate().public_key()
        openssh = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        self.public_key = openssh.decode()

    def publish(self, name: str, **settings) -> str:
        """The admin publishes a configuration; its id."""
        draft = {"name": name, "image": IMAGE, "instance_types": ["t3.micro"], "on_stop": "stop", **settings}
        made = self.admin.do("POST", f"{self.at.configure}/api/configurations", draft, status=201)
        self.admin.do("POST", f"{self.at.configure}/api/configurations/{made['id']}/publish", status=200)
        return made["id"]

    def ask_for(self, configuration: str) -> dict:
        """The user asks for a machine; the execution and the machine."""
        body = {"configuration_id": configuration, "ssh_public_key": self.public_key}
        return self.user.do("POST", f"{self.at.provision}/api/instances", body)

    def status(self, execution: str) -> dict:
        """What API Gateway's route, the Lambda login-poller, says of it."""
        return self.user.get(f"{self.at.gateway}/executions/{execution}")

    def launch(self, configuration: str) -> tuple[dict, dict]:
        """A machine with its login details, as its owner sees them."""
        asked = self.ask_for(configuration)

        def ready():
            status = self.status(asked["execution_id"])
            expect(status["state"] in ("pending", "running", "succeeded"), f"the launch ended otherwise: {status}")
            return status if status.get("login") else None

        status = eventually("login details come through queue, Lambda and database", ready)
        return self.user.get(f"{self.at.provision}/api/instances/{asked['instance_id']}"), status["login"]

    def ec2(self, machine: dict) -> dict:
        """The machine as EC2 has it."""
        with urllib.request.urlopen(f"{self.at.simulator}/_simulator/instances/{machine['ec2_instance_id']}", timeout=10) as answer:
            return json.loads(answer.read())

    def until(self, machine: dict, *states: str) -> dict:
        """The machine, once CloudApp knows that it is in one of these states."""

        def look():
            found = self.user.get(f"{self.at.provision}/api/instances/{machine['id']}")
            expect(found["state"] != "failed", f"the machine failed: {found}")
            return found if found["state"] in states else None

        return eventually(f"the machine is {' or '.join(states)}", look)

    # What is judged.

    def a_machine_that_names_the_network(self) -> None:
        """Subnets and group of Terraform's, named by the configuration, in another order than CloudApp's own."""
        subnets = list(reversed(self.machines["subnets"]))
        named = self.publish("Named network", subnets=subnets, security_groups=self.machines["securityGroups"])
        machine, login = self.launch(named)
        self._stands_in_the_network(machine, [subnets[0]])
        self._can_be_logged_in_to(machine, login)
        self.user.do("POST", f"{self.at.provision}/api/instances/{machine['id']}/stop")
        self.until(machine, "stopped")
        expect(self.ec2(machine)["state"] == "stopped", "EC2 has not stopped the machine")
        self.user.do("POST", f"{self.at.provision}/api/instances/{machine['id']}/start")
        self.until(machine, "ready")
        self._end(machine)
        print("a machine in the subnet that its configuration names: ready with login details, stopped, started, terminated")

    def a_machine_by_default(self) -> None:
        """A configuration that names no network: where Terraform tells provision-instance to launch. Stopped by force."""
        machine, _ = self.launch(self.publish("Default network"))
        self._stands_in_the_network(machine, self.machines["subnets"])
        forced = self.admin.do(
            "POST", f"{self.at.gateway}/instances/{machine['id']}/force-stop", {"reason": "the check"}, status=200
        )
        expect(forced == {"outcome": "stopping"}, f"stop-ec2 says {forced}")
        self.until(machine, "stopped")
        self._end(machine)
        print("a machine in the subnets of provision-instance: ready, stopped by force, terminated")

    def refused(self) -> None:
        """Networks that are not there, or do not go together, fail with EC2's reason and leave nothing behind."""
        ec2 = self.aws("ec2")
        default_vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
        elsewhere = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [default_vpc]}])["SecurityGroups"][0]
        subnets, groups = self.machines["subnets"], self.machines["securityGroups"]
        for name, settings, reason in (
            ("unknown subnet", {"subnets": [UNKNOWN_SUBNET]}, "InvalidSubnetID.NotFound"),
            ("unknown group", {"subnets": subnets, "security_groups": ["sg-00000000000000000"]}, "InvalidGroup.NotFound"),
            ("group of another VPC", {"subnets": subnets, "security_groups": [elsewhere["GroupId"]]}, "InvalidParameter:"),
            ("unknown profile", {"subnets": subnets, "security_groups": groups, "instance_profile": "gone"}, "iamInstanceProfile"),
        ):
            asked = self.ask_for(self.publish(name, **settings))
            failed = eventually(f"{name}: the launch ends", lambda: self._ended(asked["execution_id"]))
            failure = failed.get("failure") or {}
            expect(
                failed["state"] == "failed" and failure.get("code") == "configuration_refused" and failure.get("fixer") == "admin",
                f"{name}: {failed}",
            )
            told = self.admin.get(f"{self.at.provision}/api/executions/{asked['execution_id']}")
            expect(reason in json.dumps(told), f"{name}: an admin is not told {reason}: {told}")
            print(f"{name}: \"{failure['sentence']}\" ({reason.rstrip(':')})")
        with urllib.request.urlopen(f"{self.at.simulator}/_simulator/instances", timeout=10) as answer:
            left = [one["id"] for one in json.loads(answer.read()) if one["state"] not in ("terminated", "shutting-down")]
        expect(not left, f"machines are left: {left}")

    def traces_left(self) -> None:
        """Events lie where the table of the statistics reads; the queues are empty, the dead-letter queues too."""
        bucket = self.machines["eventsBucket"]
        events = lambda: self.aws("s3").list_objects_v2(Bucket=bucket, Prefix="instance_events/").get("KeyCount")
        eventually("events are put into their bucket", events)
        sqs = self.aws("sqs")
        for name in ("login", "instance_events"):
            url = self.outputs["queues"][name]
            attributes = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            empty = lambda: not any(
                int(count) for count in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=attributes)["Attributes"].values()
            )
            eventually(f"the queue {name} is empty", empty)
            dead = sqs.get_queue_url(QueueName=url.rsplit("/", 1)[-1] + "-dlq")["QueueUrl"]
            count = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=attributes[:1])["Attributes"][attributes[0]]
            expect(count == "0", f"{count} messages of {name} were given up")
        print("events are in their bucket, the queues are empty")

    def the_sign_in_trigger(self) -> None:
        """No emulator calls a pool's triggers: the event is made here, the Lambda, its bucket and its topic are real."""
        pool, client = self.outputs["identity"]["user_pool_id"], self.outputs["identity"]["client_id"]
        event = {
            "version": "1",
            "region": self.values["aws"]["region"],
            "userPoolId": pool,
            "userName": self.user.sub,
            "callerContext": {"awsSdkVersion": "check", "clientId": client},
            "triggerSource": "PostAuthentication_Authentication",
            "request": {"userAttributes": {"sub": self.user.sub, "email": self.user.email}, "newDeviceUsed": False},
            "response": {},
        }
        expect(self.at.functions["cloudapp-auth"].invoke(event) == event, "the trigger changes the event")
        key = f"first-seen/{self.user.sub}"
        record = self.aws("s3").get_object(Bucket=self.outputs["buckets"]["first-seen"], Key=key)["Body"].read()
        expect(json.loads(record)["state"] == "sent", f"the admins were not told of a new user: {record!r}")
        print("the admins' topic takes the notice of a new user, and the bucket remembers it")

    def the_pages(self) -> None:
        """Web, with the settings and the session key of its task: the user signs in and sees what there is to launch."""
        name = "Seen in the catalogue"
        self.publish(name)
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with browser.open(f"{self.at.web}/sign-in", timeout=30) as page:
            csrf = re.search(r'name="csrf" value="([^"]+)"', page.read().decode())
        expect(csrf, "there is no form to sign in with")
        form = {"csrf": html.unescape(csrf[1]), "email": self.user.email, "password": self.user.password, "next": "/"}
        entered = urllib.request.Request(
            f"{self.at.web}/sign-in", data=urllib.parse.urlencode(form).encode(), headers={"origin": self.at.web}
        )
        with browser.open(entered, timeout=30) as page:
            text = page.read().decode()
        expect(name in text, f"the user who has signed in does not see the catalogue: {page.url} {text[:500]}")
        print("the user signs in by the pages and sees the catalogue")

    def _ended(self, execution: str) -> dict | None:
        status = self.status(execution)
        return status if status["state"] not in ("pending", "running") else None

    def _end(self, machine: dict) -> None:
        self.user.do("DELETE", f"{self.at.provision}/api/instances/{machine['id']}")
        self.until(machine, "terminated")
        expect(self.ec2(machine)["state"] == "terminated", "EC2 has not terminated the machine")

    def _stands_in_the_network(self, machine: dict, subnets: list[str]) -> None:
        found = self.ec2(machine)
        expect(found["subnet_id"] in subnets, f"the machine is in {found['subnet_id']}, not in {subnets}")
        expect(found["vpc_id"] == self.values["aws"]["vpcId"], f"the machine is in {found['vpc_id']}")
        expect(found["security_groups"] == self.machines["securityGroups"], f"its groups are {found['security_groups']}")
        [subnet] = self.aws("ec2").describe_subnets(SubnetIds=[found["subnet_id"]])["Subnets"]
        expect(found["zone"] == subnet["AvailabilityZone"] == machine["zone"], f"it is in {found['zone']}, said {machine['zone']}")

    def _can_be_logged_in_to(self, machine: dict, login: dict) -> None:
        """Address and host keys are the machine's, and the certificate is signed by the key that Terraform made."""
        found = self.ec2(machine)
        # By address or by name: whichever CloudApp heard of first, from the machine itself or from EC2.
        name = f"ec2-{found['public_ip'].replace('.', '-')}.{self.values['aws']['region']}.compute.amazonaws.com"
        expect(login["host"] in (found["public_ip"], name), f"login details lead to {login['host']}")
        expect(set(login["host_keys"]) == set(found["host_keys"]), "login details have other host keys")
        certificate = serialization.load_ssh_public_identity(login["certificate"].encode())
        certificate.verify_cert_signature()
        signer = self.aws("kms").get_public_key(KeyId=self.machines["sshCaKeyId"])["PublicKey"]
        der = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        expect(certificate.signature_key().public_bytes(*der) == signer, "the certificate is signed by another key")
