//! The worker: claims executions and carries out what the planner decides, as `cloudapp_workflow` does.

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_domain::ExecutionState;
use cloudapp_workflow::planner::{self, Action, Cause, Course, Ending, Phase, Situation};
use cloudapp_workflow::{Applied, Backoff, Undone};

use super::database::Execution;
use super::executor::Owner;
use super::invariants::Invariant;
use super::mutants::Mutant;
use super::replica::{Lost, Process};
use super::steps::{self, StepLost};
use super::store::Written;
use super::world::{Topic, World};

/// How long undoing one step is tried before a person must look.
const UNDO_LIMIT: TimeDelta = TimeDelta::minutes(15);
/// How often to look without a wake-up; longer than the product's, for a look here costs as much as a deed.
pub(super) const POLL: i64 = 20_000;

/// Works for as long as the process lives.
pub(super) async fn work(process: Process) {
    loop {
        let mut pause = POLL;
        if let Ok(due) = start_due(&process).await {
            pause = due;
        }
        let at = process.sim.with(|world| world.now) + pause;
        process.sim.wait(Topic::Work, at).await;
    }
}

/// Starts what is due as far as slots are free; answers how long to rest.
async fn start_due(process: &Process) -> Result<i64, Lost> {
    let replica = process.replica;
    let claimed = process
        .commit(|world, now| {
            let claimed = world.claim(replica, world.replicas[replica].free, now);
            world.replicas[replica].free -= claimed.len();
            claimed
        })
        .await;
    // Claimed and not known to be: the leases run out.
    let Ok(claimed) = claimed else {
        process.sim.with(|world| world.replicas[replica].free = super::replica::SLOTS);
        return Err(Lost);
    };
    for claim in claimed {
        let runner = process.clone();
        process.sim.spawn(Owner::Replica(replica), async move {
            let _ = run(&runner, claim).await;
            runner.sim.with(|world| {
                let free = &mut world.replicas[replica].free;
                *free = (*free + 1).min(super::replica::SLOTS);
                world.signal(Topic::Work, replica);
            });
        });
    }
    Ok(process.sim.with(|world| {
        if world.replicas[replica].free == 0 {
            return POLL;
        }
        let now = world.clock(replica);
        let live = world.db.executions.values().filter(|execution| execution.is_live());
        let due = live.map(|e| e.lease_until.map_or(e.next_run_at, |until| until.max(e.next_run_at))).min();
        due.map_or(POLL, |due| (due - now).num_milliseconds().clamp(5, POLL))
    }))
}

enum Go {
    On,
    Stop,
}

async fn run(process: &Process, mut claimed: Execution) -> Result<(), Lost> {
    while let Go::On = advance(process, &mut claimed).await? {
        let mut held = claimed;
        let (written, refreshed) = process
            .commit(|world, _| {
                let written = world.refresh(&mut held);
                (written, held)
            })
            .await?;
        if written == Written::LeaseLost {
            return Ok(());
        }
        claimed = refreshed;
    }
    Ok(())
}

async fn advance(process: &Process, claimed: &mut Execution) -> Result<Go, Lost> {
    let now = process.now();
    let situation = situation(claimed, now);
    match process.sim.with(|world| decide(world, &situation, now)) {
        Action::Apply => apply(process, &situation, claimed).await,
        Action::Undo => undo(process, &situation, claimed).await,
        Action::TurnBack(cause) => {
            let ending = if cause == Cause::Cancelled { Ending::Cancelled } else { Ending::Failed };
            turn(process, &situation, claimed, ending).await
        }
        Action::GiveUp => Ok(Go::Stop),
    }
}

fn situation(claimed: &Execution, now: DateTime<Utc>) -> Situation {
    let steps = steps::of(claimed.kind);
    let limit = match claimed.phase {
        Phase::Forward => steps[claimed.position].deadline(),
        Phase::Undoing => UNDO_LIMIT,
    };
    Situation {
        phase: claimed.phase,
        position: claimed.position,
        steps: steps.len(),
        begun: claimed.step_started_at.is_some(),
        cancel: claimed.cancel,
        step_deadline: claimed.step_started_at.unwrap_or(now) + limit,
        deadline: claimed.deadline,
        ending: claimed.ending,
    }
}

/// The planner's decision, or what a broken planner makes of it.
fn decide(world: &World, situation: &Situation, now: DateTime<Utc>) -> Action {
    let far = DateTime::<Utc>::MAX_UTC;
    let seen = match world.mutant {
        Some(Mutant::CancelIgnoredAfterBegin) => {
            Situation { cancel: situation.cancel && !situation.begun, ..*situation }
        }
        Some(Mutant::DeadlinesIgnored) => Situation { step_deadline: far, deadline: far, ..*situation },
        _ => *situation,
    };
    planner::decide(&seen, now)
}

/// Where undoing begins, or where a broken planner lets it begin.
fn turning_back(world: &World, situation: &Situation, ending: Ending) -> Course {
    match world.mutant {
        Some(Mutant::UndoSkippedForStepInHand) => {
            planner::after_turning_back(&Situation { begun: false, ..*situation }, ending)
        }
        Some(Mutant::TurnsBackToTheStart) => {
            planner::after_turning_back(&Situation { position: 0, ..*situation }, ending)
        }
        Some(Mutant::NothingUndone) => Course::End(ending.state()),
        _ => planner::after_turning_back(situation, ending),
    }
}

async fn turn(
    process: &Process,
    situation: &Situation,
    claimed: &mut Execution,
    ending: Ending,
) -> Result<Go, Lost> {
    let course = process.sim.with(|world| turning_back(world, situation, ending));
    record(process, claimed, course, move |world, claimed, now| {
        world.record_turn(claimed, ending, course, now)
    })
    .await
}

async fn go(process: &Process, claimed: &mut Execution, course: Course) -> Result<Go, Lost> {
    record(process, claimed, course, move |world, claimed, now| world.record_course(claimed, course, now))
        .await
}

async fn record(
    process: &Process,
    claimed: &mut Execution,
    course: Course,
    write: impl FnOnce(&mut World, &mut Execution, DateTime<Utc>) -> Written,
) -> Result<Go, Lost> {
    let mut held = claimed.clone();
    let (written, held) = process
        .commit(|world, now| {
            let written = write(world, &mut held, now);
            (written, held)
        })
        .await?;
    *claimed = held;
    Ok(match (written, course) {
        (Written::Yes, Course::Step(_)) => Go::On,
        _ => Go::Stop,
    })
}

async fn rest(
    process: &Process,
    claimed: &Execution,
    until: DateTime<Utc>,
    keep_attempts: bool,
) -> Result<Go, Lost> {
    process.commit(|world, now| world.record_rest(claimed, until, keep_attempts, now)).await?;
    Ok(Go::Stop)
}

/// When to try again after so many runs.
fn retry_at(process: &Process, claimed: &Execution) -> DateTime<Utc> {
    let ceiling = i64::try_from(Backoff::default().ceiling(claimed.attempt).as_millis()).unwrap_or(i64::MAX);
    let jitter = process.sim.with(|world| world.between(50, 100));
    process.now() + TimeDelta::milliseconds(ceiling * jitter / 100)
}

async fn apply(process: &Process, situation: &Situation, claimed: &mut Execution) -> Result<Go, Lost> {
    if !situation.begun {
        let mut held = claimed.clone();
        let (written, held) = process
            .commit(|world, now| {
                let written = world.record_begin(&mut held, now);
                (written, held)
            })
            .await?;
        if written == Written::LeaseLost {
            return Ok(Go::Stop);
        }
        *claimed = held;
    }
    if claimed.cancel {
        let no = claimed.no;
        process
            .sim
            .with(|world| world.violate(Invariant::CancelHonoured, || format!("execution {no} goes on")));
    }
    let latest = situation.step_deadline.min(situation.deadline);
    match steps::of(claimed.kind)[claimed.position].apply(process, claimed).await {
        Ok(Applied::Done(_)) => go(process, claimed, planner::after_applied(situation)).await,
        Ok(Applied::Wait { until, .. }) => rest(process, claimed, until.min(latest), false).await,
        Ok(Applied::Retry { .. }) | Err(StepLost::Database) => {
            let until = retry_at(process, claimed).min(latest);
            rest(process, claimed, until, true).await
        }
        Ok(Applied::Fail(_)) => {
            turn(process, &Situation { begun: true, ..*situation }, claimed, Ending::Failed).await
        }
        Err(StepLost::Lease) => Ok(Go::Stop),
    }
}

async fn undo(process: &Process, situation: &Situation, claimed: &mut Execution) -> Result<Go, Lost> {
    let step = steps::of(claimed.kind)[claimed.position];
    let skipped = process.sim.with(|world| world.broken(Mutant::UndoOnlyPretended));
    let undone = if skipped { Ok(Undone::Done) } else { step.undo(process, claimed).await };
    match undone {
        Ok(Undone::Done) => return go(process, claimed, planner::after_undone(situation)).await,
        Ok(Undone::Wait { until }) => return rest(process, claimed, until, false).await,
        Ok(Undone::Failed(_)) => return go(process, claimed, Course::End(ExecutionState::Stuck)).await,
        Ok(Undone::Retry(_)) | Err(StepLost::Database) => {}
        Err(StepLost::Lease) => return Ok(Go::Stop),
    }
    match planner::after_failed_undo(situation, process.now()) {
        Action::GiveUp => go(process, claimed, Course::End(ExecutionState::Stuck)).await,
        _ => {
            let until = retry_at(process, claimed);
            rest(process, claimed, until, true).await
        }
    }
}
