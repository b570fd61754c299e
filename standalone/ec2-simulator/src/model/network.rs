//! The region's fixed network: one default VPC, a subnet in each zone, two security groups.

/// The region that is simulated.
pub(crate) const REGION: &str = "us-east-1";
/// The account that owns everything.
pub(crate) const ACCOUNT_ID: &str = "000000000000";
/// The default VPC.
pub(crate) const VPC_ID: &str = "vpc-0c1a2b3d4e5f60718";
/// Its addresses.
pub(crate) const VPC_CIDR: &str = "172.31.0.0/16";

/// A subnet with its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subnet {
    pub(crate) id: &'static str,
    pub(crate) zone: &'static str,
    pub(crate) zone_id: &'static str,
    /// The third number of its addresses; each subnet is a /20.
    pub(crate) third_octet: u8,
}

impl Subnet {
    pub(crate) fn cidr(&self) -> String {
        format!("172.31.{}.0/20", self.third_octet)
    }

    /// A stable address for the machine with this sequence number.
    pub(crate) fn address(&self, sequence: u64) -> String {
        // The first four addresses and the last are EC2's own.
        let host = 4 + (sequence % (4096 - 5));
        let third = u64::from(self.third_octet) + host / 256;
        format!("172.31.{third}.{}", host % 256)
    }
}

/// The default subnets.
pub(crate) const SUBNETS: [Subnet; 3] = [
    Subnet { id: "subnet-0a1b2c3d4e5f60001", zone: "us-east-1a", zone_id: "use1-az1", third_octet: 0 },
    Subnet { id: "subnet-0a1b2c3d4e5f60002", zone: "us-east-1b", zone_id: "use1-az2", third_octet: 16 },
    Subnet { id: "subnet-0a1b2c3d4e5f60003", zone: "us-east-1c", zone_id: "use1-az4", third_octet: 32 },
];

/// A security group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SecurityGroup {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    /// A port open to the world, if any.
    pub(crate) open_port: Option<u16>,
}

/// The security groups; the first is the default one.
pub(crate) const SECURITY_GROUPS: [SecurityGroup; 2] = [
    SecurityGroup {
        id: "sg-0d1e2f3a4b5c60001",
        name: "default",
        description: "default VPC security group",
        open_port: None,
    },
    SecurityGroup {
        id: "sg-0d1e2f3a4b5c60002",
        name: "cloudapp-instances",
        description: "SSH to the machines of CloudApp",
        open_port: Some(22),
    },
];

/// The public address for the n-th start; from the block reserved for benchmarks, which is routed nowhere.
pub(crate) fn public_address(number: u64) -> String {
    let number = number % (1 << 17);
    format!("198.{}.{}.{}", 18 + (number >> 16), (number >> 8) & 0xff, number & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stay_in_their_subnet() {
        assert_eq!(SUBNETS[1].address(0), "172.31.16.4");
        assert_eq!(SUBNETS[1].address(4090), "172.31.31.254");
        assert_eq!(SUBNETS[1].address(4091), "172.31.16.4");
        assert_eq!(public_address(65_536 + 257), "198.19.1.1");
    }
}
