//! Fewer vectors that stand for many: the two nearest become one, until few enough are left.
//!
//! Hierarchical clustering by Ward's criterion (1963): the pair whose union adds least to the squared distances from
//! the means. Invariant: the result does not depend on anything but the vectors, in their order.

use super::TOKEN_DIMS;

type Row = [f32; TOKEN_DIMS];

struct Cluster {
    sum: Row,
    size: f32,
    /// Where its nearest is, and how near; of those after it only, so that each pair is known once.
    near: (usize, f32),
}

impl Cluster {
    /// What joining two adds to the sum of squares.
    fn cost(&self, other: &Self) -> f32 {
        let mut square = 0.0;
        for (a, b) in self.sum.iter().zip(&other.sum) {
            let apart = a / self.size - b / other.size;
            square += apart * apart;
        }
        square * self.size * other.size / (self.size + other.size)
    }
}

/// At most `most` vectors of norm 1.
pub(super) fn pool(rows: &[Row], most: usize) -> Vec<Row> {
    if rows.len() <= most {
        return rows.to_vec();
    }
    let mut clusters: Vec<Cluster> =
        rows.iter().map(|row| Cluster { sum: *row, size: 1.0, near: (0, f32::INFINITY) }).collect();
    for at in 0..clusters.len() {
        look(&mut clusters, at);
    }
    while clusters.len() > most.max(1) {
        let closest = clusters.iter().enumerate().min_by(|(_, a), (_, b)| a.near.1.total_cmp(&b.near.1));
        let Some((first, second)) = closest.map(|(at, cluster)| (at, cluster.near.0)) else { break };
        if second <= first || second >= clusters.len() {
            break;
        }
        let gone = clusters.remove(second);
        if let Some(grown) = clusters.get_mut(first) {
            grown.sum.iter_mut().zip(&gone.sum).for_each(|(sum, more)| *sum += more);
            grown.size += gone.size;
        }
        for at in 0..clusters.len() {
            let Some(cluster) = clusters.get_mut(at) else { continue };
            let near = cluster.near.0;
            if at == first || near == first || near == second {
                look(&mut clusters, at);
                continue;
            }
            if near > second {
                cluster.near.0 -= 1;
            }
            // The grown one may have come nearer.
            if at < first {
                let cost = match (clusters.get(at), clusters.get(first)) {
                    (Some(one), Some(grown)) => one.cost(grown),
                    _ => f32::INFINITY,
                };
                if let Some(cluster) = clusters.get_mut(at).filter(|cluster| cost < cluster.near.1) {
                    cluster.near = (first, cost);
                }
            }
        }
    }
    clusters.iter().map(|cluster| unit(&cluster.sum)).collect()
}

/// Finds the nearest of those after a cluster.
fn look(clusters: &mut [Cluster], at: usize) {
    let Some((cluster, after)) = clusters.get_mut(at..).and_then(<[Cluster]>::split_first_mut) else {
        return;
    };
    cluster.near = (0, f32::INFINITY);
    for (other, place) in after.iter().zip(at + 1..) {
        let cost = cluster.cost(other);
        if cost < cluster.near.1 {
            cluster.near = (place, cost);
        }
    }
}

fn unit(row: &Row) -> Row {
    let norm = row.iter().map(|number| number * number).sum::<f32>().sqrt().max(f32::EPSILON);
    row.map(|number| number / norm)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// A vector near an axis, turned a little towards the next.
    fn near_axis(axis: usize, turn: f32) -> Row {
        let mut row = [0.0; TOKEN_DIMS];
        (row[axis], row[(axis + 1) % TOKEN_DIMS]) = (1.0, turn);
        unit(&row)
    }

    #[test]
    fn like_ones_are_joined_first() {
        let rows: Vec<Row> = (0..12).map(|at| near_axis(at % 4 * 5, at as f32 * 0.01)).collect();
        let pooled = pool(&rows, 4);
        assert_eq!(pooled.len(), 4);
        for (at, row) in pooled.iter().enumerate() {
            assert!(row[at * 5] > 0.99, "{at}: {row:?}");
        }
        assert_eq!(pool(&rows, 12), rows);
        assert_eq!(pool(&rows, 1).len(), 1);
        assert_eq!(pool(&[], 0), Vec::<Row>::new());
    }

    /// The plain way: every pair looked at every time.
    fn slowly(rows: &[Row], most: usize) -> Vec<Row> {
        if rows.len() <= most {
            return rows.to_vec();
        }
        let new = |row: &Row| Cluster { sum: *row, size: 1.0, near: (0, 0.0) };
        let mut clusters: Vec<Cluster> = rows.iter().map(new).collect();
        while clusters.len() > most {
            let mut best = (f32::INFINITY, 0, 0);
            for a in 0..clusters.len() {
                for b in a + 1..clusters.len() {
                    let cost = clusters[a].cost(&clusters[b]);
                    if cost < best.0 {
                        best = (cost, a, b);
                    }
                }
            }
            let gone = clusters.remove(best.2);
            let grown = &mut clusters[best.1];
            grown.sum.iter_mut().zip(&gone.sum).for_each(|(sum, more)| *sum += more);
            grown.size += gone.size;
        }
        clusters.iter().map(|cluster| unit(&cluster.sum)).collect()
    }

    proptest! {
        #[test]
        fn keeping_the_nearest_changes_nothing(
            seeds in prop::collection::vec((0usize..8, 0.0f32..2.0), 1..30),
            most in 1usize..20,
        ) {
            let rows: Vec<Row> = seeds.iter().map(|(axis, turn)| near_axis(*axis, *turn)).collect();
            prop_assert_eq!(pool(&rows, most), slowly(&rows, most));
        }
    }
}
