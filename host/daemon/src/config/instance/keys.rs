//! What `[instances.NAME]` may say.

use std::ops::RangeInclusive;
use std::time::Duration;

use vrrp::ChecksumForm;

use super::address::{ADDRESS, ADDRESS_TEXT};
use super::announce::ANNOUNCE;
use super::route::ROUTE;
use super::rule::RULE;
use super::track::TRACK;
use crate::config::authentication::AUTHENTICATION;
use crate::config::key::{Key, Keys, Kind, Text, words};
use crate::config::model::NotifyOn;
use crate::config::nodes::{IP_ADDRESS, NODES};

pub(in crate::config) const INSTANCE: Keys = Keys::new(&[
    Key::required(
        "interface",
        Kind::ByNode(&INTERFACE),
        "The interface that it speaks on, and that has the addresses.",
    )
    .example("\"eth0\""),
    Key::required(
        "virtual-router-id",
        Kind::Number(BYTE),
        "The number of the virtual router: the same on every node, and nobody else's on the link. IPv4 and IPv6 count apart.",
    )
    .example("51")
    .source("RFC 9568 §5.2.3; ietf-vrrp `vrid`"),
    Key::default(
        "version",
        Kind::Number(VERSION),
        "3",
        "The version of VRRP that it speaks: 3, or 2 for peers that know nothing else, which has no IPv6. Advertisements of the other \
         one are discarded and counted.",
    )
    .example("2")
    .source("RFC 9568 §5.2.1, RFC 3768; ietf-vrrp `version`"),
    Key::default(
        "priority",
        Kind::ByNode(&Kind::Number(BYTE)),
        "100",
        "The node with the highest priority is MASTER. Weights of what is tracked are added; the sum is held to 1 to 254. 255 is for a \
         node that owns the address itself, and never changes.",
    )
    .example("{ first = 150, second = 100 }")
    .source("RFC 9568 §5.2.4; ietf-vrrp `priority`"),
    Key::default(
        "advertisement-interval",
        Kind::Duration(INTERVAL),
        "\"1s\"",
        "The time between advertisements. A MASTER that is silent for `down-after` of them is taken for dead. Version 3: `10ms` to \
         `40.95s` in steps of 10 ms; version 2: whole seconds, the same on every node.",
    )
    .example("\"100ms\"")
    .source("RFC 9568 §5.2.7; ietf-vrrp `advertise-interval-centi-sec`, `advertise-interval-sec`"),
    Key::default(
        "checksum",
        Kind::Choice(&words(&CHECKSUMS)),
        "\"rfc5798\"",
        "The form of the checksum that it sends in version 3 over IPv4: `\"rfc5798\"` with a pseudo-header, as keepalived and other \
         peers on Linux do, `\"rfc9568\"` without. Both are accepted.",
    )
    .example("\"rfc9568\"")
    .source("RFC 9568 §5.2.8"),
    Key::optional(
        "max-learned-interval",
        Kind::Duration(INTERVAL_V3),
        "ten times `advertisement-interval`, at most `40.95s`",
        "Version 3 learns the interval of the MASTER; a longer one than this is taken for this, so that a forged advertisement \
         cannot silence a BACKUP for long. At least `advertisement-interval`.",
    )
    .example("\"2s\"")
    .source("RFC 9568 §6.1, Active_Adver_Interval"),
    Key::optional(
        "virtual-addresses",
        Kind::List(&ADDRESSES, 1),
        "an error, unless `unicast = true`, where a hook may move the address",
        "The shared addresses, of one family, 255 at most; of IPv6 the first is link-local. An address, or a table that says more.",
    )
    .example("[\"192.0.2.100\", { address = \"198.51.100.1/24\", dev = \"eth1\" }]")
    .source("RFC 9568 §5.2.9; ietf-vrrp `virtual-ipv4-addresses`, `virtual-ipv6-addresses`"),
    Key::default(
        "virtual-mac",
        Kind::Either(&[Kind::Boolean, INTERFACE]),
        "false",
        "Whether the virtual router has a MAC of its own, `00:00:5e:00:01:VRID` or `00:00:5e:00:02:VRID`, on an interface of its own: \
         `vrrp4.VRID` or `vrrp6.VRID`, or the name written here. It needs multicast.",
    )
    .example("true")
    .source("RFC 9568 §7.3"),
    Key::default(
        "accept-mode",
        Kind::Boolean,
        "true",
        "Whether the MASTER accepts packets to the shared addresses. With `false` it answers ARP and neighbour solicitations and \
         forwards, and drops the rest; an owner accepts always.",
    )
    .example("false")
    .source("RFC 9568 §6.1, Accept_Mode; ietf-vrrp `accept-mode`, whose default is false"),
    Key::optional(
        "excluded-addresses",
        Kind::List(&ADDRESSES, 1),
        "none",
        "Addresses that come and go with the shared ones and are not advertised, of either family, 500 at most.",
    )
    .example("[\"2001:db8::100/64\"]"),
    Key::optional(
        "routes",
        Kind::List(&Kind::Table(ROUTE), 1),
        "none",
        "Routes that come and go with the addresses, 250 at most.",
    )
    .example("[{ to = \"default\", via = \"192.0.2.254\", table = 100 }]"),
    Key::optional(
        "rules",
        Kind::List(&Kind::Table(RULE), 1),
        "none",
        "Rules of policy routing that come and go with the addresses, 250 at most. A rule says for which packets it is, or which table they take.",
    )
    .example("[{ from = \"192.0.2.100\", table = 100 }]"),
    Key::default(
        "unicast",
        Kind::Boolean,
        "false",
        "Whether it speaks to its peers one by one, and listens to nobody else: where the network has no multicast, as in most clouds.",
    )
    .example("true"),
    Key::optional(
        "peers",
        Kind::ByNode(&PEERS),
        "the other `[nodes]`, which need an `address`",
        "Whom it speaks to with `unicast = true`. The address of the node itself may be among them.",
    )
    .example("[\"192.0.2.2\", \"192.0.2.3\"]"),
    Key::optional(
        "min-ttl",
        Kind::Number(BYTE),
        "255, which nothing that passed a router has",
        "With `unicast = true`: the least TTL or hop limit that an advertisement may come with. Lower by one for each router between the peers.",
    )
    .example("254")
    .source("RFC 5082"),
    Key::default(
        "accept-from",
        Kind::Either(&[Kind::Choice(&words(&ACCEPT)), PEERS]),
        "\"anybody\"",
        "Whose multicast counts: anybody's, that of the other `[nodes]`, or that of these addresses. What comes from elsewhere is discarded and counted.",
    )
    .example("\"nodes\""),
    Key::default(
        "preempt",
        Kind::Boolean,
        "true",
        "Whether a node with a higher priority takes over from a living MASTER. An owner does so always.",
    )
    .example("false")
    .source("RFC 9568 §6.1, Preempt_Mode; ietf-vrrp `preempt/enabled`"),
    Key::default(
        "preempt-delay",
        Kind::Duration(WAIT),
        "\"0s\"",
        "How long a living MASTER with a lower priority is followed before it is preempted, for example until caches are warm.",
    )
    .example("\"60s\"")
    .source("ietf-vrrp `preempt/hold-time`"),
    Key::default(
        "start-delay",
        Kind::Duration(WAIT),
        "\"0s\"",
        "How long after the start of the daemon it takes part in no election.",
    )
    .example("\"30s\""),
    Key::default(
        "down-after",
        Kind::Number(BYTE),
        "3",
        "After so many missing advertisements the MASTER is taken for dead, and one skew time later it is replaced.",
    )
    .example("5")
    .source("RFC 9568 §6.1, Active_Down_Interval"),
    Key::default(
        "init-grace",
        Kind::Duration(WAIT),
        "\"10s\"",
        "How long it stays in INIT for the first verdicts of the checks that can put it in FAULT. One without a verdict is unknown \
         from then on, which costs 100 of the priority.",
    )
    .example("\"30s\""),
    Key::optional(
        "announce",
        Kind::Table(ANNOUNCE),
        "the default of each",
        "Gratuitous ARP and unsolicited neighbour advertisements: how neighbours learn where an address is now.",
    )
    .example("{ repeat = 3, refresh = \"60s\" }")
    .source("RFC 9568 §6.4.1"),
    Key::optional(
        "authentication",
        Kind::Table(AUTHENTICATION),
        "anybody on the link is believed",
        "How the nodes know each other's advertisements from those of anybody else.",
    )
    .example("{ keys = { 1 = \"/etc/vrrp-host/vrrp-1.key\" } }"),
    Key::optional(
        "track",
        Kind::List(&Kind::Table(TRACK), 1),
        "it depends on its interface alone",
        "The checks and interfaces that it depends on.",
    )
    .example("[{ check = \"node-exporter\", on-fail = { weight = -20 } }]"),
    Key::optional(
        "notify",
        Kind::List(&Kind::Table(NOTIFY), 1),
        "no hook is called",
        "The hooks that are called at its transitions.",
    )
    .example("[{ on = \"master\", hook = \"start-exporter\" }]"),
]);

pub(in crate::config) const NOTIFY: Keys = Keys::new(&[
    Key::required(
        "on",
        Kind::Either(&[STATE, Kind::List(&STATE, 1)]),
        "The states that, when entered, call the hook; `stop` when the daemon was stopped and the addresses are gone.",
    )
    .example("[\"master\", \"backup\"]"),
    Key::required(
        "hook",
        Kind::Text(Text::new("the name of a hook")),
        "The hook that is called.",
    )
    .example("\"start-exporter\""),
    NODES,
]);

const ADDRESSES: Kind = Kind::Either(&[Kind::Text(ADDRESS_TEXT), Kind::Table(ADDRESS)]);
const PEERS: Kind = Kind::List(&Kind::Text(IP_ADDRESS), 1);
const STATE: Kind = Kind::Choice(&words(&STATES));
/// What [`read_interface`](super::read_interface) takes.
pub(super) const INTERFACE: Kind =
    Kind::Text(Text::new("the name of an interface").pattern(r"^[^\s/:]{1,15}$"));

pub(super) const CHECKSUMS: [(&str, ChecksumForm); 2] = [
    ("rfc5798", ChecksumForm::Rfc5798),
    ("rfc9568", ChecksumForm::Rfc9568),
];
/// Whether only the nodes of the file are listened to.
pub(super) const ACCEPT: [(&str, bool); 2] = [("anybody", false), ("nodes", true)];
pub(super) const STATES: [(&str, NotifyOn); 4] = [
    ("master", NotifyOn::Master),
    ("backup", NotifyOn::Backup),
    ("fault", NotifyOn::Fault),
    ("stop", NotifyOn::Stop),
];

pub(super) const BYTE: RangeInclusive<i64> = 1..=255;
const VERSION: RangeInclusive<i64> = 2..=3;
/// Version 2 counts whole seconds in one byte (RFC 3768 §5.3.7).
pub(super) const INTERVAL_V2: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(255);
/// Version 3 counts hundredths of a second in twelve bits (RFC 9568 §5.2.7).
pub(super) const INTERVAL_V3: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_millis(40_950);
/// In either version.
const INTERVAL: RangeInclusive<Duration> = *INTERVAL_V3.start()..=*INTERVAL_V2.end();
pub(super) const WAIT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);
