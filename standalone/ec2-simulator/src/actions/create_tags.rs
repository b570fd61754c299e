//! `CreateTags`.

use super::{Answer, Call, done};
use crate::wire::error::Ec2Error;

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let resources = params.strings("ResourceId");
    let tags = params.tags("Tag")?;
    if resources.is_empty() {
        return Err(Ec2Error::missing_parameter("ResourceId"));
    }
    if tags.is_empty() {
        return Err(Ec2Error::missing_parameter("Tag"));
    }
    call.ready()?;
    call.region.set_tags(&resources, &tags, call.moment.now)?;
    Ok(done("CreateTags", resources.into_iter().map(str::to_owned).collect()))
}
