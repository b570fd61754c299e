//! What an answer of EC2 means for an attempt, its batch and its members.

use cloudapp_ec2::Ec2Error;

use super::offering::RefusalKind;

/// What follows from the answer to a `RunInstances` call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Machines came: members get them, the rest waits again. The attempt is fulfilled.
    Assign,
    /// The offering is not to be had; the attempt made nothing, and the batch goes on with the next offering.
    MoveOn(RefusalKind),
    /// What the attempt made is gone already: proof enough for a new attempt.
    AskAnew,
    /// The token belongs to another request, which only a fault of ours explains; what it made is ours. It is
    /// looked for by its token, and never asked for again.
    Mismatch,
    /// Asked for too fast: the same again when there is a turn. Nobody leaves the batch for that.
    Throttled,
    /// The same again, under the same token. `executed`: this sending may have been.
    Again {
        /// Whether it is unknown that this sending made nothing.
        executed: bool,
    },
    /// No attempt can succeed: the members fail with the error's failure. The attempt made nothing.
    Fail,
    /// As `Fail`, but an earlier sending may have been executed, for EC2 looks at permissions and images before it
    /// looks at the token: what that made is looked for first.
    LookFirst,
}

/// Judges an answer; `Ok` counts the machines in it that are not ending, and all. `in_doubt`: an earlier sending of
/// the attempt may have been executed.
pub(crate) const fn verdict(answer: Result<(usize, usize), &Ec2Error>, in_doubt: bool) -> Verdict {
    match answer {
        // EC2 accepted and named nothing: as good as no answer.
        Ok((_, 0)) => Verdict::Again { executed: true },
        Ok((0, _)) => Verdict::AskAnew,
        Ok(_) => Verdict::Assign,
        Err(error) => match error {
            Ec2Error::Capacity(_) => Verdict::MoveOn(RefusalKind::Full),
            Ec2Error::UnsupportedHere(_) => Verdict::MoveOn(RefusalKind::Unsupported),
            Ec2Error::IdempotentInstanceTerminated(_) => Verdict::AskAnew,
            Ec2Error::IdempotentParameterMismatch(_) => Verdict::Mismatch,
            Ec2Error::Throttled(_) => Verdict::Throttled,
            Ec2Error::Unavailable(_) => Verdict::Again { executed: false },
            Ec2Error::OutcomeUnknown(_) => Verdict::Again { executed: true },
            Ec2Error::Quota(_)
            | Ec2Error::Image(_)
            | Ec2Error::Invalid(_)
            | Ec2Error::Permission(_)
            | Ec2Error::NotFound(_)
            | Ec2Error::IncorrectState(_)
            | Ec2Error::SpotNotStoppable(_)
            | Ec2Error::Other(_) => {
                if in_doubt {
                    Verdict::LookFirst
                } else {
                    Verdict::Fail
                }
            }
        },
    }
}

/// What follows from a look for the machines of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// These are all that there will be: members get them. The attempt is fulfilled.
    Adopt,
    /// More may have been made and not be visible yet.
    LookAgain,
    /// It made something that is gone.
    Gone,
    /// It made nothing, which is certain now.
    Nothing,
}

/// Judges a look by token: `living` of the `seen` machines are not ending; the request was for `most` at most.
/// `grace_over`: EC2 can no longer fail to find what the last uncertain sending made.
pub(crate) const fn found(living: usize, seen: usize, most: usize, grace_over: bool) -> Found {
    if seen < most && !grace_over {
        Found::LookAgain
    } else if living > 0 {
        Found::Adopt
    } else if seen > 0 {
        Found::Gone
    } else {
        Found::Nothing
    }
}

#[cfg(test)]
mod tests {
    use cloudapp_ec2::Answer;

    use super::*;

    fn error(class: fn(Answer) -> Ec2Error) -> Ec2Error {
        class(Answer { code: "Code".to_owned(), message: "words".to_owned() })
    }

    #[test]
    fn each_answer_has_one_meaning() {
        type Refusal = fn(Answer) -> Ec2Error;
        let table: [(Refusal, Verdict); 15] = [
            (Ec2Error::Capacity, Verdict::MoveOn(RefusalKind::Full)),
            (Ec2Error::UnsupportedHere, Verdict::MoveOn(RefusalKind::Unsupported)),
            (Ec2Error::Quota, Verdict::Fail),
            (Ec2Error::Throttled, Verdict::Throttled),
            (Ec2Error::Image, Verdict::Fail),
            (Ec2Error::Invalid, Verdict::Fail),
            (Ec2Error::Permission, Verdict::Fail),
            (Ec2Error::IdempotentParameterMismatch, Verdict::Mismatch),
            (Ec2Error::IdempotentInstanceTerminated, Verdict::AskAnew),
            (Ec2Error::NotFound, Verdict::Fail),
            (Ec2Error::IncorrectState, Verdict::Fail),
            (Ec2Error::SpotNotStoppable, Verdict::Fail),
            (Ec2Error::OutcomeUnknown, Verdict::Again { executed: true }),
            (Ec2Error::Unavailable, Verdict::Again { executed: false }),
            (Ec2Error::Other, Verdict::Fail),
        ];
        for (class, expected) in table {
            assert_eq!(verdict(Err(&error(class)), false), expected, "{:?}", error(class));
        }
        assert_eq!(verdict(Ok((3, 3)), false), Verdict::Assign);
        assert_eq!(verdict(Ok((1, 3)), false), Verdict::Assign, "the others ended meanwhile");
        assert_eq!(verdict(Ok((0, 3)), false), Verdict::AskAnew);
        assert_eq!(verdict(Ok((0, 0)), false), Verdict::Again { executed: true });
    }

    #[test]
    fn a_new_attempt_needs_proof_that_the_last_one_left_nothing() {
        let classes: [fn(Answer) -> Ec2Error; 3] =
            [Ec2Error::OutcomeUnknown, Ec2Error::IdempotentParameterMismatch, Ec2Error::Throttled];
        for class in classes {
            assert!(
                !matches!(
                    verdict(Err(&error(class)), false),
                    Verdict::MoveOn(_) | Verdict::AskAnew | Verdict::Fail
                ),
                "{:?}",
                error(class)
            );
        }
    }

    #[test]
    fn nobody_fails_while_an_earlier_sending_may_have_made_a_machine() {
        let classes: [fn(Answer) -> Ec2Error; 4] =
            [Ec2Error::Permission, Ec2Error::Image, Ec2Error::Quota, Ec2Error::Other];
        for class in classes {
            assert_eq!(verdict(Err(&error(class)), true), Verdict::LookFirst, "{:?}", error(class));
        }
    }

    #[test]
    fn a_look_believes_in_nothing_only_after_the_grace() {
        assert_eq!(found(0, 0, 1, false), Found::LookAgain);
        assert_eq!(found(0, 0, 1, true), Found::Nothing);
        assert_eq!(found(2, 2, 3, false), Found::LookAgain, "a third may not be visible yet");
        assert_eq!(found(2, 2, 3, true), Found::Adopt);
        assert_eq!(found(3, 3, 3, false), Found::Adopt);
        assert_eq!(found(0, 3, 3, false), Found::Gone);
    }
}
