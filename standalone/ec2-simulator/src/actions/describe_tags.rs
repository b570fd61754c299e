//! `DescribeTags`.

use super::{Answer, Call, paging::Paging};
use crate::{
    model::filter::all_match,
    wire::{error::Ec2Error, response::Xml},
};

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let (filters, paging) = (params.filters()?, Paging::read(&params)?);
    call.ready()?;
    let mut found = Vec::new();
    for tag in call.region.tags(call.moment.now) {
        let values = |name: &str| {
            let value = match name {
                "key" => &tag.key,
                "value" => &tag.value,
                "resource-id" => &tag.resource_id,
                "resource-type" => tag.resource_type,
                _ => match name.strip_prefix("tag:") {
                    Some(key) if key == tag.key => &tag.value,
                    Some(_) => return Some(Vec::new()),
                    None => return None,
                },
            };
            Some(vec![value.to_owned()])
        };
        if all_match(&filters, values)? {
            found.push(tag);
        }
    }
    let page = paging.cut((0_u64..).zip(found), |(number, _)| *number);
    let mut xml = Xml::answer("DescribeTags");
    xml.items("tagSet", page.items, |xml, (_, tag)| {
        xml.text("resourceId", &tag.resource_id);
        xml.text("resourceType", tag.resource_type);
        xml.text("key", &tag.key);
        xml.text("value", &tag.value);
    });
    xml.optional("nextToken", page.next.as_deref());
    Ok(Answer::about_nothing(xml))
}
