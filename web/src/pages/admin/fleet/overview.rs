//! `GET /admin/fleet`

use askama::Template;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_chassis::ApiError;
use cloudapp_contract::fleet::{DriftCount, Fleet, Orphan};

use crate::app::App;
use crate::pages::problem::call_error;
use crate::pages::{Admin, Section, Shell};
use crate::view::{count, duration, moment, relative};

#[derive(Template, askama_web::WebTemplate)]
#[template(path = "admin/fleet.html")]
pub(super) struct FleetPage {
    shell: Shell,
    waiting: u64,
    oldest_waiting: Option<String>,
    launching: u64,
    /// `2 executions are`; absent if none is.
    stuck: Option<String>,
    repaired: u64,
    orphans: Vec<OrphanRow>,
    drift: Vec<DriftRow>,
}

struct OrphanRow {
    ec2_id: String,
    noticed: String,
    next: String,
}

struct DriftRow {
    what: String,
    meaning: &'static str,
    times: String,
}

pub(super) async fn show(State(app): State<App>, Admin(user): Admin) -> Result<FleetPage, ApiError> {
    let fleet: Fleet = app.backend.provision(user.token()).fleet().await.map_err(call_error)?;
    let now = app.clock.now();
    Ok(FleetPage {
        shell: Shell::of(&user, Section::Fleet),
        waiting: fleet.waiting,
        oldest_waiting: fleet.oldest_waiting_seconds.map(|seconds| {
            duration(
                TimeDelta::try_seconds(i64::try_from(seconds).unwrap_or(i64::MAX)).unwrap_or(TimeDelta::MAX),
            )
        }),
        launching: fleet.launching,
        stuck: (!fleet.stuck.is_empty()).then(|| number(fleet.stuck.len(), "execution is", "executions are")),
        repaired: fleet.drift_last_day.iter().map(|drift| drift.count).sum(),
        orphans: fleet.orphans.iter().map(|orphan| OrphanRow::new(orphan, now)).collect(),
        drift: fleet.drift_last_day.iter().map(DriftRow::new).collect(),
    })
}

fn number(number: impl TryInto<i64>, one: &str, many: &str) -> String {
    count(number.try_into().unwrap_or(i64::MAX), one, many)
}

impl OrphanRow {
    fn new(orphan: &Orphan, now: DateTime<Utc>) -> Self {
        let next = match orphan.ends_after {
            Some(at) if at > now => format!("Ended {} if it still belongs to nobody", relative(at, now)),
            _ => "Ended at the next comparison, unless it has found its owner".to_owned(),
        };
        Self { ec2_id: orphan.ec2_instance_id.to_string(), noticed: moment(&orphan.marked_at), next }
    }
}

impl DriftRow {
    /// A kind that only a newer service knows is shown by its name.
    fn new(drift: &DriftCount) -> Self {
        let (what, meaning) = match drift.kind.as_str() {
            "orphan_removed" => {
                ("Machines without an owner ended", "They ran at AWS, but nobody in CloudApp had them.")
            }
            "ended_again" => (
                "Ends asked for again",
                "They ran on although their end had been asked for; AWS was asked once more.",
            ),
            "looked_at" => (
                "Machines looked at out of turn",
                "They had changed at AWS and no event said so, or nobody watched them any more.",
            ),
            other => (other, ""),
        };
        Self { what: what.replace('_', " "), meaning, times: number(drift.count, "time", "times") }
    }
}
