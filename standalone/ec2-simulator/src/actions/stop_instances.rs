//! `StopInstances`.

use super::{Answer, Call, instance_ids, state_changes, terminate_instances::manner};
use crate::wire::error::Ec2Error;

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let ids = instance_ids(call)?;
    let params = call.params();
    if params.flag("Hibernate")?.unwrap_or_default() {
        let message = "Hibernation is not configured for this instance.";
        return Err(Ec2Error::new("UnsupportedHibernationConfiguration", message));
    }
    let manner = manner(&params)?;
    call.ready()?;
    let changes = call.region.stop(&ids, manner, &mut call.moment)?;
    Ok(state_changes::answer("StopInstances", changes))
}
