//! A batch in a placer's hands: asked for, looked for, settled.

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_ec2::Ec2Error;

use super::ec2::{Machine, Request};
use super::grace_is_over;
use super::invariants::Invariant;
use super::mutants::Mutant;
use super::placing::{Attempt, Batch, offerings};
use super::replica::{Lost, Process};
use super::steps::{PACE, delta};
use super::world::{Topic, World};
use crate::limiter::Family;
use crate::placing::decide::{
    Course, Found, Pending, PlacementState, RefusalKind, Verdict, course, found, in_doubt_since, remember,
    verdict,
};

type Time = DateTime<Utc>;

/// Nobody of this replica sees the batch through any more: somebody else does, or it is over.
struct NotOurs;

/// One batch under one lease.
struct Hands<'a> {
    process: &'a Process,
    batch: u32,
    fence: u64,
}

/// Sees a batch through until it rests or is over. `turn`: its turn to be asked for has been taken already.
pub(super) async fn serve(process: &Process, batch: u32, turn: bool) -> Result<(), Lost> {
    let Some(fence) = process.sim.with(|world| world.db.batches.get(&batch).map(|batch| batch.fence)) else {
        return Ok(());
    };
    let hands = Hands { process, batch, fence };
    let mut turn = turn;
    loop {
        let Some(held) = hands.fenced(|world, _, batch| world.db.batches[&batch].clone()).await? else {
            return Ok(());
        };
        let Some(attempt) = held.attempt.clone() else { return Ok(()) };
        let wanted =
            process.sim.with(|world| held.members.iter().filter(|m| world.wants(**m, held.no)).count());
        let pending =
            Pending { uncertain_since: attempt.uncertain_since, mismatched: attempt.mismatched, wanted };
        let doubtless = process.sim.with(|world| world.broken(Mutant::DoubtIgnoredWhenUnwanted));
        let next = match course(&pending) {
            Course::Look if doubtless && wanted == 0 => Course::Withdraw,
            other => other,
        };
        let rested = match next {
            Course::Ask => {
                if !turn {
                    process.turn(Family::RunInstances, attempt.count..=attempt.count).await;
                }
                turn = false;
                hands.ask(&held, &attempt).await
            }
            Course::Look => hands.look(&attempt).await,
            Course::Withdraw => hands.settle(PlacementState::Waiting).await,
        };
        if rested.is_err() {
            return Ok(());
        }
    }
}

impl Hands<'_> {
    /// A transaction that commits only while the batch is in these hands.
    async fn fenced<T>(&self, action: impl FnOnce(&mut World, Time, u32) -> T) -> Result<Option<T>, Lost> {
        let (no, fence) = (self.batch, self.fence);
        self.process
            .commit(move |world, now| {
                let ours = world
                    .db
                    .batches
                    .get(&no)
                    .is_some_and(|batch| batch.attempt.is_some() && batch.fence == fence);
                ours.then(|| action(world, now, no))
            })
            .await
    }

    /// As [`Self::fenced`]; without the batch, or an answer of the database, these hands let go of it.
    async fn write(&self, action: impl FnOnce(&mut World, Time, u32)) -> Result<(), NotOurs> {
        match self.fenced(action).await {
            Ok(Some(())) => {
                self.process.sim.with(|world| world.signal(Topic::Work, self.process.replica));
                Ok(())
            }
            _ => Err(NotOurs),
        }
    }

    async fn settle(&self, state: PlacementState) -> Result<(), NotOurs> {
        self.write(move |world, now, no| world.settle_members(no, state, now)).await?;
        Err(NotOurs)
    }

    /// Lets the batch rest: whoever comes first goes on with it.
    async fn rest(&self, pause: TimeDelta) -> Result<(), NotOurs> {
        self.write(move |world, now, no| {
            if let Some(batch) = world.db.batches.get_mut(&no) {
                (batch.lease_until, batch.next_at) = (None, now + pause);
                batch.tries += 1;
            }
        })
        .await?;
        Err(NotOurs)
    }

    async fn doubt(&self, since: Option<Time>) -> Result<(), NotOurs> {
        self.write(move |world, _, no| {
            if let Some(attempt) = world.db.batches.get_mut(&no).and_then(|batch| batch.attempt.as_mut()) {
                attempt.uncertain_since = since;
            }
        })
        .await
    }

    /// Never asked for again, only looked for.
    async fn mismatched(&self) -> Result<(), NotOurs> {
        self.write(|world, _, no| {
            if let Some(attempt) = world.db.batches.get_mut(&no).and_then(|batch| batch.attempt.as_mut()) {
                attempt.mismatched = true;
            }
        })
        .await
    }

    async fn ask(&self, held: &Batch, attempt: &Attempt) -> Result<(), NotOurs> {
        let (process, sim) = (self.process, &self.process.sim);
        let sent_at = process.now();
        if !sim.with(|world| world.broken(Mutant::DoubtNotNoted)) {
            self.doubt(Some(sent_at)).await?;
        }
        let token = sim.with(|world| {
            let unique = world.broken(Mutant::TokenFreshOnEachSend).then(|| world.db.number());
            unique.map_or_else(|| attempt.token.clone(), |unique| format!("{}-{unique}", attempt.token))
        });
        let request = Request { token, offering: attempt.offering, count: attempt.count, batch: held.no };
        let (batch, fence, number) = (held.no, self.fence, attempt.number);
        let answer = process
            .ec2(Family::RunInstances, attempt.count, move |world| {
                world.note_late(&request, batch, fence, number);
                world.run_instances(&request)
            })
            .await;
        let in_doubt = attempt.uncertain_since.is_some();
        if matches!(answer, Err(Ec2Error::Capacity(_))) {
            sim.with(|world| world.count_refusal(held, attempt.offering));
        }
        let judged = match &answer {
            Ok(machines) => {
                verdict(Ok((machines.iter().filter(|m| m.lives()).count(), machines.len())), in_doubt)
            }
            Err(error) => verdict(Err(error), in_doubt),
        };
        let judged = sim.with(|world| misjudged(world, judged));
        sim.with(|world| world.tell(|| format!("batch {}, attempt {}: {judged:?}", held.no, attempt.number)));
        let certain = answer.as_ref().is_err_and(Ec2Error::certainly_not_executed);
        let before = attempt.uncertain_since;
        match judged {
            Verdict::Assign => {
                let machines: Vec<Machine> =
                    answer.unwrap_or_default().into_iter().filter(Machine::lives).collect();
                self.write(move |world, now, no| {
                    world.db.memory.remove(&world.db.batches[&no].attempt.as_ref().map_or(0, |a| a.offering));
                    world.assign(no, machines, now);
                })
                .await?;
                Err(NotOurs)
            }
            Verdict::MoveOn(kind) => {
                let offering = attempt.offering;
                self.write(move |world, now, no| world.move_on(no, offering, kind, now)).await
            }
            Verdict::AskAnew => self.write(|world, now, no| world.intend(no, now)).await,
            Verdict::Mismatch => self.mismatched().await,
            Verdict::Throttled => {
                process.throttled(Family::RunInstances);
                self.doubt(in_doubt_since(before, sent_at, true)).await?;
                self.rest(TimeDelta::milliseconds(500)).await
            }
            Verdict::Again { executed } => {
                self.doubt(in_doubt_since(before, sent_at, certain)).await?;
                if !executed {
                    process.unspent(Family::RunInstances, attempt.count);
                }
                self.rest(TimeDelta::seconds(2)).await
            }
            Verdict::LookFirst => {
                self.doubt(before).await?;
                self.look(attempt).await
            }
            Verdict::Fail => {
                if matches!(answer, Err(Ec2Error::Capacity(_))) {
                    sim.with(|world| world.check_fallback(held));
                }
                self.settle(PlacementState::Failed).await
            }
        }
    }

    /// Looks for what the attempt made, by its token.
    async fn look(&self, attempt: &Attempt) -> Result<(), NotOurs> {
        let process = self.process;
        process.turn(Family::DescribeInstances, 1..=1).await;
        let token = attempt.token.clone();
        let looked_at = process.now();
        let seen = process
            .ec2(Family::DescribeInstances, 1, move |world| {
                Ok(world.describe_where(|machine| machine.token.as_ref() == Some(&token)))
            })
            .await;
        let Ok(seen) = seen else { return self.rest(TimeDelta::seconds(2)).await };
        let ignored = process.sim.with(|world| world.broken(Mutant::GraceIgnoredInLook));
        let over = ignored || attempt.uncertain_since.is_none_or(|since| grace_is_over(since, looked_at));
        let living: Vec<Machine> = seen.iter().filter(|machine| machine.lives()).cloned().collect();
        match found(living.len(), seen.len(), attempt.count as usize, over) {
            Found::LookAgain => self.rest(delta(PACE.look)).await,
            Found::Adopt => {
                self.write(move |world, now, no| world.assign(no, living, now)).await?;
                Err(NotOurs)
            }
            Found::Nothing if attempt.mismatched => self.settle(PlacementState::Failed).await,
            Found::Gone | Found::Nothing => self.settle(PlacementState::Waiting).await,
        }
    }
}

/// What a product that misunderstands EC2 makes of an answer.
fn misjudged(world: &World, judged: Verdict) -> Verdict {
    match (world.mutant, judged) {
        (Some(Mutant::ThrottleIsRefusal), Verdict::Throttled)
        | (Some(Mutant::LostReplyIsRefusal), Verdict::Again { executed: true }) => Verdict::AskAnew,
        (Some(Mutant::CapacityIsTheEnd), Verdict::MoveOn(_))
        | (Some(Mutant::RefusalEndsDoubt), Verdict::LookFirst) => Verdict::Fail,
        (Some(Mutant::CapacityIsSuccess), Verdict::MoveOn(_)) => Verdict::Assign,
        (Some(Mutant::TerminatedIsAskedAgain), Verdict::AskAnew) => Verdict::Again { executed: false },
        _ => judged,
    }
}

impl World {
    /// A launch fails for want of capacity only when every offering was asked for.
    fn check_fallback(&mut self, batch: &Batch) {
        let (no, asked, all) = (batch.no, batch.refused.len() + 1, offerings(batch.configuration).len());
        if asked < all {
            self.violate(Invariant::FallbackToTheLast, || {
                format!("batch {no} gave up after {asked} of {all} offerings")
            });
        }
    }

    /// A placer that froze just before it sent an attempt may send it after others have settled that: no fence of ours
    /// reaches EC2. What such a sending makes is nobody's, and the reconciler's to end.
    fn note_late(&mut self, request: &Request, batch: u32, fence: u64, number: i32) {
        let ours = self.db.batches.get(&batch).is_some_and(|batch| {
            batch.fence == fence && batch.attempt.as_ref().is_some_and(|attempt| attempt.number == number)
        });
        if !ours {
            self.ec2.late.insert(request.token.clone());
        }
    }

    /// The offering is not to be had: the batch goes on with the next, and others hear of it.
    fn move_on(&mut self, no: u32, offering: usize, kind: RefusalKind, now: Time) {
        let Some(batch) = self.db.batches.get_mut(&no) else { return };
        let all = offerings(batch.configuration);
        if let Some(refused) = all.iter().find(|other| super::placing::index(other) == offering) {
            batch.refused.push(refused.refusal(kind, true));
        }
        let remembered = remember(self.db.memory.get(&offering), kind, now);
        self.db.memory.insert(offering, remembered);
        self.intend(no, now);
    }
}
