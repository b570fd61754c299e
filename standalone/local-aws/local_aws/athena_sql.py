"""Athena SQL for DuckDB: parameters, dialect, and the tables a query reads. No I/O.

Used by `athena`.
"""

import re
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokens import TokenType

_DATABASE_DDL = re.compile(
    r"""^\s*(?P<verb>create|drop)\s+(?:database|schema)\s+(?P<guard>if\s+(?:not\s+)?exists\s+)?
        [`"]?(?P<name>\w+)[`"]?(?P<cascade>\s+cascade|\s+restrict)?[^;]*;?\s*$""", re.IGNORECASE | re.VERBOSE)


class MalformedQuery(Exception):
    """Athena refuses this query when it is submitted."""


class QueryFailed(Exception):
    """The query is accepted and its execution fails; the text is the reason the caller reads."""


@dataclass(frozen=True)
class TableName:
    """A table in the Glue catalog."""

    database: str
    table: str


@dataclass(frozen=True)
class DatabaseDdl:
    """CREATE DATABASE or DROP DATABASE."""

    create: bool
    name: str
    guarded: bool
    cascade: bool


def database_ddl(query: str) -> DatabaseDdl | None:
    """The CREATE or DROP DATABASE that `query` is, or None."""
    match = _DATABASE_DDL.match(query)
    if not match:
        return None
    return DatabaseDdl(create=match["verb"].lower() == "create", name=match["name"].lower(),
                       guarded=bool(match["guard"]), cascade="cascade" in (match["cascade"] or "").lower())


def with_parameters(query: str, parameters: list[str]) -> str:
    """Put each of `ExecutionParameters` in the place of its `?`.

    A parameter is the text of a literal, as Athena has it: a string comes with its quotes. Raises
    `MalformedQuery` when the numbers differ or a parameter is anything but a literal.
    """
    try:
        tokens = sqlglot.tokenize(query, read="athena")
    except TokenError as error:
        raise MalformedQuery(str(error)) from error
    places = [token for token in tokens if token.token_type == TokenType.PLACEHOLDER]
    if len(places) != len(parameters):
        raise MalformedQuery(f"Incorrect number of parameters: expected {len(places)} but found {len(parameters)}")
    for place, parameter in reversed(list(zip(places, parameters))):
        query = query[:place.start] + _literal(parameter) + query[place.end + 1:]
    return query


def _literal(parameter: str) -> str:
    try:
        value = sqlglot.parse_one(parameter, read="athena")
    except (ParseError, TokenError) as error:
        raise MalformedQuery(f"Invalid execution parameter: {parameter}") from error
    plain = value.this if isinstance(value, (exp.Neg, exp.Cast, exp.Paren)) else value
    if not isinstance(plain, (exp.Literal, exp.Boolean, exp.Null)):
        raise MalformedQuery(f"Execution parameter is not a literal: {parameter}")
    return value.sql(dialect="athena")


def parse(query: str) -> exp.Query:
    """The one query in `query`. Raises `MalformedQuery` for anything that is no SELECT, WITH or VALUES."""
    try:
        statements = [tree for tree in sqlglot.parse(query, read="athena") if tree is not None]
    except (ParseError, TokenError) as error:
        raise MalformedQuery(_first_line(error)) from error
    if len(statements) != 1:
        raise MalformedQuery("Only one sql statement is allowed.")
    if not isinstance(statements[0], exp.Query):
        raise MalformedQuery("Queries of this type are not supported")
    return statements[0]


def bind_tables(tree: exp.Query, default_database: str) -> list[TableName]:
    """Qualify every table of `tree` with its database, in place, and return the tables.

    Raises `QueryFailed` for a table function, which Athena does not have and which could read files.
    """
    named = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    tables: dict[TableName, None] = {}
    for node in tree.find_all(exp.Table):
        if not isinstance(node.this, exp.Identifier):
            raise QueryFailed(f"FUNCTION_NOT_FOUND: Table function '{node.this.sql(dialect='athena')}' not registered")
        if not node.db and node.name.lower() in named:
            continue
        name = TableName((node.db or default_database).lower(), node.name.lower())
        node.set("catalog", None)
        node.set("db", exp.to_identifier(name.database, quoted=True))
        node.set("this", exp.to_identifier(name.table, quoted=True))
        tables[name] = None
    for column in tree.find_all(exp.Column):
        column.set("catalog", None)
    return list(tables)


def to_duckdb(tree: exp.Query) -> str:
    """The query in DuckDB's dialect."""
    # Athena counts whole units between two instants; DuckDB's date_diff counts boundaries crossed.
    tree = tree.transform(_whole_units)
    return tree.sql(dialect="duckdb")


def _whole_units(node):
    if isinstance(node, exp.DateDiff):
        unit = exp.Literal.string((node.text("unit") or "day").lower())
        return exp.Anonymous(this="DATE_SUB", expressions=[unit, _as_timestamp(node.expression),
                                                           _as_timestamp(node.this)])
    return node


def _as_timestamp(value):
    return exp.cast(value.copy(), exp.DataType.Type.TIMESTAMP)


def readable(error: Exception, tree: exp.Query) -> str:
    """A DuckDB error as Athena would say it, where there is a counterpart."""
    text = _first_line(error)
    column = re.search(r'column "([^"]+)" not found|does not have a column named "([^"]+)"', text)
    if column:
        return f"COLUMN_NOT_FOUND: Column '{column[1] or column[2]}' cannot be resolved or requester is not authorized"
    function = re.search(r"Scalar Function with name (\S+) does not exist", text)
    if function:
        return f"FUNCTION_NOT_FOUND: Function '{function[1]}' not registered"
    if text.startswith("Conversion Error"):
        return f"INVALID_CAST_ARGUMENT: {text}"
    if text.startswith("Binder Error"):
        return f"TYPE_MISMATCH: {text}"
    return f"GENERIC_USER_ERROR: {text}"


def _first_line(error: Exception) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()[0]
