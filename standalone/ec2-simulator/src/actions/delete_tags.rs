//! `DeleteTags`.

use super::{Answer, Call, done};
use crate::wire::error::Ec2Error;

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let resources = params.strings("ResourceId");
    if resources.is_empty() {
        return Err(Ec2Error::missing_parameter("ResourceId"));
    }
    let tags = params
        .structures("Tag")
        .into_iter()
        .map(|tag| Ok((tag.required("Key")?.to_owned(), tag.get("Value").map(str::to_owned))))
        .collect::<Result<Vec<_>, Ec2Error>>()?;
    call.ready()?;
    call.region.remove_tags(&resources, &tags, call.moment.now)?;
    Ok(done("DeleteTags", resources.into_iter().map(str::to_owned).collect()))
}
