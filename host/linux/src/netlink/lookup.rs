//! Interfaces and default routes, asked for once.

use std::io;

use rustix::io::Errno;
use vrrp::Family;

use super::entry::{Change, KernelRoute, Link, LinkAddress};
use super::kernel::Kernel;
use super::message::{addresses_request, all_addresses_request, link_request, links_request};
use crate::link::{DefaultRoute, LinkInfo, Survey};

/// The number of the main routing table.
const MAIN_TABLE: u32 = 254;

/// See [`crate::link::find`].
pub(crate) async fn find(name: &str) -> io::Result<Option<LinkInfo>> {
    let mut kernel = Kernel::connect()?;
    let found = match kernel.get(link_request(name)).await? {
        Ok(found) => found,
        // An alternative name that is too long is not a name that could exist.
        Err(Errno::NODEV | Errno::INVAL | Errno::RANGE) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let link = found.into_iter().find_map(|change| {
        let Change::Link(link) = change else {
            return None;
        };
        Some(link)
    });
    let Some(link) = link else {
        return Ok(None);
    };
    let listed = kernel.list(addresses_request(link.index)).await?;
    let addresses = listed.into_iter().filter_map(|change| {
        let Change::Address(address) = change else {
            return None;
        };
        Some(address)
    });
    Ok(Some(info(link, addresses)))
}

/// See [`crate::link::survey`].
pub(crate) async fn survey() -> io::Result<Survey> {
    let mut kernel = Kernel::connect()?;
    let links = kernel.list(links_request()).await?.into_iter();
    let links = links.filter_map(|change| {
        let Change::Link(link) = change else {
            return None;
        };
        Some(link)
    });
    let links: Vec<_> = links.collect();
    let addresses = kernel.list(all_addresses_request()).await?.into_iter();
    let addresses = addresses.filter_map(|change| {
        let Change::Address(address) = change else {
            return None;
        };
        Some(address).filter(|address| !address.marked)
    });
    let addresses: Vec<_> = addresses.collect();
    let mut default_routes = Vec::new();
    for family in [Family::V4, Family::V6] {
        let mut routes = kernel.routes(family).await?;
        routes.retain(|route| route.slot.to.prefix_len() == 0 && route.slot.table == MAIN_TABLE);
        // Of equal ones the first stays the first.
        routes.sort_by_key(|route| route.slot.metric);
        default_routes.extend(routes.iter().filter_map(|route| leads_to(route, &links)));
    }
    let links = links.into_iter().map(|link| {
        let own = addresses.iter().filter(|entry| entry.index == link.index);
        let own = own.cloned().collect::<Vec<_>>();
        info(link, own.into_iter())
    });
    Ok(Survey {
        links: links.collect(),
        default_routes,
    })
}

/// Of several ways, the first one.
fn leads_to(route: &KernelRoute, links: &[Link]) -> Option<DefaultRoute> {
    let hop = route.hops.first()?;
    let link = links.iter().find(|link| Some(link.index) == hop.index)?;
    Some(DefaultRoute {
        interface: link.name.clone(),
        via: hop.via,
    })
}

fn info(link: Link, addresses: impl Iterator<Item = LinkAddress>) -> LinkInfo {
    LinkInfo {
        addresses: addresses
            .filter(|entry| entry.index == link.index && !entry.tentative)
            .map(|entry| (entry.address, entry.prefix_length))
            .collect(),
        name: link.name,
        up: link.enabled,
        carrier: link.carrier,
        mtu: link.mtu,
    }
}
