//! `GetConsoleOutput`.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Answer, Call};
use crate::wire::{error::Ec2Error, response::Xml};

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let id = params.required("InstanceId")?;
    params.flag("Latest")?;
    call.region.require(&[id], call.moment.now)?;
    call.ready()?;
    let Some(instance) = call.region.get(id) else {
        return Err(Ec2Error::instances_not_found(&[id.to_owned()]));
    };
    let mut xml = Xml::answer("GetConsoleOutput");
    xml.text("instanceId", id);
    xml.time("timestamp", instance.state_since);
    xml.text("output", &BASE64_STANDARD.encode(&instance.console));
    Ok(Answer { xml, ids: vec![id.to_owned()] })
}
