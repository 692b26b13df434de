//! Labels at the ends of lines, moved apart so that none covers another.

/// Moves wanted heights apart by at least `gap`, staying between `top` and `bottom` where there is room; keeps their order.
pub fn spread(wanted: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let mut placed: Vec<f64> = order.iter().map(|index| wanted[*index].clamp(top, bottom)).collect();
    for index in 1..placed.len() {
        placed[index] = placed[index].max(placed[index - 1] + gap);
    }
    let mut limit = bottom;
    for height in placed.iter_mut().rev() {
        *height = height.min(limit);
        limit = *height - gap;
    }
    let mut heights = vec![0.0; wanted.len()];
    for (index, height) in order.into_iter().zip(placed) {
        heights[index] = height;
    }
    heights
}

/// Puts labels that would overlap on rows below one another: the row of each (start, width), in order of start.
pub fn rows(labels: &[(f64, f64)]) -> Vec<usize> {
    let mut ends: Vec<f64> = Vec::new();
    labels
        .iter()
        .map(|(start, width)| {
            let row = ends.iter().position(|end| *end + 6.0 <= *start).unwrap_or_else(|| {
                ends.push(0.0);
                ends.len() - 1
            });
            ends[row] = start + width;
            row
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_would_cover_each_other_move_apart() {
        assert_eq!(spread(&[50.0, 51.0, 10.0], 12.0, 0.0, 100.0), vec![50.0, 62.0, 10.0]);
    }

    #[test]
    fn labels_at_the_bottom_move_up() {
        assert_eq!(spread(&[99.0, 100.0], 12.0, 0.0, 100.0), vec![88.0, 100.0]);
    }

    #[test]
    fn overlapping_fault_labels_take_another_row() {
        assert_eq!(rows(&[(0.0, 50.0), (20.0, 50.0), (90.0, 10.0)]), vec![0, 1, 0]);
    }
}
