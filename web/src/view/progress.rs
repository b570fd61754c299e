use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_contract::execution::{Execution, Step};
use cloudapp_domain::{ExecutionKind, ExecutionState, Failure, StepState};

use super::{Tone, duration};

/// An execution as a timeline.
#[derive(Debug, Clone)]
pub(crate) struct ProgressView {
    pub(crate) id: String,
    pub(crate) title: &'static str,
    pub(crate) state: &'static str,
    pub(crate) tone: Tone,
    pub(crate) is_final: bool,
    /// Whether login details come with it: those of other executions are asked for by hand.
    pub(crate) brings_login: bool,
    /// One sentence for screen readers, said whenever it changes.
    pub(crate) spoken: String,
    pub(crate) steps: Vec<StepView>,
    pub(crate) failure: Option<Failure>,
    /// How long it took, or takes so far.
    pub(crate) took: String,
}

/// One step of the timeline.
#[derive(Debug, Clone)]
pub(crate) struct StepView {
    pub(crate) label: String,
    pub(crate) state: &'static str,
    /// The name in style sheets.
    pub(crate) class: &'static str,
    pub(crate) took: Option<String>,
    pub(crate) detail: Option<String>,
}

impl ProgressView {
    pub(crate) fn new(execution: &Execution, now: DateTime<Utc>) -> Self {
        let steps: Vec<StepView> = execution.steps.iter().map(|step| StepView::new(step, now)).collect();
        let title = title(execution.kind);
        let current = steps.iter().find(|step| step.class == "running");
        let spoken = match (execution.state, current) {
            (ExecutionState::Succeeded, _) => format!("{title}: done."),
            (ExecutionState::Failed | ExecutionState::Stuck, _) => format!("{title}: failed."),
            (ExecutionState::Cancelled, _) => format!("{title}: cancelled."),
            (_, Some(step)) => format!("{title}: {}.", step.label),
            (_, None) => format!("{title}: waiting."),
        };
        Self {
            id: execution.id.to_string(),
            title,
            state: state_label(execution.state),
            tone: state_tone(execution.state),
            is_final: execution.state.is_final(),
            brings_login: matches!(execution.kind, ExecutionKind::Launch | ExecutionKind::Start),
            spoken,
            steps,
            failure: execution.failure.clone(),
            took: duration(execution.finished_at.unwrap_or(now) - execution.created_at),
        }
    }
}

impl StepView {
    fn new(step: &Step, now: DateTime<Utc>) -> Self {
        let took = step.started_at.filter(|_| step.state != StepState::Skipped).map(|began| {
            let took = step.finished_at.unwrap_or(now) - began;
            // A step over before anybody could see it took no time.
            if took < TimeDelta::seconds(1) { "< 1 s".to_owned() } else { duration(took) }
        });
        let (state, class) = match step.state {
            StepState::Pending => ("to do", "pending"),
            StepState::Running => ("under way", "running"),
            StepState::Succeeded => ("done", "done"),
            StepState::Failed => ("failed", "failed"),
            StepState::Undone => ("undone", "undone"),
            StepState::Skipped => ("not needed", "skipped"),
        };
        Self { label: step_label(&step.name), state, class, took, detail: step.detail.clone() }
    }
}

const fn title(kind: ExecutionKind) -> &'static str {
    match kind {
        ExecutionKind::Launch => "Creating the machine",
        ExecutionKind::Stop => "Stopping the machine",
        ExecutionKind::Start => "Starting the machine",
        ExecutionKind::Destroy => "Destroying the machine",
        ExecutionKind::Extend => "Extending the lifetime",
        ExecutionKind::Refill => "Preparing a spare machine",
    }
}

const fn state_label(state: ExecutionState) -> &'static str {
    match state {
        ExecutionState::Pending => "Waiting",
        ExecutionState::Running => "Under way",
        ExecutionState::Succeeded => "Done",
        ExecutionState::Failed => "Failed",
        ExecutionState::Cancelled => "Cancelled",
        ExecutionState::Stuck => "Needs an operator",
    }
}

const fn state_tone(state: ExecutionState) -> Tone {
    match state {
        ExecutionState::Pending | ExecutionState::Running => Tone::Busy,
        ExecutionState::Succeeded => Tone::Good,
        ExecutionState::Failed | ExecutionState::Stuck => Tone::Bad,
        ExecutionState::Cancelled => Tone::Neutral,
    }
}

/// Steps are named by provision-instance; a name that this version does not know is shown as it is.
fn step_label(name: &str) -> String {
    match name {
        "admit" => "Request accepted".to_owned(),
        "place" => "Find a machine at EC2".to_owned(),
        "boot" => "Start up and install".to_owned(),
        "login" => "Prepare login details".to_owned(),
        "stop" => "Stop at EC2".to_owned(),
        "start" => "Start at EC2".to_owned(),
        "terminate" | "destroy" => "Destroy at EC2".to_owned(),
        "settle" => "Wait for what was under way".to_owned(),
        "down" => "Wait until it is down".to_owned(),
        "extend" => "Move the end".to_owned(),
        other => {
            let text = other.replace(['_', '-'], " ");
            let mut letters = text.chars();
            letters
                .next()
                .map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_step_is_spoken_and_timed() {
        let execution: Execution = serde_json::from_value(serde_json::json!({
            "id": "01890a5d-ac96-774b-bcce-b302099a8057", "kind": "launch", "state": "running",
            "instance_id": "01890a5d-ac96-774b-bcce-b302099a8057", "created_at": "2026-11-22T09:00:00Z",
            "finished_at": null,
            "steps": [
                { "name": "admit", "state": "succeeded", "started_at": "2026-11-22T09:00:00Z",
                  "finished_at": "2026-11-22T09:00:00.4Z", "detail": null },
                { "name": "place", "state": "running", "started_at": "2026-11-22T09:00:01Z",
                  "finished_at": null, "detail": "t3.micro" },
                { "name": "warm_up", "state": "pending", "started_at": null, "finished_at": null, "detail": null },
            ]
        }))
        .unwrap();
        let view = ProgressView::new(&execution, "2026-11-22T09:01:30Z".parse().unwrap());
        assert_eq!(view.spoken, "Creating the machine: Find a machine at EC2.");
        assert_eq!(view.took, "1 min");
        let took: Vec<_> = view.steps.iter().map(|step| step.took.as_deref().unwrap_or("-")).collect();
        assert_eq!(took, ["< 1 s", "1 min", "-"]);
        assert_eq!(view.steps[2].label, "Warm up");
    }
}
