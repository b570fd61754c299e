//! What EC2 says about machines: events as hints, one shared describe as the truth.

mod consumer;
mod follow;
mod hint;
mod watch;

use cloudapp_domain::{Clock, Ec2InstanceId};
use sqlx::PgConnection;

pub(crate) use consumer::Consumer;
#[cfg(test)]
pub(crate) use follow::{Step, step, word};
#[cfg(test)]
pub(crate) use hint::is_news;
pub(crate) use watch::Watch;
#[cfg(test)]
pub(crate) use watch::pause;

/// Takes over what was heard about a machine before its id was known: it is looked at at once.
pub(crate) async fn adopt_parked(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    id: &Ec2InstanceId,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with parked as (delete from parked_event where ec2_instance_id = $1 returning state) \
         update instance set look_at = $2 from parked \
         where instance.ec2_instance_id = $1 and parked.state <> 'pending'",
    )
    .bind(id.as_str())
    .bind(clock.now())
    .execute(connection)
    .await?;
    Ok(())
}
