"""Glue tables as DuckDB relations: types, partitions, files. No SQL of the caller passes through here.

Used by `athena`.
"""

import os
import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from urllib.parse import urlparse

from ministack.services import athena, s3

_SIMPLE_TYPES = {
    "boolean": "BOOLEAN", "tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INTEGER", "integer": "INTEGER",
    "bigint": "BIGINT", "float": "FLOAT", "real": "FLOAT", "double": "DOUBLE", "date": "DATE",
    "timestamp": "TIMESTAMP", "binary": "BLOB", "varbinary": "BLOB", "string": "VARCHAR",
}


@dataclass
class Relation:
    """A table as a DuckDB query, the files that query reads, and their size."""

    sql: str
    files: list[str] = field(default_factory=list)
    bytes: int = 0


@dataclass(frozen=True)
class _StoredFile:
    """An object of the table, at `path` on disk below a `key=value` folder for every partition key."""

    path: str
    size: int


def duckdb_type(glue_type: str) -> str:
    """The DuckDB type of a Glue type; anything unknown reads as VARCHAR."""
    text = glue_type.strip()
    base = text.split("(")[0].split("<")[0].strip().lower()
    inner = text[len(base) + 1:-1] if text.endswith(">") else ""
    if base == "array":
        return f"{duckdb_type(inner)}[]"
    if base == "map":
        key, value = _split(inner)
        return f"MAP({duckdb_type(key)}, {duckdb_type(value)})"
    if base == "struct":
        fields = (part.split(":", 1) for part in _split(inner))
        return "STRUCT(" + ", ".join(f"{quoted(name.strip())} {duckdb_type(kind)}" for name, kind in fields) + ")"
    if base == "decimal":
        return text.upper() if re.fullmatch(r"decimal\(\d+(\s*,\s*\d+)?\)", text, re.IGNORECASE) else "DECIMAL(10,0)"
    return _SIMPLE_TYPES.get(base, "VARCHAR")


def _split(text: str) -> list[str]:
    """Split at the commas that are outside brackets."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char in "<(") - (char in ">)")
        if char == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def quoted(name: str) -> str:
    """`name` as a DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """`text` as a DuckDB string."""
    return "'" + text.replace("'", "''") + "'"


def relation(table: dict, workdir: str, describe) -> Relation:
    """The table as a relation with exactly the columns and types of the catalog.

    `workdir` takes copies of objects that are not on disk in the layout DuckDB needs. `describe(sql)` returns the
    lower-case column names of a query. A column that no file has is NULL, and a table without objects has no rows.
    """
    columns = (table.get("StorageDescriptor") or {}).get("Columns") or []
    partitions = table.get("PartitionKeys") or []
    found = _files(table, partitions, workdir)
    if not found:
        return Relation(_empty(columns + partitions))
    paths = [file.path for file in found]
    source = _source(table, columns, partitions, paths)
    present = describe(f"SELECT * FROM {source}")
    projected = [_projection(column, present) for column in columns + partitions]
    return Relation(f"SELECT {', '.join(projected)} FROM {source}", paths, sum(file.size for file in found))


def _projection(column: dict, present: set[str]) -> str:
    name = quoted(column["Name"])
    value = name if column["Name"].lower() in present else "NULL"
    return f"CAST({value} AS {duckdb_type(column.get('Type', 'string'))}) AS {name}"


def _empty(columns: list[dict]) -> str:
    return f"SELECT {', '.join(_projection(column, set()) for column in columns) or '1'} WHERE FALSE"


def _source(table: dict, columns: list[dict], partitions: list[dict], paths: list[str]) -> str:
    files = "[" + ", ".join(map(text_literal, paths)) + "]"
    hive = "hive_partitioning = false"
    if partitions:
        types = ", ".join(f"{text_literal(key['Name'])}: {duckdb_type(key.get('Type', 'string'))}"
                          for key in partitions)
        hive = f"hive_partitioning = true, hive_types = {{{types}}}"
    kind = athena._data_format(table)
    if kind == "parquet":
        return f"read_parquet({files}, union_by_name = true, {hive})"
    if kind == "json":
        types = ", ".join(f"{text_literal(column['Name'])}: {text_literal(duckdb_type(column.get('Type', 'string')))}"
                          for column in columns)
        return f"read_json({files}, format = 'newline_delimited', columns = {{{types}}}, {hive})"
    return athena._table_relation(table, paths)  # MiniStack's own reading of delimited files


def _files(table: dict, partitions: list[dict], workdir: str) -> list[_StoredFile]:
    """The table's objects that lie in a partition the catalog admits."""
    location = urlparse((table.get("StorageDescriptor") or {}).get("Location") or "")
    prefix = location.path.lstrip("/").rstrip("/") + "/"
    bucket = s3._buckets.get(location.netloc)
    if bucket is None:
        return []
    layout = _layout(table, [key["Name"] for key in partitions], f"s3://{location.netloc}/{prefix}")
    found = []
    for key in sorted(key for key in list(bucket["objects"]) if key.startswith(prefix) and not key.endswith("/")):
        relative = key[len(prefix):]
        values = layout(f"s3://{location.netloc}/{key}")
        if values is not None and not athena._hidden(relative):
            found.append(_stored(location.netloc, key, relative, values, workdir))
    return [file for file in found if file is not None]


def _stored(bucket: str, key: str, relative: str, values: dict, workdir: str) -> _StoredFile | None:
    """The object as a file below its `key=value` folders: S3's own file where that lies so, else a copy."""
    folders = "/".join(f"{name}={value}" for name, value in values.items())
    path = s3._object_disk_path(bucket, key)
    lies_so = path and path.endswith("/" + key) and os.path.isfile(path)
    if lies_so and all(f"/{name}={value}/" in "/" + relative for name, value in values.items()):
        return _StoredFile(path, os.path.getsize(path))
    data = s3._get_object_data(bucket, key)
    if data is None:
        return None
    path = os.path.join(workdir, folders, relative)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    return _StoredFile(path, len(data))


def _layout(table: dict, names: list[str], base: str):
    """A function from an object's address to its partition values, or None when it is in no partition."""
    parameters = {name.lower(): value for name, value in (table.get("Parameters") or {}).items()}
    template = base + "".join(f"{name}=${{{name}}}/" for name in names)
    projected = parameters.get("projection.enabled", "").lower() == "true"
    if projected:
        template = parameters.get("storage.location.template", template).rstrip("/") + "/"
    admits = {name: _projection_rule(parameters, name) for name in names} if projected else {}
    pattern = re.compile("".join(
        f"(?P<{part[2:-1]}>[^/]+)" if part.startswith("${") else re.escape(part)
        for part in re.split(r"(\$\{\w+\})", template)))

    def values(address: str) -> dict | None:
        match = pattern.match(address)
        if match is None or any(not admits[name](match[name]) for name in admits):
            return None
        return {name: match[name] for name in names}

    return values


def _projection_rule(parameters: dict, name: str):
    """Whether a partition value is one that `projection.<name>.*` would make."""
    def setting(key, default=""):
        return parameters.get(f"projection.{name}.{key}", default)
    kind = setting("type").lower()
    if kind == "enum":
        return {value.strip() for value in setting("values").split(",")}.__contains__
    if kind == "integer":
        low, high = (int(bound) for bound in setting("range").split(","))
        return lambda value: value.isdigit() and low <= int(value) <= high
    if kind == "date":
        low, high = (bound.strip() for bound in setting("range").split(","))
        form = _strptime_format(setting("format", "yyyy-MM-dd"))
        return lambda value: _in_range(value, form, low, high)
    return lambda value: True  # injected: any value the query names


def _strptime_format(java: str) -> str:
    for token, directive in (("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M")):
        java = java.replace(token, directive)
    return java


def _in_range(value: str, form: str, low: str, high: str) -> bool:
    try:
        return _bound(low, form) <= datetime.strptime(value, form).date() <= _bound(high, form)
    except ValueError:
        return False


def _bound(text: str, form: str) -> date:
    """A bound of a date range: a date, or `NOW` with a number of days, weeks, months or years added or taken off."""
    relative = re.fullmatch(r"NOW(?:([+-]\d+)(DAY|WEEK|MONTH|YEAR)S?)?", text.replace(" ", ""), re.IGNORECASE)
    if not relative:
        return datetime.strptime(text, form).date()
    days = {"DAY": 1, "WEEK": 7, "MONTH": 31, "YEAR": 366}[(relative[2] or "DAY").upper()]
    return datetime.now(timezone.utc).date() + timedelta(days=days * int(relative[1] or 0))
