//! A filter by which the kernel keeps the datagrams of other people's virtual routers to itself.
//!
//! On a link that many virtual routers share, each advertisement of each of them would wake this process to be discarded.

use socket2::SockFilter;
use vrrp::{Family, VirtualRouterId};

/// The VRID is the second byte of a VRRP message (RFC 9568 §5.2.3).
const VIRTUAL_ROUTER_ID: u32 = 1;
const PASS: u32 = u32::MAX;
const DROP: u32 = 0;

/// Drops what has none of these VRIDs, and passes what is too short to have one: that is discarded and counted elsewhere.
///
/// Over IPv4 a raw socket sees the IP header, over IPv6 it does not.
pub(super) fn only(
    family: Family,
    ours: impl IntoIterator<Item = VirtualRouterId>,
) -> Vec<SockFilter> {
    let mut program = match family {
        Family::V4 => vec![
            // X = length of the IP header, A = length of what follows.
            statement(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0),
            statement(libc::BPF_LD | libc::BPF_W | libc::BPF_LEN, 0),
            statement(libc::BPF_ALU | libc::BPF_SUB | libc::BPF_X, 0),
        ],
        Family::V6 => vec![
            statement(libc::BPF_LDX | libc::BPF_W | libc::BPF_IMM, 0),
            statement(libc::BPF_LD | libc::BPF_W | libc::BPF_LEN, 0),
        ],
    };
    program.extend([
        unless(libc::BPF_JGT, VIRTUAL_ROUTER_ID),
        statement(libc::BPF_RET | libc::BPF_K, PASS),
        statement(
            libc::BPF_LD | libc::BPF_B | libc::BPF_IND,
            VIRTUAL_ROUTER_ID,
        ),
    ]);
    for id in ours {
        program.push(when(libc::BPF_JEQ, u32::from(id.0.get())));
        program.push(statement(libc::BPF_RET | libc::BPF_K, PASS));
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, DROP));
    program
}

fn statement(code: u32, k: u32) -> SockFilter {
    SockFilter::new(code_of(code), 0, 0, k)
}

/// Skips the next statement unless A compares like that with `k`.
fn when(comparison: u32, k: u32) -> SockFilter {
    let code = libc::BPF_JMP | comparison | libc::BPF_K;
    SockFilter::new(code_of(code), 0, 1, k)
}

/// Skips the next statement when A compares like that with `k`.
fn unless(comparison: u32, k: u32) -> SockFilter {
    let code = libc::BPF_JMP | comparison | libc::BPF_K;
    SockFilter::new(code_of(code), 1, 0, k)
}

/// Every code is made of constants of 16 bits.
fn code_of(code: u32) -> u16 {
    u16::try_from(code).unwrap_or(u16::MAX)
}
