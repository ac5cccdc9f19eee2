//! The other nodes as the file has them, and what they would do if a check went down here.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use vrrp::{Forecast, Rival, State};

use crate::status::{IfDown, Node, Takeover};
use crate::supervisor::setup::{InstancePlan, Setup};

/// What the file says of an instance on every node.
#[derive(Debug)]
pub(super) struct Outlook<'a> {
    plan: &'a InstancePlan,
    state: State,
    /// This node's name.
    node: &'a str,
    setup: &'a Setup,
}

impl<'a> Outlook<'a> {
    pub(super) fn new(
        plan: &'a InstancePlan,
        state: State,
        node: &'a str,
        setup: &'a Setup,
    ) -> Self {
        Self {
            plan,
            state,
            node,
            setup,
        }
    }

    /// The node that speaks from `address`: this one when it is MASTER, or whose address the file says it is.
    pub(super) fn node_at(&self, address: IpAddr) -> Option<String> {
        if self.state == State::Active {
            return Some(self.node.to_owned());
        }
        let mut nodes = self.setup.nodes.iter();
        let node = nodes.find(|(_, known)| **known == Some(address));
        node.map(|(name, _)| name.clone())
    }

    /// Every node.
    pub(super) fn nodes(&self) -> BTreeMap<String, Node> {
        let priorities = self.plan.instance.priorities.iter();
        priorities
            .map(|(name, priority)| {
                let node = Node {
                    address: self.address(name).map(|address| address.to_string()),
                    priority: priority.get(),
                };
                (name.clone(), node)
            })
            .collect()
    }

    /// What `forecast` comes to when the other nodes are healthy.
    pub(super) fn if_down(&self, forecast: Forecast) -> IfDown {
        let priorities = self.plan.instance.priorities.iter();
        let others = priorities.filter(|(name, _)| *name != self.node);
        let (names, rivals): (Vec<&String>, Vec<Rival>) = others
            .map(|(name, priority)| {
                let rival = Rival {
                    priority: priority.get(),
                    address: self
                        .address(name)
                        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
                };
                (name, rival)
            })
            .unzip();
        let takeover = forecast.takeover(self.state, self.plan.instance.preempt, &rivals);
        let is_alone = rivals.is_empty() && self.state == State::Active;
        let named = |index: usize| names.get(index).map(|name| (*name).clone());
        let (takeover, node) = match takeover {
            vrrp::Takeover::Rival(index) => (Takeover::Other, named(index)),
            vrrp::Takeover::RivalAndBack(index) => (Takeover::OtherAndBack, named(index)),
            // Without a word of others, their absence means nothing.
            vrrp::Takeover::Unchanged | vrrp::Takeover::Nobody if is_alone => {
                (Takeover::Unknown, None)
            }
            vrrp::Takeover::Unchanged => (Takeover::Unchanged, None),
            vrrp::Takeover::Nobody => (Takeover::Nobody, None),
        };
        let state = match (forecast.excluded, takeover) {
            (Some(excluded), _) => excluded,
            (None, Takeover::Other) => State::Backup,
            (
                None,
                Takeover::Unchanged | Takeover::OtherAndBack | Takeover::Nobody | Takeover::Unknown,
            ) => self.state,
        };
        IfDown {
            state: state.to_string(),
            priority: forecast.priority,
            takeover,
            node,
        }
    }

    fn address(&self, node: &str) -> Option<IpAddr> {
        self.setup.nodes.get(node).copied().flatten()
    }
}
