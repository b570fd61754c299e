use cloudapp_contract::event::EventKind;
use cloudapp_contract::instance::NoteKind;
use sqlx::PgConnection;

use crate::application::act::CLOUDAPP;
use crate::deps::Deps;
use crate::instance::{InstanceRecord, Note, Told, note, tell};

/// Warns a machine's owner, once per `dedupe`: in the event log and in the machine's notes.
pub(super) async fn warn_owner(
    connection: &mut PgConnection,
    deps: &Deps,
    machine: &InstanceRecord,
    dedupe: String,
    sentence: String,
) -> Result<(), sqlx::Error> {
    let warned = Note {
        instance: machine.id().as_uuid(),
        dedupe: format!("{}:{dedupe}", NoteKind::Warned.as_str()),
        kind: NoteKind::Warned,
        sentence: sentence.clone(),
        actor: Some(CLOUDAPP.to_owned()),
    };
    note(connection, deps.clock.now(), &[warned]).await?;
    // The event's reason is the warning's; the machine's own stays what it is.
    let mut machine = machine.clone();
    machine.reason = Some(sentence);
    let told = Told {
        kind: EventKind::Warned,
        dedupe: format!("{}:{dedupe}", machine.id()),
        execution: None,
        running_since: None,
    };
    tell(connection, deps.clock.as_ref(), &machine, told).await
}
