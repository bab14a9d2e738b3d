//! Small statistics: percentiles of latencies, medians over rounds, ratios within a round.

/// The value that `share` (0 to 1) of the sorted samples do not exceed; 0 without samples.
pub(crate) fn percentile(sorted: &[u32], share: f64) -> u32 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0)
}

/// The middle value, or the mean of the two middle ones; `None` without values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        len if len % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// Half the range of the values, relative to their median; `None` for fewer than two values or a median of zero.
pub(crate) fn spread(values: &[f64]) -> Option<f64> {
    let middle = median(values).filter(|middle| *middle != 0.0)?;
    let low = values.iter().copied().min_by(f64::total_cmp)?;
    let high = values.iter().copied().max_by(f64::total_cmp)?;
    (values.len() > 1).then(|| (high - low) / 2.0 / middle.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_of_the_samples() {
        let hundred: Vec<u32> = (1..=100).collect();
        let cases: [(&[u32], f64, u32); 8] = [
            (&[], 0.5, 0),
            (&[7], 0.0, 7),
            (&[7], 0.999, 7),
            (&[1, 2], 0.5, 1),
            (&[1, 2, 3], 0.5, 2),
            (&hundred, 0.5, 50),
            (&hundred, 0.99, 99),
            (&hundred, 0.999, 100),
        ];
        for (samples, share, expected) in cases {
            assert_eq!(
                percentile(samples, share),
                expected,
                "{share} of {} samples",
                samples.len()
            );
        }
    }

    #[test]
    fn medians_do_not_care_for_order_or_outliers() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[900.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 900.0]), Some(3.0));
    }

    #[test]
    fn spread_is_half_the_range_over_the_median() {
        assert_eq!(spread(&[1.0]), None);
        assert_eq!(spread(&[0.0, 0.0]), None);
        assert_eq!(spread(&[9.0, 10.0, 11.0]), Some(0.1));
    }
}
