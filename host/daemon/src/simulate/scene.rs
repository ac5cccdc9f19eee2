//! The nodes of a file with the links between them, before anything happens.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vrrp::{ConfigError, Peers};
use vrrp_linux::netlink::LinkState;

use crate::config::Cluster;
use crate::router::{self, Incoming, Piece};
use crate::supervisor::{self, instance_setup};

/// Every node of a file.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) nodes: Vec<NodePlan>,
}

/// A node as its daemon would be set up.
#[derive(Debug)]
pub(crate) struct NodePlan {
    pub(crate) name: String,
    /// The address that the file gives it, or one that is assumed.
    pub(crate) address: IpAddr,
    /// What its supervisor knows.
    pub(crate) setup: supervisor::Setup,
    /// What its router knows.
    pub(crate) router: router::Setup,
    /// Its interfaces as they are while nothing is wrong with them, by [`InterfaceId`](vrrp::InterfaceId).
    pub(super) links: Vec<LinkState>,
    /// The link that each of them is plugged into.
    pub(super) segments: Vec<usize>,
}

impl Scene {
    /// `clusters` are what the file says to each of its nodes.
    ///
    /// # Errors
    /// The first rule that a node's configuration breaks.
    pub(crate) fn new(clusters: &[Cluster]) -> Result<Self, ConfigError> {
        let addresses = addresses(clusters);
        let mut nodes = Vec::new();
        for (number, (cluster, address)) in (1..).zip(clusters.iter().zip(addresses)) {
            let setup = supervisor::Setup::for_node(cluster);
            let router = router_setup(&setup);
            vrrp::Router::new(router.router_config())?;
            let links = router.watched_interfaces().iter();
            nodes.push(NodePlan {
                name: cluster.node.clone(),
                address,
                links: links
                    .map(|interface| link_state(interface, address, number))
                    .collect(),
                segments: Vec::new(),
                setup,
                router,
            });
        }
        let mut scene = Self { nodes };
        scene.plug_in();
        Ok(scene)
    }

    /// The instances of the file, which are the same on each node but for some values.
    pub(crate) fn instances(&self) -> usize {
        let first = self.nodes.first();
        first.map_or(0, |node| node.setup.instances.len())
    }

    pub(crate) fn instance_name(&self, instance: usize) -> &str {
        let first = self.nodes.first();
        first
            .and_then(|node| node.setup.instances.get(instance))
            .map_or("?", |plan| plan.instance.name.as_str())
    }

    /// What moves with an instance: the advertised addresses, then the others.
    pub(crate) fn addresses(&self, instance: usize) -> Vec<IpAddr> {
        let first = self.nodes.first();
        let plan = first.and_then(|node| node.setup.instances.get(instance));
        plan.into_iter()
            .flat_map(|plan| {
                let advertised = plan.instance.virtual_addresses.iter();
                advertised.chain(&plan.instance.excluded_addresses)
            })
            .map(|address| address.address)
            .collect()
    }

    pub(crate) fn node_names(&self) -> Vec<&str> {
        self.nodes.iter().map(|node| node.name.as_str()).collect()
    }

    /// The interfaces that one instance has on its nodes are on one link; so are those that share an interface with them.
    fn plug_in(&mut self) {
        // Each interface of each node begins on a link of its own; what an instance joins gets the lower number of both.
        let mut next = 0;
        for node in &mut self.nodes {
            node.segments = (next..).take(node.links.len()).collect();
            next += node.links.len();
        }
        for instance in 0..self.instances() {
            let segments: Vec<usize> = self
                .nodes
                .iter()
                .filter_map(|node| {
                    let plan = node.setup.instances.get(instance)?;
                    let interface = node.interface(&plan.instance.interface)?;
                    node.segments.get(interface).copied()
                })
                .collect();
            let Some(lowest) = segments.iter().min().copied() else {
                continue;
            };
            for segment in self.nodes.iter_mut().flat_map(|node| &mut node.segments) {
                if segments.contains(segment) {
                    *segment = lowest;
                }
            }
        }
    }
}

impl NodePlan {
    /// The position of an interface.
    pub(crate) fn interface(&self, name: &str) -> Option<usize> {
        let interfaces = self.router.watched_interfaces();
        interfaces.iter().position(|known| known == name)
    }

    pub(crate) fn check_name(&self, check: usize) -> &str {
        let check = self.setup.checks.get(check);
        check.map_or("?", |check| check.name.as_str())
    }

    pub(crate) fn hook_name(&self, hook: usize) -> &str {
        let hook = self.setup.hooks.get(hook);
        hook.map_or("?", |hook| hook.name.as_str())
    }

    pub(crate) fn group_name(&self, group: usize) -> &str {
        let group = self.setup.groups.get(group);
        group.map_or("?", |plan| plan.group.name.as_str())
    }
}

/// What the router makes of the messages of its supervisor.
fn router_setup(setup: &supervisor::Setup) -> router::Setup {
    let instances: Vec<_> = setup.instances.iter().map(instance_setup).collect();
    let mut incoming = Incoming::default();
    let mut complete = router::Setup::default();
    for message in setup.for_router(&instances) {
        if let Piece::Last(setup) = incoming.take(message) {
            complete = setup;
        }
    }
    complete.number(None);
    complete
}

/// The address of each node: from the file, or else one that the others list as a peer, or else one for nobody (RFC 2544).
fn addresses(clusters: &[Cluster]) -> Vec<IpAddr> {
    let listed: Vec<Vec<IpAddr>> = clusters.iter().map(listed).collect();
    let given = |cluster: &Cluster| cluster.nodes.get(&cluster.node).copied().flatten();
    let mut taken: Vec<IpAddr> = clusters.iter().filter_map(given).collect();
    let mut addresses = Vec::new();
    for (index, cluster) in clusters.iter().enumerate() {
        let address = given(cluster).unwrap_or_else(|| {
            let others = listed.iter().enumerate();
            let others = others.filter(|(other, _)| *other != index);
            let free = others.flat_map(|(_, listed)| listed);
            let mut free: Vec<IpAddr> = free
                .copied()
                .filter(|address| !taken.contains(address))
                .collect();
            // Whom a node speaks to is not itself, unless all nodes have the same list.
            free.sort_by_key(|address| listed[index].contains(address));
            let address = free.first().copied().unwrap_or_else(|| made_up(index));
            taken.push(address);
            address
        });
        addresses.push(address);
    }
    addresses
}

fn made_up(index: usize) -> IpAddr {
    let number = u16::try_from(index + 1).unwrap_or(u16::MAX);
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(198, 18, high, low).into()
}

/// Everybody that a node speaks to one by one.
fn listed(cluster: &Cluster) -> Vec<IpAddr> {
    let peers = cluster.instances.iter().map(|instance| &instance.peers);
    peers
        .flat_map(|peers| match peers {
            Peers::Unicast { peers, .. } => peers.as_slice(),
            Peers::Multicast { accept_from } => accept_from.as_slice(),
        })
        .copied()
        .collect()
}

/// An interface that is up, with the node's address, and one of each kind that instances may have to speak from.
fn link_state(interface: &str, address: IpAddr, number: u16) -> LinkState {
    let [high, low] = number.to_be_bytes();
    let assumed: BTreeMap<bool, IpAddr> = [
        (true, Ipv4Addr::new(198, 18, high, low).into()),
        (
            false,
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0xffff, 0, 0, number).into(),
        ),
    ]
    .into();
    let is_enough = |is_v4: &bool| match address {
        IpAddr::V4(_) => *is_v4,
        IpAddr::V6(address) => !is_v4 && address.is_unicast_link_local(),
    };
    let assumed = assumed.into_iter().filter(|(is_v4, _)| !is_enough(is_v4));
    let assumed = assumed.map(|(is_v4, address)| (address, if is_v4 { 15 } else { 64 }));
    LinkState {
        interface: interface.to_owned(),
        index: Some(u32::from(number)),
        up: true,
        mac: None,
        addresses: std::iter::once((address, if address.is_ipv4() { 24 } else { 64 }))
            .chain(assumed)
            .collect(),
    }
}
