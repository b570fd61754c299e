//! `DescribeInstanceStatus`.

use super::{Answer, Call, describe_instances::select, paging::Paging, state_changes::state};
use crate::{
    config::BootOutcome,
    model::instance::{Instance, InstanceState},
    wire::{error::Ec2Error, response::Xml},
};

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let (ids, filters) = (params.strings("InstanceId"), params.filters()?);
    let paging = Paging::read(&params)?;
    let all = params.flag("IncludeAllInstances")?.unwrap_or_default();
    call.ready()?;
    let found = select(call, &ids, &filters)?;
    let shown = found.into_iter().filter(|instance| all || instance.state == InstanceState::Running);
    let page = paging.cut(shown, |instance| instance.sequence);
    let mut xml = Xml::answer("DescribeInstanceStatus");
    xml.items("instanceStatusSet", &page.items, |xml, instance| write(xml, instance));
    xml.optional("nextToken", page.next.as_deref());
    let ids = page.items.iter().map(|instance| instance.id.clone()).collect();
    Ok(Answer { xml, ids })
}

fn write(xml: &mut Xml, instance: &Instance) {
    let outcome = instance.boot.as_ref().and_then(|boot| boot.outcome);
    // A failed installation does not keep a machine from being reachable.
    let (summary, reachability) = match (instance.state, outcome) {
        (InstanceState::Running, Some(BootOutcome::Silence)) => ("impaired", "failed"),
        (InstanceState::Running, Some(_)) => ("ok", "passed"),
        (InstanceState::Running, None) => ("initializing", "initializing"),
        _ => ("not-applicable", "not-applicable"),
    };
    xml.text("instanceId", &instance.id);
    xml.text("availabilityZone", &instance.zone);
    xml.element("instanceState", |xml| state(xml, instance.state));
    for status in ["systemStatus", "instanceStatus"] {
        xml.element(status, |xml| {
            xml.text("status", summary);
            xml.items("details", [reachability], |xml, reachability| {
                xml.text("name", "reachability");
                xml.text("status", reachability);
            });
        });
    }
    if let Some(at) = instance.interruption_at {
        xml.items("eventsSet", [at], |xml, at| {
            xml.text("code", "instance-stop");
            xml.text("description", "The instance will be interrupted");
            xml.time("notBefore", at);
        });
    }
}
