//! What a force-stop means for a machine, decided without asking anybody.

use cloudapp_domain::configuration::FieldErrors;
use cloudapp_domain::{Ec2InstanceId, OnStop};

use super::ports::ManagedInstance;

/// Longest reason, in characters.
const REASON_LIMIT: usize = 500;

/// Why an admin stops a machine; its owner reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reason(String);

impl Reason {
    /// One to 500 characters that say something.
    pub(super) fn parse(text: &str) -> Result<Self, FieldErrors> {
        let text = text.trim();
        if (1..=REASON_LIMIT).contains(&text.chars().count()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(FieldErrors::one("reason", "must say in 1 to 500 characters why; the owner reads it"))
        }
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing: it is gone.
    AlreadyEnded,
    /// EC2 has no machine yet: its launch must not go on.
    CancelLaunch,
    /// EC2 ends this machine.
    End {
        /// Which.
        machine: Ec2InstanceId,
        /// Keeping its disk or not.
        how: OnStop,
    },
}

pub(super) fn plan(instance: ManagedInstance) -> Plan {
    if instance.state.is_final() {
        return Plan::AlreadyEnded;
    }
    match instance.machine {
        Some(machine) => Plan::End { machine, how: instance.on_stop },
        None => Plan::CancelLaunch,
    }
}

#[cfg(test)]
mod tests {
    use cloudapp_domain::InstanceState;

    use super::*;

    #[test]
    fn every_living_machine_is_ended_as_its_configuration_says() {
        let machine: Ec2InstanceId = "i-0123456789abcdef0".parse().unwrap();
        for state in InstanceState::ALL.iter().copied() {
            for on_stop in OnStop::ALL.iter().copied() {
                let known = plan(ManagedInstance { machine: Some(machine.clone()), state, on_stop });
                let unknown = plan(ManagedInstance { machine: None, state, on_stop });
                if state.is_final() {
                    assert_eq!((known, unknown), (Plan::AlreadyEnded, Plan::AlreadyEnded));
                } else {
                    assert_eq!(known, Plan::End { machine: machine.clone(), how: on_stop });
                    assert_eq!(unknown, Plan::CancelLaunch);
                }
            }
        }
    }

    #[test]
    fn a_reason_says_something_and_is_not_a_novel() {
        assert_eq!(Reason::parse(" runaway job ").unwrap().into_string(), "runaway job");
        assert!(Reason::parse(&"ü".repeat(500)).is_ok());
        for wrong in ["", " \n\t", &"x".repeat(501)] {
            assert_eq!(Reason::parse(wrong).unwrap_err().as_slice()[0].field, "reason");
        }
    }
}
