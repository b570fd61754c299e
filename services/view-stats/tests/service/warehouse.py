"""Runs a query in Athena's dialect over Parquet files, with DuckDB in Athena's place.

Reads a JSON object from standard input and writes one to standard output:
`{"write": ROWS, "folder": F}` lays the events out as Parquet under `tier=…/dt=…`; `{"query": SQL, "parameters": [...],
"folder": F}` answers `{"columns": [...], "rows": [[text or null, ...], ...]}`, or `{"error": TEXT}`.
"""

import json
import os
import sys
from datetime import date, datetime

import duckdb
import sqlglot
from sqlglot import exp

# The Glue table's columns.
COLUMNS = {
    "event_id": "VARCHAR", "kind": "VARCHAR", "at": "TIMESTAMP_MS", "instance_id": "VARCHAR",
    "execution_id": "VARCHAR", "owner": "VARCHAR", "configuration_id": "VARCHAR", "configuration_name": "VARCHAR",
    "configuration_version": "INTEGER", "instance_type": "VARCHAR", "zone": "VARCHAR", "market": "VARCHAR",
    "state": "VARCHAR", "outcome": "VARCHAR", "reason": "VARCHAR", "actor": "VARCHAR",
    "price_micros_per_hour": "BIGINT", "launch_ms": "BIGINT", "boot_ms": "BIGINT", "ready_ms": "BIGINT",
    "running_seconds": "BIGINT",
}


def write(folder: str, events: list[dict]) -> None:
    """One Parquet file per partition that has events; `tier` and `dt` of an event name it."""
    partitions: dict[tuple[str, str], list[dict]] = {}
    for event in events:
        partitions.setdefault((event["tier"], event["dt"]), []).append(event)
    for (tier, dt), members in partitions.items():
        path = os.path.join(folder, f"tier={tier}", f"dt={dt}")
        os.makedirs(path, exist_ok=True)
        database = duckdb.connect()
        columns = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
        database.execute(f"CREATE TABLE events ({columns})")
        database.executemany(f"INSERT INTO events VALUES ({', '.join('?' * len(COLUMNS))})",
                             [[member.get(name) for name in COLUMNS] for member in members])
        database.execute(f"COPY events TO '{path}/events.parquet' (FORMAT parquet, COMPRESSION zstd)")


def bound(sql: str, parameters: list[str]) -> exp.Expression:
    """The query with each parameter, which is the text of a literal, in the place of its `?`."""
    tree = sqlglot.parse_one(sql, read="athena", error_level=sqlglot.ErrorLevel.RAISE)
    # Athena takes parameters in WHERE clauses only, in the order of the text.
    places = list(tree.find_all(exp.Placeholder, bfs=False))
    if len(places) != len(parameters):
        raise ValueError(f"{len(places)} places for {len(parameters)} parameters")
    for place, parameter in zip(places, parameters):
        if not place.find_ancestor(exp.Where):
            raise ValueError("a parameter outside of WHERE")
        literal = sqlglot.parse_one(parameter, read="athena")
        if not isinstance(literal, exp.Literal):
            raise ValueError(f"not a literal: {parameter}")
        place.replace(literal)
    return tree


def query(folder: str, sql: str, parameters: list[str]) -> dict:
    """The answer, every value as the text that Athena gives."""
    database = duckdb.connect()
    database.execute(f"""CREATE VIEW instance_events AS SELECT * FROM read_parquet('{folder}/*/*/*.parquet',
        hive_partitioning = true, hive_types = {{'tier': VARCHAR, 'dt': DATE}})""")
    # `bound` checks; DuckDB's own parameters are not used, as Athena has literals.
    answer = database.execute(bound(sql, parameters).sql(dialect="duckdb"))
    return {"columns": [column[0] for column in answer.description],
            "rows": [[text(value) for value in row] for row in answer.fetchall()]}


def text(value) -> str | None:
    """A value as Athena's GetQueryResults has it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="milliseconds")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def main() -> None:
    request = json.load(sys.stdin)
    try:
        answer = (write(request["folder"], request["write"]) or {} if "write" in request
                  else query(request["folder"], request["query"], request["parameters"]))
    except Exception as error:  # whatever it is, the test shall read it
        answer = {"error": f"{type(error).__name__}: {error}"}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
