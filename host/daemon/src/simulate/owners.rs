//! Who has the addresses of an instance, as those who use them see it.

use std::time::Duration;

/// From when on which nodes have the addresses and can be reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners(Vec<(Duration, Vec<usize>)>);

/// A time in which nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spell {
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    /// Whoever has the addresses; nobody, or more than one while they move.
    pub(crate) nodes: Vec<usize>,
}

impl Spell {
    pub(crate) fn length(&self) -> Duration {
        self.until.saturating_sub(self.from)
    }
}

impl Owners {
    /// `nodes` have the addresses from now on.
    pub(super) fn look(&mut self, now: Duration, nodes: Vec<usize>) {
        let known = self.0.last().map(|(_, nodes)| nodes.as_slice());
        if known.unwrap_or_default() == nodes {
            return;
        }
        // What lasts no time is seen by nobody.
        if self.0.last().is_some_and(|(since, _)| *since == now) {
            self.0.pop();
            return self.look(now, nodes);
        }
        self.0.push((now, nodes));
    }

    /// Every spell between two moments, from the first time on that anybody had them.
    pub(crate) fn spells(&self, from: Duration, until: Duration) -> Vec<Spell> {
        let ends = self.0.iter().skip(1).map(|(since, _)| *since);
        let ends = ends.chain([until]);
        self.0
            .iter()
            .zip(ends)
            .map(|((since, nodes), end)| Spell {
                from: (*since).max(from),
                until: end.min(until),
                nodes: nodes.clone(),
            })
            .filter(|spell| spell.from < spell.until)
            .collect()
    }
}

/// Time in which nobody had the addresses.
pub(crate) fn without(spells: &[Spell]) -> Duration {
    total(spells, |nodes| nodes == 0)
}

/// Time in which more than one node had them.
pub(crate) fn with_two(spells: &[Spell]) -> Duration {
    total(spells, |nodes| nodes > 1)
}

fn total(spells: &[Spell], counts: impl Fn(usize) -> bool) -> Duration {
    let spells = spells.iter().filter(|spell| counts(spell.nodes.len()));
    spells.map(Spell::length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn time_counts_from_the_first_owner_on() {
        let mut owners = Owners::default();
        owners.look(ms(0), vec![]);
        owners.look(ms(10), vec![0]);
        owners.look(ms(30), vec![0, 1]);
        owners.look(ms(31), vec![1]);
        owners.look(ms(31), vec![1]);
        owners.look(ms(50), vec![]);
        let spells = owners.spells(ms(0), ms(60));
        let shown: Vec<_> = spells
            .iter()
            .map(|spell| (spell.length().as_millis(), spell.nodes.len()))
            .collect();
        assert_eq!(shown, [(20, 1), (1, 2), (19, 1), (10, 0)]);
        assert_eq!(without(&spells), ms(10));
        assert_eq!(with_two(&spells), ms(1));
        assert_eq!(without(&owners.spells(ms(55), ms(60))), ms(5));
    }

    #[test]
    fn what_lasts_no_time_is_left_out() {
        let mut owners = Owners::default();
        owners.look(ms(10), vec![0]);
        owners.look(ms(20), vec![]);
        owners.look(ms(20), vec![0]);
        assert_eq!(owners.spells(ms(0), ms(30)).len(), 1);
    }
}
