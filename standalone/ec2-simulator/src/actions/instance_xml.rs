//! A machine as `RunInstances` and `DescribeInstances` show it.

use super::state_changes::state;
use crate::{
    model::{
        catalog,
        instance::{Instance, InstanceState, Market},
        network::REGION,
    },
    wire::response::Xml,
};

/// The filters of DescribeInstances that are known, besides `tag:<key>`.
const FILTERS: [&str; 23] = [
    "instance-id",
    "instance-state-name",
    "instance-state-code",
    "instance-type",
    "instance-lifecycle",
    "image-id",
    "architecture",
    "availability-zone",
    "subnet-id",
    "vpc-id",
    "reservation-id",
    "private-ip-address",
    "ip-address",
    "client-token",
    "key-name",
    "iam-instance-profile.arn",
    "instance.group-id",
    "group-id",
    "instance.group-name",
    "group-name",
    "launch-time",
    "tag-key",
    "tag-value",
];

pub(super) fn is_filter(name: &str) -> bool {
    name.starts_with("tag:") || FILTERS.contains(&name)
}

pub(super) fn write(xml: &mut Xml, instance: &Instance) {
    identity(xml, instance);
    xml.value("amiLaunchIndex", instance.launch_index);
    xml.time("launchTime", instance.launch_time);
    xml.element("placement", |xml| {
        xml.text("availabilityZone", &instance.zone);
        xml.text("groupName", "");
        xml.text("tenancy", "default");
    });
    xml.element("monitoring", |xml| xml.text("state", "disabled"));
    network(xml, instance);
    if let Some(reason) = &instance.state_reason {
        xml.element("stateReason", |xml| {
            xml.text("code", &reason.code);
            xml.text("message", &reason.message);
        });
    }
    hardware(xml, instance);
    if instance.market == Market::Spot {
        xml.text("instanceLifecycle", "spot");
    }
    xml.text("clientToken", instance.client_token.as_deref().unwrap_or_default());
    if !instance.tags.is_empty() {
        xml.tags(&instance.tags);
    }
    if let Some(arn) = &instance.instance_profile {
        xml.element("iamInstanceProfile", |xml| {
            xml.text("arn", arn);
            xml.text("id", &format!("AIPA{}", &instance.reservation_id[2..].to_ascii_uppercase()));
        });
    }
    metadata_options(xml, "metadataOptions", instance);
}

fn identity(xml: &mut Xml, instance: &Instance) {
    xml.text("instanceId", &instance.id);
    xml.text("imageId", &instance.image_id);
    xml.element("instanceState", |xml| state(xml, instance.state));
    let gone = instance.state == InstanceState::Terminated;
    // The first region has names of its own.
    let region = instance.zone.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
    let (within, beyond) = match region {
        REGION => ("ec2".to_owned(), "compute-1".to_owned()),
        region => (format!("{region}.compute"), format!("{region}.compute")),
    };
    let inside = format!("ip-{}.{within}.internal", instance.private_ip.replace('.', "-"));
    xml.text("privateDnsName", if gone { "" } else { &inside });
    let public = instance.public_ip.as_ref();
    let outside = public.map(|ip| format!("ec2-{}.{beyond}.amazonaws.com", ip.replace('.', "-")));
    xml.text("dnsName", outside.as_deref().unwrap_or_default());
    let reason = instance.state_reason.as_ref().filter(|_| !matches!(instance.state, InstanceState::Pending));
    xml.text("reason", reason.map(|reason| reason.message.as_str()).unwrap_or_default());
    xml.optional("keyName", instance.key_name.as_deref());
    xml.element("productCodes", |_| {});
    xml.text("instanceType", &instance.instance_type);
}

fn network(xml: &mut Xml, instance: &Instance) {
    if instance.state == InstanceState::Terminated {
        xml.element("groupSet", |_| {});
        return;
    }
    xml.text("subnetId", &instance.subnet_id);
    xml.text("vpcId", &instance.vpc_id);
    xml.text("privateIpAddress", &instance.private_ip);
    xml.optional("ipAddress", instance.public_ip.as_deref());
    xml.value("sourceDestCheck", true);
    xml.items("groupSet", &instance.security_groups, |xml, id| {
        xml.text("groupId", id);
        xml.optional("groupName", instance.group_names.get(id).map(String::as_str));
    });
}

fn hardware(xml: &mut Xml, instance: &Instance) {
    xml.text("architecture", &instance.architecture);
    xml.text("rootDeviceType", "ebs");
    xml.optional("rootDeviceName", instance.volumes.first().map(|volume| volume.device.as_str()));
    let attached = instance.volumes.iter().filter(|_| instance.state != InstanceState::Terminated);
    xml.items("blockDeviceMapping", attached, |xml, volume| {
        xml.text("deviceName", &volume.device);
        xml.element("ebs", |xml| {
            xml.text("volumeId", &volume.id);
            xml.text("status", "attached");
            xml.time("attachTime", instance.created_at);
            xml.value("deleteOnTermination", volume.delete_on_termination);
        });
    });
    xml.text("virtualizationType", "hvm");
    xml.text("hypervisor", "xen");
    xml.value("ebsOptimized", false);
    xml.value("enaSupport", true);
    if let Some(kind) = catalog::find(&instance.instance_type) {
        xml.element("cpuOptions", |xml| {
            let per_core = if kind.architecture == "arm64" { 1 } else { 2.min(kind.vcpus) };
            xml.value("coreCount", kind.vcpus / per_core);
            xml.value("threadsPerCore", per_core);
        });
    }
    xml.element("hibernationOptions", |xml| xml.value("configured", false));
    xml.element("enclaveOptions", |xml| xml.value("enabled", false));
}

pub(super) fn metadata_options(xml: &mut Xml, name: &str, instance: &Instance) {
    let options = &instance.metadata_options;
    let state = if instance.state == InstanceState::Pending { "pending" } else { "applied" };
    xml.element(name, |xml| {
        xml.text("state", state);
        xml.text("httpTokens", &options.http_tokens);
        xml.value("httpPutResponseHopLimit", options.hop_limit);
        xml.text("httpEndpoint", &options.http_endpoint);
        xml.text("httpProtocolIpv6", "disabled");
        xml.text("instanceMetadataTags", &options.instance_tags);
    });
}
