//! `ModifyInstanceMetadataOptions`.

use super::{Answer, Call, instance_xml, run_instances::read_metadata_options};
use crate::wire::{error::Ec2Error, response::Xml};

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let id = params.required("InstanceId")?;
    call.region.require(&[id], call.moment.now)?;
    let not_found = || Ec2Error::instances_not_found(&[id.to_owned()]);
    let current = call.region.get(id).ok_or_else(not_found)?.metadata_options.clone();
    let options = read_metadata_options(&params, current)?;
    call.ready()?;
    let instance = call.region.get_mut(id).ok_or_else(not_found)?;
    instance.metadata_options = options;
    let mut xml = Xml::answer("ModifyInstanceMetadataOptions");
    xml.text("instanceId", id);
    instance_xml::metadata_options(&mut xml, "instanceMetadataOptions", instance);
    Ok(Answer { xml, ids: vec![id.to_owned()] })
}
