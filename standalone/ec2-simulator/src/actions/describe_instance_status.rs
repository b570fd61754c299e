//! `DescribeInstanceStatus`.

use super::{Answer, Call, describe_instances::select, paging::Paging, state_changes::state};
use crate::{
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
    let booted = instance.boot.as_ref().is_some_and(|boot| boot.outcome.is_some());
    let (summary, reachability) = match instance.state {
        InstanceState::Running if booted => ("ok", "passed"),
        InstanceState::Running => ("initializing", "initializing"),
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
