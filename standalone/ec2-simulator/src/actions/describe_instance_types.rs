//! `DescribeInstanceTypes`.

use super::{Answer, Call, paging::Paging};
use crate::{
    model::{
        catalog::{self, INSTANCE_TYPES, InstanceType},
        filter::all_match,
    },
    wire::{error::Ec2Error, response::Xml},
};

pub(super) fn perform(call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
    let params = call.params();
    let (names, filters) = (params.strings("InstanceType"), params.filters()?);
    let paging = Paging::read(&params)?;
    call.ready()?;
    if let Some(unknown) = names.iter().find(|name| catalog::find(name).is_none()) {
        let message = format!("The following supplied instance types do not exist: [{unknown}]");
        return Err(Ec2Error::new("InvalidInstanceType", message));
    }
    let mut found = Vec::new();
    for candidate in &INSTANCE_TYPES {
        let named = names.is_empty() || names.contains(&candidate.name);
        if all_match(&filters, |name| values(candidate, name))? && named {
            found.push(candidate);
        }
    }
    let page = paging.cut((0_u64..).zip(found), |(number, _)| *number);
    let mut xml = Xml::answer("DescribeInstanceTypes");
    xml.items("instanceTypeSet", page.items, |xml, (_, kind)| write(xml, kind));
    xml.optional("nextToken", page.next.as_deref());
    Ok(Answer::about_nothing(xml))
}

fn values(kind: &InstanceType, name: &str) -> Option<Vec<String>> {
    let value = match name {
        "instance-type" => kind.name.to_owned(),
        "current-generation" => kind.current_generation.to_string(),
        "bare-metal" => "false".to_owned(),
        "processor-info.supported-architecture" => kind.architecture.to_owned(),
        "vcpu-info.default-vcpus" => kind.vcpus.to_string(),
        "memory-info.size-in-mib" => kind.memory_mib.to_string(),
        "supported-usage-class" => return Some(vec!["on-demand".to_owned(), "spot".to_owned()]),
        _ => return None,
    };
    Some(vec![value])
}

fn write(xml: &mut Xml, kind: &InstanceType) {
    xml.text("instanceType", kind.name);
    xml.value("currentGeneration", kind.current_generation);
    xml.value("freeTierEligible", matches!(kind.name, "t2.micro" | "t3.micro" | "t4g.micro"));
    xml.items("supportedUsageClasses", ["on-demand", "spot"], Xml::own_text);
    xml.items("supportedRootDeviceTypes", ["ebs"], Xml::own_text);
    xml.items("supportedVirtualizationTypes", ["hvm"], Xml::own_text);
    xml.value("bareMetal", false);
    xml.text("hypervisor", "nitro");
    xml.element("processorInfo", |xml| {
        xml.items("supportedArchitectures", [kind.architecture], Xml::own_text);
        xml.text("manufacturer", if kind.architecture == "arm64" { "AWS" } else { "Intel" });
    });
    xml.element("vCpuInfo", |xml| {
        let per_core = if kind.architecture == "arm64" { 1 } else { 2.min(kind.vcpus) };
        xml.value("defaultVCpus", kind.vcpus);
        xml.value("defaultCores", kind.vcpus / per_core);
        xml.value("defaultThreadsPerCore", per_core);
    });
    xml.element("memoryInfo", |xml| xml.value("sizeInMiB", kind.memory_mib));
    xml.value("instanceStorageSupported", false);
    xml.element("ebsInfo", |xml| {
        xml.text("ebsOptimizedSupport", "default");
        xml.text("encryptionSupport", "supported");
        xml.text("nvmeSupport", "required");
    });
    xml.value("burstablePerformanceSupported", kind.name.starts_with('t'));
    xml.value("hibernationSupported", false);
}
