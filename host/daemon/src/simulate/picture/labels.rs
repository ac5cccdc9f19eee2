//! Words beside marks on a time axis, in as many rows as they need.

/// Labels of one kind, each in the first row in which it covers no other one.
#[derive(Debug)]
pub(super) struct Labels {
    left: f64,
    right: f64,
    row_height: f64,
    placed: Vec<Label>,
    /// By row: what is taken already.
    rows: Vec<Vec<(f64, f64)>>,
}

/// Words with their place; the mark is at `x`, the base line at `y`.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub(super) words: String,
    pub(super) x: f64,
    pub(super) y: f64,
    /// They stand before the mark, because behind it is no room.
    pub(super) before: bool,
}

/// About what a text takes in the font of the picture.
pub(super) fn width_of(words: &str) -> f64 {
    const CHARACTER: f64 = 7.2;
    f64::from(u32::try_from(words.chars().count()).unwrap_or(u32::MAX)) * CHARACTER
}

impl Labels {
    pub(super) fn new(left: f64, right: f64, row_height: f64) -> Self {
        Self {
            left,
            right,
            row_height,
            placed: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Words with a mark at `x`; those of the same mark and the same words are one.
    pub(super) fn add(&mut self, x: f64, words: String) {
        let is_same = |label: &Label| label.words == words && (label.x - x).abs() < f64::EPSILON;
        if self.placed.iter().any(is_same) {
            return;
        }
        let width = width_of(&words) + 14.0;
        let before = x + width > self.right && x - width >= self.left;
        let taken = if before {
            (x - width, x + 6.0)
        } else {
            (x - 6.0, x + width)
        };
        let is_free = |row: &Vec<(f64, f64)>| {
            let mut others = row.iter();
            others.all(|other| other.1 <= taken.0 || taken.1 <= other.0)
        };
        let row = self.rows.iter().position(is_free).unwrap_or_else(|| {
            self.rows.push(Vec::new());
            self.rows.len() - 1
        });
        self.rows[row].push(taken);
        self.placed.push(Label {
            words,
            x,
            y: self.row_height * count(row + 1) - 4.0,
            before,
        });
    }

    pub(super) fn height(&self) -> f64 {
        self.row_height * count(self.rows.len())
    }

    /// All of them; the first row is at the top of the page.
    pub(super) fn placed(&self) -> Vec<Label> {
        self.placed.clone()
    }
}

impl Label {
    /// Further down on the page.
    pub(super) fn down(mut self, by: f64) -> Self {
        self.y += by;
        self
    }
}

fn count(rows: usize) -> f64 {
    f64::from(u32::try_from(rows).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_do_not_cover_each_other() {
        let mut labels = Labels::new(0.0, 200.0, 10.0);
        labels.add(10.0, "first".to_owned());
        labels.add(20.0, "second".to_owned());
        labels.add(120.0, "third".to_owned());
        labels.add(195.0, "fourth".to_owned());
        labels.add(195.0, "fourth".to_owned());
        let rows: Vec<_> = labels.placed().iter().map(|label| label.y).collect();
        assert_eq!(rows, [6.0, 16.0, 6.0, 16.0]);
        assert_eq!(labels.placed().last().map(|label| label.before), Some(true));
        assert!((labels.height() - 20.0).abs() < f64::EPSILON);
    }
}
