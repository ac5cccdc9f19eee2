//! An interface by name, asked for once.

use std::io;

use rustix::io::Errno;

use super::entry::{Change, Link, LinkAddress};
use super::kernel::Kernel;
use super::message::{addresses_request, link_request};
use crate::link::LinkInfo;

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
