//! `TerminateInstances`.

use super::{Answer, Call, instance_ids, state_changes};
use crate::{
    model::lifecycle::Manner,
    wire::{error::Ec2Error, request::Params},
};

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let ids = instance_ids(call)?;
    let manner = manner(&call.params())?;
    call.ready()?;
    let changes = call.region.terminate(&ids, manner, &mut call.moment)?;
    Ok(state_changes::answer("TerminateInstances", changes))
}

/// Whether the operating system gets to shut down.
pub(super) fn manner(params: &Params<'_>) -> Result<Manner, Ec2Error> {
    let force = params.flag("Force")?.unwrap_or_default();
    let skip = params.flag("SkipOsShutdown")?.unwrap_or_default();
    Ok(if force || skip { Manner::Abrupt } else { Manner::Orderly })
}
