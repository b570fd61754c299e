//! `DescribeSubnets`.

use super::{Answer, Call, paging::Paging};
use crate::{
    model::{
        filter::all_match,
        network::{ACCOUNT_ID, REGION, SUBNETS, Subnet, VPC_ID},
        region::is_resource_id,
    },
    wire::{error::Ec2Error, response::Xml},
};

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let (ids, filters) = (params.strings("SubnetId"), params.filters()?);
    let paging = Paging::read(&params)?;
    call.ready()?;
    if let Some(unknown) = ids.iter().find(|id| SUBNETS.iter().all(|subnet| subnet.id != **id)) {
        let kind = if is_resource_id(unknown, "subnet-") { "NotFound" } else { "Malformed" };
        let message = format!("The subnet ID '{unknown}' does not exist");
        return Err(Ec2Error::new(&format!("InvalidSubnetID.{kind}"), message));
    }
    let mut found = Vec::new();
    for subnet in &SUBNETS {
        let named = ids.is_empty() || ids.contains(&subnet.id);
        if all_match(&filters, |name| values(subnet, name))? && named {
            found.push(subnet);
        }
    }
    let page = paging.cut((0_u64..).zip(found), |(number, _)| *number);
    let mut xml = Xml::answer("DescribeSubnets");
    xml.items("subnetSet", page.items, |xml, (_, subnet)| write(xml, subnet));
    xml.optional("nextToken", page.next.as_deref());
    Ok(Answer::about_nothing(xml))
}

fn values(subnet: &Subnet, name: &str) -> Option<Vec<String>> {
    let value = match name {
        "subnet-id" => subnet.id.to_owned(),
        "vpc-id" => VPC_ID.to_owned(),
        "availability-zone" | "availabilityZone" => subnet.zone.to_owned(),
        "availability-zone-id" => subnet.zone_id.to_owned(),
        "cidr-block" | "cidr" | "cidrBlock" => subnet.cidr(),
        "default-for-az" | "defaultForAz" | "map-public-ip-on-launch" => "true".to_owned(),
        "state" => "available".to_owned(),
        "owner-id" => ACCOUNT_ID.to_owned(),
        "tag-key" => return Some(Vec::new()),
        tag if tag.starts_with("tag:") => return Some(Vec::new()),
        _ => return None,
    };
    Some(vec![value])
}

fn write(xml: &mut Xml, subnet: &Subnet) {
    xml.text("subnetId", subnet.id);
    xml.text("subnetArn", &format!("arn:aws:ec2:{REGION}:{ACCOUNT_ID}:subnet/{}", subnet.id));
    xml.text("state", "available");
    xml.text("ownerId", ACCOUNT_ID);
    xml.text("vpcId", VPC_ID);
    xml.text("cidrBlock", &subnet.cidr());
    xml.value("availableIpAddressCount", 4091);
    xml.text("availabilityZone", subnet.zone);
    xml.text("availabilityZoneId", subnet.zone_id);
    xml.value("defaultForAz", true);
    xml.value("mapPublicIpOnLaunch", true);
    xml.value("assignIpv6AddressOnCreation", false);
}
