use chrono::{DateTime, Utc};
use cloudapp_contract::instance::{InstanceNote, NoteKind};
use cloudapp_domain::InstanceId;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// Something to note about a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) instance: Uuid,
    /// What is noted twice under the same word is noted once.
    pub(crate) dedupe: String,
    pub(crate) kind: NoteKind,
    pub(crate) sentence: String,
    pub(crate) actor: Option<String>,
}

/// Writes notes down; how many were new.
pub(crate) async fn note(
    connection: &mut PgConnection,
    at: DateTime<Utc>,
    notes: &[Note],
) -> Result<u64, sqlx::Error> {
    if notes.is_empty() {
        return Ok(0);
    }
    let written = sqlx::query(
        "insert into instance_note (instance_id, dedupe, at, kind, sentence, actor) \
         select id, dedupe, $1, kind, sentence, actor \
         from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[]) \
             as new (id, dedupe, kind, sentence, actor) on conflict do nothing",
    )
    .bind(at)
    .bind(notes.iter().map(|note| note.instance).collect::<Vec<_>>())
    .bind(notes.iter().map(|note| note.dedupe.as_str()).collect::<Vec<_>>())
    .bind(notes.iter().map(|note| note.kind.as_str()).collect::<Vec<_>>())
    .bind(notes.iter().map(|note| note.sentence.as_str()).collect::<Vec<_>>())
    .bind(notes.iter().map(|note| note.actor.as_deref()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(written.rows_affected())
}

/// A machine's notes, oldest first. A kind that only a newer program knows is left out.
pub(crate) async fn notes(
    executor: impl PgExecutor<'_>,
    id: InstanceId,
) -> Result<Vec<InstanceNote>, sqlx::Error> {
    let rows: Vec<(DateTime<Utc>, String, String, Option<String>)> = sqlx::query_as(
        "select at, kind, sentence, actor from instance_note where instance_id = $1 order by at, dedupe",
    )
    .bind(id.as_uuid())
    .fetch_all(executor)
    .await?;
    let known = |word: &str| NoteKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    Ok(rows
        .into_iter()
        .filter_map(|(at, kind, sentence, actor)| {
            Some(InstanceNote { at, kind: known(&kind)?, sentence, actor })
        })
        .collect())
}
