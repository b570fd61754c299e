//! The simulator's own network: one default VPC, a subnet in each zone, two security groups. And what a launch sees of
//! a network, be it this one or another endpoint's.

use std::{net::Ipv4Addr, sync::LazyLock};

/// The region of the simulator's own network.
pub(crate) const REGION: &str = "us-east-1";
/// The account that owns it.
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

    /// The subnet as a launch sees it.
    pub(crate) fn place(&self) -> Place {
        Place {
            subnet_id: self.id.to_owned(),
            vpc_id: VPC_ID.to_owned(),
            zone: self.zone.to_owned(),
            block: Block { first: Ipv4Addr::new(172, 31, self.third_octet, 0), prefix: 20 },
            is_default: true,
            is_public: true,
        }
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

/// IPv4 addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) first: Ipv4Addr,
    /// How many bits they share: EC2 makes subnets of 16 to 28.
    pub(crate) prefix: u8,
}

impl Block {
    /// What `10.0.0.0/24` stands for.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (first, prefix) = text.split_once('/')?;
        let block = Self { first: first.parse().ok()?, prefix: prefix.parse().ok()? };
        (16..=28).contains(&block.prefix).then_some(block)
    }

    /// A stable address for the machine with this sequence number.
    fn address(self, sequence: u64) -> Ipv4Addr {
        // The first four addresses and the last are EC2's own.
        let host = 4 + sequence % ((1 << (32 - u64::from(self.prefix))) - 5);
        Ipv4Addr::from_bits(self.first.to_bits() | u32::try_from(host).unwrap_or_default())
    }
}

/// A subnet that machines may be launched into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) subnet_id: String,
    pub(crate) vpc_id: String,
    pub(crate) zone: String,
    pub(crate) block: Block,
    /// Whether launches that name no subnet may go here.
    pub(crate) is_default: bool,
    /// Whether machines get a public address.
    pub(crate) is_public: bool,
}

impl Place {
    /// The address inside the VPC of the machine with this sequence number.
    pub(crate) fn address(&self, sequence: u64) -> String {
        self.block.address(sequence).to_string()
    }
}

/// A security group that machines may be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) vpc_id: String,
}

/// A zone by its two names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone {
    /// Such as `us-east-1a`.
    pub(crate) name: String,
    /// Such as `use1-az1`.
    pub(crate) id: String,
}

/// What a call sees of the network: all of the simulator's own, or as much of another as the call speaks of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) zones: Vec<Zone>,
    pub(crate) places: Vec<Place>,
    pub(crate) groups: Vec<Group>,
}

static OWN: LazyLock<Network> = LazyLock::new(|| Network {
    zones: SUBNETS
        .iter()
        .map(|subnet| Zone { name: subnet.zone.to_owned(), id: subnet.zone_id.to_owned() })
        .collect(),
    places: SUBNETS.iter().map(Subnet::place).collect(),
    groups: SECURITY_GROUPS
        .iter()
        .map(|group| Group {
            id: group.id.to_owned(),
            name: group.name.to_owned(),
            vpc_id: VPC_ID.to_owned(),
        })
        .collect(),
});

impl Network {
    /// The simulator's own.
    pub(crate) fn own() -> &'static Self {
        &OWN
    }
}

/// The public address for the n-th start; from the block reserved for benchmarks, which is routed nowhere.
pub(crate) fn public_address(number: u64) -> String {
    let number = number % (1 << 17);
    format!("198.{}.{}.{}", 18 + (number >> 16), (number >> 8) & 0xff, number & 0xff)
}

/// The number whose public address this is.
pub(crate) fn number_of(address: &str) -> Option<u64> {
    let [198, second, third, fourth] = address.parse::<Ipv4Addr>().ok()?.octets() else { return None };
    let high = u64::from(second.checked_sub(18)?);
    Some((high << 16) + (u64::from(third) << 8) + u64::from(fourth))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stay_in_their_subnet() {
        let place = SUBNETS[1].place();
        assert_eq!(place.address(0), "172.31.16.4");
        assert_eq!(place.address(4090), "172.31.31.254");
        assert_eq!(place.address(4091), "172.31.16.4");
        let smallest = Block::parse("10.0.0.16/28").unwrap();
        assert_eq!(smallest.address(10), Ipv4Addr::new(10, 0, 0, 30));
        assert_eq!(smallest.address(11), Ipv4Addr::new(10, 0, 0, 20));
        assert_eq!(public_address(65_536 + 257), "198.19.1.1");
        assert_eq!(number_of("198.19.1.1"), Some(65_536 + 257));
        assert_eq!(number_of("10.0.0.1"), None);
    }

    #[test]
    fn blocks_are_as_large_as_subnets_may_be() {
        assert_eq!(
            Block::parse("10.1.0.0/16"),
            Some(Block { first: Ipv4Addr::new(10, 1, 0, 0), prefix: 16 })
        );
        for text in ["10.0.0.0", "10.0.0.0/15", "10.0.0.0/29", "10.0.0/24", "2001:db8::/64", ""] {
            assert_eq!(Block::parse(text), None, "{text}");
        }
    }
}
