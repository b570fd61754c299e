//! Who did what to a machine at AWS, in words: a pure question.

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_contract::instance::NoteKind;
use cloudapp_ec2::MachineState;

/// Something that nobody asked CloudApp for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outside {
    pub(crate) kind: NoteKind,
    pub(crate) sentence: String,
    /// `aws` or `machine`, where that is known.
    pub(crate) actor: Option<&'static str>,
}

/// EC2 says a spot machine's end this long before.
const SPOT_NOTICE: TimeDelta = TimeDelta::minutes(2);
const AWS: Option<&str> = Some("aws");

/// What became of a machine that is in this state now, by EC2's reason for it.
pub(crate) fn outside(state: MachineState, reason: Option<&str>) -> Outside {
    let (what, kind) = match state {
        MachineState::Stopping | MachineState::Stopped => ("stopped", NoteKind::StoppedOutside),
        MachineState::Pending | MachineState::Running => ("started", NoteKind::StartedOutside),
        MachineState::ShuttingDown | MachineState::Terminated => ("ended", NoteKind::EndedOutside),
    };
    if kind == NoteKind::StartedOutside {
        // The reason is that of the stop before.
        return told(
            kind,
            "Somebody started it outside CloudApp, with AWS's console or tools.".to_owned(),
            None,
        );
    }
    let code = reason.unwrap_or_default();
    let code = code.split_once(':').map_or(code, |(code, _)| code).trim();
    match code {
        "Server.SpotInstanceTermination" | "Server.SpotInstanceShutdown" => {
            told(NoteKind::SpotInterrupted, "AWS took the spot machine back.".to_owned(), AWS)
        }
        "Client.InstanceInitiatedShutdown" => told(
            NoteKind::ShutDownInside,
            format!("It was {what} from inside: somebody on the machine, or a program there, shut it down."),
            Some("machine"),
        ),
        "Server.ScheduledStop" => told(
            NoteKind::AwsMaintenance,
            format!("AWS {what} it, because the host it ran on is taken out of service."),
            AWS,
        ),
        "Server.InternalError" => told(
            NoteKind::AwsFailure,
            format!("AWS {what} it after an error of AWS's own, such as a broken host."),
            AWS,
        ),
        "Server.InsufficientInstanceCapacity" => {
            told(NoteKind::AwsFailure, format!("AWS had no room left for it, and {what} it."), AWS)
        }
        "Client.VolumeLimitExceeded" | "Client.InternalError" | "Client.InvalidSnapshot.NotFound" => told(
            NoteKind::AwsFailure,
            format!("AWS {what} it, because its disk could not be made or read ({code})."),
            AWS,
        ),
        "Client.UserInitiatedShutdown" | "Client.UserInitiatedHibernate" | "" => {
            told(kind, by_somebody(what), None)
        }
        code if code.starts_with("User initiated") => told(kind, by_somebody(what), None),
        code if code.starts_with("Server.") => {
            told(NoteKind::AwsFailure, format!("AWS {what} it ({code})."), AWS)
        }
        code => told(kind, format!("It was {what} outside CloudApp ({code})."), None),
    }
}

fn by_somebody(what: &str) -> String {
    format!(
        "Somebody {what} it outside CloudApp, with AWS's console or tools; an admin can look up who in CloudTrail."
    )
}

fn told(kind: NoteKind, sentence: String, actor: Option<&'static str>) -> Outside {
    Outside { kind, sentence, actor }
}

/// Whether the reason tells of somebody with access to AWS, which CloudApp's own calls look like as well.
pub(crate) fn is_a_users(reason: Option<&str>) -> bool {
    reason.is_none_or(|reason| {
        reason.starts_with("Client.UserInitiated") || reason.starts_with("User initiated")
    })
}

/// EC2 announced at `at` that it will take a spot machine back.
pub(crate) fn spot_warning(at: DateTime<Utc>) -> Outside {
    let goes = (at + SPOT_NOTICE).format("%H:%M:%S UTC");
    told(
        NoteKind::SpotWarning,
        format!("AWS takes this spot machine back at {goes}: save what you need elsewhere now."),
        AWS,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_of_ec2_becomes_who_and_what() {
        use MachineState::{Running, Stopped, Terminated};
        let table = [
            (
                Terminated,
                "Server.SpotInstanceTermination: Spot instance termination",
                NoteKind::SpotInterrupted,
            ),
            (
                Stopped,
                "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
                NoteKind::ShutDownInside,
            ),
            (
                Stopped,
                "Server.ScheduledStop: Stopped due to a scheduled retirement",
                NoteKind::AwsMaintenance,
            ),
            (Terminated, "Server.InternalError: Internal error on launch", NoteKind::AwsFailure),
            (Terminated, "Client.VolumeLimitExceeded: Volume limit exceeded", NoteKind::AwsFailure),
            (Terminated, "Server.SomethingNew: new", NoteKind::AwsFailure),
            (Stopped, "Client.UserInitiatedShutdown: User initiated shutdown", NoteKind::StoppedOutside),
            (Terminated, "User initiated (2026-11-22 09:00:00 GMT)", NoteKind::EndedOutside),
            (Terminated, "Client.SomethingNew", NoteKind::EndedOutside),
            (Terminated, "", NoteKind::EndedOutside),
            (Running, "Client.UserInitiatedShutdown: User initiated shutdown", NoteKind::StartedOutside),
        ];
        for (state, reason, kind) in table {
            let told = outside(state, Some(reason).filter(|reason| !reason.is_empty()));
            assert_eq!(told.kind, kind, "{reason}");
            assert!(told.sentence.ends_with('.'), "{}", told.sentence);
            assert_eq!(
                told.actor.is_some(),
                kind != NoteKind::StoppedOutside
                    && kind != NoteKind::EndedOutside
                    && kind != NoteKind::StartedOutside,
                "{reason}"
            );
        }
    }

    #[test]
    fn a_warning_says_when() {
        let warning = spot_warning("2026-11-22T09:00:00Z".parse().unwrap());
        assert!(warning.sentence.contains("09:02:00 UTC"), "{}", warning.sentence);
    }
}
