//! `RunInstances`.

pub(crate) mod network;
mod volumes;

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Answer, Call, instance_xml};
use crate::{
    model::{
        catalog::{self, InstanceType},
        images::{self, Image},
        instance::{Market, MetadataOptions, ShutdownBehavior},
        launch::Launch,
        network::Network,
        region::Reservation,
        tags,
    },
    wire::{error::Ec2Error, request::Params, response::Xml},
};

/// Most bytes of user data, before base64.
const MOST_USER_DATA: usize = 16_384;
const LONGEST_TOKEN: usize = 64;

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let launch = read(&call.params(), call.request.digest(), call.network, &call.home.account_id)?;
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
    xml.text("ownerId", &call.home.account_id);
    xml.element("groupSet", |_| {});
    let instances = reservation.instance_ids.iter().filter_map(|id| call.region.get(id));
    xml.items("instancesSet", instances, instance_xml::write);
    Answer { xml, ids: reservation.instance_ids }
}

/// Reads and judges all parameters, for this network of this account.
fn read(
    params: &Params<'_>,
    digest: String,
    network: &Network,
    account_id: &str,
) -> Result<Launch, Ec2Error> {
    let (min_count, max_count) = read_counts(params)?;
    let image = images::resolve(params.required("ImageId")?)?;
    let instance_type = read_type(params, image)?;
    let (places, security_groups) = network::read(params, network)?;
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
        places,
        security_groups,
        key_name: params.get("KeyName").map(read_key_name).transpose()?,
        instance_profile: read_instance_profile(&params.structure("IamInstanceProfile"), account_id)?,
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
        volumes: volumes::read(params, image)?,
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

fn read_key_name(name: &str) -> Result<String, Ec2Error> {
    if name.is_ascii() && name.len() <= 255 {
        return Ok(name.to_owned());
    }
    Err(Ec2Error::new("InvalidKeyPair.NotFound", format!("The key pair '{name}' does not exist")))
}

fn read_instance_profile(profile: &Params<'_>, account_id: &str) -> Result<Option<String>, Ec2Error> {
    let start = format!("arn:aws:iam::{account_id}:instance-profile/");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::network::ACCOUNT_ID, wire::request::Request};

    const GOOD: &str = "ImageId=ami-0c5a7e1d20f6b3a48&InstanceType=t3.micro&MinCount=1&MaxCount=2";

    fn read_body(extra: &str) -> Result<Launch, Ec2Error> {
        let request = Request::parse(format!("{GOOD}&{extra}").as_bytes());
        let launch = read(&request.params(), request.digest(), Network::own(), ACCOUNT_ID)?;
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
