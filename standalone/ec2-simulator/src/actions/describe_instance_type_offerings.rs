//! `DescribeInstanceTypeOfferings`: every type is on offer in every zone.

use super::{Answer, Call, paging::Paging};
use crate::{
    model::{catalog::INSTANCE_TYPES, filter::all_match},
    wire::{error::Ec2Error, response::Xml},
};

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let location = params.get("LocationType").unwrap_or("region");
    let places: Vec<&str> = match location {
        "region" => vec![call.home.region.as_str()],
        "availability-zone" => call.network.zones.iter().map(|zone| zone.name.as_str()).collect(),
        "availability-zone-id" => call.network.zones.iter().map(|zone| zone.id.as_str()).collect(),
        other => return Err(Ec2Error::invalid_value("LocationType", other)),
    };
    let (filters, paging) = (params.filters()?, Paging::read(&params)?);
    call.ready()?;
    let mut found = Vec::new();
    for kind in &INSTANCE_TYPES {
        for place in &places {
            let values = |name: &str| match name {
                "instance-type" => Some(vec![kind.name.to_owned()]),
                "location" => Some(vec![(*place).to_owned()]),
                _ => None,
            };
            if all_match(&filters, values)? {
                found.push((kind.name, *place));
            }
        }
    }
    let page = paging.cut((0_u64..).zip(found), |(number, _)| *number);
    let mut xml = Xml::answer("DescribeInstanceTypeOfferings");
    xml.items("instanceTypeOfferingSet", page.items, |xml, (_, (kind, place))| {
        xml.text("instanceType", kind);
        xml.text("locationType", location);
        xml.text("location", place);
    });
    xml.optional("nextToken", page.next.as_deref());
    Ok(Answer::about_nothing(xml))
}
