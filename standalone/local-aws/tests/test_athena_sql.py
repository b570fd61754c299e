"""Queries as text: `local_aws/athena_sql.py`."""

import unittest

from local_aws import athena_sql
from local_aws.athena_sql import DatabaseDdl, MalformedQuery, QueryFailed, TableName


class Parameters(unittest.TestCase):
    def test_each_takes_the_place_of_its_question_mark(self):
        self.assertEqual(athena_sql.with_parameters("SELECT '?' FROM t WHERE a = ? AND b > ? -- ?", ["'it''s'", "-3"]),
                         "SELECT '?' FROM t WHERE a = 'it''s' AND b > -3 -- ?")

    def test_a_date_is_a_literal(self):
        self.assertIn("2026-01-02", athena_sql.with_parameters("SELECT ?", ["DATE '2026-01-02'"]))

    def test_anything_but_the_right_number_of_literals_is_refused(self):
        for parameters in ([], ["1", "2"], ["a"], ["1 OR 1 = 1"], ["(SELECT 1)"], ["1; DROP TABLE t"]):
            with self.subTest(parameters), self.assertRaises(MalformedQuery):
                athena_sql.with_parameters("SELECT * FROM t WHERE a = ?", parameters)


class Statements(unittest.TestCase):
    def test_only_one_query_is_accepted(self):
        for query in ("", "SELEC 1", "SELECT 1; SELECT 2", "DELETE FROM t", "ATTACH 'x'", "COPY t TO 'x'"):
            with self.subTest(query), self.assertRaises(MalformedQuery):
                athena_sql.parse(query)

    def test_database_ddl(self):
        self.assertEqual(athena_sql.database_ddl("CREATE DATABASE IF NOT EXISTS `Logs` COMMENT 'x'"),
                         DatabaseDdl(create=True, name="logs", guarded=True, cascade=False))
        self.assertEqual(athena_sql.database_ddl("drop schema logs cascade;"),
                         DatabaseDdl(create=False, name="logs", guarded=False, cascade=True))
        self.assertIsNone(athena_sql.database_ddl("SELECT 'drop database x'"))

    def test_tables_are_found_and_common_table_expressions_are_not_tables(self):
        tree = athena_sql.parse("WITH a AS (SELECT * FROM t) SELECT * FROM a JOIN AwsDataCatalog.other.u ON true")
        self.assertEqual(set(athena_sql.bind_tables(tree, "cloudapp")),
                         {TableName("cloudapp", "t"), TableName("other", "u")})

    def test_a_table_function_is_refused(self):
        with self.assertRaises(QueryFailed):
            athena_sql.bind_tables(athena_sql.parse("SELECT * FROM read_csv('/etc/passwd')"), "cloudapp")
