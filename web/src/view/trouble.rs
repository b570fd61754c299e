use cloudapp_contract::execution::Execution;
use cloudapp_contract::instance::Instance;
use cloudapp_domain::{
    ExecutionKind, ExecutionState, Failure, FailureCode, Fixer, InstanceState, NextAction,
};
use url::Url;

use super::note::took_it_away;
use super::{Tone, hours_left};
use crate::contacts::{Contacts, mailto};

/// What went wrong with a machine, and the button beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) tone: Tone,
    pub(crate) sentence: String,
    pub(crate) next_step: Option<String>,
    /// Who can fix it, as a sentence.
    pub(crate) fixer: Option<&'static str>,
    pub(crate) detail: Option<String>,
    pub(crate) remedy: Option<Remedy>,
}

/// What one can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Go to a page.
    Go { label: &'static str, href: String },
    /// Do something at once.
    Do { label: &'static str, action: String },
    /// Tell somebody who can do something about it.
    Write { label: &'static str, href: String, message: String },
}

/// Who reads it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) is_owner: bool,
    pub(crate) is_admin: bool,
    pub(crate) contacts: &'a Contacts,
    /// Where browsers reach this process: for messages to people.
    pub(crate) site: &'a Url,
}

impl Trouble {
    /// What a machine's page says first, if something went wrong with it or its newest execution.
    pub(crate) fn of(machine: &Instance, execution: Option<&Execution>, reader: Reader<'_>) -> Option<Self> {
        if let Some(stuck) = execution.filter(|execution| execution.state == ExecutionState::Stuck) {
            return Some(stuck_at(machine, stuck, reader));
        }
        let kind = execution.map_or(ExecutionKind::Launch, |execution| execution.kind);
        let failure = execution.and_then(|execution| execution.failure.as_ref()).or(machine.failure.as_ref());
        let Some(failure) = failure else { return ended(machine, reader) };
        // While it is still being undone, there is nothing to do but wait.
        let is_over = execution.is_none_or(|execution| execution.state.is_final());
        Some(Self {
            tone: if failure.code == FailureCode::Cancelled { Tone::Warn } else { Tone::Bad },
            sentence: sentence(failure, reader),
            next_step: Some(failure.next_step.clone()),
            fixer: fixer(failure),
            detail: failure.detail.clone(),
            remedy: if is_over { remedy(failure, kind, machine, reader) } else { None },
        })
    }
}

/// The sentence of a cancellation is meant for whoever cancelled.
fn sentence(failure: &Failure, reader: Reader<'_>) -> String {
    match failure.code {
        FailureCode::Cancelled if !reader.is_owner => "It was cancelled.".to_owned(),
        _ => failure.sentence.clone(),
    }
}

/// Why it was stopped or ended, where nothing failed.
fn ended(machine: &Instance, reader: Reader<'_>) -> Option<Trouble> {
    let sentence = machine.reason.clone()?;
    let was_taken = machine.state.is_final() && machine.notes.iter().any(|note| took_it_away(note.kind));
    let remedy = if was_taken { create_again("Create a new machine", machine, reader) } else { None };
    Some(Trouble { tone: Tone::Warn, sentence, next_step: None, fixer: None, detail: None, remedy })
}

fn stuck_at(machine: &Instance, execution: &Execution, reader: Reader<'_>) -> Trouble {
    let failure = execution.failure.as_ref();
    let cause = failure.map(|failure| format!("{} ", sentence(failure, reader))).unwrap_or_default();
    let sentence = format!("{cause}Undoing what had been begun did not work.");
    let remedy = if reader.is_admin {
        Remedy::Go { label: "Force it", href: format!("/admin/stuck/{}/force", execution.id) }
    } else {
        write(Role::Admin, machine, &sentence, reader)
    };
    Trouble {
        tone: Tone::Bad,
        sentence,
        next_step: Some(
            "The admins have been told. Until one of them has dealt with it, the machine may still run and counts \
             against its owner's limit."
                .to_owned(),
        ),
        fixer: Some("An admin can fix this."),
        detail: failure.and_then(|failure| failure.detail.clone()),
        remedy: Some(remedy),
    }
}

fn fixer(failure: &Failure) -> Option<&'static str> {
    match (failure.code, failure.fixer) {
        (FailureCode::Cancelled, _) => None,
        (_, Fixer::User) => Some("You can fix this yourself."),
        (_, Fixer::Admin) => Some("An admin can fix this."),
        (_, Fixer::Operator) => Some("Whoever operates CloudApp can fix this."),
    }
}

/// The button that the failure calls for; none where the machine's state no longer allows what it would do.
fn remedy(failure: &Failure, kind: ExecutionKind, machine: &Instance, reader: Reader<'_>) -> Option<Remedy> {
    let go = |label, href: String| Some(Remedy::Go { label, href });
    match failure.next_action() {
        NextAction::TryAgain => again(failure, kind, machine, reader),
        NextAction::ChooseAnother => {
            if reader.is_owner {
                go("Choose another configuration", "/#catalogue".to_owned())
            } else {
                None
            }
        }
        NextAction::CreateNew => create_again("Create a new machine", machine, reader),
        NextAction::GiveUpAMachine if reader.is_admin => {
            go("Look for machines to stop", "/admin/machines".to_owned())
        }
        NextAction::GiveUpAMachine => go("Stop one of my machines", "/#mine".to_owned()),
        NextAction::Destroy => ends(machine, "Destroy machine"),
        NextAction::AskAdmin if reader.is_admin => fix(failure.code, machine, reader),
        NextAction::AskAdmin => Some(write(Role::Admin, machine, &failure.sentence, reader)),
        NextAction::AskOperator => Some(write(Role::Operator, machine, &failure.sentence, reader)),
    }
}

/// The same once more, by the page or button that did it before.
fn again(failure: &Failure, kind: ExecutionKind, machine: &Instance, reader: Reader<'_>) -> Option<Remedy> {
    let at = |page: &str| format!("/machines/{}/{page}", machine.id);
    let state = machine.state;
    let label = "Try again";
    match kind {
        ExecutionKind::Launch if failure.code == FailureCode::Cancelled => {
            create_again("Create it again", machine, reader)
        }
        ExecutionKind::Launch => create_again(label, machine, reader),
        ExecutionKind::Stop => {
            (state == InstanceState::Ready).then(|| Remedy::Go { label, href: at("stop") })
        }
        ExecutionKind::Start => {
            (state == InstanceState::Stopped).then(|| Remedy::Do { label, action: at("start") })
        }
        ExecutionKind::Destroy => ends(machine, label),
        ExecutionKind::Extend => (matches!(state, InstanceState::Ready | InstanceState::Stopped)
            && hours_left(machine) > 0)
            .then(|| Remedy::Go { label, href: at("extend") }),
        // Spares are made again by themselves; their pool says how that goes.
        ExecutionKind::Refill => reader
            .is_admin
            .then(|| Remedy::Go { label: "Look at the pools", href: "/admin/pools".to_owned() }),
    }
}

/// Another machine of the same configuration. It would be the reader's own: no help with somebody else's.
fn create_again(label: &'static str, machine: &Instance, reader: Reader<'_>) -> Option<Remedy> {
    let href = format!("/machines/new?configuration={}", machine.configuration_id);
    reader.is_owner.then_some(Remedy::Go { label, href })
}

fn ends(machine: &Instance, label: &'static str) -> Option<Remedy> {
    let can_end = !machine.state.is_final() && machine.state != InstanceState::Terminating;
    can_end.then(|| Remedy::Go { label, href: format!("/machines/{}/destroy", machine.id) })
}

/// What an admin, who need not be asked, can do about it.
fn fix(code: FailureCode, machine: &Instance, reader: Reader<'_>) -> Option<Remedy> {
    match code {
        FailureCode::InsufficientCapacity
        | FailureCode::ImageUnavailable
        | FailureCode::ConfigurationRefused
        | FailureCode::InstallationFailed
        | FailureCode::BootTimeout
        | FailureCode::PermissionDenied
        | FailureCode::Ec2Unavailable
        | FailureCode::DeadlineExceeded
        | FailureCode::Internal => Some(Remedy::Go {
            label: "Fix the configuration",
            href: format!("/admin/configurations/{}", machine.configuration_id),
        }),
        FailureCode::AccountQuota => {
            Some(Remedy::Go { label: "Look for machines to stop", href: "/admin/machines".to_owned() })
        }
        FailureCode::MachineLost
        | FailureCode::SpotInterrupted
        | FailureCode::ForceStopped
        | FailureCode::Cancelled => create_again("Create a new machine", machine, reader),
    }
}

#[derive(Debug, Clone, Copy)]
enum Role {
    Admin,
    Operator,
}

/// A message that says all that the other needs to look it up.
fn write(role: Role, machine: &Instance, sentence: &str, reader: Reader<'_>) -> Remedy {
    let page = reader.site.join(&format!("/machines/{}", machine.id));
    let message = format!(
        "My CloudApp machine “{}” has a problem:\n{sentence}\n\nIts page: {}\nExecution: {}",
        machine.configuration_name,
        page.as_ref().map_or("", Url::as_str),
        machine.execution_id,
    );
    let (label, to) = match role {
        Role::Admin => ("Write to an admin", &reader.contacts.admin_email),
        Role::Operator => ("Write to the operator", &reader.contacts.operator_email),
    };
    let href = mailto(to.as_deref(), "A CloudApp machine has a problem", &message);
    Remedy::Write { label, href, message }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cloudapp_domain::ExecutionId;

    use super::*;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn machine(state: &str) -> Instance {
        serde_json::from_value(serde_json::json!({
            "id": ID, "owner": "sub", "state": state, "configuration_id": ID, "configuration_version": 1,
            "configuration_name": "Shell", "ec2_instance_id": null, "instance_type": null, "zone": null,
            "market": null, "host": null, "login_user": "ec2-user", "on_stop": "stop", "price_per_hour": null,
            "execution_id": ID, "reason": null, "has_public_key": false, "created_at": "2026-11-22T09:00:00Z",
            "ready_at": null, "expires_at": "2026-11-22T17:00:00Z", "max_expires_at": "2026-11-25T09:00:00Z",
            "ended_at": null
        }))
        .unwrap()
    }

    fn failure(code: FailureCode, fixer: Fixer) -> Failure {
        Failure {
            code,
            sentence: "It failed.".to_owned(),
            fixer,
            next_step: "Do something.".to_owned(),
            detail: None,
        }
    }

    fn execution(kind: ExecutionKind, state: ExecutionState, failure: Option<Failure>) -> Execution {
        Execution {
            id: ID.parse::<ExecutionId>().unwrap(),
            kind,
            state,
            instance_id: ID.parse().unwrap(),
            steps: Vec::new(),
            failure,
            queue: None,
            created_at: "2026-11-22T09:00:00Z".parse().unwrap(),
            finished_at: None,
        }
    }

    fn of(
        machine: &Instance,
        execution: Option<&Execution>,
        is_owner: bool,
        is_admin: bool,
    ) -> Option<Trouble> {
        let contacts = Contacts { admin_email: Some("admins@example.com".to_owned()), operator_email: None };
        let site = "https://cloudapp.example".parse().unwrap();
        Trouble::of(machine, execution, Reader { is_owner, is_admin, contacts: &contacts, site: &site })
    }

    fn label(remedy: &Remedy) -> &'static str {
        match remedy {
            Remedy::Go { label, .. } | Remedy::Do { label, .. } | Remedy::Write { label, .. } => label,
        }
    }

    #[test]
    fn an_owner_whose_launch_failed_always_has_a_button() {
        let machine = machine("failed");
        let mut offered: BTreeMap<&str, &str> = BTreeMap::new();
        for code in FailureCode::ALL.iter().copied() {
            for fixer in Fixer::ALL.iter().copied() {
                let failure = failure(code, fixer);
                let action = failure.next_action();
                let launch = execution(ExecutionKind::Launch, ExecutionState::Failed, Some(failure));
                let trouble = of(&machine, Some(&launch), true, false).unwrap();
                if action == NextAction::Destroy {
                    assert_eq!(trouble.remedy, None, "what has ended cannot be destroyed");
                    continue;
                }
                let remedy = trouble.remedy.unwrap_or_else(|| panic!("no button for {code} and {fixer}"));
                offered.insert(action.as_str(), label(&remedy));
            }
        }
        insta::assert_snapshot!(format!("{offered:#?}"), @r#"
        {
            "ask_admin": "Write to an admin",
            "ask_operator": "Write to the operator",
            "choose_another": "Choose another configuration",
            "create_new": "Create a new machine",
            "give_up_a_machine": "Stop one of my machines",
            "try_again": "Try again",
        }
        "#);
    }

    #[test]
    fn an_admin_is_not_told_to_ask_an_admin() {
        let machine = machine("failed");
        for code in FailureCode::ALL.iter().copied() {
            let failure = failure(code, Fixer::Admin);
            let launch = execution(ExecutionKind::Launch, ExecutionState::Failed, Some(failure));
            let remedy = of(&machine, Some(&launch), false, true).unwrap().remedy;
            assert!(!matches!(remedy, Some(Remedy::Write { .. })), "{code}: {remedy:?}");
        }
    }

    #[test]
    fn trying_again_is_offered_only_where_the_machine_allows_it() {
        let cases = [
            (ExecutionKind::Stop, "ready", Some(format!("/machines/{ID}/stop"))),
            (ExecutionKind::Stop, "terminated", None),
            (ExecutionKind::Start, "stopped", Some(format!("/machines/{ID}/start"))),
            (ExecutionKind::Start, "ready", None),
            (ExecutionKind::Destroy, "stopped", Some(format!("/machines/{ID}/destroy"))),
            (ExecutionKind::Destroy, "terminating", None),
            (ExecutionKind::Extend, "ready", Some(format!("/machines/{ID}/extend"))),
            (ExecutionKind::Extend, "failed", None),
        ];
        for (kind, state, expected) in cases {
            let failure = failure(FailureCode::Ec2Unavailable, Fixer::User);
            let execution = execution(kind, ExecutionState::Failed, Some(failure));
            let remedy = of(&machine(state), Some(&execution), true, false).unwrap().remedy;
            let target = remedy.map(|remedy| match remedy {
                Remedy::Go { href, .. } | Remedy::Write { href, .. } => href,
                Remedy::Do { action, .. } => action,
            });
            assert_eq!(target, expected, "{kind} of a machine that is {state}");
        }
    }

    #[test]
    fn while_it_is_being_undone_there_is_nothing_to_click() {
        let failure = failure(FailureCode::InsufficientCapacity, Fixer::User);
        let launch = execution(ExecutionKind::Launch, ExecutionState::Running, Some(failure));
        let trouble = of(&machine("launching"), Some(&launch), true, false).unwrap();
        assert_eq!(trouble.remedy, None);
    }

    #[test]
    fn what_is_stuck_is_an_admins_and_the_message_says_where() {
        let stuck = execution(ExecutionKind::Launch, ExecutionState::Stuck, None);
        let remedy = of(&machine("booting"), Some(&stuck), false, true).unwrap().remedy.unwrap();
        assert_eq!(remedy, Remedy::Go { label: "Force it", href: format!("/admin/stuck/{ID}/force") });
        let remedy = of(&machine("booting"), Some(&stuck), true, false).unwrap().remedy.unwrap();
        let Remedy::Write { href, message, .. } = remedy else { panic!("{remedy:?}") };
        assert!(href.starts_with("mailto:admins@example.com?subject=A%20CloudApp"), "{href}");
        assert!(message.contains(&format!("https://cloudapp.example/machines/{ID}")), "{message}");
    }

    #[test]
    fn whoever_got_a_machine_that_went_away_at_once_is_offered_a_new_one() {
        // Its launch has succeeded: what failed is told by the machine alone.
        let launch = execution(ExecutionKind::Launch, ExecutionState::Succeeded, None);
        for state in ["terminating", "terminated"] {
            let mut machine = machine(state);
            machine.failure = Some(failure(FailureCode::MachineLost, Fixer::User));
            let trouble = of(&machine, Some(&launch), true, false).unwrap();
            assert_eq!(trouble.sentence, "It failed.");
            assert_eq!(trouble.remedy.as_ref().map(label), Some("Create a new machine"), "{state}");
        }
    }

    #[test]
    fn a_machine_that_was_taken_away_can_be_had_anew() {
        let mut gone = machine("terminated");
        assert_eq!(of(&gone, None, true, false), None, "its owner ended it");
        gone.reason = Some("AWS took the spot machine back.".to_owned());
        gone.notes = vec![
            serde_json::from_value(serde_json::json!({
                "at": "2026-11-22T10:00:00Z", "kind": "spot_interrupted", "sentence": "AWS took it back."
            }))
            .unwrap(),
        ];
        let remedy = of(&gone, None, true, false).unwrap().remedy;
        assert_eq!(remedy.as_ref().map(label), Some("Create a new machine"));
        assert_eq!(of(&gone, None, false, true).unwrap().remedy, None, "it would be the admin's own");
    }
}
