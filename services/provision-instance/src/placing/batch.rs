//! Asks EC2 for a batch, or looks for what it made.

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_ec2::{Ec2Error, Machine};
use tracing::Instrument as _;

use super::attempt::{self, Attempt, Settled};
use super::decide::{Course, Found, Pending, Verdict, course, found, in_doubt_since, least, verdict};
use super::form::{choose, frozen, nothing_free, priority};
use super::placer::Held;
use super::recipe::NoRecipe;
use super::settle::{self, Outcome};
use super::{Placer, PlacingError, traces};
use crate::crash::CrashPoint;
use crate::limiter::{Family, NotNow};

/// Whoever would wait longer for a turn to ask again looks meanwhile for what may have been made.
const LOOK_RATHER: TimeDelta = TimeDelta::seconds(2);

/// How a batch goes on.
pub(super) enum Next {
    /// This attempt is sent: it has had its turn, and its doubt is written down.
    Send(Box<Sending>),
    /// At once, from what is written down.
    Resume,
    /// Not before then.
    Rest(DateTime<Utc>),
    /// There is nothing more to do.
    Settled,
}

/// An attempt on its way to EC2.
pub(super) struct Sending {
    attempt: Attempt,
    /// Since when it was in doubt before this sending.
    before: Option<DateTime<Utc>>,
    sent_at: DateTime<Utc>,
}

impl Sending {
    /// The first sending of an attempt that was written down as about to be sent.
    pub(super) fn first(attempt: Attempt, now: DateTime<Utc>) -> Box<Self> {
        Box::new(Self { sent_at: attempt.uncertain_since.unwrap_or(now), before: None, attempt })
    }
}

impl Placer {
    /// Runs a batch until it is settled or rests; `fresh` is an attempt that has just been written down.
    pub(super) async fn run_batch(&self, held: &Held, fresh: Option<Attempt>) -> Result<(), PlacingError> {
        let mut next =
            fresh.map_or(Next::Resume, |attempt| Next::Send(Sending::first(attempt, self.deps.clock.now())));
        loop {
            next = match next {
                Next::Send(sending) => self.send(held, *sending).await?,
                Next::Resume => self.resume(held).await?,
                Next::Rest(until) => return self.rest(held, until).await,
                Next::Settled => return Ok(()),
            };
        }
    }

    async fn resume(&self, held: &Held) -> Result<Next, PlacingError> {
        let wanted = settle::wanted(&self.deps.pool, held.id).await?;
        let Some(attempt) = attempt::open(&self.deps.pool, held.id).await? else {
            if wanted > 0 {
                return self.intend_next(held).await;
            }
            self.settle(held, None, Outcome::Nobody).await?;
            return Ok(Next::Settled);
        };
        let Attempt { uncertain_since, mismatched, .. } = attempt;
        match course(&Pending { uncertain_since, mismatched, wanted }) {
            Course::Withdraw => {
                self.settle(held, Some((&attempt, Settled::Refused, "taken_back")), Outcome::Nobody).await?;
                Ok(Next::Settled)
            }
            Course::Look => self.look(held, &attempt, wanted).await,
            Course::Ask => self.ask_again(held, attempt).await,
        }
    }

    /// The next attempt of a batch whose last one is settled and made nothing.
    async fn intend_next(&self, held: &Held) -> Result<Next, PlacingError> {
        let deps = &self.deps;
        let (recipe, offerings) = match self.recipes.get(deps, held.version).await {
            Ok(found) => found,
            Err(NoRecipe::Never(failure)) => {
                self.settle(held, None, Outcome::Failed(&failure)).await?;
                return Ok(Next::Settled);
            }
            Err(NoRecipe::NotNow(error)) => return Err(error),
        };
        let refused = settle::refusals(&deps.pool, held.id).await?;
        let Some(choice) = choose(self, &offerings, &refused).await? else {
            self.settle(held, None, Outcome::Failed(&nothing_free(&refused))).await?;
            return Ok(Next::Settled);
        };
        let mut transaction = self.begin(held).await?;
        let members = settle::wanting(&mut transaction, held.id).await?;
        let Ok(wanted @ 1..) = u32::try_from(members.len()) else { return Ok(Next::Resume) };
        let want = least(wanted)..=wanted;
        let grant = match deps.limiter.take(Family::RunInstances, priority(held.pool), want).await {
            Ok(grant) => grant,
            Err(NotNow::NotBefore(at)) => return Ok(Next::Rest(at)),
            Err(NotNow::Database(error)) => return Err(error.into()),
        };
        let asked = usize::try_from(grant.resources).unwrap_or(usize::MAX).min(members.len());
        let number = attempt::next_number(&mut *transaction, held.id).await?;
        let attempt = frozen(self, &recipe, (held.id, number), choice.offering, asked);
        settle::pass_over(&mut transaction, held.id, &choice.passed_over).await?;
        settle::give_back(&mut transaction, &members[asked..], None).await?;
        attempt::intend(&mut transaction, held.id, &attempt, deps.clock.now()).await?;
        deps.crash.pass(CrashPoint::BeforeIntentCommit);
        transaction.commit().await?;
        if asked < members.len() {
            deps.signals.ring();
        }
        Ok(Next::Send(Sending::first(attempt, deps.clock.now())))
    }

    /// The identical request once more, when there is a turn for as many machines.
    async fn ask_again(&self, held: &Held, attempt: Attempt) -> Result<Next, PlacingError> {
        let deps = &self.deps;
        let machines = u32::from(attempt.request.max_count);
        match deps.limiter.take(Family::RunInstances, priority(held.pool), machines..=machines).await {
            Ok(_) => {}
            Err(NotNow::NotBefore(at)) => {
                let in_doubt = attempt.uncertain_since.is_some();
                if in_doubt && at > deps.clock.now() + LOOK_RATHER {
                    return self.look(held, &attempt, 1).await;
                }
                if !in_doubt {
                    settle::waits_from_now(&deps.pool, held.id, deps.clock.now()).await?;
                }
                return Ok(Next::Rest(at));
            }
            Err(NotNow::Database(error)) => return Err(error.into()),
        }
        let (before, sent_at) = (attempt.uncertain_since, deps.clock.now());
        self.note_doubt(held, &attempt, Some(sent_at), false).await?;
        Ok(Next::Send(Box::new(Sending { attempt, before, sent_at })))
    }

    async fn send(&self, held: &Held, sending: Sending) -> Result<Next, PlacingError> {
        let Sending { attempt, before, sent_at } = sending;
        let answer = self.call(held, &attempt).await?;
        let counted = answer.as_ref().map(|machines| (living(machines).count(), machines.len()));
        let verdict = verdict(counted, before.is_some());
        let refusal = answer.as_ref().err().map_or("", Ec2Error::code);
        match verdict {
            Verdict::Assign => {
                let machines = answer.unwrap_or_default();
                self.assign(held, &attempt, machines).await?;
                Ok(Next::Settled)
            }
            Verdict::MoveOn(kind) => {
                self.settle(held, Some((&attempt, Settled::Refused, refusal)), Outcome::MoveOn(kind)).await?;
                Ok(Next::Resume)
            }
            Verdict::AskAnew => {
                self.settle(held, Some((&attempt, Settled::Ended, refusal)), Outcome::GoOn).await?;
                Ok(Next::Rest(self.pause(held)))
            }
            Verdict::Mismatch => {
                tracing::error!(batch.id = %held.id, "AWS says that a client token belongs to another request");
                self.note_doubt(held, &attempt, Some(sent_at), true).await?;
                Ok(Next::Resume)
            }
            Verdict::Throttled | Verdict::Again { .. } => {
                let certain = matches!(verdict, Verdict::Throttled | Verdict::Again { executed: false });
                if certain {
                    let doubt = in_doubt_since(before, sent_at, certain);
                    self.note_doubt(held, &attempt, doubt, false).await?;
                }
                // Else an outage spends what those who waited for its end could have at once.
                if verdict == (Verdict::Again { executed: false }) {
                    let machines = u32::from(attempt.request.max_count);
                    self.deps.limiter.unspent(Family::RunInstances, machines).await;
                }
                Ok(Next::Rest(self.pause(held)))
            }
            Verdict::LookFirst => {
                self.note_doubt(held, &attempt, before, false).await?;
                self.look(held, &attempt, 1).await
            }
            Verdict::Fail => {
                if let Err(error) = answer {
                    let settled = Some((&attempt, Settled::Refused, error.code()));
                    self.settle(held, settled, Outcome::Failed(&error.failure())).await?;
                }
                Ok(Next::Settled)
            }
        }
    }

    /// The call itself, the lease kept while it lasts.
    async fn call(
        &self,
        held: &Held,
        attempt: &Attempt,
    ) -> Result<Result<Vec<Machine>, Ec2Error>, PlacingError> {
        self.deps.crash.pass(CrashPoint::BeforeRunInstances);
        let span = tracing::info_span!("batch", batch_id = %held.id, machines = attempt.request.max_count);
        if cloudapp_trace::exporting() {
            cloudapp_trace::follow(&span, &traces::of_members(&self.deps.pool, held.id).await);
        }
        let call = self.deps.machines.launch(&attempt.request).instrument(span);
        tokio::pin!(call);
        let answer = loop {
            tokio::select! {
                answer = &mut call => break answer,
                () = tokio::time::sleep(self.deps.settings.pace.short_lease() / 3) => match self.renew(held).await {
                    Err(PlacingError::LeaseLost) => return Err(PlacingError::LeaseLost),
                    Err(error) => tracing::warn!(%error, "a batch's lease was not renewed"),
                    Ok(()) => {}
                },
            }
        };
        self.deps.crash.pass(CrashPoint::AfterRunInstances);
        Ok(answer)
    }

    /// Looks for what an attempt made, by its token.
    async fn look(&self, held: &Held, attempt: &Attempt, wanted: usize) -> Result<Next, PlacingError> {
        let deps = &self.deps;
        let machines = deps.machines.describe_by_token(&attempt.request.client_token).await?;
        let grace_over = attempt.uncertain_since.is_none_or(|since| deps.grace_is_over(since));
        let most = usize::from(attempt.request.max_count);
        match found(living(&machines).count(), machines.len(), most, grace_over) {
            Found::Adopt => {
                self.assign(held, attempt, machines).await?;
                Ok(Next::Settled)
            }
            Found::LookAgain => Ok(Next::Rest(deps.after(deps.settings.pace.look))),
            Found::Gone => {
                self.settle(held, Some((attempt, Settled::Ended, "found_ended")), Outcome::GoOn).await?;
                Ok(Next::Resume)
            }
            Found::Nothing if wanted > 0 && attempt.mismatched => {
                let failure = Ec2Error::IdempotentParameterMismatch(cloudapp_ec2::Answer {
                    code: "IdempotentParameterMismatch".to_owned(),
                    message: "the token belongs to another request, which made nothing".to_owned(),
                })
                .failure();
                let settled = Some((attempt, Settled::Refused, "IdempotentParameterMismatch"));
                self.settle(held, settled, Outcome::Failed(&failure)).await?;
                Ok(Next::Settled)
            }
            // It made nothing: a new attempt, if somebody still wants one.
            Found::Nothing => {
                self.settle(held, Some((attempt, Settled::Refused, "not_found")), Outcome::GoOn).await?;
                Ok(Next::Resume)
            }
        }
    }

    async fn assign(
        &self,
        held: &Held,
        attempt: &Attempt,
        machines: Vec<Machine>,
    ) -> Result<(), PlacingError> {
        let short = machines.len() < usize::from(attempt.request.max_count);
        let machines = machines.into_iter().filter(|machine| !machine.state.is_ending()).collect();
        self.settle(held, Some((attempt, Settled::Fulfilled, "")), Outcome::Machines { machines, short })
            .await
    }

    async fn note_doubt(
        &self,
        held: &Held,
        attempt: &Attempt,
        since: Option<DateTime<Utc>>,
        mismatched: bool,
    ) -> Result<(), PlacingError> {
        let mut transaction = self.begin(held).await?;
        attempt::set_doubt(&mut transaction, held.id, attempt.number, since, mismatched).await?;
        if since.is_none() && !mismatched {
            settle::waits_from_now(&mut *transaction, held.id, self.deps.clock.now()).await?;
        }
        Ok(transaction.commit().await?)
    }
}

fn living(machines: &[Machine]) -> impl Iterator<Item = &Machine> {
    machines.iter().filter(|machine| !machine.state.is_ending())
}
