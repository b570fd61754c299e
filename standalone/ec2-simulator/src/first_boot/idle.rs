//! The idle report: what a machine posts about its use, where its user data say that it should.

use serde::{Deserialize, Serialize};

use crate::{
    control::SaidIdle,
    identity,
    model::instance::{Instance, InstanceState},
    simulator::Shared,
    wire::error::Ec2Error,
};

/// Where the user data put what the timer's script needs to know.
const IDLE_SETTINGS: &str = "/etc/cloudapp/idle.json";

#[derive(Debug, Deserialize)]
struct IdleSettings {
    idle_report_url: String,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    instance_id: &'a str,
    boot_id: &'a str,
    uptime_seconds: u64,
    idle_seconds: u64,
    identity_document: String,
    identity_signature: String,
}

/// Posts one report and answers the status that it got.
///
/// # Errors
/// The machine does not run, or has nothing to report to; or nobody answers there.
pub(crate) async fn report(
    shared: &Shared,
    instance: &Instance,
    user_data: Option<&str>,
    said: SaidIdle,
) -> Result<u16, Ec2Error> {
    let running = instance.boot.as_ref().filter(|_| instance.state == InstanceState::Running);
    let Some(boot) = running else {
        return Err(Ec2Error::new("IncorrectInstanceState", "The machine does not run."));
    };
    let settings = shared.user_data.read(user_data).ok().and_then(|instructions| {
        serde_json::from_str::<IdleSettings>(instructions.file(IDLE_SETTINGS)?).ok()
    });
    let Some(IdleSettings { idle_report_url }) = settings else {
        return Err(Ec2Error::new("InvalidParameterValue", "Its user data report no use."));
    };
    let now = shared.clock.now();
    let identity_document = identity::document(instance, &shared.home);
    let identity_signature = shared
        .signer
        .sign(&identity_document, now)
        .map_err(|error| Ec2Error::new("InternalError", error.to_string()))?;
    let uptime = (now - boot.due).num_seconds().max(0).unsigned_abs();
    let report = Report {
        instance_id: &instance.id,
        boot_id: &boot.id,
        uptime_seconds: said.uptime_seconds.unwrap_or(uptime),
        idle_seconds: said.idle_seconds,
        identity_document,
        identity_signature,
    };
    let sent = shared.http.post(&idle_report_url).json(&report).send().await;
    let answer = sent.map_err(|error| Ec2Error::new("InternalError", error.without_url().to_string()))?;
    Ok(answer.status().as_u16())
}
