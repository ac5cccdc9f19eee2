//! Files that are valid but cannot do what their author wants, on any node.
//!
//! A check that is tracked on one node only is not among them: `nodes` has to be written for that,
//! and the usual reason is that the service runs on that node alone.

use vrrp::OnFail;

use super::cluster::Draft;
use super::instance::InstanceDraft;
use super::instance::track::TrackDraft;
use super::nodes::bare;
use super::report::Diagnostic;
use super::suggest::list;

/// RFC 9568 §5.2.4: the priority of a router that owns the address.
const OWNER: u8 = 255;

pub(super) fn lint(draft: &Draft) -> Vec<Diagnostic> {
    let mut found = unused(draft);
    for instance in &draft.instances {
        found.extend(equal_priorities(draft, instance));
        found.extend(false_owners(draft, instance));
        found.extend(cut_password(instance));
        let weights = instance.tracks.iter();
        found.extend(weights.filter_map(|track| idle_weight(draft, instance, track)));
    }
    found
}

fn unused(draft: &Draft) -> Vec<Diagnostic> {
    let tracks = |index| {
        let mut tracks = draft.instances.iter().flat_map(|instance| &instance.tracks);
        tracks.any(|track| *track.check.get_ref() == index)
    };
    let notifies = |index| {
        let of_groups = draft.groups.iter().flat_map(|group| &group.notify);
        let notify = draft.instances.iter().flat_map(|instance| &instance.notify);
        notify.chain(of_groups).any(|notify| notify.hook == index)
    };
    let checks = draft.check_names.iter().enumerate();
    let checks = checks
        .filter(|(index, _)| !tracks(*index))
        .map(|(_, (name, span))| {
            Diagnostic::warning(span, format!("no instance tracks the check `{name}`")).help(
                format!("it never runs; add\n[[instances.NAME.track]]\ncheck = {name:?}"),
            )
        });
    let hooks = draft.hook_names.iter().enumerate();
    let hooks = hooks
        .filter(|(index, _)| !notifies(*index))
        .map(|(_, (name, span))| {
            Diagnostic::warning(span, format!("no transition calls the hook `{name}`")).help(
                format!("add\n[[instances.NAME.notify]]\non = \"master\"\nhook = {name:?}"),
            )
        });
    checks.chain(hooks).collect()
}

/// keepalived cuts a password without a word, so one that is copied from its file has to work here too.
fn cut_password(instance: &InstanceDraft) -> Option<Diagnostic> {
    let span = instance.authentication.as_ref()?.cut_password.clone()?;
    let message = "of the password in this file, only the first 8 bytes count";
    Some(Diagnostic::warning(span, message).help(
        "an advertisement has room for no more; write 8 bytes, which is what keepalived makes of a longer password too",
    ))
}

/// Among equals the higher IP address wins, which is seldom what the file means to say.
fn equal_priorities(draft: &Draft, instance: &InstanceDraft) -> Option<Diagnostic> {
    let all = priorities(draft, instance);
    let sharing = |priority: u8| all.iter().filter(move |(_, other)| *other == priority);
    let (_, priority) = *all
        .iter()
        .find(|(_, priority)| sharing(*priority).count() > 1)?;
    let equals: Vec<&str> = sharing(priority).map(|(node, _)| *node).collect();
    let message = format!(
        "{} has the priority {priority} on the nodes {}",
        bare(&instance.name),
        list(&equals)
    );
    let help = format!(
        "the higher IP address decides between them; write, for example, `{}`",
        descending(&all, priority)
    );
    Some(Diagnostic::warning(instance.priority_span.clone(), message).help(help))
}

/// A priority that makes each node differ from the next.
fn descending(nodes: &[(&str, u8)], highest: u8) -> String {
    let highest = highest
        .min(OWNER - 1)
        .max(u8::try_from(nodes.len()).unwrap_or(OWNER - 1));
    let entries: Vec<String> = (0..highest)
        .rev()
        .zip(nodes)
        .map(|(below, (node, _))| format!("{} = {}", bare(node), below + 1))
        .collect();
    format!("priority = {{ {} }}", entries.join(", "))
}

/// Priority 255 says that a node has the address anyway (the IPvX address owner of RFC 9568).
fn false_owners(draft: &Draft, instance: &InstanceDraft) -> Vec<Diagnostic> {
    let owners = priorities(draft, instance);
    let owners = owners
        .into_iter()
        .filter(|(_, priority)| *priority == OWNER);
    owners
        .filter_map(|(node, _)| {
            let own = draft.nodes.addresses.get(node).copied().flatten()?;
            let mut shared = instance.virtual_addresses.iter();
            if shared.any(|address| address.get_ref().address == own) {
                return None;
            }
            let message = format!("the priority 255 is for the owner of the address, and `{node}` has {own}");
            Some(
                Diagnostic::warning(instance.priority_span.clone(), message)
                    .help("write at most 254: the priority of an owner never changes, whatever its checks say"),
            )
        })
        .collect()
}

/// A weight with which the order of the nodes is always the same, the check up or down.
fn idle_weight(draft: &Draft, instance: &InstanceDraft, track: &TrackDraft) -> Option<Diagnostic> {
    let OnFail::Weight(weight) = *track.on_fail.get_ref() else {
        return None;
    };
    let nodes = priorities(draft, instance);
    if nodes.len() < 2 {
        return None;
    }
    let span = track.on_fail.span();
    if instance.preempt == Some(false) {
        let message = "a weight can never cause a failover while `preempt = false`";
        return Some(Diagnostic::warning(span, message).help(
            "without preemption nobody takes over from a MASTER with a lower priority; \
             write `on-fail = \"release\"` or `\"fault\"`",
        ));
    }
    let reach = |(node, base)| Reach::new(instance, node, base);
    let mut closest: Option<Pair<'_>> = None;
    for tracking in nodes.iter().filter(|(node, _)| track.scope.contains(node)) {
        for peer in nodes.iter().filter(|peer| peer.0 != tracking.0) {
            let pair = Pair {
                mine: reach(*tracking),
                theirs: reach(*peer),
            };
            if pair.can_change_places() {
                return None;
            }
            if closest
                .as_ref()
                .is_none_or(|closest| pair.distance() < closest.distance())
            {
                closest = Some(pair);
            }
        }
    }
    let on_peer = |pair: &Pair<'_>| track.scope.contains(pair.theirs.node);
    closest.map(|pair| {
        Diagnostic::warning(
            span,
            format!("the weight {weight} can never cause a failover"),
        )
        .help(pair.advice(weight, on_peer(&pair)))
    })
}

/// A node that tracks a check with a weight, and one that could take over from it.
#[derive(Debug)]
struct Pair<'a> {
    mine: Reach<'a>,
    theirs: Reach<'a>,
}

impl Pair<'_> {
    fn can_change_places(&self) -> bool {
        self.leads() && self.mine.lowest < self.theirs.highest
    }

    /// Whether the node can be ahead of the peer. Among equals it is when all is well:
    /// whoever is MASTER stays so.
    fn leads(&self) -> bool {
        self.mine.highest > self.theirs.lowest || self.mine.highest >= self.theirs.highest
    }

    /// How far they are from changing places; those that would only trade the last place come last.
    fn distance(&self) -> (bool, i32) {
        if self.leads() {
            (false, self.mine.lowest - self.theirs.highest + 1)
        } else {
            (true, self.theirs.lowest - self.mine.highest)
        }
    }

    /// `on_peer`: the peer tracks the check as well, so that a positive weight raises it too.
    fn advice(&self, weight: i16, on_peer: bool) -> String {
        let (node, peer) = (self.mine.node, self.theirs.node);
        if self.mine.lowest == i32::from(OWNER) {
            return format!(
                "`{node}` has the priority 255, which no weight changes; write at most 254"
            );
        }
        let (is_behind, distance) = self.distance();
        if is_behind {
            return format!(
                "`{node}` is behind every other node anyway; track the check on a node that is ahead"
            );
        }
        let state = format!(
            "while the check is down `{node}` has {}, and `{peer}` can have {} at most",
            self.mine.lowest, self.theirs.highest
        );
        let weight = i32::from(weight);
        let enough = match weight {
            ..0 => weight - distance,
            0.. if on_peer => weight + distance,
            0.. => -distance,
        };
        if enough.abs() > 253 {
            return format!("{state}; write `on-fail = \"fault\"`");
        }
        format!("{state}; write `on-fail = {{ weight = {enough} }}`")
    }
}

/// The effective priorities that the checks of a node can lead to (DESIGN §5).
#[derive(Clone, Debug)]
struct Reach<'a> {
    node: &'a str,
    /// With every check down.
    lowest: i32,
    /// With every check up.
    highest: i32,
}

impl<'a> Reach<'a> {
    fn new(instance: &InstanceDraft, node: &'a str, base: u8) -> Self {
        let weights = || {
            let checks = instance.tracks.iter();
            let checks = checks.map(|track| (&track.scope, *track.on_fail.get_ref()));
            let interfaces = instance.interfaces.iter();
            let interfaces = interfaces.map(|track| (&track.scope, *track.on_fail.get_ref()));
            checks
                .chain(interfaces)
                .filter(|(scope, _)| scope.contains(node))
                .filter_map(|(_, on_fail)| match on_fail {
                    OnFail::Weight(weight) => Some(i32::from(weight)),
                    OnFail::Fault | OnFail::Release => None,
                })
        };
        Self {
            node,
            lowest: effective(base, weights().filter(|weight| *weight < 0).sum()),
            highest: effective(base, weights().filter(|weight| *weight > 0).sum()),
        }
    }
}

fn effective(base: u8, offset: i32) -> i32 {
    if base == OWNER {
        return i32::from(OWNER);
    }
    (i32::from(base) + offset).clamp(1, 254)
}

/// Each node with its base priority; empty when the file describes one host alone.
fn priorities<'a>(draft: &'a Draft, instance: &InstanceDraft) -> Vec<(&'a str, u8)> {
    let at = |node| instance.priority.as_ref()?.at(node);
    let names = draft.nodes.names().into_iter();
    names
        .filter_map(|node| Some((node, at(node)?.get())))
        .collect()
}
