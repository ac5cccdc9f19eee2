//! Real components, real limits, real connections. The guests are in `tests/hostile`.

#![expect(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod capabilities;
mod dns;
mod http;
mod https;
mod icmp;
mod limits;
mod link;
mod load;
mod served;
mod stream;
mod support;
mod tls;
mod udp;
mod versions;
