//! Athena: queries in one workgroup.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_athena::Client;
use aws_sdk_athena::types::{
    QueryExecution, QueryExecutionContext, QueryExecutionState, QueryExecutionStatistics,
    ResultReuseByAgeConfiguration, ResultReuseConfiguration, ResultSetMetadata, Row,
};

use crate::AwsError;
use crate::config::{retries, timeouts};

/// The first pause between two looks at a running query; each next one is half as long again …
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// … up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What a query found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows, a value for each column as text; none is SQL's null.
    pub rows: Vec<Vec<Option<String>>>,
    /// How much Athena read to answer, in bytes: what the query costs.
    pub bytes_scanned: u64,
}

/// Why a query has no result.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// Athena could not run it; in Athena's words, which may quote the SQL.
    #[error("the query failed: {0}")]
    Failed(String),
    /// It was cancelled by somebody else, or by the workgroup's limit of bytes.
    #[error("the query was cancelled: {0}")]
    Cancelled(String),
    /// It took too long and has been stopped.
    #[error("the query took longer than {} seconds", .0.as_secs())]
    TooSlow(Duration),
    /// Athena was not reached or refused the call.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

/// One workgroup with the database that its queries mean. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Workgroup {
    client: Client,
    name: String,
    database: String,
    reuse: Option<Duration>,
}

impl Workgroup {
    /// The workgroup `name`, for queries over `database`.
    #[must_use]
    pub fn new(config: &SdkConfig, name: impl Into<String>, database: impl Into<String>) -> Self {
        let config = aws_sdk_athena::config::Builder::from(config)
            .timeout_config(timeouts(config))
            .retry_config(retries(config))
            .interceptor(cloudapp_aws_calls::Observed)
            .build();
        Self { client: Client::from_conf(config), name: name.into(), database: database.into(), reuse: None }
    }

    /// Lets Athena answer from the result of the same query if that is at most `age` old (whole minutes count).
    #[must_use]
    pub const fn reusing_results(mut self, age: Duration) -> Self {
        self.reuse = Some(age);
        self
    }

    /// Runs a query to its end. Each `?` in the SQL takes the next parameter, which is a SQL literal: a number as
    /// it is, a text through [`text`]. The query is stopped at the deadline, and when this future is dropped.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn query(
        &self,
        sql: &str,
        parameters: &[String],
        deadline: Duration,
    ) -> Result<Rows, QueryError> {
        let run = async {
            let mut running = Running::start(self, sql, parameters).await?;
            let bytes_scanned = running.wait().await?;
            running.results(bytes_scanned).await
        };
        tokio::time::timeout(deadline, run).await.unwrap_or(Err(QueryError::TooSlow(deadline)))
    }
}

/// A text as a parameter: quoted, as Athena wants it.
#[must_use]
pub fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// A query that Athena runs until it is done, or until this is dropped.
struct Running<'a> {
    workgroup: &'a Workgroup,
    id: String,
    ended: bool,
}

impl<'a> Running<'a> {
    async fn start(workgroup: &'a Workgroup, sql: &str, parameters: &[String]) -> Result<Self, AwsError> {
        const OPERATION: &str = "athena:StartQueryExecution";
        let reply = workgroup
            .client
            .start_query_execution()
            .work_group(&workgroup.name)
            .query_execution_context(QueryExecutionContext::builder().database(&workgroup.database).build())
            .query_string(sql)
            .set_execution_parameters((!parameters.is_empty()).then(|| parameters.to_vec()))
            .set_result_reuse_configuration(workgroup.reuse.map(reuse))
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        let id = reply.query_execution_id.ok_or_else(|| AwsError::unreadable(OPERATION, "no query id"))?;
        Ok(Self { workgroup, id, ended: false })
    }

    /// Waits for the end; the bytes that were read.
    async fn wait(&mut self) -> Result<u64, QueryError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let reply = self
                .workgroup
                .client
                .get_query_execution()
                .query_execution_id(&self.id)
                .send()
                .await
                .map_err(|error| AwsError::from_sdk("athena:GetQueryExecution", error))?;
            if let Some(end) = reply.query_execution().and_then(end) {
                self.ended = true;
                return end;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }

    async fn results(&self, bytes_scanned: u64) -> Result<Rows, QueryError> {
        let mut pages =
            self.workgroup.client.get_query_results().query_execution_id(&self.id).into_paginator().send();
        let mut found = Rows { bytes_scanned, ..Rows::default() };
        let mut first = true;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| AwsError::from_sdk("athena:GetQueryResults", error))?;
            let Some(set) = page.result_set() else { continue };
            if first {
                let columns =
                    set.result_set_metadata().map(ResultSetMetadata::column_info).unwrap_or_default();
                found.columns = columns.iter().map(|column| column.name().to_owned()).collect();
            }
            let header =
                usize::from(first && set.rows().first().is_some_and(|row| is_header(row, &found.columns)));
            found.rows.extend(set.rows().iter().skip(header).map(values));
            first = false;
        }
        Ok(found)
    }
}

/// Nobody waits for the answer any more, so Athena need not work (and charge) for it.
impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let stop = self.workgroup.client.stop_query_execution().query_execution_id(&self.id);
            // Best effort: a query that cannot be stopped ends by the workgroup's own limits.
            runtime.spawn(async move { stop.send().await.map(drop).ok() });
        }
    }
}

fn reuse(age: Duration) -> ResultReuseConfiguration {
    let minutes = i32::try_from(age.as_secs() / 60).unwrap_or(i32::MAX);
    let by_age =
        ResultReuseByAgeConfiguration::builder().enabled(minutes > 0).max_age_in_minutes(minutes).build();
    ResultReuseConfiguration::builder().result_reuse_by_age_configuration(by_age).build()
}

/// How a query ended, if it has.
fn end(query: &QueryExecution) -> Option<Result<u64, QueryError>> {
    let status = query.status()?;
    let reason = || status.state_change_reason().unwrap_or("no reason given").to_owned();
    match status.state()? {
        QueryExecutionState::Succeeded => {
            let bytes = query.statistics().and_then(QueryExecutionStatistics::data_scanned_in_bytes);
            Some(Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)))
        }
        QueryExecutionState::Failed => Some(Err(QueryError::Failed(reason()))),
        QueryExecutionState::Cancelled => Some(Err(QueryError::Cancelled(reason()))),
        _ => None,
    }
}

fn values(row: &Row) -> Vec<Option<String>> {
    row.data().iter().map(|value| value.var_char_value().map(str::to_owned)).collect()
}

/// Athena gives a `SELECT`'s column names as the first row, and those of other statements not.
fn is_header(row: &Row, columns: &[String]) -> bool {
    row.data().len() == columns.len()
        && row.data().iter().zip(columns).all(|(value, column)| value.var_char_value() == Some(column))
}

#[cfg(test)]
mod tests {
    use aws_sdk_athena::types::{Datum, QueryExecutionStatus};

    use super::*;

    fn query(state: QueryExecutionState) -> QueryExecution {
        QueryExecution::builder()
            .status(QueryExecutionStatus::builder().state(state).state_change_reason("because").build())
            .statistics(QueryExecutionStatistics::builder().data_scanned_in_bytes(12).build())
            .build()
    }

    #[test]
    fn only_a_final_state_ends_the_wait() {
        assert!(end(&query(QueryExecutionState::Queued)).is_none());
        assert!(end(&query(QueryExecutionState::Running)).is_none());
        assert!(matches!(end(&query(QueryExecutionState::Succeeded)), Some(Ok(12))));
        let failed = end(&query(QueryExecutionState::Failed));
        assert!(matches!(failed, Some(Err(QueryError::Failed(reason))) if reason == "because"));
        let cancelled = end(&query(QueryExecutionState::Cancelled));
        assert!(matches!(cancelled, Some(Err(QueryError::Cancelled(_)))));
    }

    #[test]
    fn texts_cannot_leave_their_quotes() {
        assert_eq!(text("2026-03-01"), "'2026-03-01'");
        assert_eq!(text("' or '1'='1"), "''' or ''1''=''1'");
    }

    #[test]
    fn a_header_is_told_from_data() {
        let datum = |text: &str| Datum::builder().var_char_value(text).build();
        let columns = ["day".to_owned(), "hours".to_owned()];
        let header = Row::builder().data(datum("day")).data(datum("hours")).build();
        let data = Row::builder().data(datum("day")).data(Datum::builder().build()).build();
        assert!(is_header(&header, &columns));
        assert!(!is_header(&data, &columns));
        assert_eq!(values(&data), [Some("day".to_owned()), None]);
    }
}
