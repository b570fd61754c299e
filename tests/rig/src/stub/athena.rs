//! Athena: every query answers the same, at once.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Answered, Shared, json as respond, locked, unknown};

pub(super) fn answer(shared: &Shared, operation: &str) -> Answered {
    let body = match operation {
        "StartQueryExecution" => json!({ "QueryExecutionId": "query" }),
        "GetQueryExecution" => json!({ "QueryExecution": {
            "QueryExecutionId": "query", "Status": { "State": "SUCCEEDED" },
            "Statistics": { "DataScannedInBytes": 1000 },
        } }),
        "GetQueryResults" => results(&locked(&shared.result)),
        "StopQueryExecution" => json!({}),
        _ => return unknown(&format!("athena:{operation}")),
    };
    (format!("athena:{operation}"), respond(StatusCode::OK, &body))
}

/// One page; its first row is the header.
fn results(rows: &[Vec<String>]) -> Value {
    let columns: Vec<Value> =
        rows.first().into_iter().flatten().map(|name| json!({ "Name": name, "Type": "varchar" })).collect();
    let data = |row: &Vec<String>| -> Value {
        let values: Vec<Value> = row.iter().map(|text| json!({ "VarCharValue": text })).collect();
        json!({ "Data": values })
    };
    let rows: Vec<Value> = rows.iter().map(data).collect();
    json!({ "ResultSet": { "Rows": rows, "ResultSetMetadata": { "ColumnInfo": columns } } })
}
