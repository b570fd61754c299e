use cloudapp_ec2::{Answer, Ec2Error};

use crate::limiter::{Family, Limiter, Priority};

/// Gives calls their turn, and counts them.
#[derive(Clone)]
pub(super) struct Meter(pub(super) Limiter);

impl Meter {
    /// Waits for the turn of a call about up to `most` machines; how many it is good for.
    pub(super) async fn turn(&self, family: Family, most: usize) -> Result<usize, Ec2Error> {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        match self.0.turn(family, Priority::User, most.min(1)..=most).await {
            Ok(grant) => Ok(usize::try_from(grant.resources).unwrap_or(usize::MAX)),
            Err(error) => Err(Ec2Error::Unavailable(Answer {
                code: "NoTurn".to_owned(),
                message: cloudapp_chassis::error::Chain(&error).to_string(),
            })),
        }
    }

    /// Counts a call that was made, and slows down after one that AWS found to be one too many.
    pub(super) async fn told<T>(&self, family: Family, answer: Result<T, Ec2Error>) -> Result<T, Ec2Error> {
        let outcome = answer.as_ref().map_or_else(|error| error.code().to_owned(), |_| "ok".to_owned());
        metrics::counter!(crate::measures::EC2_CALLS, "action" => family.as_str(), "outcome" => outcome)
            .increment(1);
        if matches!(answer, Err(Ec2Error::Throttled(_))) {
            self.0.throttled(family).await;
        }
        answer
    }
}
