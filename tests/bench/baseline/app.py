"""What a team would otherwise write: the seed's flow as a Flask service with boto3's waiters and default retries.

One request launches one machine, waits until EC2 says that it runs, asks for its address and stores it.
"""

import os
import sqlite3
import sys

import boto3
from flask import Flask, jsonify, request

DATABASE = os.environ["BASELINE_DATABASE"]
IMAGE = os.environ["BASELINE_IMAGE"]
USER_DATA = "#!/bin/sh\necho hello\n"

app = Flask(__name__)
ec2 = boto3.client("ec2")


def database():
    connection = sqlite3.connect(DATABASE, timeout=30)
    connection.execute("create table if not exists instance (id text primary key, owner text, host text)")
    return connection


@app.get("/instances")
def list_instances():
    with database() as connection:
        rows = connection.execute("select id, owner, host from instance order by rowid desc limit 50").fetchall()
    return jsonify([{"id": row[0], "owner": row[1], "host": row[2]} for row in rows])


@app.post("/instances")
def create_instance():
    owner = request.get_json()["owner"]
    launched = ec2.run_instances(
        ImageId=IMAGE,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        UserData=USER_DATA,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "owner", "Value": owner}]}],
    )
    instance_id = launched["Instances"][0]["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance_id])
    described = ec2.describe_instances(InstanceIds=[instance_id])
    host = described["Reservations"][0]["Instances"][0].get("PublicIpAddress")
    with database() as connection:
        connection.execute("insert into instance values (?, ?, ?)", (instance_id, owner, host))
    return jsonify({"id": instance_id, "host": host})


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]), threaded=True)
