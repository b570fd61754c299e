use std::collections::BTreeMap;
use std::fmt;

use aws_sdk_ec2::error::BuildError;
use aws_sdk_ec2::operation::run_instances::RunInstancesInput;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, HttpTokensState, IamInstanceProfileSpecification,
    InstanceInterruptionBehavior, InstanceMarketOptionsRequest, InstanceMetadataEndpointState,
    InstanceMetadataOptionsRequest, InstanceType, MarketType, Placement, ResourceType, ShutdownBehavior,
    SpotInstanceType, SpotMarketOptions, Tag, TagSpecification, VolumeType,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloudapp_domain::Market;
use serde::{Deserialize, Serialize};

use crate::error::{Answer, Effect, from_sdk};
use crate::{Ec2, Ec2Error, Machine};

/// What one `RunInstances` call asks for. Repeating it with the same token and the same values makes no second
/// machine; with the same token and other values EC2 refuses.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchRequest {
    /// EC2's idempotency token: at most 64 ASCII characters.
    pub client_token: String,
    /// The image, as an AMI id.
    pub image_id: String,
    /// The type, such as `t3.micro`.
    pub instance_type: String,
    /// The subnet; none means the zone's default subnet.
    pub subnet_id: Option<String>,
    /// The zone; without a subnet or a zone EC2 chooses. Not sent where a subnet is named: that decides the zone.
    pub zone: Option<String>,
    /// On demand, or spot (always one-time: taken back means terminated).
    pub market: Market,
    /// At least this many machines, or none at all.
    pub min_count: u16,
    /// At most this many machines.
    pub max_count: u16,
    /// User data as the machine will read it: raw bytes, not base64, at most 16,384 of them.
    #[serde(with = "base64_text")]
    pub user_data: Vec<u8>,
    /// Security group ids; none means the VPC's default group.
    pub security_groups: Vec<String>,
    /// The instance profile's name.
    pub instance_profile: Option<String>,
    /// The size of the root volume in GiB. It is gp3 and encrypted, always.
    pub root_volume_gib: u32,
    /// Tags of the machine and of its volume.
    pub tags: BTreeMap<String, String>,
    /// Whether a shutdown from inside the machine terminates it (else it is stopped).
    pub shutdown_terminates: bool,
}

/// Without the user data, which may hold what an admin put there.
impl fmt::Debug for LaunchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaunchRequest")
            .field("client_token", &self.client_token)
            .field("image_id", &self.image_id)
            .field("instance_type", &self.instance_type)
            .field("subnet_id", &self.subnet_id)
            .field("zone", &self.zone)
            .field("market", &self.market)
            .field("min_count", &self.min_count)
            .field("max_count", &self.max_count)
            .field("user_data_bytes", &self.user_data.len())
            .finish_non_exhaustive()
    }
}

mod base64_text {
    use super::{Engine, STANDARD};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

impl Ec2 {
    /// Asks EC2 for machines, once. Fewer than `max_count` may come.
    ///
    /// # Errors
    /// [`Ec2Error`]; [`Ec2Error::certainly_not_executed`] tells whether another token may be used.
    pub async fn run_instances(&self, request: &LaunchRequest) -> Result<Vec<Machine>, Ec2Error> {
        let root_device = self.root_device_name(&request.image_id).await?;
        let input = input(request, &root_device).map_err(|error| {
            Ec2Error::Invalid(Answer { code: "NotSent".to_owned(), message: error.to_string() })
        })?;
        let reply = fluent(self, input)
            .customize()
            .config_override(Self::launch_override())
            .send()
            .await
            .map_err(|error| from_sdk(Effect::Changes, &error))?;
        reply.instances().iter().map(Machine::from_sdk).collect::<Result<_, _>>().map_err(|error| {
            Ec2Error::OutcomeUnknown(Answer { code: "Unreadable".to_owned(), message: error.to_string() })
        })
    }
}

fn fluent(
    ec2: &Ec2,
    input: RunInstancesInput,
) -> aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder {
    ec2.client
        .run_instances()
        .set_client_token(input.client_token)
        .set_image_id(input.image_id)
        .set_instance_type(input.instance_type)
        .set_min_count(input.min_count)
        .set_max_count(input.max_count)
        .set_user_data(input.user_data)
        .set_subnet_id(input.subnet_id)
        .set_placement(input.placement)
        .set_security_group_ids(input.security_group_ids)
        .set_iam_instance_profile(input.iam_instance_profile)
        .set_block_device_mappings(input.block_device_mappings)
        .set_metadata_options(input.metadata_options)
        .set_instance_market_options(input.instance_market_options)
        .set_instance_initiated_shutdown_behavior(input.instance_initiated_shutdown_behavior)
        .set_tag_specifications(input.tag_specifications)
}

/// The request as EC2's API wants it. Equal requests give equal inputs, as the client token demands.
fn input(request: &LaunchRequest, root_device: &str) -> Result<RunInstancesInput, BuildError> {
    let placement = match (&request.subnet_id, &request.zone) {
        (None, Some(zone)) => Some(Placement::builder().availability_zone(zone).build()),
        _ => None,
    };
    let user_data = (!request.user_data.is_empty()).then(|| STANDARD.encode(&request.user_data));
    let groups = (!request.security_groups.is_empty()).then(|| request.security_groups.clone());
    let profile = request
        .instance_profile
        .as_ref()
        .map(|name| IamInstanceProfileSpecification::builder().name(name).build());
    RunInstancesInput::builder()
        .client_token(&request.client_token)
        .image_id(&request.image_id)
        .instance_type(InstanceType::from(request.instance_type.as_str()))
        .min_count(request.min_count.into())
        .max_count(request.max_count.into())
        .set_user_data(user_data)
        .set_subnet_id(request.subnet_id.clone())
        .set_placement(placement)
        .set_security_group_ids(groups)
        .set_iam_instance_profile(profile)
        .block_device_mappings(root_volume(root_device, request.root_volume_gib))
        .metadata_options(metadata_options())
        .set_instance_market_options(market_options(request.market))
        .instance_initiated_shutdown_behavior(if request.shutdown_terminates {
            ShutdownBehavior::Terminate
        } else {
            ShutdownBehavior::Stop
        })
        .tag_specifications(tagged(ResourceType::Instance, &request.tags))
        .tag_specifications(tagged(ResourceType::Volume, &request.tags))
        .build()
}

fn root_volume(device: &str, gib: u32) -> BlockDeviceMapping {
    let volume = EbsBlockDevice::builder()
        .volume_type(VolumeType::Gp3)
        .volume_size(i32::try_from(gib).unwrap_or(i32::MAX))
        .encrypted(true)
        .delete_on_termination(true)
        .build();
    BlockDeviceMapping::builder().device_name(device).ebs(volume).build()
}

/// IMDSv2 only, and not through a container's extra hop.
fn metadata_options() -> InstanceMetadataOptionsRequest {
    InstanceMetadataOptionsRequest::builder()
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .http_tokens(HttpTokensState::Required)
        .http_put_response_hop_limit(1)
        .build()
}

fn market_options(market: Market) -> Option<InstanceMarketOptionsRequest> {
    match market {
        Market::OnDemand => None,
        Market::Spot => {
            let spot = SpotMarketOptions::builder()
                .spot_instance_type(SpotInstanceType::OneTime)
                .instance_interruption_behavior(InstanceInterruptionBehavior::Terminate)
                .build();
            Some(
                InstanceMarketOptionsRequest::builder()
                    .market_type(MarketType::Spot)
                    .spot_options(spot)
                    .build(),
            )
        }
    }
}

fn tagged(kind: ResourceType, tags: &BTreeMap<String, String>) -> TagSpecification {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags)).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MANAGED;

    fn request() -> LaunchRequest {
        LaunchRequest {
            client_token: "batch-1-attempt-1".to_owned(),
            image_id: "ami-0123456789abcdef0".to_owned(),
            instance_type: "t3.micro".to_owned(),
            subnet_id: None,
            zone: Some("eu-west-1a".to_owned()),
            market: Market::OnDemand,
            min_count: 1,
            max_count: 3,
            user_data: b"#cloud-config\n".to_vec(),
            security_groups: vec!["sg-1".to_owned()],
            instance_profile: None,
            root_volume_gib: 20,
            tags: BTreeMap::from([(MANAGED.to_owned(), "staging".to_owned())]),
            shutdown_terminates: true,
        }
    }

    #[test]
    fn every_machine_has_imdsv2_and_an_encrypted_root() {
        let input = input(&request(), "/dev/xvda").unwrap();
        let metadata = input.metadata_options().unwrap();
        assert_eq!(metadata.http_tokens(), Some(&HttpTokensState::Required));
        assert_eq!(metadata.http_put_response_hop_limit(), Some(1));
        let root = &input.block_device_mappings()[0];
        assert_eq!(root.device_name(), Some("/dev/xvda"));
        let volume = root.ebs().unwrap();
        assert_eq!((volume.encrypted(), volume.volume_size()), (Some(true), Some(20)));
        assert_eq!(volume.volume_type(), Some(&VolumeType::Gp3));
        assert_eq!(volume.delete_on_termination(), Some(true));
    }

    #[test]
    fn counts_user_data_and_tags_arrive() {
        let input = input(&request(), "/dev/xvda").unwrap();
        assert_eq!((input.min_count(), input.max_count()), (Some(1), Some(3)));
        assert_eq!(input.user_data(), Some("I2Nsb3VkLWNvbmZpZwo="));
        let kinds: Vec<_> =
            input.tag_specifications().iter().filter_map(|s| s.resource_type().cloned()).collect();
        assert_eq!(kinds, [ResourceType::Instance, ResourceType::Volume]);
        assert!(input.tag_specifications().iter().all(|s| s.tags()[0].key() == Some(MANAGED)));
        assert_eq!(input.instance_initiated_shutdown_behavior(), Some(&ShutdownBehavior::Terminate));
        assert!(input.instance_market_options().is_none());
    }

    #[test]
    fn a_subnet_decides_the_zone() {
        let with_zone = input(&request(), "/dev/xvda").unwrap();
        assert_eq!(with_zone.placement().and_then(|p| p.availability_zone()), Some("eu-west-1a"));
        let request = LaunchRequest { subnet_id: Some("subnet-1".to_owned()), ..request() };
        let with_subnet = input(&request, "/dev/xvda").unwrap();
        assert_eq!((with_subnet.subnet_id(), with_subnet.placement()), (Some("subnet-1"), None));
    }

    #[test]
    fn spot_is_one_time() {
        let request = LaunchRequest { market: Market::Spot, ..request() };
        let input = input(&request, "/dev/xvda").unwrap();
        let spot = input.instance_market_options().and_then(|m| m.spot_options()).unwrap();
        assert_eq!(spot.spot_instance_type(), Some(&SpotInstanceType::OneTime));
        assert_eq!(spot.instance_interruption_behavior(), Some(&InstanceInterruptionBehavior::Terminate));
    }

    #[test]
    fn equal_requests_give_equal_inputs_and_survive_json() {
        let stored = serde_json::to_string(&request()).unwrap();
        let read: LaunchRequest = serde_json::from_str(&stored).unwrap();
        assert_eq!(input(&read, "/dev/xvda").unwrap(), input(&request(), "/dev/xvda").unwrap());
        assert!(!format!("{:?}", request()).contains("cloud-config"));
    }
}
