//! Warehouses for tests: DuckDB over real Parquet files in Athena's place, and one that fails on demand.

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use cloudapp_view_stats::warehouse::{Literal, Table, Warehouse, WarehouseError};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::python::python;

/// Parquet files in a folder of their own.
pub(crate) struct ParquetWarehouse {
    folder: TempDir,
    down: AtomicBool,
}

impl ParquetWarehouse {
    /// Over these events; `tier` and `dt` of each say where it was exported.
    pub(crate) async fn of(events: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let request = json!({ "write": events, "folder": folder.path() });
        ask(&request).await.unwrap();
        Self { folder, down: AtomicBool::new(false) }
    }

    /// From now on it answers nothing.
    pub(crate) fn take_down(&self) {
        self.down.store(true, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Warehouse for ParquetWarehouse {
    async fn query(&self, sql: &str, parameters: &[Literal]) -> Result<Table, WarehouseError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(WarehouseError("Athena is away".into()));
        }
        let parameters: Vec<_> = parameters.iter().map(Literal::as_str).collect();
        let request = json!({ "query": sql, "parameters": parameters, "folder": self.folder.path() });
        let answer = ask(&request).await.map_err(|error| WarehouseError(error.into()))?;
        Ok(Table {
            columns: serde_json::from_value(answer["columns"].clone()).unwrap(),
            rows: serde_json::from_value(answer["rows"].clone()).unwrap(),
        })
    }
}

async fn ask(request: &Value) -> Result<Value, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/service/warehouse.py");
    let mut process = Command::new(python())
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(request.to_string().as_bytes()).await.unwrap();
    let output = process.wait_with_output().await.unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["error"].as_str().map_or(Ok(answer.clone()), |error| Err(error.to_owned()))
}
