//! EC2's actions, one file each: read the parameters, ask the model, write the answer.

mod create_tags;
mod delete_tags;
mod describe_availability_zones;
mod describe_images;
mod describe_instance_attribute;
mod describe_instance_status;
mod describe_instance_type_offerings;
mod describe_instance_types;
mod describe_instances;
mod describe_regions;
mod describe_security_groups;
mod describe_subnets;
mod describe_tags;
mod describe_vpcs;
mod get_console_output;
mod instance_xml;
mod modify_instance_attribute;
mod modify_instance_metadata_options;
mod paging;
mod reboot_instances;
pub(crate) mod run_instances;
mod start_instances;
mod state_changes;
mod stop_instances;
mod terminate_instances;

use rand::rngs::StdRng;

use crate::{
    config::Home,
    model::{
        launch::MakeHostKeys,
        network::Network,
        region::{Moment, Region},
    },
    throttle::{Cost, Limit},
    wire::{
        error::Ec2Error,
        request::{Params, Request},
        response::Xml,
    },
};

/// One call on its way through the model.
pub(crate) struct Call<'a> {
    pub(crate) request: &'a Request,
    pub(crate) home: &'a Home,
    pub(crate) network: &'a Network,
    pub(crate) region: &'a mut Region,
    pub(crate) moment: Moment<'a, StdRng>,
    pub(crate) host_keys: MakeHostKeys<'a>,
}

impl<'a> Call<'a> {
    fn params(&self) -> Params<'a> {
        self.request.params()
    }

    /// To be asked after everything was read and found valid, before anything is changed or told: refuses
    /// parameters that were not understood, and ends a dry run.
    fn ready(&self) -> Result<(), Ec2Error> {
        let dry_run = self.params().flag("DryRun")?.unwrap_or_default();
        self.request.refuse_unknown()?;
        if dry_run {
            let message = "Request would have succeeded, but DryRun flag is set.";
            return Err(Ec2Error::new("DryRunOperation", message));
        }
        Ok(())
    }
}

/// What an action answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) xml: Xml,
    /// The machines it was about, for the ledger.
    pub(crate) ids: Vec<String>,
}

impl Answer {
    fn about_nothing(xml: Xml) -> Self {
        Self { xml, ids: Vec::new() }
    }
}

/// An action of EC2 that the simulator knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Action {
    name: &'static str,
    limit: Limit,
    perform: fn(&mut Call<'_>) -> Result<Answer, Ec2Error>,
}

const fn action(
    name: &'static str,
    limit: Limit,
    perform: fn(&mut Call<'_>) -> Result<Answer, Ec2Error>,
) -> Action {
    Action { name, limit, perform }
}

const ACTIONS: [Action; 22] = [
    action("RunInstances", Limit::RunInstances, run_instances::perform),
    action("StartInstances", Limit::Mutating, start_instances::perform),
    action("StopInstances", Limit::Mutating, stop_instances::perform),
    action("TerminateInstances", Limit::Mutating, terminate_instances::perform),
    action("RebootInstances", Limit::Mutating, reboot_instances::perform),
    action("CreateTags", Limit::Mutating, create_tags::perform),
    action("DeleteTags", Limit::Mutating, delete_tags::perform),
    action("ModifyInstanceAttribute", Limit::Mutating, modify_instance_attribute::perform),
    action("ModifyInstanceMetadataOptions", Limit::Mutating, modify_instance_metadata_options::perform),
    action("DescribeInstances", Limit::Describe, describe_instances::perform),
    action("DescribeInstanceStatus", Limit::Describe, describe_instance_status::perform),
    action("DescribeInstanceAttribute", Limit::Describe, describe_instance_attribute::perform),
    action("DescribeInstanceTypes", Limit::Describe, describe_instance_types::perform),
    action("DescribeInstanceTypeOfferings", Limit::Describe, describe_instance_type_offerings::perform),
    action("DescribeImages", Limit::Describe, describe_images::perform),
    action("DescribeTags", Limit::Describe, describe_tags::perform),
    action("DescribeSubnets", Limit::Describe, describe_subnets::perform),
    action("DescribeVpcs", Limit::Describe, describe_vpcs::perform),
    action("DescribeSecurityGroups", Limit::Describe, describe_security_groups::perform),
    action("DescribeAvailabilityZones", Limit::Describe, describe_availability_zones::perform),
    action("DescribeRegions", Limit::Describe, describe_regions::perform),
    action("GetConsoleOutput", Limit::Describe, get_console_output::perform),
];

impl Action {
    /// The action of this name.
    pub(crate) fn find(name: &str) -> Result<&'static Self, Ec2Error> {
        ACTIONS.iter().find(|action| action.name == name).ok_or_else(|| {
            let message = format!("The action {name} is not valid for this web service.");
            Ec2Error::new("InvalidAction", message)
        })
    }

    /// What the call takes out of the token buckets.
    pub(crate) fn cost(&self, params: &Params<'_>) -> Cost {
        let narrowed = !params.filters().unwrap_or_default().is_empty()
            || ["InstanceId", "MaxResults", "ImageId", "InstanceType"]
                .iter()
                .any(|name| params.get(name).is_some() || !params.strings(name).is_empty());
        let limit = match self.limit {
            Limit::Describe if !narrowed => Limit::UnfilteredDescribe,
            limit => limit,
        };
        let resources = match self.name {
            "RunInstances" => params.number("MaxCount").ok().flatten().unwrap_or(1),
            "StartInstances" | "StopInstances" | "TerminateInstances" => {
                u32::try_from(params.strings("InstanceId").len()).unwrap_or(u32::MAX)
            }
            _ => 0,
        };
        Cost { action: self.name, limit, resources }
    }

    /// Carries it out.
    pub(crate) fn perform(&self, call: &mut Call<'_>) -> Result<Answer, Ec2Error> {
        (self.perform)(call)
    }
}

/// The `InstanceId.n` of a call that needs at least one.
fn instance_ids(call: &Call<'_>) -> Result<Vec<String>, Ec2Error> {
    let ids = call.params().strings("InstanceId");
    if ids.is_empty() {
        return Err(Ec2Error::missing_parameter("InstanceId"));
    }
    call.region.require(&ids, call.moment.now)
}

/// `<return>true</return>`.
fn done(action: &str, ids: Vec<String>) -> Answer {
    let mut xml = Xml::answer(action);
    xml.value("return", true);
    Answer { xml, ids }
}
