"""Patch: Athena runs Athena's SQL.

MiniStack hands the query to DuckDB as it is, so Trino's functions fail, `?` parameters and CREATE DATABASE are
unknown, the types are those of the files and not of the catalog, and partition projection is not read. Here the
query is transpiled by sqlglot and every Glue table it names becomes a view with the catalog's columns and types.
Also: a query can read those tables' files and no other; the CSV is at the `OutputLocation` that was answered, and
is there before the state is SUCCEEDED; the header row counts towards the page; values read as Athena prints them.

Not there: CTAS, INSERT INTO, UNLOAD, SHOW, DESCRIBE, EXPLAIN, federated and Iceberg tables, the bytes-scanned
cutoff.
"""

import asyncio
import logging
import shutil
import tempfile
import threading
import time
from datetime import date, datetime
from decimal import Decimal

import duckdb
from ministack.core.responses import error_response_json
from ministack.services import athena, glue, s3

from . import athena_sql, athena_tables
from .athena_sql import MalformedQuery, QueryFailed

logger = logging.getLogger("local_aws.athena")

QUERY_SECONDS = 60
KEPT_EXECUTIONS = 200
TERMINAL = ("SUCCEEDED", "FAILED", "CANCELLED")
SETTINGS = ("SET TimeZone = 'UTC'", "SET threads = 2", "SET memory_limit = '512MB'",
            "SET integer_division = true")  # as in Trino: 7 / 2 is 3


def install() -> None:
    """Replace MiniStack's query execution."""
    start_query_execution = athena._start_query_execution
    get_query_results = athena._get_query_results
    load_persisted_state = athena.load_persisted_state

    def start(data):
        try:
            query = athena_sql.with_parameters(data.get("QueryString", ""), data.get("ExecutionParameters") or [])
            if athena._parse_ddl(query) is None and athena_sql.database_ddl(query) is None:
                athena_sql.parse(query)
        except MalformedQuery as error:
            return error_response_json("InvalidRequestException", str(error), 400,
                                       extra={"AthenaErrorCode": "MALFORMED_QUERY"})
        workgroup = data.get("WorkGroup", "primary")
        if workgroup not in athena._workgroups:
            return error_response_json("InvalidRequestException", f"WorkGroup {workgroup} is not found.", 400)
        return start_query_execution({**data, "QueryString": query, **_output(data, workgroup)})

    def results(data):
        if not data.get("NextToken") and data.get("MaxResults", 1000) > 1:
            execution = athena._executions.get(data.get("QueryExecutionId")) or {}
            header = execution.get("StatementType") == "DML"
            data = {**data, "MaxResults": data.get("MaxResults", 1000) - header}
        return get_query_results(data)

    def load(state):
        load_persisted_state(state)
        for execution in athena._executions.all_values():
            if execution["Status"]["State"] not in TERMINAL:
                _finish(execution, "FAILED", "INTERNAL_ERROR: the local AWS was stopped while the query ran")

    athena._start_query_execution = start
    athena._get_query_results = results
    athena.load_persisted_state = load
    athena._execute_query = _execute


def _output(data: dict, workgroup: str) -> dict:
    """Where the result goes: the workgroup's place if it insists, always with a slash at the end."""
    configuration = athena._workgroups[workgroup].get("Configuration") or {}
    own = (configuration.get("ResultConfiguration") or {}).get("OutputLocation")
    asked = (data.get("ResultConfiguration") or {}).get("OutputLocation")
    chosen = own if own and (configuration.get("EnforceWorkGroupConfiguration") or not asked) else asked
    return {"ResultConfiguration": {"OutputLocation": chosen.rstrip("/") + "/"}} if chosen else {}


async def _execute(query_id, query, database, ddl, catalog=None) -> None:
    """Run one accepted query to its end; the outcome is in the execution's record."""
    execution = athena._executions[query_id]
    execution["Status"]["State"] = "RUNNING"
    began = time.monotonic()
    try:
        if ddl is not None:
            result = athena._run_ddl(ddl, database)
        elif (statement := athena_sql.database_ddl(query)) is not None:
            result = _run_database_ddl(statement)
        else:
            result = await asyncio.to_thread(_select, query, database)
        if execution["Status"]["State"] != "RUNNING":
            return  # stopped meanwhile
        _save(execution, result)
        _finish(execution, "SUCCEEDED", "")
    except (QueryFailed, ValueError) as error:
        _finish(execution, "FAILED", str(error))
    except Exception as error:  # whatever a library raises, the caller must see the query end
        logger.exception("query %s", query_id)
        _finish(execution, "FAILED", f"INTERNAL_ERROR: {error}")
    finally:
        elapsed = int((time.monotonic() - began) * 1000)
        execution["Statistics"].update(EngineExecutionTimeInMillis=elapsed, TotalExecutionTimeInMillis=elapsed)
        _forget_old()


def _finish(execution: dict, state: str, reason: str) -> None:
    execution["Status"].update(State=state, StateChangeReason=reason[:2000], CompletionDateTime=int(time.time()))


def _forget_old() -> None:
    for query_id in list(athena._executions)[:-KEPT_EXECUTIONS]:
        if athena._executions[query_id]["Status"]["State"] in TERMINAL:
            del athena._executions[query_id]


def _run_database_ddl(statement: athena_sql.DatabaseDdl) -> dict:
    exists = statement.name in glue._databases
    if statement.create and not exists:
        glue._create_database({"DatabaseInput": {"Name": statement.name}})
    elif statement.create and not statement.guarded:
        raise QueryFailed(f"FAILED: AlreadyExistsException: Database {statement.name} already exists")
    elif not statement.create and exists:
        if not statement.cascade and any(key.startswith(f"{statement.name}/") for key in glue._tables):
            raise QueryFailed(f"FAILED: InvalidOperationException: Database {statement.name} is not empty.")
        glue._delete_database({"Name": statement.name})
    elif not statement.create and not exists and not statement.guarded:
        raise QueryFailed(f"FAILED: SemanticException: Database does not exist: {statement.name}")
    return {"columns": [], "column_types": [], "rows": [], "bytes": 0}


def _select(query: str, database: str) -> dict:
    """Run a SELECT in a DuckDB of its own that can read the query's tables and nothing else."""
    tree = athena_sql.parse(query)
    names = athena_sql.bind_tables(tree, database or "default")
    workdir = tempfile.mkdtemp(prefix="athena-")
    connection = duckdb.connect(":memory:", config={
        "autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    timer = threading.Timer(QUERY_SECONDS, connection.interrupt)
    timer.start()
    try:
        for setting in SETTINGS:
            connection.execute(setting)
        relations = [_define(connection, name, workdir) for name in names]
        files = [path for relation in relations for path in relation.files]
        connection.execute(f"SET allowed_paths = [{', '.join(map(athena_tables.text_literal, files))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        cursor = connection.execute(athena_sql.to_duckdb(tree))
        types = [str(column[1]) for column in cursor.description]
        return {
            "columns": [column[0] for column in cursor.description],
            "column_types": [_athena_type(kind) for kind in types],
            "rows": [[athena_text(value) for value in row] for row in cursor.fetchall()],
            "bytes": sum(relation.bytes for relation in relations),
        }
    except duckdb.InterruptException as error:
        raise QueryFailed(f"EXCEEDED_TIME_LIMIT: Query exceeded the maximum run time of {QUERY_SECONDS} s") from error
    except duckdb.Error as error:
        raise QueryFailed(athena_sql.readable(error, tree)) from error
    finally:
        timer.cancel()
        connection.close()
        shutil.rmtree(workdir, ignore_errors=True)


def _define(connection, name: athena_sql.TableName, workdir: str) -> athena_tables.Relation:
    table = glue._tables.get(f"{name.database}/{name.table}")
    if table is None:
        missing = "TABLE_NOT_FOUND" if name.database in glue._databases else "SCHEMA_NOT_FOUND"
        raise QueryFailed(f"{missing}: Table 'awsdatacatalog.{name.database}.{name.table}' does not exist")

    def describe(sql):
        return {row[0].lower() for row in connection.execute(f"DESCRIBE {sql}").fetchall()}

    relation = athena_tables.relation(table, f"{workdir}/{name.database}.{name.table}", describe)
    schema, view = athena_tables.quoted(name.database), athena_tables.quoted(name.table)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    connection.execute(f"CREATE VIEW {schema}.{view} AS {relation.sql}")
    return relation


def _athena_type(duckdb_type: str) -> str:
    base = duckdb_type.upper().split("(")[0].strip()
    if base == "HUGEINT":
        return "bigint"
    if base.startswith("TIMESTAMP"):
        return "timestamp with time zone" if "TIME ZONE" in base else "timestamp"
    if base.endswith("[]"):
        return "array"
    if base in ("STRUCT", "MAP"):
        return {"STRUCT": "row", "MAP": "map"}[base]
    return athena._DUCKDB_TYPE_MAP.get(base, "varchar")


def athena_text(value) -> str | None:
    """A value as Athena prints it; NULL stays None."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        zone = " UTC" if value.tzinfo else ""
        return value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}{zone}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (bytes, bytearray)):
        return value.hex(" ")
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_nested(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_nested(item)}" for key, item in value.items()) + "}"
    return str(value)


def _nested(value) -> str:
    text = athena_text(value)
    return "null" if text is None else text


def _save(execution: dict, result: dict) -> None:
    """Keep the result for GetQueryResults and put it as CSV where the execution says it is."""
    execution["_results"] = {"columns": result["columns"], "rows": result["rows"]}
    execution["_column_types"] = result["column_types"]
    execution["Statistics"]["DataScannedInBytes"] = result.get("bytes", 0)
    bucket, _, key = execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").partition("/")
    lines = [result["columns"], *result["rows"]] if result["columns"] else []
    for name, content in ((key, "".join(map(_csv_line, lines))),
                          (f"{key}.metadata", ",".join(result["column_types"]))):
        body = content.encode()
        status, _headers, _body = s3._put_object(
            bucket, name, body, {"content-type": "text/csv", "content-length": str(len(body))})
        if status >= 300:
            raise QueryFailed(f"Unable to verify/create output bucket {bucket}")


def _csv_line(row: list) -> str:
    """A line of Athena's CSV: every value quoted, NULL as nothing."""
    return ",".join("" if value is None else '"' + value.replace('"', '""') + '"' for value in row) + "\n"
