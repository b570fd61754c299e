use chrono::{DateTime, Utc};
use cloudapp_contract::limits::{GroupLimit, Limits, SetGroupLimit, SetUserLimit, UserLimit};
use cloudapp_domain::configuration::FieldErrors;
use cloudapp_domain::{GroupName, UserSub};

use crate::column::Word;
use crate::deps::Deps;

/// No limit for a single user is higher.
const MOST_EACH: u32 = 1_000;
/// No limit for a group together is higher.
const MOST_TOGETHER: u32 = 100_000;

/// Why a limit was not set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetLimitError {
    #[error("fields are wrong")]
    Fields(FieldErrors),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl From<SetLimitError> for cloudapp_chassis::ApiError {
    fn from(error: SetLimitError) -> Self {
        match error {
            SetLimitError::Fields(fields) => fields.into(),
            SetLimitError::Database(_) => Self::internal(&error),
        }
    }
}

/// Every limit.
pub(crate) async fn all(deps: &Deps) -> Result<Limits, sqlx::Error> {
    type GroupRow = (Word<GroupName>, Option<i32>, Option<i32>, Word<UserSub>, DateTime<Utc>);
    type UserRow = (Word<UserSub>, i32, Word<UserSub>, DateTime<Utc>);
    let groups: Vec<GroupRow> = sqlx::query_as(
        "select group_name, per_member, together, changed_by, changed_at from limit_group order by group_name",
    )
    .fetch_all(&deps.pool)
    .await?;
    let users: Vec<UserRow> =
        sqlx::query_as("select sub, machines, changed_by, changed_at from limit_user order by sub")
            .fetch_all(&deps.pool)
            .await?;
    let number = |column: i32| u32::try_from(column).unwrap_or_default();
    let group = |(group, each, together, by, changed_at): GroupRow| GroupLimit {
        group: group.0,
        machines_per_member: each.map(number),
        machines_together: together.map(number),
        changed_by: by.0,
        changed_at,
    };
    let user = |(sub, machines, by, changed_at): UserRow| UserLimit {
        sub: sub.0,
        machines: number(machines),
        changed_by: by.0,
        changed_at,
    };
    Ok(Limits {
        machines_per_user: deps.settings.instances_per_user,
        groups: groups.into_iter().map(group).collect(),
        users: users.into_iter().map(user).collect(),
    })
}

/// Sets a group's limits; they hold from the next admission on.
pub(crate) async fn put_group(
    deps: &Deps,
    admin: &UserSub,
    group: &GroupName,
    wanted: &SetGroupLimit,
) -> Result<(), SetLimitError> {
    check_group(wanted).map_err(SetLimitError::Fields)?;
    let column = |machines: Option<u32>| machines.map(|machines| i32::try_from(machines).unwrap_or(i32::MAX));
    sqlx::query(
        "insert into limit_group (group_name, per_member, together, changed_by, changed_at) \
         values ($1, $2, $3, $4, $5) on conflict (group_name) do update \
         set per_member = excluded.per_member, together = excluded.together, \
             changed_by = excluded.changed_by, changed_at = excluded.changed_at",
    )
    .bind(group.as_str())
    .bind(column(wanted.machines_per_member))
    .bind(column(wanted.machines_together))
    .bind(admin.as_str())
    .bind(deps.clock.now())
    .execute(&deps.pool)
    .await?;
    tracing::info!(%admin, %group, ?wanted, "a group's limits were set");
    Ok(())
}

fn check_group(wanted: &SetGroupLimit) -> Result<(), FieldErrors> {
    let too_many = |limit: Option<u32>, most: u32| limit.is_some_and(|limit| limit > most);
    if wanted.machines_per_member.is_none() && wanted.machines_together.is_none() {
        return Err(FieldErrors::one(
            "machines_per_member",
            "must be given, or machines_together; to have no limit for the group, remove it",
        ));
    }
    if too_many(wanted.machines_per_member, MOST_EACH) {
        return Err(FieldErrors::one("machines_per_member", format!("must be at most {MOST_EACH}")));
    }
    if too_many(wanted.machines_together, MOST_TOGETHER) {
        return Err(FieldErrors::one("machines_together", format!("must be at most {MOST_TOGETHER}")));
    }
    Ok(())
}

/// Sets one user's limit, whatever their groups say.
pub(crate) async fn put_user(
    deps: &Deps,
    admin: &UserSub,
    user: &UserSub,
    wanted: &SetUserLimit,
) -> Result<(), SetLimitError> {
    if wanted.machines > MOST_EACH {
        let message = format!("must be at most {MOST_EACH}");
        return Err(SetLimitError::Fields(FieldErrors::one("machines", message)));
    }
    sqlx::query(
        "insert into limit_user (sub, machines, changed_by, changed_at) values ($1, $2, $3, $4) \
         on conflict (sub) do update set machines = excluded.machines, \
             changed_by = excluded.changed_by, changed_at = excluded.changed_at",
    )
    .bind(user.as_str())
    .bind(i32::try_from(wanted.machines).unwrap_or(i32::MAX))
    .bind(admin.as_str())
    .bind(deps.clock.now())
    .execute(&deps.pool)
    .await?;
    tracing::info!(%admin, %user, machines = wanted.machines, "a user's limit was set");
    Ok(())
}

/// Removes a group's limits; `false` if there were none.
pub(crate) async fn remove_group(
    deps: &Deps,
    admin: &UserSub,
    group: &GroupName,
) -> Result<bool, sqlx::Error> {
    let removed = sqlx::query("delete from limit_group where group_name = $1").bind(group.as_str());
    let removed = removed.execute(&deps.pool).await?.rows_affected() == 1;
    tracing::info!(%admin, %group, removed, "a group's limits were removed");
    Ok(removed)
}

/// Removes a user's own limit; `false` if there was none.
pub(crate) async fn remove_user(deps: &Deps, admin: &UserSub, user: &UserSub) -> Result<bool, sqlx::Error> {
    let removed = sqlx::query("delete from limit_user where sub = $1").bind(user.as_str());
    let removed = removed.execute(&deps.pool).await?.rows_affected() == 1;
    tracing::info!(%admin, %user, removed, "a user's limit was removed");
    Ok(removed)
}
