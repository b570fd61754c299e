use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use cloudapp_contract::message::Ec2Event;
use cloudapp_domain::{Ec2InstanceId, InstanceState};
use sqlx::PgConnection;
use uuid::Uuid;

use super::hint::{Look, Named, heard};
use super::outside::spot_warning;
use super::pace::first_look;
use crate::column::Word;
use crate::deps::Deps;
use crate::instance::{Note, note};

/// A machine that an event names.
#[derive(Debug, sqlx::FromRow)]
struct Row {
    id: Uuid,
    ec2_instance_id: String,
    state: Word<InstanceState>,
    ec2_state: Option<String>,
    boot_report_required: bool,
    generation: i32,
}

/// EC2's words, in the order in which they were received.
struct Words {
    /// What was said of each machine, the last that is news being worth most.
    states: BTreeMap<Ec2InstanceId, Vec<String>>,
    /// Spot machines that will be taken back, and when EC2 said so.
    warnings: HashMap<Ec2InstanceId, DateTime<Utc>>,
}

/// Takes EC2's events in, all in one transaction with a handful of statements. Repeating it changes nothing.
pub(super) async fn take_in(deps: &Deps, events: &[Ec2Event]) -> Result<(), sqlx::Error> {
    let words = words(events);
    if words.states.is_empty() && words.warnings.is_empty() {
        return Ok(());
    }
    let named: HashSet<&str> =
        words.states.keys().chain(words.warnings.keys()).map(Ec2InstanceId::as_str).collect();
    let named: Vec<&str> = named.into_iter().collect();
    let mut transaction = deps.pool.begin().await?;
    let rows = rows(&mut transaction, &named).await?;
    look(&mut transaction, deps, &rows, &words).await?;
    warn(&mut transaction, deps, &rows, &words).await?;
    let known: HashSet<&str> = rows.iter().map(|row| row.ec2_instance_id.as_str()).collect();
    let unknown: Vec<_> = words.states.iter().filter(|(id, _)| !known.contains(id.as_str())).collect();
    park(&mut transaction, deps, &unknown).await?;
    transaction.commit().await?;
    // Whoever became known between the look and the parking was told nothing; a look of its own costs little.
    adopt_late(deps, &unknown).await
}

fn words(events: &[Ec2Event]) -> Words {
    let mut words = Words { states: BTreeMap::new(), warnings: HashMap::new() };
    for event in events {
        let id = &event.detail.instance_id;
        if let Some(state) = &event.detail.state {
            words.states.entry(id.clone()).or_default().push(state.clone());
        } else if event.detail.instance_action.is_some() {
            words.warnings.insert(id.clone(), event.time);
        }
    }
    words
}

/// The machines that are named, nobody else changing them, in the order in which everybody locks them.
async fn rows(connection: &mut PgConnection, ids: &[&str]) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as(
        "select id, ec2_instance_id, state, ec2_state, boot_report_required, generation from instance \
         where ec2_instance_id = any($1) and state not in ('terminated', 'failed') order by id for update",
    )
    .bind(ids)
    .fetch_all(connection)
    .await
}

async fn look(
    connection: &mut PgConnection,
    deps: &Deps,
    rows: &[Row],
    words: &Words,
) -> Result<(), sqlx::Error> {
    let now = deps.clock.now();
    let mut looks: Vec<(Uuid, DateTime<Utc>, bool)> = Vec::new();
    for row in rows {
        let named = Named {
            state: row.state.0,
            ec2_state: row.ec2_state.as_deref(),
            reports: row.boot_report_required,
        };
        let said = words.states.iter().find(|(id, _)| id.as_str() == row.ec2_instance_id);
        for word in said.map_or(&[][..], |(_, said)| said.as_slice()) {
            let heard = heard(&named, word);
            match heard.look {
                Look::Never => {}
                Look::Later => {
                    let later = first_look(named.reports, deps.settings.pace.look);
                    looks.push((row.id, deps.after(later), heard.boots));
                }
                Look::Now => looks.push((row.id, now, heard.boots)),
            }
        }
    }
    if looks.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update instance i set look_at = least(i.look_at, new.at), \
             state = case when new.boots and i.state = 'launching' then 'booting' else i.state end \
         from (select id, min(at) as at, bool_or(boots) as boots \
               from unnest($1::uuid[], $2::timestamptz[], $3::bool[]) as heard (id, at, boots) group by id) as new \
         where i.id = new.id",
    )
    .bind(looks.iter().map(|look| look.0).collect::<Vec<_>>())
    .bind(looks.iter().map(|look| look.1).collect::<Vec<_>>())
    .bind(looks.iter().map(|look| look.2).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Owners of spot machines that will be taken back read it at once; their end is noticed when it comes.
async fn warn(
    connection: &mut PgConnection,
    deps: &Deps,
    rows: &[Row],
    words: &Words,
) -> Result<(), sqlx::Error> {
    let warned: Vec<(Uuid, i32, DateTime<Utc>)> = rows
        .iter()
        .filter_map(|row| {
            let (_, at) = words.warnings.iter().find(|(id, _)| id.as_str() == row.ec2_instance_id)?;
            Some((row.id, row.generation, *at))
        })
        .collect();
    let notes: Vec<Note> = warned
        .iter()
        .map(|(id, generation, at)| {
            let warning = spot_warning(*at);
            Note {
                instance: *id,
                dedupe: format!("{}:{generation}", warning.kind.as_str()),
                kind: warning.kind,
                sentence: warning.sentence,
                actor: warning.actor.map(str::to_owned),
            }
        })
        .collect();
    note(connection, deps.clock.now(), &notes).await?;
    for (note, (_, _, at)) in notes.iter().zip(&warned) {
        sqlx::query(
            "update instance set reason = coalesce(reason, $2), look_at = least(look_at, $3) where id = $1",
        )
        .bind(note.instance)
        .bind(&note.sentence)
        .bind(*at + TimeDelta::minutes(2))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Keeps what is said about machines that no row knows (yet).
async fn park(
    connection: &mut PgConnection,
    deps: &Deps,
    unknown: &[(&Ec2InstanceId, &Vec<String>)],
) -> Result<(), sqlx::Error> {
    if unknown.is_empty() {
        return Ok(());
    }
    // `pending` says nothing; of the rest any is worth the same look.
    let word = |said: &[String]| {
        said.iter().rev().find(|word| *word != "pending").map_or("pending", String::as_str).to_owned()
    };
    sqlx::query(
        "insert into parked_event (ec2_instance_id, state, received_at) \
         select id, state, $3 from unnest($1::text[], $2::text[]) as new (id, state) order by id \
         on conflict (ec2_instance_id) do update set state = excluded.state, received_at = excluded.received_at \
         where parked_event.state in ('pending', 'running')",
    )
    .bind(unknown.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>())
    .bind(unknown.iter().map(|(_, said)| word(said)).collect::<Vec<_>>())
    .bind(deps.clock.now())
    .execute(connection)
    .await?;
    Ok(())
}

async fn adopt_late(deps: &Deps, unknown: &[(&Ec2InstanceId, &Vec<String>)]) -> Result<(), sqlx::Error> {
    if unknown.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = unknown.iter().map(|(id, _)| id.as_str()).collect();
    sqlx::query(
        "with known as (select id, ec2_instance_id from instance where ec2_instance_id = any($1) \
                        and state not in ('terminated', 'failed') order by id for update), \
              parked as (delete from parked_event using known \
                         where parked_event.ec2_instance_id = known.ec2_instance_id \
                         returning known.id, parked_event.state) \
         update instance i set look_at = $2 from parked where i.id = parked.id and parked.state <> 'pending' \
         and not (parked.state = 'running' and i.boot_report_required)",
    )
    .bind(&ids)
    .bind(deps.clock.now())
    .execute(&deps.pool)
    .await?;
    Ok(())
}
