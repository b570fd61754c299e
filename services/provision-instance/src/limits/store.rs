use std::collections::BTreeSet;

use cloudapp_domain::UserSub;
use sqlx::PgConnection;

use super::{GroupRule, Standing};

/// Where some users stand, read so that it stays true until the transaction ends: the owners' locks must be held. Waits
/// for whoever is just using up what a group may have together, and for nobody else.
pub(crate) async fn standing<'a>(
    connection: &mut PgConnection,
    default: u32,
    users: impl IntoIterator<Item = (&'a UserSub, &'a [String])>,
) -> Result<Standing, sqlx::Error> {
    let mut standing = look(connection, default, users).await?;
    let shared = with_a_total(&standing);
    if !shared.is_empty() {
        lock(connection, &shared).await?;
        // By a statement of its own: it sees what those who held the locks have committed.
        count(connection, &shared, &mut standing).await?;
    }
    Ok(standing)
}

/// The same as a look at what is true now, without locks.
pub(super) async fn glance<'a>(
    connection: &mut PgConnection,
    default: u32,
    users: impl IntoIterator<Item = (&'a UserSub, &'a [String])>,
) -> Result<Standing, sqlx::Error> {
    let mut standing = look(connection, default, users).await?;
    let shared = with_a_total(&standing);
    if !shared.is_empty() {
        count(connection, &shared, &mut standing).await?;
    }
    Ok(standing)
}

/// Names of groups with a limit together, in the order in which they are locked.
fn with_a_total(standing: &Standing) -> Vec<String> {
    let groups = standing.groups.iter();
    groups.filter(|(_, rule)| rule.together.is_some()).map(|(name, _)| name.clone()).collect()
}

/// Everything but the totals of groups.
async fn look<'a>(
    connection: &mut PgConnection,
    default: u32,
    users: impl IntoIterator<Item = (&'a UserSub, &'a [String])>,
) -> Result<Standing, sqlx::Error> {
    let (mut subs, mut groups) = (BTreeSet::new(), BTreeSet::new());
    for (sub, of) in users {
        subs.insert(sub.as_str());
        groups.extend(of.iter().map(String::as_str));
    }
    // Counted owner by owner, by an index: with `any` a plan that was made for few rows reads the whole table.
    let rows: Vec<(String, String, Option<i32>, Option<i32>)> = sqlx::query_as(
        "select 'own', o.owner, (select count(*)::int from instance i \
             where i.owner = o.owner and i.state not in ('terminated', 'failed')), null::int \
         from unnest($1::text[]) as o (owner) \
         union all select 'user', sub, machines, null from limit_user where sub = any($1) \
         union all select 'group', group_name, per_member, together from limit_group where group_name = any($2)",
    )
    .bind(subs.into_iter().collect::<Vec<_>>())
    .bind(groups.into_iter().collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut standing = Standing { default, ..Standing::default() };
    for (what, name, first, second) in rows {
        let sub = |name: &str| name.parse::<UserSub>().map_err(|error| sqlx::Error::Decode(Box::new(error)));
        match what.as_str() {
            "own" => drop(standing.own.insert(sub(&name)?, number(first))),
            "user" => drop(standing.users.insert(sub(&name)?, number(first))),
            _ => {
                let rule = GroupRule {
                    per_member: first.map(|n| number(Some(n))),
                    together: second.map(|n| number(Some(n))),
                };
                standing.groups.insert(name, rule);
            }
        }
    }
    Ok(standing)
}

/// Lets one admission at a time use up what these groups may have together, until the transaction ends.
async fn lock(connection: &mut PgConnection, groups: &[String]) -> Result<(), sqlx::Error> {
    // One after the other, in the order of the array: two admissions with the same groups never wait for each other.
    sqlx::query(
        "select pg_advisory_xact_lock(hashtextextended('limit of ' || name, 0)) from unnest($1::text[]) as g (name)",
    )
    .bind(groups)
    .execute(connection)
    .await?;
    Ok(())
}

async fn count(
    connection: &mut PgConnection,
    groups: &[String],
    standing: &mut Standing,
) -> Result<(), sqlx::Error> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select g.name, (select count(*) from instance where owner_groups @> array[g.name] \
             and owner_groups <> '{}' and state not in ('terminated', 'failed')) \
         from unnest($1::text[]) as g (name)",
    )
    .bind(groups)
    .fetch_all(connection)
    .await?;
    let counts = rows.into_iter().map(|(name, count)| (name, u32::try_from(count).unwrap_or(u32::MAX)));
    standing.together.extend(counts);
    Ok(())
}

/// A column that the schema keeps from being negative.
fn number(column: Option<i32>) -> u32 {
    u32::try_from(column.unwrap_or_default()).unwrap_or_default()
}
