//! Points of quality against time, as SVG; needs nothing but a browser.

use std::fmt::Write;

/// One panel.
pub(super) struct Plot {
    pub(super) title: &'static str,
    pub(super) y: &'static str,
    pub(super) points: Vec<Point>,
}

pub(super) struct Point {
    /// Milliseconds.
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) label: String,
    /// Nothing is both faster and better.
    pub(super) front: bool,
    pub(super) chosen: bool,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
const TICKS: u8 = 5;

/// Panels below one another; fronts are joined by a line, the chosen point is ringed.
pub(super) fn svg(plots: &[Plot]) -> String {
    let count = u32::try_from(plots.len()).unwrap_or(0);
    let height = HEIGHT * f64::from(count);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (plot, number) in plots.iter().zip(0_u32..) {
        let _ = writeln!(out, "<g transform=\"translate(0 {})\">", HEIGHT * f64::from(number));
        panel(&mut out, plot);
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

fn panel(out: &mut String, plot: &Plot) {
    let x = Axis::over(plot.points.iter().map(|point| point.x), LEFT, WIDTH - RIGHT);
    let y = Axis::over(plot.points.iter().map(|point| point.y), HEIGHT - BOTTOM, TOP);
    let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"22\" font-size=\"14\">{}</text>", plot.title);
    for tick in 0..=TICKS {
        let share = f64::from(tick) / f64::from(TICKS);
        let (at, value) = x.tick(share);
        let _ = writeln!(
            out,
            "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{0}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{1}\" text-anchor=\"middle\">{value:.3}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 16.0
        );
        let (at, value) = y.tick(share);
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{0}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{1}\" y=\"{at:.1}\" text-anchor=\"end\" dy=\"4\">{value:.3}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">p50 ms</text><text x=\"8\" y=\"{TOP}\">{}</text>",
        WIDTH - RIGHT,
        HEIGHT - 12.0,
        plot.y
    );
    let mut front: Vec<&Point> = plot.points.iter().filter(|point| point.front).collect();
    front.sort_by(|a, b| a.x.total_cmp(&b.x));
    let line: String = front.iter().fold(String::new(), |mut line, point| {
        let _ = write!(line, "{:.1},{:.1} ", x.at(point.x), y.at(point.y));
        line
    });
    let _ = writeln!(out, "<polyline points=\"{}\" fill=\"none\" stroke=\"#06c\"/>", line.trim_end());
    for point in &plot.points {
        let (cx, cy) = (x.at(point.x), y.at(point.y));
        let fill = if point.front { "#06c" } else { "#999" };
        let _ = writeln!(out, "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"4\" fill=\"{fill}\"/>");
        if point.chosen {
            let _ = writeln!(
                out,
                "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"9\" fill=\"none\" stroke=\"#c30\"/>"
            );
        }
        if point.front || point.chosen {
            let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", cx + 7.0, cy - 6.0, point.label);
        }
    }
}

/// Values to places.
struct Axis {
    low: f64,
    span: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let span = if high > low { high - low } else { 1.0 };
        // Some air, so that no point sits on the frame.
        let low = if low.is_finite() { low - span * 0.05 } else { 0.0 };
        Self { low, span: span * 1.1, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / self.span * (self.to - self.from)
    }

    fn tick(&self, share: f64) -> (f64, f64) {
        let value = self.low + self.span * share;
        (self.at(value), value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64, y: f64, front: bool, chosen: bool) -> Point {
        Point { x, y, label: format!("p{x}"), front, chosen }
    }

    #[test]
    fn every_point_is_drawn_inside_the_frame() {
        let points =
            vec![point(1.0, 0.5, true, true), point(2.0, 0.9, true, false), point(3.0, 0.4, false, false)];
        let drawn =
            svg(&[Plot { title: "t", y: "y", points }, Plot { title: "none", y: "y", points: vec![] }]);
        assert_eq!(drawn.matches("r=\"4\"").count(), 3);
        assert_eq!(drawn.matches("r=\"9\"").count(), 1);
        assert!(drawn.contains(">p1<") && !drawn.contains(">p3<"), "only the front is named");
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"));
    }
}
