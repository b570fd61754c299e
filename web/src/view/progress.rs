use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_contract::execution::{Execution, QueuePlace, Step};
use cloudapp_domain::{ExecutionKind, ExecutionState, StepState};

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
    /// What stands or stood in the way of undoing it.
    pub(crate) obstacle: Option<String>,
    /// The place in the queue, instead of the detail.
    pub(crate) queue: Option<QueueView>,
}

/// A place in the queue of those who wait for a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueView {
    pub(crate) position: u32,
    /// `in about 40 seconds`.
    pub(crate) when: String,
}

/// Nobody is shown a queue that they hardly notice.
const WORTH_SHOWING: TimeDelta = TimeDelta::seconds(2);

impl ProgressView {
    pub(crate) fn new(execution: &Execution, now: DateTime<Utc>) -> Self {
        let steps: Vec<StepView> = execution
            .steps
            .iter()
            .map(|step| {
                let queue = execution.queue.filter(|_| waits(step, now));
                StepView { obstacle: obstacle(step, execution.state), ..StepView::new(step, queue, now) }
            })
            .collect();
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
            took: duration(execution.finished_at.unwrap_or(now) - execution.created_at),
        }
    }
}

impl StepView {
    fn new(step: &Step, queue: Option<QueuePlace>, now: DateTime<Utc>) -> Self {
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
        Self {
            label: step_label(&step.name),
            state,
            class,
            took,
            detail: step.detail.clone(),
            obstacle: None,
            queue: queue.map(QueueView::new),
        }
    }
}

impl QueueView {
    fn new(place: QueuePlace) -> Self {
        let when = match place.estimated_seconds {
            0..=1 => "any moment now".to_owned(),
            seconds @ 2..=89 => format!("in about {seconds} seconds"),
            seconds @ 90..=5_399 => format!("in about {} minutes", (seconds + 30) / 60),
            seconds => format!("in about {} hours", seconds.saturating_add(1_800) / 3_600),
        };
        Self { position: place.position, when }
    }
}

/// What is said of the way of undoing a step. Where it is stuck the step's own words say it.
fn obstacle(step: &Step, state: ExecutionState) -> Option<String> {
    let why = &step.obstacle.as_ref()?.sentence;
    match (state, step.state) {
        (ExecutionState::Stuck, StepState::Failed) => None,
        (ExecutionState::Pending | ExecutionState::Running, state) if state != StepState::Undone => {
            Some(format!("Undoing it does not work yet and is tried again: {why}"))
        }
        _ => Some(format!("This stood in the way of undoing it: {why}")),
    }
}

/// Whether the step is the one that waits, and has waited for a while.
fn waits(step: &Step, now: DateTime<Utc>) -> bool {
    step.state == StepState::Running && step.started_at.is_some_and(|since| now - since > WORTH_SHOWING)
}

pub(super) const fn title(kind: ExecutionKind) -> &'static str {
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
        ExecutionState::Stuck => "Stuck",
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
pub(super) fn step_label(name: &str) -> String {
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

    #[test]
    fn what_is_in_the_way_of_undoing_is_told_until_the_step_says_so_itself() {
        let told = |execution: &str, step: &str| {
            let execution: Execution = serde_json::from_value(serde_json::json!({
                "id": "01890a5d-ac96-774b-bcce-b302099a8057", "kind": "launch", "state": execution,
                "instance_id": "01890a5d-ac96-774b-bcce-b302099a8057", "created_at": "2026-11-22T09:00:00Z",
                "finished_at": null,
                "steps": [{ "name": "place", "state": step, "started_at": "2026-11-22T09:00:00Z",
                    "finished_at": null, "detail": "Could not be undone: AWS did not answer in time.",
                    "obstacle": { "code": "ec2_unavailable", "sentence": "AWS did not answer in time.",
                                  "fixer": "user", "next_step": "Try again in a few minutes." } }]
            }))
            .unwrap();
            ProgressView::new(&execution, execution.created_at).steps.remove(0).obstacle
        };
        assert!(told("running", "failed").unwrap().contains("is tried again: AWS did not answer in time."));
        assert!(told("running", "succeeded").unwrap().contains("is tried again"));
        assert!(told("running", "undone").unwrap().contains("stood in the way"));
        assert!(told("cancelled", "failed").unwrap().contains("stood in the way"));
        assert_eq!(told("stuck", "failed"), None);
    }

    #[test]
    fn a_queue_is_shown_at_the_step_that_waits_once_one_notices_it() {
        let waiting = |seconds: i64, estimated_seconds: u32| {
            let execution: Execution = serde_json::from_value(serde_json::json!({
                "id": "01890a5d-ac96-774b-bcce-b302099a8057", "kind": "launch", "state": "running",
                "instance_id": "01890a5d-ac96-774b-bcce-b302099a8057", "created_at": "2026-11-22T09:00:00Z",
                "finished_at": null, "queue": { "position": 312, "estimated_seconds": estimated_seconds },
                "steps": [
                    { "name": "admit", "state": "succeeded", "started_at": "2026-11-22T09:00:00Z",
                      "finished_at": "2026-11-22T09:00:00Z", "detail": null },
                    { "name": "place", "state": "running", "started_at": "2026-11-22T09:00:00Z",
                      "finished_at": null, "detail": "waiting" },
                ]
            }))
            .unwrap();
            let now = execution.created_at + TimeDelta::seconds(seconds);
            let steps = ProgressView::new(&execution, now).steps;
            assert_eq!(steps[0].queue, None);
            steps[1].queue.as_ref().map(|queue| format!("{} {}", queue.position, queue.when))
        };
        assert_eq!(waiting(1, 40), None);
        assert_eq!(waiting(5, 0).as_deref(), Some("312 any moment now"));
        assert_eq!(waiting(5, 40).as_deref(), Some("312 in about 40 seconds"));
        assert_eq!(waiting(5, 120).as_deref(), Some("312 in about 2 minutes"));
        assert_eq!(waiting(5, u32::MAX).as_deref(), Some("312 in about 1193046 hours"));
    }
}
