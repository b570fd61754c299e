//! `DescribeInstanceAttribute`, for the attributes that the simulator keeps.

use super::{Answer, Call};
use crate::{
    model::instance::ShutdownBehavior,
    wire::{error::Ec2Error, response::Xml},
};

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let (id, attribute) = (params.required("InstanceId")?, params.required("Attribute")?);
    call.region.require(&[id], call.moment.now)?;
    call.ready()?;
    let Some(instance) = call.region.get(id) else {
        return Err(Ec2Error::instances_not_found(&[id.to_owned()]));
    };
    let mut xml = Xml::answer("DescribeInstanceAttribute");
    xml.text("instanceId", id);
    match attribute {
        "userData" => {
            let reservation = call.region.reservation(&instance.reservation_id);
            let user_data = reservation.and_then(|reservation| reservation.user_data.as_deref());
            xml.element("userData", |xml| xml.optional("value", user_data));
        }
        "disableApiTermination" => {
            xml.element(attribute, |xml| xml.value("value", instance.termination_protection));
        }
        "instanceType" => xml.element(attribute, |xml| xml.text("value", &instance.instance_type)),
        "instanceInitiatedShutdownBehavior" => {
            let behavior = match instance.shutdown_behavior {
                ShutdownBehavior::Stop => "stop",
                ShutdownBehavior::Terminate => "terminate",
            };
            xml.element(attribute, |xml| xml.text("value", behavior));
        }
        other => return Err(Ec2Error::invalid_value("Attribute", other)),
    }
    Ok(Answer { xml, ids: vec![id.to_owned()] })
}
