use cloudapp_contract::execution::{Execution, Step};
use cloudapp_contract::instance::Instance;
use cloudapp_domain::{ExecutionKind, Failure, FailureCode, Fixer, StepState};

use super::progress::{step_label, title};
use super::{moment, state_label};

/// An execution that could not be undone, as admins see it.
#[derive(Debug, Clone)]
pub(crate) struct StuckView {
    pub(crate) id: String,
    pub(crate) title: &'static str,
    /// The machine's page and name; spares have none.
    pub(crate) machine: Option<(String, String)>,
    pub(crate) owner: Option<String>,
    /// Why it was to be undone, as a sentence.
    pub(crate) cause: Option<String>,
    /// Where undoing came to a halt.
    pub(crate) step: Option<String>,
    /// What stood in the way.
    pub(crate) obstacle: Option<String>,
    /// What is to be done about that, unless it was only that AWS did not answer.
    pub(crate) next_step: Option<String>,
    /// AWS's or the database's own words about it.
    pub(crate) technical: Option<String>,
    pub(crate) since: String,
    pub(crate) left_behind: Vec<String>,
}

impl StuckView {
    /// `machine` is absent for a spare of a pool, or if it could not be read.
    pub(crate) fn new(execution: &Execution, machine: Option<&Instance>) -> Self {
        let halted = halted_at(execution);
        let why = halted.and_then(|step| step.obstacle.as_ref());
        Self {
            id: execution.id.to_string(),
            title: title(execution.kind),
            machine: machine
                .map(|machine| (format!("/machines/{}", machine.id), machine.configuration_name.clone())),
            owner: machine.map(|machine| machine.owner.to_string()),
            cause: execution.failure.as_ref().map(cause),
            step: halted.map(|step| step_label(&step.name)),
            obstacle: halted.and_then(|step| step.detail.clone()),
            next_step: why.filter(|why| why.fixer != Fixer::User).map(|why| why.next_step.clone()),
            technical: why.and_then(|why| why.detail.clone()),
            since: moment(&execution.finished_at.unwrap_or(execution.created_at)),
            left_behind: left_behind(execution, machine),
        }
    }
}

/// The sentence of a cancellation is meant for whoever cancelled.
fn cause(failure: &Failure) -> String {
    match failure.code {
        FailureCode::Cancelled => "It was being undone because it had been cancelled.".to_owned(),
        _ => format!("It was being undone because of this: {}", failure.sentence),
    }
}

/// Undoing goes backwards, and the step that it fails at is the first one that failed.
fn halted_at(execution: &Execution) -> Option<&Step> {
    execution.steps.iter().find(|step| step.state == StepState::Failed)
}

/// What there still is, as far as CloudApp knows.
fn left_behind(execution: &Execution, machine: Option<&Instance>) -> Vec<String> {
    let Some(machine) = machine else {
        return vec![match execution.kind {
            ExecutionKind::Refill => {
                "A spare for a warm pool may run at AWS. It counts against nobody’s limit.".to_owned()
            }
            ExecutionKind::Launch
            | ExecutionKind::Stop
            | ExecutionKind::Start
            | ExecutionKind::Destroy
            | ExecutionKind::Extend => "Its machine cannot be shown at the moment.".to_owned(),
        }];
    };
    if machine.state.is_final() {
        return vec!["Nothing that CloudApp knows of: the machine has ended.".to_owned()];
    }
    let at_aws = match &machine.ec2_instance_id {
        Some(id) => {
            let hardware: Vec<&str> =
                [machine.instance_type.as_deref(), machine.zone.as_deref()].into_iter().flatten().collect();
            let hardware =
                if hardware.is_empty() { String::new() } else { format!(" ({})", hardware.join(", ")) };
            format!("The machine {id}{hardware} may still run at AWS and cost money.")
        }
        None => "AWS was perhaps asked for a machine; none is known.".to_owned(),
    };
    let state = state_label(machine.state).to_lowercase();
    vec![at_aws, format!("CloudApp has it as {state}; it counts against its owner’s limit.")]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn execution(kind: &str) -> Execution {
        serde_json::from_value(serde_json::json!({
            "id": ID, "kind": kind, "state": "stuck", "instance_id": ID, "created_at": "2026-11-22T09:00:00Z",
            "finished_at": "2026-11-22T09:20:00Z",
            "steps": [
                { "name": "admit", "state": "succeeded", "started_at": null, "finished_at": null, "detail": null },
                { "name": "place", "state": "failed", "started_at": null, "finished_at": null,
                  "detail": "Could not be undone: protected",
                  "obstacle": { "code": "permission_denied", "sentence": "protected", "fixer": "operator",
                                "next_step": "Lift the protection.", "detail": "OperationNotPermitted: no" } },
                { "name": "boot", "state": "undone", "started_at": null, "finished_at": null, "detail": null },
            ]
        }))
        .unwrap()
    }

    fn machine(state: &str, ec2_id: Option<&str>) -> Instance {
        serde_json::from_value(serde_json::json!({
            "id": ID, "owner": "sub", "state": state, "configuration_id": ID, "configuration_version": 1,
            "configuration_name": "Shell", "ec2_instance_id": ec2_id, "instance_type": "t3.micro",
            "zone": "us-east-1a", "market": "on_demand", "host": null, "login_user": "ec2-user",
            "on_stop": "stop", "price_per_hour": null, "execution_id": ID, "reason": null,
            "has_public_key": false, "created_at": "2026-11-22T09:00:00Z", "ready_at": null,
            "expires_at": null, "max_expires_at": null, "ended_at": null
        }))
        .unwrap()
    }

    #[test]
    fn it_says_where_it_halted_and_what_is_left() {
        let machine = machine("booting", Some("i-0123456789abcdef0"));
        let view = StuckView::new(&execution("launch"), Some(&machine));
        assert_eq!(view.step.as_deref(), Some("Find a machine at EC2"));
        assert_eq!(view.obstacle.as_deref(), Some("Could not be undone: protected"));
        assert_eq!(view.next_step.as_deref(), Some("Lift the protection."));
        assert_eq!(view.technical.as_deref(), Some("OperationNotPermitted: no"));
        assert_eq!(
            view.left_behind,
            [
                "The machine i-0123456789abcdef0 (t3.micro, us-east-1a) may still run at AWS and cost money.",
                "CloudApp has it as booting; it counts against its owner’s limit.",
            ]
        );
    }

    #[test]
    fn a_spare_is_nobodys_and_what_has_ended_is_gone() {
        let left = StuckView::new(&execution("refill"), None).left_behind;
        assert!(left[0].contains("nobody’s limit"), "{left:?}");
        let left = StuckView::new(&execution("launch"), None).left_behind;
        assert!(left[0].contains("cannot be shown"), "{left:?}");
        let left = StuckView::new(&execution("launch"), Some(&machine("failed", None))).left_behind;
        assert!(left[0].contains("has ended"), "{left:?}");
    }
}
