//! `ModifyInstanceAttribute`, for termination protection.

use super::{Answer, Call, done};
use crate::wire::error::Ec2Error;

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let id = params.required("InstanceId")?;
    // Two ways to say the same: the attribute's own parameter, or its name with a value.
    let protection = match params.get("Attribute") {
        None => params.flag("DisableApiTermination.Value")?,
        Some("disableApiTermination") => params.flag("Value")?,
        Some(other) => return Err(Ec2Error::invalid_value("Attribute", other)),
    };
    let protection = protection.ok_or_else(|| Ec2Error::missing_parameter("DisableApiTermination"))?;
    call.region.require(&[id], call.moment.now)?;
    call.ready()?;
    if let Some(instance) = call.region.get_mut(id) {
        instance.termination_protection = protection;
    }
    Ok(done("ModifyInstanceAttribute", vec![id.to_owned()]))
}
