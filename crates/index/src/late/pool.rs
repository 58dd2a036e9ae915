//! Fewer vectors that stand for many: the two nearest become one, until few enough are left.
//!
//! Hierarchical clustering by Ward's criterion (1963): the pair whose union adds least to the squared distances from
//! the means. By that measure what is joined never comes nearer to others than its parts were, so what was known of the
//! nearest stays a lower bound, and is looked up again only when it would be next. Invariant: the result does not
//! depend on anything but the vectors, in their order.

use super::TOKEN_DIMS;

type Row = [f32; TOKEN_DIMS];

struct Cluster {
    sum: Row,
    mean: Row,
    size: f32,
    /// Where its nearest is; of those after it only, so that each pair is known once. `None`: joined since.
    near: Option<usize>,
    /// How near that is, or was: no other is nearer.
    cost: f32,
}

impl Cluster {
    fn alone(row: &Row) -> Self {
        Self { sum: *row, mean: *row, size: 1.0, near: None, cost: 0.0 }
    }

    fn join(&mut self, other: &Self) {
        self.size += other.size;
        self.sum.iter_mut().zip(&other.sum).for_each(|(sum, more)| *sum += more);
        self.mean = self.sum.map(|number| number / self.size);
    }

    /// What joining two adds to the sum of squares.
    fn cost_with(&self, other: &Self) -> f32 {
        // In lanes, so that it is compiled to wide instructions.
        let mut lanes = [0.0_f32; 8];
        for (a, b) in self.mean.as_chunks::<8>().0.iter().zip(other.mean.as_chunks::<8>().0) {
            lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += (a - b) * (a - b));
        }
        let square: f32 = lanes.iter().sum();
        square * self.size * other.size / (self.size + other.size)
    }
}

/// At most `most` vectors of norm 1.
pub(super) fn pool(rows: &[Row], most: usize) -> Vec<Row> {
    if rows.len() <= most {
        return rows.to_vec();
    }
    let mut clusters: Vec<Cluster> = rows.iter().map(Cluster::alone).collect();
    for at in 0..clusters.len() {
        look(&mut clusters, at);
    }
    while clusters.len() > most.max(1) {
        let next = clusters.iter().enumerate().min_by(|(_, a), (_, b)| a.cost.total_cmp(&b.cost));
        let Some((first, near, cost)) = next.map(|(at, cluster)| (at, cluster.near, cluster.cost)) else {
            break;
        };
        let Some(second) = near else {
            if cost.is_infinite() {
                break; // numbers that are none have no distances
            }
            look(&mut clusters, first);
            continue;
        };
        let gone = clusters.remove(second);
        if let Some(grown) = clusters.get_mut(first) {
            grown.join(&gone);
        }
        for cluster in &mut clusters {
            cluster.near = match cluster.near {
                Some(near) if near == first || near == second => None,
                Some(near) if near > second => Some(near - 1),
                near => near,
            };
        }
        look(&mut clusters, first);
    }
    clusters.iter().take(most.max(1)).map(|cluster| unit(&cluster.sum)).collect()
}

/// Finds the nearest of those after a cluster.
fn look(clusters: &mut [Cluster], at: usize) {
    let Some((cluster, after)) = clusters.get_mut(at..).and_then(<[Cluster]>::split_first_mut) else {
        return;
    };
    (cluster.near, cluster.cost) = (None, f32::INFINITY);
    for (other, place) in after.iter().zip(at + 1..) {
        let cost = cluster.cost_with(other);
        if cost < cluster.cost {
            (cluster.near, cluster.cost) = (Some(place), cost);
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
        assert_eq!(pool(&[[f32::NAN; TOKEN_DIMS]; 9], 4).len(), 4, "whatever a model gives, it ends");
    }

    /// The plain way: every pair looked at every time.
    fn slowly(rows: &[Row], most: usize) -> Vec<Row> {
        if rows.len() <= most {
            return rows.to_vec();
        }
        let mut clusters: Vec<Cluster> = rows.iter().map(Cluster::alone).collect();
        while clusters.len() > most {
            let mut best = (f32::INFINITY, 0, 0);
            for a in 0..clusters.len() {
                for b in a + 1..clusters.len() {
                    let cost = clusters[a].cost_with(&clusters[b]);
                    if cost < best.0 {
                        best = (cost, a, b);
                    }
                }
            }
            let gone = clusters.remove(best.2);
            clusters[best.1].join(&gone);
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
            let (fast, plain) = (pool(&rows, most), slowly(&rows, most));
            prop_assert_eq!(fast.len(), plain.len());
            // Equal but for ties that rounding decides: what is kept of the vectors is the same.
            let kept = |pooled: &[Row]| -> f32 {
                let nearest = |row: &Row| {
                    let dot = |other: &Row| row.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
                    pooled.iter().map(dot).fold(-1.0, f32::max)
                };
                rows.iter().map(nearest).sum::<f32>() / rows.len() as f32
            };
            prop_assert!((kept(&fast) - kept(&plain)).abs() < 0.02, "{} {}", kept(&fast), kept(&plain));
        }
    }
}
