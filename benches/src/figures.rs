//! What many measurements say: medians, quantiles, ranges.

use serde_json::{Value, json};

/// Measurements of one thing, in one unit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn values(&self) -> &[f64] {
        &self.0
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The value below which this share lies, between two measurements by the straight line. NaN of nothing.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
        let at = share.clamp(0.0, 1.0) * last as f64;
        let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
        below + (above - below) * at.fract()
    }

    pub(crate) fn least(&self) -> f64 {
        self.quantile(0.0)
    }

    pub(crate) fn most(&self) -> f64 {
        self.quantile(1.0)
    }

    /// For a JSON file.
    pub(crate) fn json(&self) -> Value {
        json!({
            "median": self.median(), "p90": self.quantile(0.9), "p99": self.quantile(0.99),
            "least": self.least(), "most": self.most(), "all": self.0,
        })
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_measurements() {
        let series: Series = [4.0, 1.0, 3.0, 2.0].into_iter().collect();
        let got = [0.0, 0.25, 0.5, 1.0].map(|share| series.quantile(share));
        assert_eq!(got, [1.0, 1.75, 2.5, 4.0]);
        let odd: Series = [9.0, 1.0, 5.0].into_iter().collect();
        assert_eq!(odd.median(), 5.0);
        assert!(Series::default().median().is_nan());
    }
}
