//! `[router]`: how the process that speaks VRRP runs.

use std::ops::RangeInclusive;

use super::key::{Key, Keys, Kind};
use super::nodes::{ByNode, Nodes};
use super::reader::{Field, Table};

pub(super) const ROUTER: Keys = Keys::new(&[Key::optional(
    "cpu-affinity",
    Kind::ByNode(&Kind::List(&Kind::Number(CPU), 1)),
    "every processor",
    "The processors that the process which speaks VRRP is kept to, by number, as `vrrp_cpu_affinity` of keepalived.",
)
.example("[2, 3]")]);
const CPUS_EXAMPLE: &str = "[0, 1]";
/// Up to the last processor that the kernel's own interface has a name for.
const CPU: RangeInclusive<i64> = 0..=1023;

/// `[router]` before it is known which node this is.
#[derive(Debug, Default)]
pub(super) struct RouterDraft {
    cpus: Option<ByNode<Vec<usize>>>,
}

/// `[router]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Router {
    /// The processors that it runs on, by number, each once; all when empty.
    pub(crate) cpus: Vec<usize>,
}

impl RouterDraft {
    pub(super) fn read(root: &Table<'_>, nodes: &Nodes) -> Option<Self> {
        root.read("router", Self::default(), |field| {
            let table = field.table("[router]", "[router]", ROUTER)?;
            let cpus = table.read("cpu-affinity", None, |field| {
                ByNode::read(&field, nodes, read_cpus).map(Some)
            });
            Some(Self { cpus: cpus? })
        })
    }

    /// What it is on `node`.
    pub(super) fn resolve(&self, node: &str) -> Router {
        let cpus = self.cpus.as_ref().and_then(|cpus| cpus.at(node));
        Router {
            cpus: cpus.cloned().unwrap_or_default(),
        }
    }
}

fn read_cpus(field: &Field<'_>) -> Option<Vec<usize>> {
    let elements = field.elements(CPUS_EXAMPLE)?;
    let numbers: Vec<_> = elements
        .iter()
        .map(|element| element.number(CPU, 0))
        .collect();
    let numbers: Vec<_> = numbers.into_iter().collect::<Option<_>>()?;
    let mut cpus: Vec<_> = numbers
        .into_iter()
        .filter_map(|number| usize::try_from(number).ok())
        .collect();
    cpus.sort_unstable();
    cpus.dedup();
    Some(cpus)
}
