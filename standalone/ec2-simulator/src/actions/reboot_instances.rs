//! `RebootInstances`.

use super::{Answer, Call, done, instance_ids};
use crate::wire::error::Ec2Error;

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let ids = instance_ids(call)?;
    call.ready()?;
    call.region.reboot(&ids, &mut call.moment)?;
    Ok(done("RebootInstances", ids))
}
