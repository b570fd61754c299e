//! Where in the network the machines go.

use crate::{
    model::{
        network::{Group, Network, Place},
        region::is_resource_id,
    },
    wire::{error::Ec2Error, request::Params},
};

/// What a launch says about the network: directly, or as its first network interface.
#[derive(Debug)]
pub(crate) struct Wishes<'a> {
    pub(crate) subnet: Option<&'a str>,
    pub(crate) zone: Option<&'a str>,
    pub(crate) group_ids: Vec<&'a str>,
    pub(crate) group_names: Vec<&'a str>,
    /// Whether the machines get public addresses, whatever their subnet says.
    public: Option<bool>,
}

impl<'a> Wishes<'a> {
    /// Reads them; whether there is such a network is not judged here.
    pub(crate) fn read(params: &Params<'a>) -> Result<Self, Ec2Error> {
        let mut wishes = Self {
            subnet: params.get("SubnetId"),
            zone: params.get("Placement.AvailabilityZone"),
            group_ids: params.strings("SecurityGroupId"),
            group_names: params.strings("SecurityGroup"),
            public: None,
        };
        for interface in params.structures("NetworkInterface") {
            if interface.number("DeviceIndex")?.unwrap_or_default() != 0 {
                return Err(Ec2Error::new(
                    "UnsupportedOperation",
                    "The simulator attaches one network interface.",
                ));
            }
            if wishes.subnet.is_some() || !wishes.group_ids.is_empty() {
                return Err(Ec2Error::new(
                    "InvalidParameterCombination",
                    "Network interfaces and an instance-level subnet ID or security groups may not be specified \
                     on the same request",
                ));
            }
            interface.flag("DeleteOnTermination")?;
            wishes.public = interface.flag("AssociatePublicIpAddress")?;
            wishes.subnet = interface.get("SubnetId");
            wishes.group_ids = interface.strings("SecurityGroupId");
        }
        Ok(wishes)
    }
}

/// The subnets of which EC2 chooses one, and the groups; of the network that is there.
pub(super) fn read(params: &Params<'_>, network: &Network) -> Result<(Vec<Place>, Vec<Group>), Ec2Error> {
    let wishes = Wishes::read(params)?;
    let mut places = read_places(&wishes, network)?;
    for place in &mut places {
        place.is_public = wishes.public.unwrap_or(place.is_public);
    }
    let groups = read_groups(&wishes, network, &places)?;
    Ok((places, groups))
}

fn read_places(wishes: &Wishes<'_>, network: &Network) -> Result<Vec<Place>, Ec2Error> {
    if let Some(zone) = wishes.zone.filter(|zone| network.zones.iter().all(|known| known.name != **zone)) {
        return Err(Ec2Error::new("InvalidParameterValue", format!("Invalid availability zone: [{zone}]")));
    }
    let Some(id) = wishes.subnet else { return default_places(wishes.zone, network) };
    let place = network.places.iter().find(|place| place.subnet_id == id).ok_or_else(|| {
        if is_resource_id(id, "subnet-") {
            Ec2Error::new("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist"))
        } else {
            Ec2Error::new(
                "InvalidSubnetID.Malformed",
                format!("Invalid id: \"{id}\" (expecting \"subnet-...\")"),
            )
        }
    })?;
    match wishes.zone {
        Some(zone) if zone != place.zone => Err(Ec2Error::new(
            "InvalidParameterValue",
            format!("The subnet '{id}' is not in the availability zone '{zone}'"),
        )),
        _ => Ok(vec![place.clone()]),
    }
}

fn default_places(zone: Option<&str>, network: &Network) -> Result<Vec<Place>, Ec2Error> {
    let defaults = || network.places.iter().filter(|place| place.is_default);
    let wanted = defaults().filter(|place| zone.is_none_or(|zone| place.zone == zone));
    let places: Vec<Place> = wanted.cloned().collect();
    match zone {
        _ if !places.is_empty() => Ok(places),
        Some(zone) if defaults().next().is_some() => Err(Ec2Error::new(
            "MissingInput",
            format!("No default subnet for availability zone: '{zone}'. Please specify a subnet."),
        )),
        _ => Err(Ec2Error::new("VPCIdNotSpecified", "No default VPC for this user.")),
    }
}

/// The named groups, or the default one of the subnets' VPC.
fn read_groups(wishes: &Wishes<'_>, network: &Network, places: &[Place]) -> Result<Vec<Group>, Ec2Error> {
    // Default subnets are all in the default VPC.
    let Some(place) = places.first() else { return Ok(Vec::new()) };
    let mut groups = Vec::new();
    for id in &wishes.group_ids {
        if !is_resource_id(id, "sg-") {
            let message = format!("Invalid id: \"{id}\" (expecting \"sg-...\")");
            return Err(Ec2Error::new("InvalidGroupId.Malformed", message));
        }
        let group = network.groups.iter().find(|group| group.id == *id);
        let group = group.ok_or_else(|| group_not_found(id))?;
        if group.vpc_id != place.vpc_id {
            let message =
                format!("Security group {id} and subnet {} belong to different networks.", place.subnet_id);
            return Err(Ec2Error::new("InvalidParameter", message));
        }
        groups.push(group.clone());
    }
    let default =
        if wishes.group_ids.is_empty() && wishes.group_names.is_empty() { &["default"][..] } else { &[] };
    for name in wishes.group_names.iter().chain(default) {
        let mut of_vpc = network.groups.iter().filter(|group| group.vpc_id == place.vpc_id);
        let group = of_vpc.find(|group| group.name == *name);
        groups.push(group.ok_or_else(|| group_not_found(name))?.clone());
    }
    Ok(groups)
}

fn group_not_found(group: &str) -> Ec2Error {
    Ec2Error::new("InvalidGroup.NotFound", format!("The security group '{group}' does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::network::{Block, Zone},
        wire::request::Request,
    };

    const DEFAULT_SUBNET: &str = "subnet-00000000000000001";
    const PRIVATE_SUBNET: &str = "subnet-00000000000000002";
    const MACHINES: &str = "sg-00000000000000001";
    const ELSEWHERE: &str = "sg-00000000000000002";

    fn place(subnet_id: &str, vpc_id: &str, zone: &str, is_default: bool) -> Place {
        let block = Block::parse("10.0.0.0/24").unwrap();
        let (subnet_id, vpc_id, zone) = (subnet_id.to_owned(), vpc_id.to_owned(), zone.to_owned());
        Place { subnet_id, vpc_id, zone, block, is_default, is_public: is_default }
    }

    fn group(id: &str, name: &str, vpc_id: &str) -> Group {
        Group { id: id.to_owned(), name: name.to_owned(), vpc_id: vpc_id.to_owned() }
    }

    fn network() -> Network {
        let zones = ["a", "b"].map(|zone| Zone { name: zone.to_owned(), id: format!("id-{zone}") });
        Network {
            zones: zones.to_vec(),
            places: vec![
                place(DEFAULT_SUBNET, "vpc-1", "a", true),
                place(PRIVATE_SUBNET, "vpc-2", "b", false),
            ],
            groups: vec![
                group("sg-1", "default", "vpc-1"),
                group("sg-2", "default", "vpc-2"),
                group(MACHINES, "machines", "vpc-2"),
                group(ELSEWHERE, "elsewhere", "vpc-1"),
            ],
        }
    }

    fn read_body(body: &str, network: &Network) -> Result<(Vec<Place>, Vec<Group>), Ec2Error> {
        let request = Request::parse(body.as_bytes());
        let found = read(&request.params(), network);
        request.refuse_unknown().unwrap();
        found
    }

    #[test]
    fn groups_are_those_of_the_subnets_vpc() {
        for (body, subnet, groups) in [
            ("", DEFAULT_SUBNET, vec!["sg-1"]),
            ("SecurityGroup.1=elsewhere", DEFAULT_SUBNET, vec![ELSEWHERE]),
            (&format!("SubnetId={PRIVATE_SUBNET}"), PRIVATE_SUBNET, vec!["sg-2"]),
            (
                &format!(
                    "SubnetId={PRIVATE_SUBNET}&SecurityGroupId.1={MACHINES}&Placement.AvailabilityZone=b"
                ),
                PRIVATE_SUBNET,
                vec![MACHINES],
            ),
        ] {
            let (places, found) = read_body(body, &network()).unwrap();
            assert_eq!(places.iter().map(|place| &place.subnet_id).collect::<Vec<_>>(), [subnet], "{body}");
            assert_eq!(found.iter().map(|group| &group.id).collect::<Vec<_>>(), groups, "{body}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_ec2s_codes() {
        let without_default = Network { places: network().places[1..].to_vec(), ..network() };
        for (body, network, code) in [
            (format!("SecurityGroupId.1={MACHINES}"), network(), "InvalidParameter"),
            (
                format!("SubnetId={PRIVATE_SUBNET}&SecurityGroupId.1={ELSEWHERE}"),
                network(),
                "InvalidParameter",
            ),
            (
                format!("SubnetId={PRIVATE_SUBNET}&SecurityGroup.1=elsewhere"),
                network(),
                "InvalidGroup.NotFound",
            ),
            (
                format!("SubnetId={PRIVATE_SUBNET}&Placement.AvailabilityZone=a"),
                network(),
                "InvalidParameterValue",
            ),
            ("Placement.AvailabilityZone=c".to_owned(), network(), "InvalidParameterValue"),
            ("Placement.AvailabilityZone=b".to_owned(), network(), "MissingInput"),
            (String::new(), without_default, "VPCIdNotSpecified"),
        ] {
            assert_eq!(read_body(&body, &network).unwrap_err().code, code, "{body}");
        }
    }

    #[test]
    fn an_interface_decides_about_public_addresses() {
        let interface =
            format!("NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SubnetId={DEFAULT_SUBNET}");
        let is_public = |body: &str| read_body(body, &network()).unwrap().0[0].is_public;
        assert!(is_public(&interface));
        assert!(!is_public(&format!("{interface}&NetworkInterface.1.AssociatePublicIpAddress=false")));
        assert!(!is_public(&format!("SubnetId={PRIVATE_SUBNET}")));
    }
}
