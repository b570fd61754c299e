use std::fmt;

use serde::{Deserialize, Serialize};

/// A price in millionths of a US dollar per hour. Whole numbers, so that sums are exact.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
#[schema(value_type = i64)]
pub struct PricePerHour(i64);

impl PricePerHour {
    /// A price of `micros` millionths of a dollar per hour.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Millionths of a dollar per hour.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }
}

/// Shown as dollars with four decimals: `$0.0104`.
impl fmt::Display for PricePerHour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths_of_mills = (self.0 + 50).div_euclid(100);
        write!(f, "${}.{:04}", tenths_of_mills.div_euclid(10_000), tenths_of_mills.rem_euclid(10_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_shown_with_four_decimals() {
        assert_eq!(PricePerHour::from_micros(10_400).to_string(), "$0.0104");
        assert_eq!(PricePerHour::from_micros(1_234_567).to_string(), "$1.2346");
        assert_eq!(PricePerHour::default().to_string(), "$0.0000");
    }
}
