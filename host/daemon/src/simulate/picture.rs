//! A simulation as a picture: a lane for each instance on each node, and one for its addresses, over one time axis.

use std::time::Duration;

use svg::Document;
use svg::node::element::{Group, Title};
use vrrp::State;

use self::labels::Labels;
use self::shapes::{diamond, hatching, line, rectangle, text, triangle, words};
use self::spells::{away, states};
use super::owners::{Owners, Spell};
use super::report::{addresses, decimal, node_list};
use super::scene::Scene;
use super::timeline::What;
use super::world::World;

mod labels;
mod shapes;
mod spells;

const WIDTH: f64 = 1100.0;
/// Where time begins; names stand before it.
const LEFT: f64 = 150.0;
const RIGHT: f64 = WIDTH - 24.0;
const TOP: f64 = 56.0;
const LANE: f64 = 26.0;
const ROW: f64 = 16.0;
const GAP: f64 = 22.0;
/// What is shorter on the page is drawn this wide, or nobody would see it.
const NARROWEST: f64 = 1.5;

const FONT: &str = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";
const INK: &str = "#1f2933";
const FAINT: &str = "#6b7785";
const GRID: &str = "#e4e8ec";
const ALARM: &str = "#c62f2f";
/// One for each node, over and over again.
const NODES: [&str; 6] = [
    "#3b6fb6", "#c9772b", "#7a55b0", "#2f8f8a", "#b04a78", "#6f7d2c",
];

/// A picture that grows downwards.
struct Picture<'a> {
    scene: &'a Scene,
    world: &'a World<'a>,
    /// What stands on the grid.
    shapes: Group,
    /// The lower edge of what is drawn so far.
    bottom: f64,
}

/// Draws everything that `world` has shown so far, as SVG.
pub(crate) fn draw(scene: &Scene, world: &World<'_>) -> String {
    let mut picture = Picture {
        scene,
        world,
        shapes: Group::new(),
        bottom: TOP,
    };
    for node in 0..scene.nodes.len() {
        picture.add_node(node);
    }
    for (instance, owners) in world.owners().iter().enumerate() {
        picture.add_owners(instance, owners);
    }
    let (bottom, grid) = (picture.bottom, picture.grid());
    let height = bottom + 40.0;
    let document = Document::new()
        .set("viewBox", (0.0, 0.0, WIDTH, height))
        .set("width", WIDTH)
        .set("height", height)
        .set("font-family", FONT)
        .set("font-size", 12)
        .add(hatching())
        .add(rectangle(0.0, 0.0, WIDTH, height, "#ffffff"))
        .add(legend())
        .add(grid)
        .add(picture.shapes);
    format!("{document}\n")
}

impl Picture<'_> {
    /// Where a moment is on the page.
    fn x(&self, at: Duration) -> f64 {
        let whole = self.world.now().as_secs_f64().max(f64::MIN_POSITIVE);
        LEFT + (RIGHT - LEFT) * (at.as_secs_f64() / whole)
    }

    fn add(&mut self, shape: impl Into<Box<dyn svg::Node>>) {
        svg::Node::append(&mut self.shapes, shape);
    }

    /// A node: what happens to it, a lane for each instance, and the hooks that it calls.
    fn add_node(&mut self, node: usize) {
        let plan = &self.scene.nodes[node];
        let asked = self.labels(node, |what| {
            let What::Asked { words, .. } = what else {
                return None;
            };
            Some(without_node(words).to_owned())
        });
        let hooks = self.labels(node, |what| {
            let What::Hook { hook, .. } = what else {
                return None;
            };
            Some(plan.hook_name(*hook).to_owned())
        });
        let lanes_top = self.bottom + asked.height() + 4.0;
        let instances = self.scene.instances();
        let lanes = f64::from(u32::try_from(instances).unwrap_or(u32::MAX)) * (LANE + 4.0);
        self.add_name(&plan.name, lanes_top, colour_of(node));
        for label in asked.placed() {
            let label = label.down(self.bottom);
            let line = line(
                label.x,
                label.y + 4.0,
                label.x,
                lanes_top + lanes - 4.0,
                INK,
            )
            .set("stroke-dasharray", "2 2");
            self.add(line);
            self.add(triangle(label.x, label.y - 7.0, INK));
            self.add(words(&label, INK).set("font-weight", 600));
        }
        let mut y = lanes_top;
        for instance in 0..instances {
            self.add_lane(node, instance, y);
            y += LANE + 4.0;
        }
        for label in hooks.placed() {
            let label = label.down(y + 2.0);
            self.add(line(label.x, y - 4.0, label.x, label.y - 4.0, FAINT));
            self.add(diamond(label.x, label.y - 4.0, FAINT));
            self.add(words(&label, FAINT));
        }
        self.bottom = y + hooks.height() + GAP;
    }

    fn add_lane(&mut self, node: usize, instance: usize, y: f64) {
        if self.scene.instances() > 1 {
            let name = text(
                &short(self.scene.instance_name(instance)),
                LEFT - 10.0,
                y + 17.0,
            );
            self.add(name.set("text-anchor", "end").set("fill", FAINT));
        }
        for spell in states(self.world, node, instance) {
            let (from, width) = self.extent(spell.from, spell.until);
            let (name, colour) = look_of(spell.state);
            let tip = format!(
                "{name}, {} to {} ms",
                decimal(spell.from),
                decimal(spell.until)
            );
            let shape = rectangle(from, y, width, LANE, colour).set("rx", 3);
            self.add(shape.add(Title::new(tip)));
            self.add_inside(name, from, width, y);
        }
        for (from, until) in away(self.world, node) {
            let (from, width) = self.extent(from, until);
            self.add(rectangle(from, y, width, LANE, "url(#away)"));
        }
    }

    /// Who has the addresses of an instance: one after the other, with gaps in red.
    fn add_owners(&mut self, instance: usize, owners: &Owners) {
        let spells = owners.spells(Duration::ZERO, self.world.now());
        let mut gaps = Labels::new(LEFT, RIGHT, ROW);
        for spell in spells.iter().filter(|spell| spell.nodes.is_empty()) {
            let gap = format!("{} ms without an owner", decimal(spell.length()));
            gaps.add(self.x(spell.from), gap);
        }
        let top = self.bottom + gaps.height() + 4.0;
        let title = match self.scene.instances() {
            1 => "address".to_owned(),
            _ => short(self.scene.instance_name(instance)),
        };
        self.add_name(&title, top, INK);
        let under = text(&addresses(self.scene, instance), LEFT, top + LANE + 15.0);
        self.add(under.set("fill", FAINT));
        for label in gaps.placed() {
            let label = label.down(self.bottom);
            self.add(line(label.x, label.y + 4.0, label.x, top, ALARM));
            self.add(triangle(label.x, label.y - 7.0, ALARM));
            self.add(words(&label, ALARM).set("font-weight", 600));
        }
        for spell in &spells {
            self.add_spell(spell, top);
        }
        self.bottom = top + LANE + ROW + GAP;
    }

    fn add_spell(&mut self, spell: &Spell, y: f64) {
        let (from, width) = self.extent(spell.from, spell.until);
        let (name, colour) = match spell.nodes.as_slice() {
            [] => (String::new(), ALARM),
            [node] => (self.scene.nodes[*node].name.clone(), colour_of(*node)),
            nodes => (node_list(self.scene, nodes), "#e0b400"),
        };
        let tip = match name.as_str() {
            "" => "nobody",
            name => name,
        };
        let tip = format!(
            "{tip}, {} to {} ms",
            decimal(spell.from),
            decimal(spell.until)
        );
        let shape = rectangle(from, y, width, LANE, colour).set("rx", 3);
        self.add(shape.add(Title::new(tip)));
        self.add_inside(&name, from, width, y);
    }

    /// Words on a coloured shape, where they fit.
    fn add_inside(&mut self, name: &str, from: f64, width: f64, y: f64) {
        if labels::width_of(name) + 16.0 <= width {
            let inside = text(name, from + width / 2.0, y + 17.0);
            let inside = inside.set("text-anchor", "middle").set("fill", "#ffffff");
            self.add(inside.set("font-weight", 600));
        }
    }

    fn add_name(&mut self, name: &str, y: f64, colour: &str) {
        let name = text(&short(name), 16.0, y + 17.0).set("font-weight", 700);
        self.add(name.set("fill", colour).set("font-size", 13));
    }

    /// Left edge and width of a time on the page.
    fn extent(&self, from: Duration, until: Duration) -> (f64, f64) {
        let left = self.x(from);
        (left, (self.x(until) - left).max(NARROWEST))
    }

    /// What happens to a node, of one kind, with a place for the words of each.
    fn labels(&self, node: usize, words: impl Fn(&What) -> Option<String>) -> Labels {
        let mut labels = Labels::new(LEFT, RIGHT, ROW);
        let entries = self.world.timeline().iter();
        for entry in entries.filter(|entry| entry.node == node) {
            if let Some(words) = words(&entry.what) {
                labels.add(self.x(entry.at), words);
            }
        }
        labels
    }

    /// The time axis, with a line upwards from each tick.
    fn grid(&self) -> Group {
        let step = step(self.world.now());
        let mut grid = Group::new();
        let mut at = Duration::ZERO;
        while at <= self.world.now() {
            let x = self.x(at);
            let label = if step < Duration::from_secs(1) {
                format!("{} ms", at.as_millis())
            } else {
                format!("{} s", at.as_secs())
            };
            let label = text(&label, x, self.bottom + 16.0).set("text-anchor", "middle");
            grid = grid
                .add(line(x, TOP - 8.0, x, self.bottom, GRID))
                .add(label.set("fill", FAINT));
            at += step;
        }
        grid.add(line(LEFT, self.bottom, RIGHT, self.bottom, FAINT))
    }
}

/// Between ticks: the first round time that leaves at most a dozen of them.
fn step(whole: Duration) -> Duration {
    let milliseconds = [
        1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 120_000,
        300_000, 600_000, 1_800_000, 3_600_000, 7_200_000,
    ];
    let mut steps = milliseconds.into_iter().map(Duration::from_millis);
    let fits = |step: &Duration| step.saturating_mul(12) >= whole;
    steps.find(fits).unwrap_or(Duration::from_secs(7_200))
}

/// A state's name and colour.
fn look_of(state: Option<State>) -> (&'static str, &'static str) {
    match state {
        Some(State::Active) => ("MASTER", "#2f8f4e"),
        Some(State::Backup) => ("BACKUP", "#7f9bb8"),
        Some(State::Fault) => ("FAULT", ALARM),
        Some(State::Initialize) => ("INIT", "#a9b1ba"),
        None => ("off", "#3d4650"),
    }
}

/// In which a node's name is written, and its addresses are drawn.
fn colour_of(node: usize) -> &'static str {
    NODES[node % NODES.len()]
}

fn legend() -> Group {
    let mut legend = Group::new();
    let mut x = LEFT;
    let states = [
        Some(State::Active),
        Some(State::Backup),
        Some(State::Fault),
        Some(State::Initialize),
        None,
    ];
    for (name, colour) in states.map(look_of) {
        legend = legend
            .add(rectangle(x, 14.0, 14.0, 14.0, colour).set("rx", 3))
            .add(text(name, x + 20.0, 25.0).set("fill", INK));
        x += 40.0 + labels::width_of(name);
    }
    legend = legend
        .add(triangle(x + 7.0, 18.0, INK))
        .add(text("happens to it", x + 18.0, 25.0).set("fill", INK))
        .add(diamond(x + 120.0, 21.0, FAINT))
        .add(text("calls a hook", x + 130.0, 25.0).set("fill", INK))
        .add(rectangle(
            x + 225.0,
            14.0,
            14.0,
            14.0,
            look_of(Some(State::Active)).1,
        ))
        .add(rectangle(x + 225.0, 14.0, 14.0, 14.0, "url(#away)"));
    legend.add(text("cut off, or stands still", x + 245.0, 25.0).set("fill", INK))
}

/// `fail:node-exporter@master` stands at its node: `fail:node-exporter`.
fn without_node(words: &str) -> &str {
    let (word, rest) = words.split_once(':').unwrap_or((words, ""));
    match rest.rsplit_once('@') {
        Some((thing, _)) => &words[..word.len() + 1 + thing.len()],
        None => word,
    }
}

/// As much of a name as fits before the lanes.
fn short(name: &str) -> String {
    const LONGEST: usize = 16;
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    let cut: String = name.chars().take(LONGEST - 1).collect();
    format!("{cut}…")
}
