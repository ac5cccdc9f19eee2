//! What a picture is made of.

use svg::node::element::{Definitions, Line, Path, Pattern, Rectangle, Text};

use super::labels::Label;

/// What lies over a time in which a node could not be reached: `url(#away)`.
pub(super) fn hatching() -> Definitions {
    let stripe = Path::new()
        .set("d", "M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2")
        .set("stroke", "#ffffff")
        // What is written on it can be read.
        .set("stroke-opacity", 0.5)
        .set("stroke-width", 2.5);
    let pattern = Pattern::new()
        .set("id", "away")
        .set("patternUnits", "userSpaceOnUse")
        .set("width", 6)
        .set("height", 6);
    Definitions::new().add(pattern.add(stripe))
}

pub(super) fn rectangle(x: f64, y: f64, width: f64, height: f64, fill: &str) -> Rectangle {
    Rectangle::new()
        .set("x", rounded(x))
        .set("y", rounded(y))
        .set("width", rounded(width))
        .set("height", rounded(height))
        .set("fill", fill)
}

pub(super) fn line(from_x: f64, from_y: f64, to_x: f64, to_y: f64, colour: &str) -> Line {
    Line::new()
        .set("x1", rounded(from_x))
        .set("y1", rounded(from_y))
        .set("x2", rounded(to_x))
        .set("y2", rounded(to_y))
        .set("stroke", colour)
}

pub(super) fn text(words: &str, x: f64, y: f64) -> Text {
    Text::new(words).set("x", rounded(x)).set("y", rounded(y))
}

/// The words of a label, beside its mark.
pub(super) fn words(label: &Label, colour: &str) -> Text {
    let (x, anchor) = if label.before {
        (label.x - 8.0, "end")
    } else {
        (label.x + 8.0, "start")
    };
    let words = text(&label.words, x, label.y).set("fill", colour);
    words.set("text-anchor", anchor)
}

/// Its upper edge is at `y`, and it points downwards.
pub(super) fn triangle(x: f64, y: f64, colour: &str) -> Path {
    let (x, y) = (rounded(x), rounded(y));
    Path::new()
        .set("d", format!("M{x},{} l-5,-8 h10 z", y + 9.0))
        .set("fill", colour)
}

pub(super) fn diamond(x: f64, y: f64, colour: &str) -> Path {
    let (x, y) = (rounded(x), rounded(y));
    Path::new()
        .set("d", format!("M{x},{} l4,4 l-4,4 l-4,-4 z", y - 4.0))
        .set("fill", colour)
}

/// A hundredth of a pixel is enough.
fn rounded(length: f64) -> f64 {
    (length * 100.0).round() / 100.0
}
