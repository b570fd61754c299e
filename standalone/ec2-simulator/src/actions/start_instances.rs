//! `StartInstances`.

use super::{Answer, Call, instance_ids, state_changes};
use crate::wire::error::Ec2Error;

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let ids = instance_ids(call)?;
    call.ready()?;
    let changes = call.region.start(&ids, &mut call.moment)?;
    Ok(state_changes::answer("StartInstances", changes))
}
