use cloudapp_chassis::token::Caller;
use cloudapp_contract::limits::{GroupUse, LimitSource, MyLimits};

use super::standing::Source;
use super::store;
use crate::deps::Deps;

/// What the caller may have, and has.
///
/// # Errors
/// If the database fails.
pub(crate) async fn mine(deps: &Deps, caller: &Caller) -> Result<MyLimits, sqlx::Error> {
    let mut connection = deps.pool.acquire().await?;
    let (sub, groups) = (&caller.sub, caller.groups.as_slice());
    let default = deps.settings.instances_per_user;
    let standing = store::glance(&mut connection, default, [(sub, groups)]).await?;
    let limit = standing.limit(sub, groups);
    let (source, group) = match limit.source {
        Source::Default => (LimitSource::Default, None),
        Source::User => (LimitSource::User, None),
        Source::Group(group) => (LimitSource::Group, Some(group)),
    };
    let together = standing.totals(groups);
    let together = together.map(|(group, used, limit)| GroupUse { group: group.to_owned(), used, limit });
    Ok(MyLimits {
        used: standing.used(sub),
        limit: limit.machines,
        source,
        group,
        groups: together.collect(),
        refusal: standing.verdict(sub, groups).err().map(|exceeded| exceeded.sentence()),
    })
}
