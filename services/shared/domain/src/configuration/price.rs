use super::InstanceType;
use crate::PricePerHour;

/// The day on which the bundled price list was true.
pub const PRICES_AS_OF: &str = "2026-11-01";

/// Linux on-demand prices in us-east-1, in millionths of a dollar per hour (AWS, EC2 On-Demand Pricing).
const ON_DEMAND: &[(&str, i64)] = &[
    ("t3.nano", 5_200),
    ("t3.micro", 10_400),
    ("t3.small", 20_800),
    ("t3.medium", 41_600),
    ("t3.large", 83_200),
    ("t3.xlarge", 166_400),
    ("t3.2xlarge", 332_800),
    ("t4g.nano", 4_200),
    ("t4g.micro", 8_400),
    ("t4g.small", 16_800),
    ("t4g.medium", 33_600),
    ("t4g.large", 67_200),
    ("m6i.large", 96_000),
    ("m6i.xlarge", 192_000),
    ("m7g.large", 81_600),
    ("m7i.large", 100_800),
    ("m7i.xlarge", 201_600),
    ("m7i.2xlarge", 403_200),
    ("c6i.large", 85_000),
    ("c7i.large", 89_250),
    ("c7i.xlarge", 178_500),
    ("c7i.2xlarge", 357_000),
    ("r6i.large", 126_000),
    ("r7i.large", 132_300),
    ("r7i.xlarge", 264_600),
];

/// The bundled on-demand price of a type, if the list holds it.
#[must_use]
pub fn on_demand_price(instance_type: &InstanceType) -> Option<PricePerHour> {
    ON_DEMAND
        .iter()
        .find(|(name, _)| *name == instance_type.as_str())
        .map(|(_, micros)| PricePerHour::from_micros(*micros))
}
