//! What the kernel and systemd do for vrrp-host, behind small typed interfaces.
//!
//! | module | what it is for | needs |
//! |---|---|---|
//! | [`clock`] | the one clock of the router | nothing |
//! | [`socket`] | VRRP datagrams | `CAP_NET_RAW` |
//! | [`arp`] | gratuitous ARP | `CAP_NET_RAW` |
//! | [`ndp`] | unsolicited neighbour advertisements | `CAP_NET_RAW` |
//! | [`heartbeat`] | a sign of life from one process to another | nothing |
//! | [`icmp`] | echo requests and their answers | `CAP_NET_RAW` |
//! | [`netlink`] | the state of interfaces; addresses, routes and rules kept in place | `CAP_NET_ADMIN` |
//! | [`firewall`] | packets that the host must not accept | `CAP_NET_ADMIN` |
//! | [`command`] | commands of others, as their user, bounded in time and output | root, for another user |
//! | [`files`] | reading files that somebody else names | what the files are readable for |
//! | [`macvlan`] | virtual MACs: an interface for each | `CAP_NET_ADMIN` |
//! | [`landlock`] | the files that a process can reach | nothing |
//! | [`link`] | an interface by name, and events when it changes | nothing |
//! | [`path`] | events when what a path leads to changes | to read the folders on the way |
//! | [`process`] | processes by name, and events when they start and exit | nothing |
//! | [`systemd`] | units and jobs, over the system bus | what the bus policy grants |
//! | [`user`] | users by name | nothing |
//! | [`rights`] | what a process may do, and giving it up | nothing |
//! | [`role`] | what a child process does to itself when it starts | depends, see there |
//! | [`seccomp`] | the system calls that a process can make | nothing |
//!
//! Nothing here decides anything about VRRP; that is the crate `vrrp`.

pub mod arp;
pub mod clock;
pub mod command;
mod events;
pub mod files;
pub mod firewall;
pub mod group;
pub mod heartbeat;
pub mod icmp;
pub mod landlock;
pub mod link;
pub mod macvlan;
pub mod ndp;
pub mod netlink;
mod packet_socket;
pub mod path;
pub mod process;
pub mod rights;
pub mod role;
pub mod seccomp;
pub mod socket;
pub mod systemd;
pub mod user;
