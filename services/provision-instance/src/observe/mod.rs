//! What EC2 says about machines: events as hints, one shared describe as the truth.
//!
//! * `consumer` — the queue; `events` — EC2's events, `forced` — what admins did.
//! * `watch` — the shared describe; `take_in` — what it found, into rows.
//! * `hint`, `pace`, `course`, `outside` — what to make of it: pure.

mod consumer;
pub(crate) mod course;
mod events;
mod forced;
pub(crate) mod hint;
pub(crate) mod outside;
pub(crate) mod pace;
mod take_in;
mod watch;

use cloudapp_domain::Clock;
use sqlx::PgConnection;

pub(crate) use consumer::Consumer;
pub(crate) use course::{Step, host, step};
pub(crate) use pace::first_look;
pub(crate) use watch::Watch;

/// Takes over what was heard about machines before their ids were known: they are looked at at once, unless it is
/// only that they run and they will report that themselves.
pub(crate) async fn adopt_parked(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    ids: &[String],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with parked as (delete from parked_event where ec2_instance_id = any($1) returning ec2_instance_id, state) \
         update instance set look_at = $2 from parked \
         where instance.ec2_instance_id = parked.ec2_instance_id \
         and parked.state <> 'pending' and not (parked.state = 'running' and boot_report_required)",
    )
    .bind(ids)
    .bind(clock.now())
    .execute(connection)
    .await?;
    Ok(())
}
