//! Machines as rows.

mod event;
mod note;
mod record;
mod transition;

pub(crate) use event::{Told, entry, tell};
pub(crate) use note::{Note, note, notes};
pub(crate) use record::{InstanceRecord, columns, load, load_by_ec2_id, load_by_ec2_ids, lock};
pub(crate) use transition::{Ending, close, set_state};
