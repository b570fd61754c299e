//! `RunInstances`.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Answer, Call, instance_xml};
use crate::{
    model::{
        catalog::{self, InstanceType},
        images::{self, Image},
        instance::{Market, MetadataOptions, ShutdownBehavior},
        launch::{Launch, VolumeRequest},
        network::{ACCOUNT_ID, SECURITY_GROUPS, SUBNETS, Subnet},
        region::{Reservation, is_resource_id},
        tags,
    },
    wire::{error::Ec2Error, request::Params, response::Xml},
};

/// Most bytes of user data, before base64.
const MOST_USER_DATA: usize = 16_384;
const LONGEST_TOKEN: usize = 64;
const LARGEST_VOLUME_GIB: u32 = 16_384;

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let launch = read(&call.params(), call.request.digest())?;
    if let Some(token) = &launch.client_token
        && let Some(earlier) = call.region.repeated(token, &launch.digest)?
    {
        let earlier = earlier.clone();
        call.ready()?;
        return Ok(answer(call, earlier));
    }
    call.ready()?;
    let reservation = call.region.launch(&launch, &mut call.moment, &mut *call.host_keys)?;
    Ok(answer(call, reservation))
}

fn answer(call: &Call<'_>, reservation: Reservation) -> Answer {
    let mut xml = Xml::answer("RunInstances");
    xml.text("reservationId", &reservation.id);
    xml.text("ownerId", ACCOUNT_ID);
    xml.element("groupSet", |_| {});
    let instances = reservation.instance_ids.iter().filter_map(|id| call.region.get(id));
    xml.items("instancesSet", instances, instance_xml::write);
    Answer { xml, ids: reservation.instance_ids }
}

/// Reads and judges all parameters.
fn read(params: &Params<'_>, digest: String) -> Result<Launch, Ec2Error> {
    let (min_count, max_count) = read_counts(params)?;
    let image = images::resolve(params.required("ImageId")?)?;
    let instance_type = read_type(params, image)?;
    let (subnet, security_groups) = read_network(params)?;
    let (tags, volume_tags) = read_tags(params)?;
    let shutdown_behaviors = [("stop", ShutdownBehavior::Stop), ("terminate", ShutdownBehavior::Terminate)];
    params.flag("Monitoring.Enabled")?;
    params.flag("EbsOptimized")?;
    Ok(Launch {
        client_token: read_client_token(params)?,
        digest,
        min_count,
        max_count,
        image,
        instance_type,
        subnet,
        security_groups,
        key_name: params.get("KeyName").map(read_key_name).transpose()?,
        instance_profile: read_instance_profile(&params.structure("IamInstanceProfile"))?,
        user_data: params.get("UserData").map(read_user_data).transpose()?,
        tags,
        volume_tags,
        market: read_market(&params.structure("InstanceMarketOptions"))?,
        shutdown_behavior: params
            .word("InstanceInitiatedShutdownBehavior", &shutdown_behaviors)?
            .unwrap_or(ShutdownBehavior::Stop),
        termination_protection: params.flag("DisableApiTermination")?.unwrap_or_default(),
        metadata_options: read_metadata_options(
            &params.structure("MetadataOptions"),
            MetadataOptions::default(),
        )?,
        volumes: read_volumes(params, image)?,
    })
}

fn read_counts(params: &Params<'_>) -> Result<(u32, u32), Ec2Error> {
    let min_count = params.number("MinCount")?.ok_or_else(|| Ec2Error::missing_parameter("MinCount"))?;
    let max_count = params.number("MaxCount")?.ok_or_else(|| Ec2Error::missing_parameter("MaxCount"))?;
    if min_count == 0 || max_count < min_count {
        let message =
            format!("Value ({min_count}) for parameter minCount is invalid; it must be from 1 to maxCount.");
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    Ok((min_count, max_count))
}

fn read_client_token(params: &Params<'_>) -> Result<Option<String>, Ec2Error> {
    match params.get("ClientToken") {
        Some(token) if token.len() > LONGEST_TOKEN || !token.is_ascii() => {
            Err(Ec2Error::invalid_value("clientToken", token))
        }
        token => Ok(token.map(str::to_owned)),
    }
}

fn read_type(params: &Params<'_>, image: &Image) -> Result<&'static InstanceType, Ec2Error> {
    let name = params.get("InstanceType").unwrap_or("m1.small");
    let found = catalog::find(name).ok_or_else(|| Ec2Error::invalid_value("instanceType", name))?;
    if found.architecture == image.architecture {
        return Ok(found);
    }
    Err(Ec2Error::new(
        "InvalidParameterValue",
        format!(
            "The architecture '{}' of the specified instance type does not match the architecture '{}' of the \
             specified AMI.",
            found.architecture, image.architecture
        ),
    ))
}

/// The subnet and groups: named directly, or as the first network interface's.
fn read_network(params: &Params<'_>) -> Result<(Option<&'static Subnet>, Vec<String>), Ec2Error> {
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

fn read_key_name(name: &str) -> Result<String, Ec2Error> {
    if name.is_ascii() && name.len() <= 255 {
        return Ok(name.to_owned());
    }
    Err(Ec2Error::new("InvalidKeyPair.NotFound", format!("The key pair '{name}' does not exist")))
}

fn read_instance_profile(profile: &Params<'_>) -> Result<Option<String>, Ec2Error> {
    let start = format!("arn:aws:iam::{ACCOUNT_ID}:instance-profile/");
    let refused = |value: &str| {
        let message = format!(
            "Value ({value}) for parameter iamInstanceProfile is invalid. Invalid IAM Instance Profile"
        );
        Ec2Error::new("InvalidParameterValue", message)
    };
    let is_name = |name: &str| {
        (1..=128).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@-_".contains(c))
    };
    match (profile.get("Arn"), profile.get("Name")) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Ec2Error::new(
            "InvalidParameterCombination",
            "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'",
        )),
        (Some(arn), None) => match arn.strip_prefix(&start) {
            Some(path) if path.rsplit('/').next().is_some_and(is_name) => Ok(Some(arn.to_owned())),
            _ => Err(refused(arn)),
        },
        (None, Some(name)) if is_name(name) => Ok(Some(format!("{start}{name}"))),
        (None, Some(name)) => Err(refused(name)),
    }
}

fn read_user_data(encoded: &str) -> Result<String, Ec2Error> {
    let raw = BASE64_STANDARD
        .decode(encoded.as_bytes())
        .map_err(|_| Ec2Error::new("InvalidParameterValue", "Invalid BASE64 encoding of user data."))?;
    if raw.len() > MOST_USER_DATA {
        return Err(Ec2Error::new("InvalidParameterValue", "User data is limited to 16384 bytes"));
    }
    Ok(encoded.to_owned())
}

type Tags = BTreeMap<String, String>;

/// The tags for the machines and those for their volumes.
fn read_tags(params: &Params<'_>) -> Result<(Tags, Tags), Ec2Error> {
    let (mut instance_tags, mut volume_tags) = (Tags::new(), Tags::new());
    for specification in params.structures("TagSpecification") {
        let tags = specification.tags("Tag")?;
        tags::check(&tags)?;
        match specification.required("ResourceType")? {
            "instance" => instance_tags.extend(tags),
            "volume" => volume_tags.extend(tags),
            // These exist with the machine in EC2, but not here.
            "network-interface" | "spot-instances-request" => {}
            other => {
                let message = format!("'{other}' is not a valid taggable resource type for this operation.");
                return Err(Ec2Error::new("InvalidParameterValue", message));
            }
        }
    }
    Ok((instance_tags, volume_tags))
}

fn read_market(options: &Params<'_>) -> Result<Market, Ec2Error> {
    let Some(market) = options.word("MarketType", &[("spot", Market::Spot)])? else {
        return Ok(Market::OnDemand);
    };
    let spot = options.structure("SpotOptions");
    spot.get("MaxPrice");
    let kind = spot.get("SpotInstanceType").unwrap_or("one-time");
    let behavior = spot.get("InstanceInterruptionBehavior").unwrap_or("terminate");
    if kind != "one-time" || behavior != "terminate" {
        return Err(Ec2Error::new(
            "UnsupportedOperation",
            "The simulator launches one-time Spot Instances that are terminated when interrupted.",
        ));
    }
    Ok(market)
}

/// Options that are said, over those that are in force.
pub(super) fn read_metadata_options(
    params: &Params<'_>,
    current: MetadataOptions,
) -> Result<MetadataOptions, Ec2Error> {
    let switch = [("enabled", "enabled"), ("disabled", "disabled")];
    let tokens = params.word("HttpTokens", &[("required", "required"), ("optional", "optional")])?;
    let hop_limit = params.number("HttpPutResponseHopLimit")?.unwrap_or(current.hop_limit);
    if !(1..=64).contains(&hop_limit) {
        return Err(Ec2Error::invalid_value("HttpPutResponseHopLimit", &hop_limit.to_string()));
    }
    let endpoint = params.word("HttpEndpoint", &switch)?;
    let instance_tags = params.word("InstanceMetadataTags", &switch)?;
    params.word("HttpProtocolIpv6", &switch)?;
    Ok(MetadataOptions {
        http_tokens: tokens.map_or(current.http_tokens, str::to_owned),
        hop_limit,
        http_endpoint: endpoint.map_or(current.http_endpoint, str::to_owned),
        instance_tags: instance_tags.map_or(current.instance_tags, str::to_owned),
    })
}

/// The image's root volume as changed by the request, then the other volumes.
fn read_volumes(params: &Params<'_>, image: &Image) -> Result<Vec<VolumeRequest>, Ec2Error> {
    let mut volumes = vec![VolumeRequest {
        device: image.root_device.to_owned(),
        size_gib: image.root_gib,
        kind: "gp3".to_owned(),
        encrypted: false,
        delete_on_termination: true,
    }];
    for mapping in params.structures("BlockDeviceMapping") {
        let device = mapping.required("DeviceName")?;
        let ebs = mapping.structure("Ebs");
        let known = volumes.iter().position(|volume| volume.device == device);
        let size = ebs.number("VolumeSize")?;
        let smallest = known.map_or(1, |_| image.root_gib);
        let size_gib = match (size, known) {
            (Some(size), _) if (smallest..=LARGEST_VOLUME_GIB).contains(&size) => size,
            (Some(size), _) => {
                let message = format!(
                    "Volume of size {size}GB is smaller than snapshot or larger than allowed, expect size >= {smallest}GB"
                );
                return Err(Ec2Error::new("InvalidBlockDeviceMapping", message));
            }
            (None, Some(at)) => volumes[at].size_gib,
            (None, None) => return Err(Ec2Error::missing_parameter("VolumeSize")),
        };
        let kinds = ["gp2", "gp3", "io1", "io2", "st1", "sc1", "standard"].map(|kind| (kind, kind));
        ebs.number("Iops")?;
        ebs.number("Throughput")?;
        ebs.get("KmsKeyId");
        let volume = VolumeRequest {
            device: device.to_owned(),
            size_gib,
            kind: ebs.word("VolumeType", &kinds)?.unwrap_or("gp3").to_owned(),
            encrypted: ebs.flag("Encrypted")?.unwrap_or_default(),
            delete_on_termination: ebs.flag("DeleteOnTermination")?.unwrap_or(true),
        };
        match known {
            Some(at) => volumes[at] = volume,
            None => volumes.push(volume),
        }
    }
    Ok(volumes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::request::Request;

    const GOOD: &str = "ImageId=ami-0c5a7e1d20f6b3a48&InstanceType=t3.micro&MinCount=1&MaxCount=2";

    fn read_body(extra: &str) -> Result<Launch, Ec2Error> {
        let request = Request::parse(format!("{GOOD}&{extra}").as_bytes());
        let launch = read(&request.params(), request.digest())?;
        request.refuse_unknown().map(|()| launch)
    }

    #[test]
    fn what_ec2_refuses_is_refused_with_its_code() {
        for (extra, code) in [
            ("MinCount=3", "InvalidParameterValue"),
            ("InstanceType=t9.micro", "InvalidParameterValue"),
            ("InstanceType=t4g.micro", "InvalidParameterValue"),
            ("ImageId=ami-00000000", "InvalidAMIID.NotFound"),
            ("SubnetId=subnet-00000000", "InvalidSubnetID.NotFound"),
            ("SubnetId=mine", "InvalidSubnetID.Malformed"),
            ("SecurityGroupId.1=sg-00000000", "InvalidGroup.NotFound"),
            ("UserData=%25%25", "InvalidParameterValue"),
            ("IamInstanceProfile.Arn=arn:aws:iam::1:role/x", "InvalidParameterValue"),
            ("MetadataOptions.HttpPutResponseHopLimit=65", "InvalidParameterValue"),
            ("InstanceMarketOptions.MarketType=lottery", "InvalidParameterValue"),
            ("Placement.AvailabilityZone=us-east-1z", "InvalidParameterValue"),
            (
                "BlockDeviceMapping.1.DeviceName=/dev/xvda&BlockDeviceMapping.1.Ebs.VolumeSize=1",
                "InvalidBlockDeviceMapping",
            ),
            (
                "TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=aws:x",
                "InvalidParameterValue",
            ),
            ("LaunchTemplate.LaunchTemplateId=lt-1", "UnknownParameter"),
        ] {
            assert_eq!(read_body(extra).unwrap_err().code, code, "{extra}");
        }
    }

    #[test]
    fn user_data_may_be_16384_raw_bytes_and_not_one_more() {
        let encode = |length: usize| BASE64_STANDARD.encode(vec![b'x'; length]);
        assert!(read_user_data(&encode(16_384)).is_ok());
        assert_eq!(read_user_data(&encode(16_385)).unwrap_err().code, "InvalidParameterValue");
    }

    #[test]
    fn the_root_volume_is_changed_and_others_are_added() {
        let launch = read_body(
            "BlockDeviceMapping.1.DeviceName=/dev/xvda&BlockDeviceMapping.1.Ebs.VolumeSize=33\
             &BlockDeviceMapping.1.Ebs.Encrypted=true&BlockDeviceMapping.2.DeviceName=/dev/sdb\
             &BlockDeviceMapping.2.Ebs.VolumeSize=1",
        )
        .unwrap();
        let sizes: Vec<_> = launch.volumes.iter().map(|volume| (volume.size_gib, volume.encrypted)).collect();
        assert_eq!(sizes, [(33, true), (1, false)]);
    }
}
