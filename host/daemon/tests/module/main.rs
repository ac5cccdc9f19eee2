//! `vrrp-host module`, as its users type it: every test runs the real binary.

mod bench;
mod guide;
mod inspect;
mod new;
mod pages;
mod support;
mod test;
