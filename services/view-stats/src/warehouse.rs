//! Where the event log is queried: Athena.

use std::str::FromStr;
use std::time::Duration;

use aws_config::SdkConfig;
use chrono::NaiveDate;
use cloudapp_aws::athena::Workgroup;

/// How long a query may take, waiting in Athena's queue included.
const DEADLINE: Duration = Duration::from_secs(20);

/// How old a result of the same query may be that Athena answers with; replicas then pay for one. The least it takes.
const REUSED: Duration = Duration::from_secs(60);

/// A parameter of a query. Athena takes each as the text of an SQL literal, so a literal is only ever made from a
/// typed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal(String);

impl Literal {
    /// A day, as `'2026-11-22'`.
    #[must_use]
    pub fn day(day: NaiveDate) -> Self {
        Self(format!("'{}'", day.format("%Y-%m-%d")))
    }

    /// The literal's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a Glue table that needs no quoting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName(String);

/// A name that cannot be a table's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a table's name has lower-case letters, digits and underscores, and begins with a letter")]
pub struct InvalidTableName;

impl TableName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TableName {
    type Err = InvalidTableName;

    fn from_str(name: &str) -> Result<Self, InvalidTableName> {
        let plain = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
            && name.len() <= 128;
        if plain { Ok(Self(name.to_owned())) } else { Err(InvalidTableName) }
    }
}

/// What a query answered: every value as text, as Athena has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Option<String>>>,
}

/// A query did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the query did not answer")]
pub struct WarehouseError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Runs queries over the event log.
#[async_trait::async_trait]
pub trait Warehouse: Send + Sync {
    /// Runs `sql`, in Athena's dialect, with its `?` bound to `parameters`.
    async fn query(&self, sql: &str, parameters: &[Literal]) -> Result<Table, WarehouseError>;
}

/// Athena itself.
#[derive(Debug, Clone)]
pub struct Athena(Workgroup);

impl Athena {
    /// Queries `database` through `workgroup`.
    #[must_use]
    pub fn new(config: &SdkConfig, workgroup: &str, database: &str) -> Self {
        Self(Workgroup::new(config, workgroup, database).reusing_results(REUSED))
    }
}

#[async_trait::async_trait]
impl Warehouse for Athena {
    async fn query(&self, sql: &str, parameters: &[Literal]) -> Result<Table, WarehouseError> {
        let parameters: Vec<String> = parameters.iter().map(|literal| literal.0.clone()).collect();
        let answer = self
            .0
            .query(sql, &parameters, DEADLINE)
            .await
            .map_err(|error| WarehouseError(Box::new(error)))?;
        metrics::histogram!(crate::measures::SCANNED).record(answer.bytes_scanned as f64);
        tracing::info!(rows = answer.rows.len(), bytes_scanned = answer.bytes_scanned, "Athena answered");
        Ok(Table { columns: answer.columns, rows: answer.rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_table_names_are_taken() {
        assert_eq!("instance_events".parse::<TableName>().unwrap().as_str(), "instance_events");
        for wrong in ["", "1a", "Events", "a;b", "a b", "a\"b", "a.b", "é"] {
            assert!(wrong.parse::<TableName>().is_err(), "{wrong}");
        }
    }
}
