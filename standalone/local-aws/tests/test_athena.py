"""Queries over objects: `local_aws/athena.py` and `local_aws/athena_tables.py`."""

import os
from datetime import date, timedelta

import duckdb

from tests.support import SharedAwsTest, until

EVENTS = """COPY (SELECT * FROM (VALUES
    ('a', TIMESTAMPTZ '2026-01-01 10:00:00+00', 'user-1', 3, 'ready', 90061.5::DOUBLE),
    ('b', TIMESTAMPTZ '2026-01-01 11:30:00.25+00', 'user-2', 4, NULL, 1.0),
    ('c', TIMESTAMPTZ '2026-01-02 00:00:00+00', 'user-1', 3, 'ready', 2.0))
    AS t(event_id, "at", owner, configuration_version, outcome, extra)) TO '{path}' (FORMAT parquet)"""
TODAY = date.today().isoformat()


class Queries(SharedAwsTest):
    def setUp(self):
        super().setUp()
        self.athena = self.aws.session.client("athena")
        self.s3 = self.aws.session.client("s3")
        path = os.path.join(self.aws.folder, "events.parquet")
        duckdb.sql(EVENTS.format(path=path))
        for key in (f"tier=live/dt={TODAY}/x.parquet", "tier=daily/dt=2026-01-01/y.parquet",
                    "tier=elsewhere/dt=2026-01-01/y.parquet", "tier=live/dt=1999-01-01/y.parquet", "stray.parquet"):
            self.s3.upload_file(path, "cloudapp-events", f"instance_events/{key}")

    def tearDown(self):
        listed = self.s3.list_objects_v2(Bucket="cloudapp-events").get("Contents", [])
        for entry in listed:
            self.s3.delete_object(Bucket="cloudapp-events", Key=entry["Key"])

    def run_query(self, query: str, parameters: list[str] | None = None) -> dict:
        """The finished execution."""
        named = {"ExecutionParameters": parameters} if parameters else {}
        query_id = self.athena.start_query_execution(
            QueryString=query, WorkGroup="cloudapp", QueryExecutionContext={"Database": "cloudapp"},
            **named)["QueryExecutionId"]

        def finished():
            execution = self.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            return execution if execution["Status"]["State"] in ("SUCCEEDED", "FAILED") else None
        return until(finished)

    def rows(self, query: str, parameters: list[str] | None = None) -> list[list]:
        """The rows after the header."""
        execution = self.run_query(query, parameters)
        self.assertEqual(execution["Status"]["State"], "SUCCEEDED", execution["Status"].get("StateChangeReason"))
        answer = self.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
        return [[cell.get("VarCharValue") for cell in row["Data"]] for row in answer["ResultSet"]["Rows"][1:]]

    def reason(self, query: str) -> str:
        execution = self.run_query(query)
        self.assertEqual(execution["Status"]["State"], "FAILED")
        return execution["Status"]["StateChangeReason"]

    def test_only_partitions_that_projection_makes_are_read(self):
        self.assertEqual(self.rows("SELECT tier, dt, count(*) FROM instance_events GROUP BY 1, 2 ORDER BY 1"),
                         [["daily", "2026-01-01", "3"], ["live", TODAY, "3"]])

    def test_presto_functions_parameters_and_qualified_names(self):
        query = """SELECT date_format(e.at, '%Y-%m-%d') AS day, count_if(outcome = 'ready') ready, approx_distinct(owner),
                       sum(configuration_version) / count(*), date_diff('hour', min(e.at), max(e.at))
                   FROM AwsDataCatalog.cloudapp.instance_events e
                   WHERE tier = ? AND dt >= date_add('day', -1, CAST(? AS date)) AND configuration_version < ?
                   GROUP BY 1 ORDER BY day"""
        self.assertEqual(self.rows(query, ["'daily'", f"'{date(2026, 1, 1) + timedelta(days=1)}'", "9"]),
                         [["2026-01-01", "1", "2", "3", "1"], ["2026-01-02", "1", "1", "3", "0"]])

    def test_types_are_those_of_the_catalog_and_missing_columns_are_null(self):
        execution = self.run_query(
            "SELECT event_id, at, dt, configuration_version, outcome, launch_ms FROM instance_events "
            "WHERE tier = 'daily' ORDER BY event_id")
        answer = self.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])["ResultSet"]
        self.assertEqual([column["Type"] for column in answer["ResultSetMetadata"]["ColumnInfo"]],
                         ["varchar", "timestamp", "date", "integer", "varchar", "bigint"])
        self.assertEqual([cell.get("VarCharValue") for cell in answer["Rows"][2]["Data"]],
                         ["b", "2026-01-01 11:30:00.250", "2026-01-01", "4", None, None])
        self.assertGreater(execution["Statistics"]["DataScannedInBytes"], 0)
        self.assertIn("COLUMN_NOT_FOUND", self.reason("SELECT extra FROM instance_events"))

    def test_a_table_without_objects_has_no_rows(self):
        self.tearDown()
        self.assertEqual(self.rows("SELECT * FROM instance_events WHERE dt = current_date"), [])
        self.assertEqual(self.rows("SELECT count(*), max(at) FROM instance_events"), [["0", None]])

    def test_failures_say_why(self):
        self.assertIn("COLUMN_NOT_FOUND: Column 'nope'", self.reason("SELECT nope FROM instance_events"))
        self.assertIn("TABLE_NOT_FOUND: Table 'awsdatacatalog.cloudapp.nope'", self.reason("SELECT * FROM nope"))
        self.assertIn("SCHEMA_NOT_FOUND", self.reason("SELECT * FROM nope.nope"))
        self.assert_refused("InvalidRequestException", "", self.run_query, "SELEC 1")
        self.assert_refused("InvalidRequestException", "number of parameters", self.run_query, "SELECT ?")

    def test_no_other_file_can_be_read(self):
        for query in ("SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM '/etc/passwd'", 'SELECT * FROM "/etc/passwd"'):
            with self.subTest(query):
                self.assertIn("NOT_FOUND", self.reason(query))

    def test_the_result_is_a_csv_where_the_execution_says(self):
        execution = self.run_query("SELECT owner, outcome, 'a \"b\"' q FROM instance_events WHERE event_id = 'b' AND tier = 'live'")
        bucket, _, key = execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").partition("/")
        self.assertEqual(bucket, "cloudapp-athena-results")
        self.assertEqual(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode(),
                         '"owner","outcome","q"\n"user-2",,"a ""b"""\n')

    def test_pages_count_the_header_row(self):
        execution = self.run_query("SELECT event_id FROM instance_events ORDER BY 1")
        pages = self.athena.get_paginator("get_query_results").paginate(
            QueryExecutionId=execution["QueryExecutionId"], PaginationConfig={"PageSize": 3})
        rows = [[row["Data"][0]["VarCharValue"] for row in page["ResultSet"]["Rows"]] for page in pages]
        self.assertEqual(rows, [["event_id", "a", "a"], ["b", "b", "c"], ["c"]])

    def test_json_with_nested_types_and_a_layout_that_is_not_hive(self):
        self.run_query("CREATE DATABASE IF NOT EXISTS logs")
        self.run_query("""CREATE EXTERNAL TABLE logs.requests (path string, tags array<string>, who struct<sub:string,age:int>)
            PARTITIONED BY (day string) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
            LOCATION 's3://cloudapp-events/logs/' TBLPROPERTIES ('projection.enabled'='true',
            'projection.day.type'='date', 'projection.day.range'='2026-01-01,NOW', 'projection.day.format'='yyyy-MM-dd',
            'storage.location.template'='s3://cloudapp-events/logs/${day}/')""")
        self.s3.put_object(Bucket="cloudapp-events", Key="logs/2026-01-05/l.json",
                           Body=b'{"path":"/a","tags":["x","y"],"who":{"sub":"s","age":3}}\n{"path":"/b"}\n')
        self.assertEqual(self.rows("SELECT path, tags, who.age, who, day FROM logs.requests ORDER BY path"),
                         [["/a", "[x, y]", "3", "{sub=s, age=3}", "2026-01-05"], ["/b", None, None, None, "2026-01-05"]])
        self.assertIn("not empty", self.reason("DROP DATABASE logs"))
        self.run_query("DROP DATABASE logs CASCADE")
        self.assertIn("SCHEMA_NOT_FOUND", self.reason("SELECT * FROM logs.requests"))
