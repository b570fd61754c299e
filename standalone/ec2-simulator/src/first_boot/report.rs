//! The boot report: what the machine posts about its boot, until somebody takes it.

use std::{sync::Arc, time::Duration};

use rand::Rng;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::{config::BootOutcome, identity, simulator::Shared};

/// Where the user data put what the report service needs to know.
const REPORT_SETTINGS: &str = "/etc/cloudapp/report.json";
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The part of the settings file that matters here.
#[derive(Debug, Deserialize)]
struct ReportSettings {
    #[serde(default)]
    report_url: Option<String>,
}

/// The body of the report.
#[derive(Debug, Serialize)]
struct Report<'a> {
    instance_id: &'a str,
    boot_id: &'a str,
    outcome: BootOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_tail: Option<&'a str>,
    host_keys: &'a [String],
    public_ipv4: &'a str,
    identity_document: String,
    identity_signature: String,
}

/// A report that is still to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DueReport {
    pub(crate) instance_id: String,
    pub(crate) boot_id: String,
}

/// What one attempt came to.
enum Attempt {
    /// Taken, or refused for good.
    Settled,
    /// To be tried again.
    Failed,
    /// There is nothing to deliver any more: the machine is not in this boot.
    Obsolete,
}

/// Posts the report with growing pauses until it is answered by 2xx or a final 4xx, or the machine stops.
pub(crate) async fn deliver(shared: Arc<Shared>, due: DueReport) {
    let mut pause = FIRST_PAUSE;
    loop {
        match attempt(&shared, &due).await {
            Attempt::Obsolete => return,
            Attempt::Settled => {
                shared.mark_reported(&due);
                return;
            }
            Attempt::Failed => {}
        }
        let jittered = pause.mul_f64(rand::rng().random_range(0.7..1.3));
        tokio::select! {
            () = sleep(jittered) => {}
            () = shared.stop.cancelled() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn attempt(shared: &Shared, due: &DueReport) -> Attempt {
    let Some((url, body)) = prepare(shared, due) else { return Attempt::Obsolete };
    let sent = shared.http.post(&url).header("content-type", "application/json").body(body).send().await;
    match sent {
        Ok(answer) if answer.status().is_success() => Attempt::Settled,
        Ok(answer) if answer.status().is_client_error() && !matches!(answer.status().as_u16(), 408 | 429) => {
            tracing::warn!(instance = %due.instance_id, status = answer.status().as_u16(), "the boot report was refused");
            Attempt::Settled
        }
        Ok(answer) => {
            tracing::debug!(instance = %due.instance_id, status = answer.status().as_u16(), "the boot report is tried again");
            Attempt::Failed
        }
        Err(error) => {
            tracing::debug!(instance = %due.instance_id, %error, "the boot report is tried again");
            Attempt::Failed
        }
    }
}

/// The report's address and body, if the machine is still in that boot and has somewhere to report to.
fn prepare(shared: &Shared, due: &DueReport) -> Option<(String, String)> {
    let (instance, encoded) = shared.instance_in_boot(due)?;
    let outcome = instance.boot.as_ref()?.outcome.filter(|outcome| *outcome != BootOutcome::Silence)?;
    let instructions = shared.user_data.read(encoded.as_deref()).ok()?;
    let settings: ReportSettings = serde_json::from_str(instructions.file(REPORT_SETTINGS)?).ok()?;
    let url = settings.report_url?;
    let identity_document = identity::document(&instance, &shared.home);
    let signature = shared.signer.sign(&identity_document, shared.clock.now());
    let identity_signature = signature
        .inspect_err(|error| tracing::error!(%error, "an identity document could not be signed"))
        .ok()?;
    let report = Report {
        instance_id: &instance.id,
        boot_id: &due.boot_id,
        outcome,
        log_tail: instance.boot_log.as_deref(),
        host_keys: &instance.host_keys,
        public_ipv4: instance.public_ip.as_deref().unwrap_or_default(),
        identity_document,
        identity_signature,
    };
    Some((url, serde_json::to_string(&report).ok()?))
}
