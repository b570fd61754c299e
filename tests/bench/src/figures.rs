//! Figures out of many measurements.

/// Durations, seconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value below which this share (0 to 1) of all lies: the nearest rank.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.clamp(1, self.0.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
    }

    /// Median and 99th percentile in milliseconds.
    pub(crate) fn p50_p99_ms(&self) -> String {
        if self.0.is_empty() {
            return "none".to_owned();
        }
        format!("{:.0} / {:.0} ms", self.quantile(0.5) * 1000.0, self.quantile(0.99) * 1000.0)
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        Self(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_measured_values() {
        let sample: Sample = (1..=200).rev().map(f64::from).collect();
        assert_eq!(
            (sample.quantile(0.5), sample.quantile(0.99), sample.quantile(1.0)),
            (100.0, 198.0, 200.0)
        );
        assert!(Sample::default().quantile(0.5).is_nan());
    }
}
