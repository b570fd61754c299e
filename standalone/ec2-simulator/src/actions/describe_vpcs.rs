//! `DescribeVpcs`: there is the default one.

use super::{Answer, Call};
use crate::{
    model::{
        filter::all_match,
        network::{ACCOUNT_ID, VPC_CIDR, VPC_ID},
    },
    wire::{error::Ec2Error, response::Xml},
};

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let (ids, filters) = (params.strings("VpcId"), params.filters()?);
    call.ready()?;
    if let Some(unknown) = ids.iter().find(|id| **id != VPC_ID) {
        let message = format!("The vpc ID '{unknown}' does not exist");
        return Err(Ec2Error::new("InvalidVpcID.NotFound", message));
    }
    let shown = all_match(&filters, values)?.then_some(VPC_ID);
    let mut xml = Xml::answer("DescribeVpcs");
    xml.items("vpcSet", shown, |xml, id| {
        xml.text("vpcId", id);
        xml.text("ownerId", ACCOUNT_ID);
        xml.text("state", "available");
        xml.text("cidrBlock", VPC_CIDR);
        xml.text("dhcpOptionsId", "default");
        xml.text("instanceTenancy", "default");
        xml.value("isDefault", true);
    });
    Ok(Answer::about_nothing(xml))
}

fn values(name: &str) -> Option<Vec<String>> {
    let value = match name {
        "vpc-id" => VPC_ID,
        "is-default" | "isDefault" => "true",
        "state" => "available",
        "cidr" | "cidr-block" => VPC_CIDR,
        "owner-id" => ACCOUNT_ID,
        "tag-key" => return Some(Vec::new()),
        tag if tag.starts_with("tag:") => return Some(Vec::new()),
        _ => return None,
    };
    Some(vec![value.to_owned()])
}
