//! AWS's buckets and ours.

use std::str::FromStr;

/// Calls that share a bucket at AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Family {
    RunInstances,
    StartInstances,
    StopInstances,
    TerminateInstances,
    CreateTags,
    /// With ids, or with filters and pages; without any, AWS allows half as much.
    DescribeInstances,
    DescribeSubnets,
    DescribeImages,
}

impl Family {
    pub(crate) const ALL: [Self; 8] = [
        Self::RunInstances,
        Self::StartInstances,
        Self::StopInstances,
        Self::TerminateInstances,
        Self::CreateTags,
        Self::DescribeInstances,
        Self::DescribeSubnets,
        Self::DescribeImages,
    ];

    /// EC2's name of the action; also the row's.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::RunInstances => "RunInstances",
            Self::StartInstances => "StartInstances",
            Self::StopInstances => "StopInstances",
            Self::TerminateInstances => "TerminateInstances",
            Self::CreateTags => "CreateTags",
            Self::DescribeInstances => "DescribeInstances",
            Self::DescribeSubnets => "DescribeSubnets",
            Self::DescribeImages => "DescribeImages",
        }
    }

    /// What AWS gives an account that never asked for more: what tests hold ours against.
    #[cfg(test)]
    pub(crate) const fn at_aws(self) -> Rates {
        match self {
            Self::RunInstances => Rates::of(5.0, 2.0).and(1000.0, 2.0),
            Self::StartInstances => Rates::of(50.0, 5.0).and(1000.0, 2.0),
            Self::StopInstances | Self::TerminateInstances => Rates::of(50.0, 5.0).and(1000.0, 20.0),
            Self::CreateTags => Rates::of(100.0, 10.0),
            // Filters without pages, and whatever has neither.
            Self::DescribeSubnets | Self::DescribeImages => Rates::of(50.0, 10.0),
            Self::DescribeInstances => Rates::of(100.0, 20.0),
        }
    }

    /// What CloudApp allows itself.
    ///
    /// The refill is slower, so that a rounding or a drifting clock is never in AWS's disfavour. The bucket is
    /// smaller by what comes in while a call is under way: calls reach AWS later than their tokens were taken, some
    /// more so than others, and what was spread here may arrive there together.
    const fn ours(self) -> Rates {
        match self {
            Self::RunInstances => Rates::of(4.0, 1.9).and(990.0, 1.9),
            Self::StartInstances => Rates::of(45.0, 4.5).and(990.0, 1.9),
            Self::StopInstances | Self::TerminateInstances => Rates::of(45.0, 4.5).and(900.0, 18.0),
            Self::CreateTags => Rates::of(90.0, 9.0),
            Self::DescribeSubnets | Self::DescribeImages => Rates::of(45.0, 9.0),
            Self::DescribeInstances => Rates::of(90.0, 18.0),
        }
    }

    /// [`Self::ours`], times what the account has been given more.
    pub(crate) fn rates(self, factor: f64) -> Rates {
        let Rates { requests, resources } = self.ours();
        Rates { requests: requests.times(factor), resources: resources.map(|size| size.times(factor)) }
    }
}

/// A bucket's size: what it holds, and what comes in per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Size {
    pub(crate) capacity: f64,
    pub(crate) per_second: f64,
}

impl Size {
    /// A bucket below one token would never give one.
    fn times(self, factor: f64) -> Self {
        Self { capacity: (self.capacity * factor).max(1.0), per_second: self.per_second * factor }
    }
}

/// The buckets of a family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rates {
    pub(crate) requests: Size,
    /// Of machines, for the families that have one.
    pub(crate) resources: Option<Size>,
}

impl Rates {
    const fn of(capacity: f64, per_second: f64) -> Self {
        Self { requests: Size { capacity, per_second }, resources: None }
    }

    const fn and(self, capacity: f64, per_second: f64) -> Self {
        Self { resources: Some(Size { capacity, per_second }), ..self }
    }
}

/// How an account's buckets relate to AWS's defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RateFactor {
    /// No limiter at all: for benchmarks of everything else.
    Off,
    /// As many times the default.
    Times(f64),
}

/// Neither `off` nor a positive number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is `off` or a number between 0.01 and 1000")]
pub struct InvalidRateFactor;

impl FromStr for RateFactor {
    type Err = InvalidRateFactor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let factor: f64 = text.parse().map_err(|_| InvalidRateFactor)?;
        if (0.01..=1000.0).contains(&factor) { Ok(Self::Times(factor)) } else { Err(InvalidRateFactor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_stays_below_aws() {
        for family in Family::ALL {
            let (ours, theirs) = (family.rates(1.0), family.at_aws());
            assert!(ours.requests.capacity < theirs.requests.capacity, "{family:?}");
            assert!(ours.requests.per_second < theirs.requests.per_second, "{family:?}");
            assert_eq!(ours.resources.is_some(), theirs.resources.is_some(), "{family:?}");
            if let (Some(ours), Some(theirs)) = (ours.resources, theirs.resources) {
                assert!(ours.capacity < theirs.capacity && ours.per_second < theirs.per_second, "{family:?}");
            }
        }
    }

    #[test]
    fn a_factor_is_a_number_or_off() {
        assert_eq!("off".parse(), Ok(RateFactor::Off));
        assert_eq!("2.5".parse(), Ok(RateFactor::Times(2.5)));
        for wrong in ["", "0", "-1", "NaN", "inf", "fast"] {
            assert!(wrong.parse::<RateFactor>().is_err(), "{wrong}");
        }
    }
}
