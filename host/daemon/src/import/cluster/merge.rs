//! The values that several nodes have for one key.

use toml::{Table, Value};

use super::Assembly;
use crate::import::draft::Entry;
use crate::import::notes::{Kind, Note};

/// Keys that cluster.toml takes by node.
const BY_NODE: [&str; 4] = ["interface", "priority", "peers", "cpu-affinity"];
/// Keys in an entry of a list that it takes by node.
const BY_NODE_IN_LIST: [&str; 2] = ["dev", "iif"];

impl Assembly<'_> {
    /// One line for what several nodes say, each with its number. Where they differ and cluster.toml has one value for all of them, that
    /// of the node `leader` stands, and the others are told.
    pub(super) fn merged(
        &mut self,
        key: &'static str,
        entries: &[(usize, Entry)],
        leader: usize,
    ) -> Option<Entry> {
        let (_, first) = entries.first()?;
        let mut places = Vec::new();
        let mut remarks: Vec<String> = Vec::new();
        for (_, entry) in entries {
            places.extend(&entry.places);
            for remark in &entry.remarks {
                if !remarks.contains(remark) {
                    remarks.push(remark.clone());
                }
            }
        }
        let merged = |value| Entry {
            key,
            value,
            places: places.clone(),
            remarks: remarks.clone(),
        };
        if entries.iter().all(|(_, entry)| entry.value == first.value) {
            return Some(merged(first.value.clone()));
        }
        let values: Vec<(usize, &Value)> = entries
            .iter()
            .map(|(node, it)| (*node, &it.value))
            .collect();
        if BY_NODE.contains(&key) {
            return Some(merged(self.by_node(&values)));
        }
        if let Some(list) = self.lists(&values) {
            return Some(merged(list));
        }
        let (chosen_node, chosen) = entries
            .iter()
            .find(|(node, _)| *node == leader)
            .or_else(|| entries.first())?;
        for (node, entry) in entries {
            if entry.value != chosen.value {
                self.differs(*node, entry, *chosen_node);
            }
        }
        Some(chosen.clone())
    }

    /// A value that one node has and the line does not say.
    pub(super) fn differs(&mut self, node: usize, entry: &Entry, leader: usize) {
        let what = format!(
            "{} = {} on {}",
            entry.key, entry.value, self.nodes[node].name
        );
        let why = format!(
            "one value is for all nodes: that of {}, which has the highest priority",
            self.nodes[leader].name
        );
        for place in entry.places.iter().take(1) {
            self.notes
                .push(Note::new(Kind::Lost, *place, what.clone(), why.clone()));
        }
    }

    fn by_node(&self, values: &[(usize, &Value)]) -> Value {
        let table = values.iter();
        let table = table.map(|(node, value)| (self.nodes[*node].name.clone(), (*value).clone()));
        Value::Table(table.collect())
    }

    /// Lists whose entries are the same but for the interfaces in them.
    fn lists(&self, values: &[(usize, &Value)]) -> Option<Value> {
        if values.len() < self.nodes.len() {
            return None;
        }
        let lists: Option<Vec<_>> = values
            .iter()
            .map(|(node, value)| Some((*node, value.as_array()?)))
            .collect();
        let lists = lists?;
        let length = lists.first()?.1.len();
        if lists.iter().any(|(_, list)| list.len() != length) {
            return None;
        }
        let elements = (0..length).map(|index| {
            let elements: Vec<_> = lists
                .iter()
                .map(|(node, list)| (*node, &list[index]))
                .collect();
            self.elements(&elements)
        });
        elements.collect::<Option<Vec<_>>>().map(Value::Array)
    }

    fn elements(&self, elements: &[(usize, &Value)]) -> Option<Value> {
        let first = elements.first()?.1;
        if elements.iter().all(|(_, element)| *element == first) {
            return Some(first.clone());
        }
        let tables: Option<Vec<_>> = elements
            .iter()
            .map(|(node, element)| Some((*node, element.as_table()?)))
            .collect();
        let tables = tables?;
        let mut merged = Table::new();
        let keys = tables.iter().flat_map(|(_, table)| table.keys());
        for key in keys {
            let values: Option<Vec<_>> = tables
                .iter()
                .map(|(node, table)| Some((*node, table.get(key)?)))
                .collect();
            let values = values?;
            let first = values.first()?.1;
            let value = if values.iter().all(|(_, value)| *value == first) {
                first.clone()
            } else if BY_NODE_IN_LIST.contains(&key.as_str()) {
                self.by_node(&values)
            } else {
                return None;
            };
            merged.insert(key.clone(), value);
        }
        Some(Value::Table(merged))
    }
}
