//! The `<instancesSet>` of Start, Stop and Terminate: each machine's state before and after.

use super::Answer;
use crate::{
    model::{instance::InstanceState, lifecycle::Change},
    wire::response::Xml,
};

pub(super) fn answer(action: &str, changes: Vec<Change>) -> Answer {
    let mut xml = Xml::answer(action);
    xml.items("instancesSet", &changes, |xml, change| {
        xml.text("instanceId", &change.instance_id);
        xml.element("currentState", |xml| state(xml, change.current));
        xml.element("previousState", |xml| state(xml, change.previous));
    });
    Answer { xml, ids: changes.into_iter().map(|change| change.instance_id).collect() }
}

pub(super) fn state(xml: &mut Xml, state: InstanceState) {
    xml.value("code", state.code());
    xml.text("name", state.name());
}
