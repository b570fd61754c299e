"""The Glue table of instance events and the Athena workgroup that queries it."""

from .session import Session

COLUMNS = {
    "event_id": "string", "kind": "string", "at": "timestamp", "instance_id": "string", "execution_id": "string",
    "owner": "string", "configuration_id": "string", "configuration_name": "string", "configuration_version": "int",
    "instance_type": "string", "zone": "string", "market": "string", "state": "string", "outcome": "string",
    "reason": "string", "actor": "string", "price_micros_per_hour": "bigint", "launch_ms": "bigint",
    "boot_ms": "bigint", "ready_ms": "bigint", "running_seconds": "bigint",
}
PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
BYTES_SCANNED_CUTOFF = 10 * 1024 ** 3


def ensure_events_table(session: Session, database: str, table: str, bucket: str) -> None:
    """The database and the table over `s3://bucket/table/tier=…/dt=…/`."""
    glue = session.client("glue")
    try:
        glue.get_database(Name=database)
    except glue.exceptions.EntityNotFoundException:
        glue.create_database(DatabaseInput={"Name": database})
        session.changed(f"database {database}")
    wanted = _table_input(table, f"s3://{bucket}/{table}/")
    try:
        actual = glue.get_table(DatabaseName=database, Name=table)["Table"]
    except glue.exceptions.EntityNotFoundException:
        glue.create_table(DatabaseName=database, TableInput=wanted)
        session.changed(f"table {table}")
        return
    if any(actual.get(part) != wanted[part] for part in ("StorageDescriptor", "PartitionKeys", "Parameters")):
        glue.update_table(DatabaseName=database, TableInput=wanted)
        session.changed(f"table {table}: definition")


def _table_input(table: str, location: str) -> dict:
    return {
        "Name": table,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": "tier", "Type": "string"}, {"Name": "dt", "Type": "date"}],
        "Parameters": {
            "EXTERNAL": "TRUE",
            "classification": "parquet",
            "projection.enabled": "true",
            "projection.tier.type": "enum",
            "projection.tier.values": "live,daily",
            "projection.dt.type": "date",
            "projection.dt.format": "yyyy-MM-dd",
            "projection.dt.range": "2024-01-01,NOW+1DAY",
            "storage.location.template": location + "tier=${tier}/dt=${dt}/",
        },
        "StorageDescriptor": {
            "Columns": [{"Name": name, "Type": kind} for name, kind in COLUMNS.items()],
            "Location": location,
            "InputFormat": f"{PARQUET}.MapredParquetInputFormat",
            "OutputFormat": f"{PARQUET}.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": f"{PARQUET}.serde.ParquetHiveSerDe"},
        },
    }


def ensure_workgroup(session: Session, name: str, results_bucket: str) -> None:
    """The workgroup, which puts results into `results_bucket` and bounds what a query may read."""
    athena = session.client("athena")
    wanted = {
        "ResultConfiguration": {"OutputLocation": f"s3://{results_bucket}/"},
        "EnforceWorkGroupConfiguration": True,
        "BytesScannedCutoffPerQuery": BYTES_SCANNED_CUTOFF,
    }
    known = {group["Name"] for group in athena.list_work_groups()["WorkGroups"]}
    if name not in known:
        athena.create_work_group(Name=name, Configuration=wanted)
        session.changed(f"workgroup {name}")
        return
    actual = athena.get_work_group(WorkGroup=name)["WorkGroup"]["Configuration"]
    if any(actual.get(part) != value for part, value in wanted.items()):
        athena.update_work_group(WorkGroup=name, ConfigurationUpdates={
            **{part: value for part, value in wanted.items() if part != "ResultConfiguration"},
            "ResultConfigurationUpdates": wanted["ResultConfiguration"]})
        session.changed(f"workgroup {name}: configuration")
