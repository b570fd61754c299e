//! The instance types on offer.

/// One instance type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InstanceType {
    pub(crate) name: &'static str,
    pub(crate) vcpus: u32,
    pub(crate) memory_mib: u32,
    pub(crate) architecture: &'static str,
    pub(crate) current_generation: bool,
}

const fn intel(name: &'static str, vcpus: u32, memory_gib_halves: u32) -> InstanceType {
    let memory_mib = memory_gib_halves * 512;
    InstanceType { name, vcpus, memory_mib, architecture: "x86_64", current_generation: true }
}

const fn graviton(name: &'static str, vcpus: u32, memory_gib_halves: u32) -> InstanceType {
    InstanceType { architecture: "arm64", ..intel(name, vcpus, memory_gib_halves) }
}

/// Memory is given in halves of a GiB, the smallest unit in use here.
pub(crate) const INSTANCE_TYPES: [InstanceType; 28] = [
    InstanceType { current_generation: false, ..intel("t2.micro", 1, 2) },
    intel("t3.nano", 2, 1),
    intel("t3.micro", 2, 2),
    intel("t3.small", 2, 4),
    intel("t3.medium", 2, 8),
    intel("t3.large", 2, 16),
    intel("t3.xlarge", 4, 32),
    intel("t3a.micro", 2, 2),
    intel("t3a.medium", 2, 8),
    graviton("t4g.nano", 2, 1),
    graviton("t4g.micro", 2, 2),
    graviton("t4g.small", 2, 4),
    graviton("t4g.medium", 2, 8),
    graviton("t4g.large", 2, 16),
    intel("m5.large", 2, 16),
    intel("m6i.large", 2, 16),
    intel("m6i.xlarge", 4, 32),
    intel("m7i.large", 2, 16),
    intel("m7i.xlarge", 4, 32),
    intel("m7i.2xlarge", 8, 64),
    graviton("m7g.large", 2, 16),
    intel("c6i.large", 2, 8),
    intel("c7i.large", 2, 8),
    intel("c7i.xlarge", 4, 16),
    graviton("c7g.large", 2, 8),
    intel("r6i.large", 2, 32),
    intel("r7i.large", 2, 32),
    graviton("r7g.large", 2, 32),
];

/// The type of this name.
pub(crate) fn find(name: &str) -> Option<&'static InstanceType> {
    INSTANCE_TYPES.iter().find(|candidate| candidate.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_sizes_right() {
        for (index, one) in INSTANCE_TYPES.iter().enumerate() {
            assert!(INSTANCE_TYPES[index + 1..].iter().all(|other| other.name != one.name), "{}", one.name);
        }
        assert_eq!(find("t3.micro").unwrap().memory_mib, 1024);
        assert_eq!(find("t4g.small").unwrap().architecture, "arm64");
        assert_eq!(find("x9.huge"), None);
    }
}
