//! Who is to blame when EC2 refuses a call about many machines: a pure question.

use cloudapp_domain::Ec2InstanceId;
use cloudapp_ec2::Ec2Error;

/// Whose a refusal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Blame {
    /// Everybody's: it would be the same for each of them alone.
    All,
    /// These machines'; the others were not judged.
    These(Vec<Ec2InstanceId>),
    /// One machine's or some machines', EC2 does not say whose.
    Someones,
}

/// Whose the refusal of a call about `ids` is. EC2 takes all of them or none, and mostly names who stands in the way.
pub(super) fn blame(error: &Ec2Error, ids: &[Ec2InstanceId]) -> Blame {
    if let [only] = ids {
        return Blame::These(vec![only.clone()]);
    }
    let named = || -> Vec<Ec2InstanceId> {
        let message = &error.answer().message;
        ids.iter().filter(|id| is_named(message, id.as_str())).cloned().collect()
    };
    match error {
        Ec2Error::Throttled(_)
        | Ec2Error::Unavailable(_)
        | Ec2Error::OutcomeUnknown(_)
        | Ec2Error::IdempotentParameterMismatch(_)
        | Ec2Error::IdempotentInstanceTerminated(_) => Blame::All,
        // The role may lack the permission for one machine, which is then named, or for every one.
        Ec2Error::Permission(_) if error.code() != "OperationNotPermitted" => match named() {
            named if named.is_empty() => Blame::All,
            named => Blame::These(named),
        },
        _ => match named() {
            named if named.is_empty() => Blame::Someones,
            named => Blame::These(named),
        },
    }
}

/// Whether the text names this id, and not only one that begins like it.
fn is_named(text: &str, id: &str) -> bool {
    text.match_indices(id).any(|(at, _)| {
        let next = text[at + id.len()..].chars().next();
        !next.is_some_and(|next| next.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use cloudapp_ec2::Answer;

    use super::*;

    fn id(n: u8) -> Ec2InstanceId {
        format!("i-0123456789abcde{n:02x}").parse().unwrap()
    }

    fn answer(code: &str, message: &str) -> Answer {
        Answer { code: code.to_owned(), message: message.to_owned() }
    }

    #[test]
    fn the_named_are_to_blame_and_nobody_else() {
        let ids = [id(1), id(2), id(3)];
        let message = format!("The instance IDs '{}, {}' do not exist", id(1), id(3));
        let missing = Ec2Error::NotFound(answer("InvalidInstanceID.NotFound", &message));
        assert_eq!(blame(&missing, &ids), Blame::These(vec![id(1), id(3)]));
        let state = Ec2Error::IncorrectState(answer("IncorrectInstanceState", "One of them is stopping."));
        assert_eq!(blame(&state, &ids), Blame::Someones);
        assert_eq!(blame(&state, &ids[..1]), Blame::These(vec![id(1)]));
    }

    #[test]
    fn troubles_of_the_account_are_everybodys() {
        let ids = [id(1), id(2)];
        for error in [
            Ec2Error::Throttled(answer("RequestLimitExceeded", "")),
            Ec2Error::Unavailable(answer("NotSent", "")),
            Ec2Error::OutcomeUnknown(answer("ReplyLost", "")),
            Ec2Error::Permission(answer(
                "UnauthorizedOperation",
                "not authorized to perform: ec2:StopInstances",
            )),
        ] {
            assert_eq!(blame(&error, &ids), Blame::All, "{error}");
        }
        let protected = Ec2Error::Permission(answer("OperationNotPermitted", "It may not be terminated."));
        assert_eq!(blame(&protected, &ids), Blame::Someones);
    }

    #[test]
    fn an_id_is_not_named_by_a_longer_one() {
        assert!(is_named("'i-1234abcd'", "i-1234abcd"));
        assert!(!is_named("'i-1234abcd000000000'", "i-1234abcd"));
    }
}
