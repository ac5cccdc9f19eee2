//! Options of an instance, many of which a sync group has as well.

use super::Scope::{Group, Instance};
use super::{Known, Scope, becomes, lost, needless};

const I: &[Scope] = &[Instance];
const S: &[Scope] = &[Group];
const IS: &[Scope] = &[Instance, Group];

pub(super) const OPTIONS: &[Known] = &[
    becomes(
        I,
        &["interface"],
        "interface eth0",
        "`interface`, by node where the files differ",
    ),
    becomes(
        I,
        &["virtual_router_id"],
        "virtual_router_id 51",
        "`virtual-router-id`",
    ),
    becomes(
        I,
        &["priority"],
        "priority 150",
        "`priority`, by node. Left out it is 100, or 255 with `state MASTER`",
    ),
    becomes(
        I,
        &["state"],
        "state MASTER",
        "nothing of its own: the election decides. `MASTER` undoes `nopreempt` and `preempt_delay`, as it does in keepalived",
    ),
    becomes(
        I,
        &["version"],
        "version 2",
        "`version = 2`; 3 is what vrrp-host speaks when nothing is said",
    ),
    becomes(
        I,
        &["advert_int"],
        "advert_int 2",
        "`advertisement-interval`, rounded as keepalived does",
    ),
    becomes(
        I,
        &["down_timer_adverts"],
        "down_timer_adverts 5",
        "`down-after`",
    ),
    needless(I, &["native_ipv6"], "the family is that of the addresses"),
    becomes(
        I,
        &["virtual_ipaddress"],
        "virtual_ipaddress { 192.0.2.7/24 dev eth1 }",
        "`virtual-addresses`. An IPv6 list that begins with no link-local address gets `fe80::VRID` in front",
    ),
    becomes(
        I,
        &["virtual_ipaddress_excluded"],
        "virtual_ipaddress_excluded { 2001:db8::7/64 }",
        "`excluded-addresses`",
    ),
    needless(
        I,
        &["no_virtual_ipaddress"],
        "with `unicast = true` an instance needs no addresses",
    ),
    becomes(
        I,
        &["virtual_routes"],
        "virtual_routes { default via 192.0.2.254 }",
        "`routes`",
    ),
    becomes(
        I,
        &["virtual_rules"],
        "virtual_rules { from 192.0.2.7 table 100 }",
        "`rules`",
    ),
    lost(
        I,
        &["promote_secondaries"],
        "write the sysctl `promote_secondaries` into /etc/sysctl.d; an address that the kernel takes away is put back at once",
    ),
    becomes(I, &["nopreempt"], "nopreempt", "`preempt = false`"),
    becomes(I, &["preempt"], "preempt", "`preempt`, true when left out"),
    becomes(I, &["preempt_delay"], "preempt_delay 60", "`preempt-delay`"),
    becomes(I, &["no_accept"], "no_accept", "`accept-mode = false`"),
    becomes(
        I,
        &["accept"],
        "accept",
        "`accept-mode`, true when left out",
    ),
    becomes(
        I,
        &["unicast_peer"],
        "unicast_peer { 192.0.2.2 }",
        "`unicast = true`, with the addresses of `[nodes]` or with `peers`; `min_ttl` becomes `min-ttl`",
    ),
    becomes(
        I,
        &["unicast_src_ip", "mcast_src_ip"],
        "unicast_src_ip 192.0.2.1",
        "`address` of the node in `[nodes]`",
    ),
    needless(
        I,
        &["check_unicast_src"],
        "with `unicast = true` only the peers are listened to",
    ),
    needless(
        I,
        &["unicast_fault_no_peer"],
        "unicast without peers is an error of the file",
    ),
    lost(I, &["unicast_ttl"], "advertisements always have TTL 255"),
    lost(
        I,
        &["mcast_dst_ip"],
        "advertisements go to the group of RFC 9568, 224.0.0.18 or ff02::12",
    ),
    lost(
        I,
        &["track_src_ip"],
        "track a check of the module `interface` with an `address`",
    ),
    becomes(
        I,
        &["authentication"],
        "authentication {\nauth_type PASS\nauth_pass secret\n}",
        "`authentication` with a `password-file` and `version = 2`. `--output` writes the file of the password beside cluster.toml; \
         on stdout the line is a comment. `auth_type AH` is lost",
    ),
    lost(
        I,
        &["auth_hmac"],
        "write each key into a file of its own, mode 0600, and `authentication = { keys = { 1 = \"FILE\" } }`: the signatures are the same",
    ),
    becomes(
        I,
        &["garp_master_repeat"],
        "garp_master_repeat 3",
        "`announce.repeat`",
    ),
    becomes(
        I,
        &["garp_master_delay"],
        "garp_master_delay 10",
        "`announce.delay`",
    ),
    becomes(
        I,
        &["garp_master_refresh"],
        "garp_master_refresh 60",
        "`announce.refresh`",
    ),
    lost(
        I,
        &["garp_master_refresh_repeat"],
        "each refresh is one announcement",
    ),
    lost(
        I,
        &["garp_lower_prio_repeat", "garp_lower_prio_delay"],
        "a MASTER that hears a lower priority says its advertisement, and announces nothing anew",
    ),
    lost(
        I,
        &["garp_extra_if"],
        "`announce.refresh` is for all addresses of the instance",
    ),
    becomes(
        I,
        &["use_vmac"],
        "use_vmac",
        "`virtual-mac = true`, or the name of its interface",
    ),
    lost(
        I,
        &["vmac_xmit_base"],
        "with `virtual-mac` the advertisements come from the virtual MAC, as RFC 9568 wants",
    ),
    lost(
        I,
        &["use_vmac_addr"],
        "with `virtual-mac` all addresses of the instance are on its interface",
    ),
    lost(
        I,
        &["use_ipvlan"],
        "addresses are on the interface itself, or with `virtual-mac` on a macvlan",
    ),
    lost(I, &["vrf"], "an instance speaks on an interface"),
    becomes(
        IS,
        &["track_interface"],
        "track_interface { eth1 weight -20 }",
        "`track = [{ interface = \"eth1\", on-fail = { weight = -20 } }]`; without a weight its loss is a FAULT, as in keepalived",
    ),
    becomes(
        IS,
        &["track_script"],
        "track_script { example_script weight -20 }",
        "`track = [{ check = .. }]`, with the weight of this line or else that of the script",
    ),
    becomes(
        IS,
        &["track_process"],
        "track_process { example_process }",
        "`track = [{ check = .. }]`",
    ),
    becomes(
        IS,
        &["track_file"],
        "track_file { example_file }",
        "`track = [{ check = .. }]`; the weight goes into the `config` of the check",
    ),
    lost(
        IS,
        &["track_bfd"],
        "there is no BFD: track a check of the module `ping`, with an interval of 1s or less",
    ),
    lost(
        I,
        &["dont_track_primary"],
        "without its own interface an instance can send nothing, and is in FAULT",
    ),
    becomes(
        IS,
        &["notify_master"],
        "notify_master \"/usr/bin/logger master\"",
        "`notify` on `master`: a hook of the module `systemctl` where the command is one, or else `exec` with `notify-args = false`",
    ),
    becomes(
        IS,
        &["notify_backup"],
        "notify_backup \"/usr/bin/logger backup\"",
        "`notify` on `backup`",
    ),
    becomes(
        IS,
        &["notify_fault"],
        "notify_fault \"/usr/bin/logger fault\"",
        "`notify` on `fault`",
    ),
    becomes(
        IS,
        &["notify_stop"],
        "notify_stop \"/usr/bin/logger stop\"",
        "`notify` on `stop`",
    ),
    becomes(
        IS,
        &["notify"],
        "notify \"/usr/bin/logger -t keepalived\"",
        "`notify` on all four, a hook with `every = true` and the same arguments",
    ),
    lost(
        I,
        &["notify_deleted"],
        "an instance that a reload removes calls its hooks of `stop`",
    ),
    lost(
        I,
        &["notify_master_rx_lower_pri"],
        "no hook is called for another MASTER on the link; the log and `status` tell of it",
    ),
    lost(
        IS,
        &["notify_priority_changes"],
        "no hook is called when a priority changes; the log tells",
    ),
    lost(
        IS,
        &["smtp_alert"],
        "no mail is sent: use a hook of the module `webhook`, or `exec` with a program that sends one",
    ),
    becomes(
        S,
        &["group"],
        "group {\nVI_1\nVI_2\n}",
        "`members` of `[sync-groups.NAME]`",
    ),
    becomes(
        S,
        &["sync_group_tracking_weight", "global_tracking"],
        "sync_group_tracking_weight",
        "the tracks of scripts with a weight in the members, which do not count without it, neither in keepalived nor here",
    ),
    becomes(
        I,
        &["v3_checksum_as_v2"],
        "v3_checksum_as_v2",
        "`checksum = \"rfc9568\"`; both forms are understood",
    ),
    lost(
        I,
        &["old_unicast_checksum"],
        "keepalived 1.3.6 and older have to go first",
    ),
    needless(
        I,
        &["skip_check_adv_addr"],
        "address lists that differ are told and counted; the advertisement counts",
    ),
    lost(
        I,
        &["lower_prio_no_advert"],
        "a MASTER that hears a lower priority answers, as RFC 9568 wants",
    ),
    lost(
        I,
        &["higher_prio_send_advert"],
        "a MASTER that hears a higher priority gives way without an advertisement of its own",
    ),
    lost(
        I,
        &["owner_ignore_adverts"],
        "an owner listens, as RFC 9568 wants",
    ),
    needless(
        I,
        &["timer_expired_backup"],
        "packets that arrived go before a timer that is late, so a stall is no takeover",
    ),
    lost(
        I,
        &["strict_mode"],
        "write what you want of it: `accept-mode = false`, and no `authentication`",
    ),
    needless(
        I,
        &["linkbeat_use_polling"],
        "the kernel tells when a link goes up or down",
    ),
    needless(
        I,
        &["kernel_rx_buf_size"],
        "the sockets have room for the instances that there are",
    ),
    needless(I, &["debug"], "keepalived does nothing with it either"),
];
