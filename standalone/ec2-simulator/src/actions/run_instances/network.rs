//! Where in the network the machines go.

use crate::{
    model::{
        network::{SECURITY_GROUPS, SUBNETS, Subnet},
        region::is_resource_id,
    },
    wire::{error::Ec2Error, request::Params},
};

/// The subnet and groups: named directly, or as the first network interface's.
pub(super) fn read(params: &Params<'_>) -> Result<(Option<&'static Subnet>, Vec<String>), Ec2Error> {
    let mut subnet = params.get("SubnetId");
    let mut groups = params.strings("SecurityGroupId");
    for interface in params.structures("NetworkInterface") {
        if interface.number("DeviceIndex")?.unwrap_or_default() != 0 {
            return Err(Ec2Error::new(
                "UnsupportedOperation",
                "The simulator attaches one network interface.",
            ));
        }
        if subnet.is_some() || !groups.is_empty() {
            return Err(Ec2Error::new(
                "InvalidParameterCombination",
                "Network interfaces and an instance-level subnet ID or security groups may not be specified on \
                 the same request",
            ));
        }
        interface.flag("AssociatePublicIpAddress")?;
        interface.flag("DeleteOnTermination")?;
        subnet = interface.get("SubnetId");
        groups = interface.strings("SecurityGroupId");
    }
    let zone = params.get("Placement.AvailabilityZone");
    let mut security_groups = groups.into_iter().map(read_group).collect::<Result<Vec<_>, _>>()?;
    for name in params.strings("SecurityGroup") {
        let group = SECURITY_GROUPS.iter().find(|group| group.name == name);
        let group = group.ok_or_else(|| group_not_found(name))?;
        security_groups.push(group.id.to_owned());
    }
    if security_groups.is_empty() {
        security_groups.push(SECURITY_GROUPS[0].id.to_owned());
    }
    Ok((read_place(subnet, zone)?, security_groups))
}

fn read_place(subnet: Option<&str>, zone: Option<&str>) -> Result<Option<&'static Subnet>, Ec2Error> {
    let in_zone = |zone: &str| {
        SUBNETS.iter().find(|subnet| subnet.zone == zone).ok_or_else(|| {
            Ec2Error::new("InvalidParameterValue", format!("Invalid availability zone: [{zone}]"))
        })
    };
    let zone = zone.map(in_zone).transpose()?;
    let Some(id) = subnet else { return Ok(zone) };
    let subnet = SUBNETS.iter().find(|subnet| subnet.id == id).ok_or_else(|| {
        if is_resource_id(id, "subnet-") {
            Ec2Error::new("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist"))
        } else {
            Ec2Error::new(
                "InvalidSubnetID.Malformed",
                format!("Invalid id: \"{id}\" (expecting \"subnet-...\")"),
            )
        }
    })?;
    match zone {
        Some(zone) if zone != subnet => Err(Ec2Error::new(
            "InvalidParameterValue",
            format!("The subnet '{id}' is not in the availability zone '{}'", zone.zone),
        )),
        _ => Ok(Some(subnet)),
    }
}

fn read_group(id: &str) -> Result<String, Ec2Error> {
    if !is_resource_id(id, "sg-") {
        let message = format!("Invalid id: \"{id}\" (expecting \"sg-...\")");
        return Err(Ec2Error::new("InvalidGroupId.Malformed", message));
    }
    match SECURITY_GROUPS.iter().find(|group| group.id == id) {
        Some(_) => Ok(id.to_owned()),
        None => Err(group_not_found(id)),
    }
}

fn group_not_found(group: &str) -> Ec2Error {
    Ec2Error::new("InvalidGroup.NotFound", format!("The security group '{group}' does not exist"))
}
