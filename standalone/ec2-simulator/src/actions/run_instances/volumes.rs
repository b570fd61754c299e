//! The machines' disks.

use crate::{
    model::{images::Image, launch::VolumeRequest},
    wire::{error::Ec2Error, request::Params},
};

const LARGEST_VOLUME_GIB: u32 = 16_384;

/// The image's root volume as changed by the request, then the other volumes.
pub(super) fn read(params: &Params<'_>, image: &Image) -> Result<Vec<VolumeRequest>, Ec2Error> {
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
