//! `DescribeAvailabilityZones`.

use super::{Answer, Call};
use crate::{
    model::{
        filter::all_match,
        network::{REGION, SUBNETS},
    },
    wire::{error::Ec2Error, response::Xml},
};

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let (names, ids) = (params.strings("ZoneName"), params.strings("ZoneId"));
    let filters = params.filters()?;
    params.flag("AllAvailabilityZones")?;
    call.ready()?;
    let known = |wanted: &&str| SUBNETS.iter().any(|place| place.zone == *wanted || place.zone_id == *wanted);
    if let Some(unknown) = names.iter().chain(&ids).find(|wanted| !known(wanted)) {
        return Err(Ec2Error::new(
            "InvalidParameterValue",
            format!("Invalid availability zone: [{unknown}]"),
        ));
    }
    let mut found = Vec::new();
    for place in &SUBNETS {
        let named = (names.is_empty() && ids.is_empty())
            || names.contains(&place.zone)
            || ids.contains(&place.zone_id);
        let values = |name: &str| {
            let value = match name {
                "zone-name" => place.zone,
                "zone-id" => place.zone_id,
                "region-name" => REGION,
                "state" => "available",
                "zone-type" => "availability-zone",
                "opt-in-status" => "opt-in-not-required",
                _ => return None,
            };
            Some(vec![value.to_owned()])
        };
        if all_match(&filters, values)? && named {
            found.push(place);
        }
    }
    let mut xml = Xml::answer("DescribeAvailabilityZones");
    xml.items("availabilityZoneInfo", found, |xml, place| {
        xml.text("zoneName", place.zone);
        xml.text("zoneId", place.zone_id);
        xml.text("zoneState", "available");
        xml.text("zoneType", "availability-zone");
        xml.text("regionName", REGION);
        xml.text("groupName", REGION);
        xml.text("networkBorderGroup", REGION);
        xml.text("optInStatus", "opt-in-not-required");
        xml.element("messageSet", |_| {});
    });
    Ok(Answer::about_nothing(xml))
}
