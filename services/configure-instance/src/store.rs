//! The SQL of configurations and their versions.

use chrono::{DateTime, Utc};
use cloudapp_chassis::ApiError;
use cloudapp_contract::configuration::{Configuration, ConfigurationVersion};
use cloudapp_domain::configuration::{ConfigurationDraft, ConfigurationSpec, ConfigurationState};
use cloudapp_domain::{ConfigurationId, UserSub};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use crate::catalogue::Audience;
use crate::paging::Wanted;

/// What the caller is told: a database that does not answer is temporary, anything else a fault of ours.
pub(crate) fn problem(error: &sqlx::Error) -> ApiError {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => {
            ApiError::unavailable(error)
        }
        _ => ApiError::internal(error),
    }
}

/// A configuration joined with the version that its audience sees.
#[derive(FromRow)]
struct Row {
    id: Uuid,
    state: String,
    version: i32,
    published_version: Option<i32>,
    spec: Json<ConfigurationSpec>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Configuration {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let Json(spec) = row.spec;
        Ok(Self {
            id: row.id.into(),
            state: decoded(row.state.parse::<ConfigurationState>())?,
            version: row.version,
            published_version: row.published_version,
            price_per_hour: spec.price_per_hour(),
            spec: draft(&spec)?,
            updated_at: row.created_at,
        })
    }
}

/// A spec in the shape of the draft it was made from: they have the same JSON.
fn draft(spec: &ConfigurationSpec) -> Result<ConfigurationDraft, sqlx::Error> {
    decoded(serde_json::to_value(spec).and_then(serde_json::from_value))
}

fn decoded<T, E: std::error::Error + Send + Sync + 'static>(value: Result<T, E>) -> Result<T, sqlx::Error> {
    value.map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// One page of what `audience` sees, newest configuration first.
pub(crate) async fn list(
    pool: &PgPool,
    audience: Audience<'_>,
    wanted: &Wanted<ConfigurationId>,
) -> Result<Vec<Configuration>, sqlx::Error> {
    let after = wanted.after.map(|id| id.as_uuid());
    let query = match audience {
        Audience::Admin => sqlx::query_as(
            "select id, state, version, published_version, spec, created_at
             from configuration join version on configuration_id = id and version = latest_version
             where $1::uuid is null or id < $1 order by id desc limit $2",
        )
        .bind(after)
        .bind(wanted.rows()),
        Audience::User { groups } => sqlx::query_as(
            "select id, state, version, published_version, spec, created_at
             from configuration join version on configuration_id = id and version = published_version
             where ($1::uuid is null or id < $1) and state = 'published'
               and (spec -> 'allowed_groups' = '[]' or spec -> 'allowed_groups' ?| $3)
             order by id desc limit $2",
        )
        .bind(after)
        .bind(wanted.rows())
        .bind(groups),
    };
    let rows: Vec<Row> = query.fetch_all(pool).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The configuration `id`, if `audience` may see it.
pub(crate) async fn get(
    pool: &PgPool,
    audience: Audience<'_>,
    id: ConfigurationId,
) -> Result<Option<Configuration>, sqlx::Error> {
    let query = match audience {
        Audience::Admin => sqlx::query_as(
            "select id, state, version, published_version, spec, created_at
             from configuration join version on configuration_id = id and version = latest_version
             where id = $1",
        )
        .bind(id.as_uuid()),
        Audience::User { groups } => sqlx::query_as(
            "select id, state, version, published_version, spec, created_at
             from configuration join version on configuration_id = id and version = published_version
             where id = $1 and state = 'published'
               and (spec -> 'allowed_groups' = '[]' or spec -> 'allowed_groups' ?| $2)",
        )
        .bind(id.as_uuid())
        .bind(groups),
    };
    query.fetch_optional(pool).await?.map(Row::try_into).transpose()
}

/// Who writes, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp<'a> {
    pub(crate) author: &'a UserSub,
    pub(crate) at: DateTime<Utc>,
}

/// Writes a new configuration, a draft in version 1.
pub(crate) async fn create(
    connection: &mut PgConnection,
    id: ConfigurationId,
    spec: &ConfigurationSpec,
    stamp: Stamp<'_>,
) -> Result<Configuration, sqlx::Error> {
    sqlx::query("insert into configuration (id, state, latest_version) values ($1, 'draft', 1)")
        .bind(id.as_uuid())
        .execute(&mut *connection)
        .await?;
    add_version(connection, id, 1, spec, stamp).await?;
    newest(connection, id).await
}

/// Writes the version after `version`; `None` if that is not the newest (any more).
pub(crate) async fn update(
    connection: &mut PgConnection,
    id: ConfigurationId,
    version: i32,
    spec: &ConfigurationSpec,
    stamp: Stamp<'_>,
) -> Result<Option<Configuration>, sqlx::Error> {
    // The row lock lets one of several concurrent updates through; the others then find another version.
    let next: Option<i32> = sqlx::query_scalar(
        "update configuration set latest_version = latest_version + 1
         where id = $1 and latest_version = $2 returning latest_version",
    )
    .bind(id.as_uuid())
    .bind(version)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(next) = next else { return Ok(None) };
    add_version(connection, id, next, spec, stamp).await?;
    newest(connection, id).await.map(Some)
}

async fn add_version(
    connection: &mut PgConnection,
    id: ConfigurationId,
    version: i32,
    spec: &ConfigurationSpec,
    stamp: Stamp<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into version (configuration_id, version, spec, author, created_at) values ($1, $2, $3, $4, $5)",
    )
    .bind(id.as_uuid())
    .bind(version)
    .bind(Json(spec))
    .bind(stamp.author.as_str())
    .bind(stamp.at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives users the newest version; `None` if they have it already.
pub(crate) async fn publish(
    connection: &mut PgConnection,
    id: ConfigurationId,
    stamp: Stamp<'_>,
) -> Result<Option<Configuration>, sqlx::Error> {
    let version: Option<i32> = sqlx::query_scalar(
        "update configuration set state = 'published', published_version = latest_version
         where id = $1 and (state <> 'published' or published_version <> latest_version)
         returning published_version",
    )
    .bind(id.as_uuid())
    .fetch_optional(&mut *connection)
    .await?;
    let Some(version) = version else { return Ok(None) };
    // A retired configuration comes back in a version that was published before.
    sqlx::query(
        "insert into publication (configuration_id, version, author, published_at) values ($1, $2, $3, $4)
         on conflict do nothing",
    )
    .bind(id.as_uuid())
    .bind(version)
    .bind(stamp.author.as_str())
    .bind(stamp.at)
    .execute(&mut *connection)
    .await?;
    newest(connection, id).await.map(Some)
}

/// Takes it from the users; `None` if it is retired already.
pub(crate) async fn retire(
    connection: &mut PgConnection,
    id: ConfigurationId,
) -> Result<Option<Configuration>, sqlx::Error> {
    let changed =
        sqlx::query("update configuration set state = 'retired' where id = $1 and state <> 'retired'")
            .bind(id.as_uuid())
            .execute(&mut *connection)
            .await?
            .rows_affected();
    if changed == 0 { Ok(None) } else { newest(connection, id).await.map(Some) }
}

/// Whether there is such a configuration, in any state.
pub(crate) async fn exists(connection: &mut PgConnection, id: ConfigurationId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select exists (select from configuration where id = $1)")
        .bind(id.as_uuid())
        .fetch_one(connection)
        .await
}

async fn newest(connection: &mut PgConnection, id: ConfigurationId) -> Result<Configuration, sqlx::Error> {
    let row: Row = sqlx::query_as(
        "select id, state, version, published_version, spec, created_at
         from configuration join version on configuration_id = id and version = latest_version where id = $1",
    )
    .bind(id.as_uuid())
    .fetch_one(connection)
    .await?;
    row.try_into()
}

#[derive(FromRow)]
struct VersionRow {
    version: i32,
    spec: Json<ConfigurationSpec>,
    author: String,
    created_at: DateTime<Utc>,
    published: bool,
}

impl TryFrom<VersionRow> for ConfigurationVersion {
    type Error = sqlx::Error;

    fn try_from(row: VersionRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            version: row.version,
            spec: draft(&row.spec)?,
            author: decoded(row.author.parse())?,
            created_at: row.created_at,
            published: row.published,
        })
    }
}

/// One page of the versions of `id`, newest first.
pub(crate) async fn versions(
    pool: &PgPool,
    id: ConfigurationId,
    wanted: &Wanted<i32>,
) -> Result<Vec<ConfigurationVersion>, sqlx::Error> {
    let rows: Vec<VersionRow> = sqlx::query_as(
        "select version, spec, author, created_at,
                state = 'published' and version = published_version as published
         from version join configuration on id = configuration_id
         where configuration_id = $1 and ($2::int is null or version < $2)
         order by version desc limit $3",
    )
    .bind(id.as_uuid())
    .bind(wanted.after)
    .bind(wanted.rows())
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
