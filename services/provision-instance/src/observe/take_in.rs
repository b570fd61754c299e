use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_contract::event::EventKind;
use cloudapp_contract::instance::NoteKind;
use cloudapp_domain::{Ec2InstanceId, InstanceId, InstanceState};
use cloudapp_ec2::{Machine, MachineState};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::course::{Course, Known, Step, course};
use super::watch::WatchError;
use crate::column::Word;
use crate::deps::Deps;
use crate::instance::{Ending, Note, Told, close, load, note, set_state, tell};
use crate::pool::{JUST_CLAIMED, went_away};

/// What the owner of a machine reads that EC2 has forgotten.
const LOST: &str = "AWS no longer knows the machine.";

/// A machine's row, as far as looks are concerned.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    ec2_instance_id: Word<Ec2InstanceId>,
    state: Word<InstanceState>,
    ec2_state: Option<String>,
    ec2_state_reason: Option<String>,
    host: Option<String>,
    zone: Option<String>,
    pub(super) instance_type: Option<String>,
    generation: i32,
    boot_report_required: bool,
    asked_at: Option<DateTime<Utc>>,
    placed_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    missing_since: Option<DateTime<Utc>>,
    /// It was a spare before it became its owner's, by a claim at `created_at`.
    claimed: bool,
    busy: bool,
    coming_down: bool,
}

/// The columns of [`Row`], for a query over `instance i`.
macro_rules! select_rows {
    ($rest:literal) => {
        concat!(
            "select i.id, i.ec2_instance_id, i.state, i.ec2_state, i.ec2_state_reason, i.host, i.zone, \
                 i.instance_type, i.generation, i.boot_report_required, i.asked_at, i.placed_at, i.created_at, \
                 i.missing_since, i.warm is not distinct from 'claimed' as claimed, exists (select from execution e where e.subject = i.id \
                     and e.state in ('pending', 'running') and e.kind in ('launch', 'start', 'refill')) as busy, \
                 exists (select from execution e where e.subject = i.id \
                     and e.state in ('pending', 'running') and e.kind in ('stop', 'destroy')) as coming_down \
             from instance i ",
            $rest
        )
    };
}
pub(super) use select_rows;

impl Row {
    pub(super) const fn ec2_id(&self) -> &Ec2InstanceId {
        &self.ec2_instance_id.0
    }

    pub(super) const fn state(&self) -> InstanceState {
        self.state.0
    }

    pub(super) const fn reports(&self) -> bool {
        self.boot_report_required
    }

    /// Since when it does what it does.
    pub(super) fn in_motion_since(&self) -> DateTime<Utc> {
        self.asked_at.unwrap_or(self.created_at)
    }

    /// How long it took to run, if `machine` is the first that tells that it does, right after its placement.
    pub(super) fn newly_runs(&self, machine: &Machine, now: DateTime<Utc>) -> Option<TimeDelta> {
        let newly = machine.state == MachineState::Running
            && self.generation == 1
            && self.known().ec2_state.is_none_or(|state| state == MachineState::Pending);
        self.placed_at.filter(|_| newly).map(|placed_at| now - placed_at)
    }

    fn known(&self) -> Known {
        // While its launch is not over, the end of a claimed machine is the launch's to judge, which gets its user
        // another one: as if it still booted, although login details may be out.
        let state = match self.state.0 {
            InstanceState::Ready if self.claimed && self.busy => InstanceState::Booting,
            state => state,
        };
        Known {
            state,
            ec2_state: self.ec2_state.as_deref().and_then(|word| word.parse().ok()),
            ec2_reason: self.ec2_state_reason.clone(),
            host: self.host.clone(),
            zone: self.zone.clone(),
            asked_at: self.asked_at,
            placed_at: self.placed_at,
            missing_since: self.missing_since,
            busy: self.busy,
            coming_down: self.coming_down,
        }
    }

    /// Whether somebody has just claimed it from a pool, and it ends by nobody's wish.
    fn ends_early(&self, course: &Course, now: DateTime<Utc>) -> bool {
        let ends = match course.step {
            Step::Lost => true,
            Step::Gone | Step::Become(InstanceState::Terminating) => {
                let kind = course.outside.as_ref().map(|outside| outside.kind);
                kind.is_some_and(|kind| kind != NoteKind::ShutDownInside)
            }
            _ => false,
        };
        ends && self.claimed && now - self.created_at <= JUST_CLAIMED
    }

    /// What follows from what EC2 says about it.
    fn course(&self, machines: &HashMap<Ec2InstanceId, Machine>, deps: &Deps) -> Course {
        let grace = TimeDelta::from_std(deps.settings.pace.grace).unwrap_or(TimeDelta::MAX);
        course(&self.known(), machines.get(self.ec2_id()), deps.clock.now(), grace)
    }
}

/// Brings rows up to what EC2 says, in one transaction, with statements for all of them together; rows about which
/// there is no news are not touched. How many changed.
pub(super) async fn take_in(
    deps: &Deps,
    rows: &[Row],
    machines: &HashMap<Ec2InstanceId, Machine>,
) -> Result<usize, WatchError> {
    let news: Vec<Uuid> =
        rows.iter().filter(|row| !row.course(machines, deps).is_nothing()).map(|row| row.id).collect();
    if news.is_empty() {
        return Ok(0);
    }
    let mut transaction = deps.pool.begin().await?;
    // In the order of their ids, and executions last: nobody who does the same ever waits in a circle. A row may have
    // been parted from its machine since it was read, if that was a spare of no use to its user.
    let asked: Vec<&str> = rows.iter().map(|row| row.ec2_id().as_str()).collect();
    let locked: Vec<Row> = sqlx::query_as(select_rows!(
        "where i.id = any($1) and i.ec2_instance_id = any($2) order by i.id for update of i"
    ))
    .bind(&news)
    .bind(&asked)
    .fetch_all(&mut *transaction)
    .await?;
    let courses: Vec<(Row, Course)> = locked
        .into_iter()
        .map(|row| {
            let course = row.course(machines, deps);
            (row, course)
        })
        .filter(|(_, course)| !course.is_nothing())
        .collect();
    write_seen(&mut transaction, &courses).await?;
    write_steps(&mut transaction, deps, &courses).await?;
    write_early_ends(&mut transaction, deps, &courses).await?;
    let notes: Vec<Note> = courses.iter().filter_map(|(row, course)| note_of(row, course)).collect();
    note(&mut transaction, deps.clock.now(), &notes).await?;
    for (row, course) in &courses {
        step_alone(&mut transaction, deps, row, course).await?;
    }
    let woken: Vec<Uuid> = courses.iter().filter(|(_, course)| course.wakes).map(|(row, _)| row.id).collect();
    if !woken.is_empty() {
        deps.executions.wake_many(&mut transaction, &woken).await?;
    }
    transaction.commit().await?;
    Ok(courses.len())
}

/// What EC2 said, for all of them.
async fn write_seen(connection: &mut PgConnection, courses: &[(Row, Course)]) -> Result<(), sqlx::Error> {
    let seen: Vec<_> =
        courses.iter().filter_map(|(row, course)| Some((row.id, course.seen.as_ref()?))).collect();
    if seen.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update instance i set ec2_state = new.state, \
             ec2_state_reason = coalesce(new.reason, i.ec2_state_reason), host = new.host, zone = new.zone, \
             missing_since = null \
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) \
             as new (id, state, reason, host, zone) where i.id = new.id",
    )
    .bind(seen.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(seen.iter().map(|(_, seen)| seen.state.as_str()).collect::<Vec<_>>())
    .bind(seen.iter().map(|(_, seen)| seen.reason.as_deref()).collect::<Vec<_>>())
    .bind(seen.iter().map(|(_, seen)| seen.host.as_deref()).collect::<Vec<_>>())
    .bind(seen.iter().map(|(_, seen)| seen.zone.as_deref()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// The steps that need no word to the event log, for all of them.
async fn write_steps(
    connection: &mut PgConnection,
    deps: &Deps,
    courses: &[(Row, Course)],
) -> Result<(), sqlx::Error> {
    let steps: Vec<_> = courses
        .iter()
        .filter_map(|(row, course)| match course.step {
            Step::Become(to) => {
                let reason = course.outside.as_ref().map(|outside| outside.sentence.as_str());
                Some((row.id, row.state().as_str(), to.as_str(), reason))
            }
            _ => None,
        })
        .collect();
    if !steps.is_empty() {
        sqlx::query(
            "update instance i set state = new.state, reason = coalesce(i.reason, new.reason) \
             from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as new (id, before, state, reason) \
             where i.id = new.id and i.state = new.before",
        )
        .bind(steps.iter().map(|step| step.0).collect::<Vec<_>>())
        .bind(steps.iter().map(|step| step.1).collect::<Vec<_>>())
        .bind(steps.iter().map(|step| step.2).collect::<Vec<_>>())
        .bind(steps.iter().map(|step| step.3).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    }
    let missing: Vec<Uuid> =
        courses.iter().filter(|(_, course)| course.step == Step::Missing).map(|(row, _)| row.id).collect();
    if !missing.is_empty() {
        sqlx::query("update instance set missing_since = $2 where id = any($1)")
            .bind(&missing)
            .bind(deps.clock.now())
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// What those read whose machine came from a pool and ended right after they got it, through nothing that they did.
async fn write_early_ends(
    connection: &mut PgConnection,
    deps: &Deps,
    courses: &[(Row, Course)],
) -> Result<(), sqlx::Error> {
    let now = deps.clock.now();
    let early: Vec<_> = courses.iter().filter(|(row, course)| row.ends_early(course, now)).collect();
    if early.is_empty() {
        return Ok(());
    }
    let failures = early.iter().map(|(_, course)| {
        let how = course.outside.as_ref().map_or(LOST, |outside| outside.sentence.as_str());
        Json(went_away(Some(how.to_owned())))
    });
    sqlx::query(
        "update instance i set failure = coalesce(i.failure, new.failure) \
         from unnest($1::uuid[], $2::jsonb[]) as new (id, failure) where i.id = new.id",
    )
    .bind(early.iter().map(|(row, _)| row.id).collect::<Vec<_>>())
    .bind(failures.collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// The steps that the event log is told of, one by one: each is once in a machine's life, or nearly so.
async fn step_alone(
    connection: &mut PgConnection,
    deps: &Deps,
    row: &Row,
    course: &Course,
) -> Result<(), sqlx::Error> {
    let reason = course.outside.as_ref().map(|outside| outside.sentence.as_str());
    match course.step {
        Step::Keep | Step::Become(_) | Step::Missing => Ok(()),
        Step::Stopped => stopped(connection, deps, row, reason).await,
        Step::ReadyAgain => ready_again(connection, deps, row).await,
        Step::Gone => gone(connection, deps, row, reason).await,
        Step::Lost => {
            sqlx::query("update instance set ec2_state = 'terminated' where id = $1")
                .bind(row.id)
                .execute(&mut *connection)
                .await?;
            gone(connection, deps, row, Some(LOST)).await
        }
    }
}

async fn gone(
    connection: &mut PgConnection,
    deps: &Deps,
    row: &Row,
    reason: Option<&str>,
) -> Result<(), sqlx::Error> {
    let Some(instance) = load(&mut *connection, InstanceId::from(row.id)).await? else { return Ok(()) };
    let ending = Ending { state: InstanceState::Terminated, reason, failure: None, execution: None };
    close(connection, deps.clock.as_ref(), &instance, ending).await.map(drop)
}

async fn stopped(
    connection: &mut PgConnection,
    deps: &Deps,
    row: &Row,
    reason: Option<&str>,
) -> Result<(), sqlx::Error> {
    let id = InstanceId::from(row.id);
    let Some(before) = load(&mut *connection, id).await? else { return Ok(()) };
    if !set_state(connection, &before, InstanceState::Stopped).await? {
        return Ok(());
    }
    sqlx::query("update instance set running_since = null, reason = coalesce(reason, $2) where id = $1")
        .bind(row.id)
        .bind(reason)
        .execute(&mut *connection)
        .await?;
    let Some(after) = load(&mut *connection, id).await? else { return Ok(()) };
    let told = Told {
        kind: EventKind::Stopped,
        dedupe: format!("{id}:stopped:{}", row.generation),
        execution: None,
        running_since: before.running_since,
    };
    tell(connection, deps.clock.as_ref(), &after, told).await
}

async fn ready_again(connection: &mut PgConnection, deps: &Deps, row: &Row) -> Result<(), sqlx::Error> {
    let id = InstanceId::from(row.id);
    let Some(before) = load(&mut *connection, id).await? else { return Ok(()) };
    if !set_state(connection, &before, InstanceState::Ready).await? {
        return Ok(());
    }
    sqlx::query(
        "update instance set running_since = $2, generation = generation + 1, reason = null, actor = null \
         where id = $1",
    )
    .bind(row.id)
    .bind(deps.clock.now())
    .execute(&mut *connection)
    .await?;
    let Some(after) = load(&mut *connection, id).await? else { return Ok(()) };
    let told = Told {
        kind: EventKind::Started,
        dedupe: format!("{id}:started-outside:{}", after.generation),
        execution: None,
        running_since: None,
    };
    tell(connection, deps.clock.as_ref(), &after, told).await
}

fn note_of(row: &Row, course: &Course) -> Option<Note> {
    if course.step == Step::Lost {
        return Some(Note {
            instance: row.id,
            dedupe: NoteKind::Lost.as_str().to_owned(),
            kind: NoteKind::Lost,
            sentence: LOST.to_owned(),
            actor: None,
        });
    }
    let outside = course.outside.as_ref()?;
    Some(Note {
        instance: row.id,
        // Once per start.
        dedupe: format!("{}:{}", outside.kind.as_str(), row.generation),
        kind: outside.kind,
        sentence: outside.sentence.clone(),
        actor: outside.actor.map(str::to_owned),
    })
}
