//! `DescribeSecurityGroups`.

use super::{Answer, Call, paging::Paging};
use crate::{
    model::{
        filter::all_match,
        network::{ACCOUNT_ID, SECURITY_GROUPS, SecurityGroup, VPC_ID},
        region::is_resource_id,
    },
    wire::{error::Ec2Error, response::Xml},
};

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let (ids, names) = (params.strings("GroupId"), params.strings("GroupName"));
    let (filters, paging) = (params.filters()?, Paging::read(&params)?);
    call.ready()?;
    if let Some(malformed) = ids.iter().find(|id| !is_resource_id(id, "sg-")) {
        return Err(Ec2Error::new("InvalidGroupId.Malformed", format!("Invalid id: \"{malformed}\"")));
    }
    let known =
        |wanted: &&str| SECURITY_GROUPS.iter().any(|group| group.id == *wanted || group.name == *wanted);
    if let Some(unknown) = ids.iter().chain(&names).find(|wanted| !known(wanted)) {
        let message = format!("The security group '{unknown}' does not exist");
        return Err(Ec2Error::new("InvalidGroup.NotFound", message));
    }
    let mut found = Vec::new();
    for group in &SECURITY_GROUPS {
        let named =
            (ids.is_empty() && names.is_empty()) || ids.contains(&group.id) || names.contains(&group.name);
        if all_match(&filters, |name| values(group, name))? && named {
            found.push(group);
        }
    }
    let page = paging.cut((0_u64..).zip(found), |(number, _)| *number);
    let mut xml = Xml::answer("DescribeSecurityGroups");
    xml.items("securityGroupInfo", page.items, |xml, (_, group)| write(xml, group));
    xml.optional("nextToken", page.next.as_deref());
    Ok(Answer::about_nothing(xml))
}

fn values(group: &SecurityGroup, name: &str) -> Option<Vec<String>> {
    let value = match name {
        "group-id" => group.id,
        "group-name" => group.name,
        "description" => group.description,
        "vpc-id" => VPC_ID,
        "owner-id" => ACCOUNT_ID,
        "tag-key" => return Some(Vec::new()),
        tag if tag.starts_with("tag:") => return Some(Vec::new()),
        _ => return None,
    };
    Some(vec![value.to_owned()])
}

fn write(xml: &mut Xml, group: &SecurityGroup) {
    xml.text("ownerId", ACCOUNT_ID);
    xml.text("groupId", group.id);
    xml.text("groupName", group.name);
    xml.text("groupDescription", group.description);
    xml.text("vpcId", VPC_ID);
    xml.items("ipPermissions", group.open_port, |xml, port| {
        xml.text("ipProtocol", "tcp");
        xml.value("fromPort", port);
        xml.value("toPort", port);
        xml.items("ipRanges", ["0.0.0.0/0"], |xml, range| xml.text("cidrIp", range));
    });
    xml.items("ipPermissionsEgress", ["-1"], |xml, protocol| {
        xml.text("ipProtocol", protocol);
        xml.items("ipRanges", ["0.0.0.0/0"], |xml, range| xml.text("cidrIp", range));
    });
}
