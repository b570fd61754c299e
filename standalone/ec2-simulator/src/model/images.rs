//! The machine images on offer, and the SSM public parameters that name them.

use crate::wire::error::Ec2Error;

/// One AMI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) architecture: &'static str,
    pub(crate) owner_id: &'static str,
    /// The alias that `Owners` may also name.
    pub(crate) owner_alias: Option<&'static str>,
    pub(crate) created: &'static str,
    pub(crate) root_device: &'static str,
    pub(crate) root_gib: u32,
    /// Below `/aws/service/`.
    aliases: &'static [&'static str],
}

const AMAZON: &str = "137112412989";
const CANONICAL: &str = "099720109477";
const DEBIAN: &str = "136693071363";

/// All images.
pub(crate) const IMAGES: [Image; 7] = [
    Image {
        id: "ami-0c5a7e1d20f6b3a48",
        name: "al2023-ami-2023.9.20260114.0-kernel-6.1-x86_64",
        description: "Amazon Linux 2023 AMI x86_64 HVM kernel-6.1",
        architecture: "x86_64",
        owner_id: AMAZON,
        owner_alias: Some("amazon"),
        created: "2026-01-14T08:12:31.000Z",
        root_device: "/dev/xvda",
        root_gib: 8,
        aliases: &[
            "ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
            "ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64",
        ],
    },
    Image {
        id: "ami-0d9b42c6e81f57a30",
        name: "al2023-ami-2023.9.20260114.0-kernel-6.1-arm64",
        description: "Amazon Linux 2023 AMI arm64 HVM kernel-6.1",
        architecture: "arm64",
        owner_id: AMAZON,
        owner_alias: Some("amazon"),
        created: "2026-01-14T08:12:40.000Z",
        root_device: "/dev/xvda",
        root_gib: 8,
        aliases: &[
            "ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
            "ami-amazon-linux-latest/al2023-ami-kernel-6.1-arm64",
        ],
    },
    Image {
        id: "ami-04f8a1c92b7d6e053",
        name: "al2023-ami-minimal-2023.9.20260114.0-kernel-6.1-x86_64",
        description: "Amazon Linux 2023 minimal AMI x86_64 HVM kernel-6.1",
        architecture: "x86_64",
        owner_id: AMAZON,
        owner_alias: Some("amazon"),
        created: "2026-01-14T08:12:52.000Z",
        root_device: "/dev/xvda",
        root_gib: 2,
        aliases: &["ami-amazon-linux-latest/al2023-ami-minimal-kernel-default-x86_64"],
    },
    Image {
        id: "ami-0a3f6d85c7219eb40",
        name: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260108",
        description: "Canonical, Ubuntu, 24.04, amd64 noble image",
        architecture: "x86_64",
        owner_id: CANONICAL,
        owner_alias: None,
        created: "2026-01-08T05:40:11.000Z",
        root_device: "/dev/sda1",
        root_gib: 8,
        aliases: &["canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"],
    },
    Image {
        id: "ami-0b81e5f49a0c7d326",
        name: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20260108",
        description: "Canonical, Ubuntu, 24.04, arm64 noble image",
        architecture: "arm64",
        owner_id: CANONICAL,
        owner_alias: None,
        created: "2026-01-08T05:41:27.000Z",
        root_device: "/dev/sda1",
        root_gib: 8,
        aliases: &["canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id"],
    },
    Image {
        id: "ami-0e27c4b1d9a85f630",
        name: "debian-12-amd64-20260112-2352",
        description: "Debian 12 (20260112-2352)",
        architecture: "x86_64",
        owner_id: DEBIAN,
        owner_alias: None,
        created: "2026-01-12T10:02:09.000Z",
        root_device: "/dev/xvda",
        root_gib: 8,
        aliases: &["debian/release/12/latest/amd64"],
    },
    Image {
        id: "ami-09d6f3a1c85b7e241",
        name: "debian-12-arm64-20260112-2352",
        description: "Debian 12 (20260112-2352)",
        architecture: "arm64",
        owner_id: DEBIAN,
        owner_alias: None,
        created: "2026-01-12T10:02:48.000Z",
        root_device: "/dev/xvda",
        root_gib: 8,
        aliases: &["debian/release/12/latest/arm64"],
    },
];

/// The image of this id.
pub(crate) fn find(id: &str) -> Option<&'static Image> {
    IMAGES.iter().find(|image| image.id == id)
}

/// What `ImageId` of a launch means: an id, or `resolve:ssm:` and a public parameter.
pub(crate) fn resolve(image_id: &str) -> Result<&'static Image, Ec2Error> {
    if let Some(parameter) = image_id.strip_prefix("resolve:ssm:") {
        let wanted = parameter.split(':').next().unwrap_or_default().strip_prefix("/aws/service/");
        return IMAGES
            .iter()
            .find(|image| wanted.is_some_and(|wanted| image.aliases.contains(&wanted)))
            .ok_or_else(|| {
                Ec2Error::new(
                    "InvalidParameterValue",
                    format!("The SSM parameter '{parameter}' does not exist"),
                )
            });
    }
    if !super::region::is_resource_id(image_id, "ami-") {
        return Err(Ec2Error::new("InvalidAMIID.Malformed", format!("Invalid id: \"{image_id}\"")));
    }
    find(image_id).ok_or_else(|| {
        Ec2Error::new("InvalidAMIID.NotFound", format!("The image id '[{image_id}]' does not exist"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_aliases_name_images_and_others_are_refused() {
        let alias = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64";
        assert_eq!(resolve(alias).unwrap().architecture, "arm64");
        assert_eq!(resolve(IMAGES[0].id).unwrap(), &IMAGES[0]);
        assert_eq!(resolve("resolve:ssm:/aws/service/none").unwrap_err().code, "InvalidParameterValue");
        assert_eq!(resolve("ami-00000000000000000").unwrap_err().code, "InvalidAMIID.NotFound");
        assert_eq!(resolve("debian").unwrap_err().code, "InvalidAMIID.Malformed");
    }

    #[test]
    fn every_image_id_is_well_formed_and_unique() {
        for (index, image) in IMAGES.iter().enumerate() {
            assert!(super::super::region::is_resource_id(image.id, "ami-"), "{}", image.id);
            assert!(IMAGES[index + 1..].iter().all(|other| other.id != image.id));
        }
    }
}
