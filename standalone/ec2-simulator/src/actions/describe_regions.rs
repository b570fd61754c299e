//! `DescribeRegions`: there is the simulated one.

use super::{Answer, Call};
use crate::{
    model::filter::all_match,
    wire::{error::Ec2Error, response::Xml},
};

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let (names, filters) = (params.strings("RegionName"), params.filters()?);
    params.flag("AllRegions")?;
    call.ready()?;
    let region = call.home.region.as_str();
    if let Some(unknown) = names.iter().find(|name| **name != region) {
        return Err(Ec2Error::new("InvalidParameterValue", format!("Invalid region: [{unknown}]")));
    }
    let endpoint = format!("ec2.{region}.amazonaws.com");
    let values = |name: &str| {
        let value = match name {
            "region-name" => region,
            "endpoint" => &endpoint,
            "opt-in-status" => "opt-in-not-required",
            _ => return None,
        };
        Some(vec![value.to_owned()])
    };
    let shown = all_match(&filters, values)?.then_some(region);
    let mut xml = Xml::answer("DescribeRegions");
    xml.items("regionInfo", shown, |xml, name| {
        xml.text("regionName", name);
        xml.text("regionEndpoint", &endpoint);
        xml.text("optInStatus", "opt-in-not-required");
    });
    Ok(Answer::about_nothing(xml))
}
