//! What each kind of authentication, and each step of its roll-out, sends and accepts.

use alloc::string::String;
use core::num::NonZeroU8;

use super::*;
use crate::{
    Advertise, Authentication, AuthenticationError, Hmac, Key, KeyId, Mode, Password, Signer,
    UnixTime, release_packets,
};

const WINDOW: Duration = Duration::from_secs(5);

fn id(number: u8) -> KeyId {
    KeyId(NonZeroU8::new(number).unwrap())
}

fn key(byte: u8) -> Key {
    Key::new(&[byte; 32]).unwrap()
}

/// Keys 1 and 2, of which the first signs.
fn keys(mode: Mode) -> Authentication {
    Authentication::Hmac(Hmac {
        mode,
        keys: vec![(id(1), key(1)), (id(2), key(2))],
        active_key: id(1),
        window: WINDOW,
    })
}

fn foreign_key() -> Authentication {
    Authentication::Hmac(Hmac {
        mode: Mode::Enforce,
        keys: vec![(id(1), key(9))],
        active_key: id(1),
        window: WINDOW,
    })
}

fn password(text: &str) -> Authentication {
    Authentication::Password(Password::new(text.as_bytes()))
}

fn with(authentication: Authentication) -> InstanceConfig {
    let version = match authentication {
        Authentication::Password(_) => Version::V2,
        Authentication::None | Authentication::Hmac(_) => Version::V3,
    };
    InstanceConfig {
        authentication,
        version,
        ..instance(100)
    }
}

fn later(time: Duration) -> UnixTime {
    let nanos = u64::try_from(time.as_nanos()).unwrap();
    UnixTime::from_nanos(WALL.as_nanos() + nanos)
}

/// What a peer that is configured like this sends at a time.
fn sent_by(config: &InstanceConfig, priority: u8, source: Ipv4Addr, at: UnixTime) -> Vec<u8> {
    let advertise = Advertise {
        instance: INSTANCE,
        interface: INTERFACE,
        source: source.into(),
        destination: GROUP,
        payload: advertisement(config, priority)
            .emit(source.into(), GROUP)
            .into(),
        priority,
        signing: config.authentication.signing(),
    };
    written(&mut Signer::default(), &advertise, at)
}

/// Whether a router that is configured like `receiver` steps down for a higher priority of one like `sender`.
fn yields(receiver: &InstanceConfig, sender: &InstanceConfig) -> Result<(), Vec<String>> {
    let mut bench = Bench::active(receiver.clone());
    let message = sent_by(sender, 200, HIGH_PEER, WALL);
    let seen = bench.event(packet(HIGH_PEER, &message));
    match bench.status().state {
        State::Backup => Ok(()),
        State::Initialize | State::Fault | State::Active => Err(seen),
    }
}

/// The order in which a cluster goes; each router may be one step ahead of the others or behind.
#[test]
fn neighbouring_steps_of_the_roll_out_understand_each_other() {
    let steps = [
        with(Authentication::None),
        with(keys(Mode::ReceiveOnly)),
        with(keys(Mode::Permissive)),
        with(keys(Mode::Enforce)),
    ];
    for pair in steps.windows(2) {
        for (receiver, sender) in [(0, 1), (1, 0), (0, 0), (1, 1)] {
            assert_eq!(
                yields(&pair[receiver], &pair[sender]),
                Ok(()),
                "{:?} hears {:?}",
                pair[receiver].authentication,
                pair[sender].authentication
            );
        }
    }
    // Why there are as many steps as there are.
    let unread = yields(&steps[0], &steps[2]).unwrap_err();
    assert_eq!(unread, ["discard: signed, and no keys are configured here"]);
    let unsigned = yields(&steps[3], &steps[1]).unwrap_err();
    assert_eq!(unsigned, ["discard: not authenticated"]);
}

#[test]
fn what_each_step_makes_of_what_it_hears() {
    let good = with(keys(Mode::Enforce));
    let unsigned = with(Authentication::None);
    let forged = with(foreign_key());
    let wrong = "wrong signature: forged, or its key 1 is not the one configured here";
    for (mode, tolerant) in [
        (Mode::ReceiveOnly, true),
        (Mode::Permissive, true),
        (Mode::Enforce, false),
    ] {
        let receiver = with(keys(mode));
        assert_eq!(yields(&receiver, &good), Ok(()));
        for (sender, text) in [(&unsigned, "not authenticated"), (&forged, wrong)] {
            let discarded = vec![alloc::format!("discard: {text}")];
            let expected = if tolerant { Ok(()) } else { Err(discarded) };
            assert_eq!(yields(&receiver, sender), expected, "{mode:?}");
        }
    }
}

#[test]
fn failures_are_counted_whether_they_are_tolerated_or_not() {
    for mode in [Mode::ReceiveOnly, Mode::Permissive, Mode::Enforce] {
        let config = with(keys(mode));
        let mut bench = Bench::started(config.clone());
        let mut hear = |sender: &InstanceConfig, at| {
            let message = sent_by(sender, 200, HIGH_PEER, at);
            bench.event(packet(HIGH_PEER, &message));
            message
        };
        let good = with(keys(Mode::Enforce));
        hear(&with(Authentication::None), WALL);
        hear(&with(foreign_key()), WALL);
        hear(&good, later(Duration::from_secs(60)));
        let replayed = hear(&good, WALL);
        bench.event(packet(HIGH_PEER, &replayed));
        bench.event(packet(HIGH_PEER, &replayed));

        let status = bench.status();
        let counters = status.counters.authentication;
        assert_eq!(counters.missing, 1, "{mode:?}");
        assert_eq!(counters.mismatches, 1, "{mode:?}");
        assert_eq!(counters.clock_errors, 1, "{mode:?}");
        assert_eq!(counters.replays, 2, "{mode:?}");
        assert_eq!(counters.authenticated_rcvd, 1, "{mode:?}");
        assert_eq!(counters.errors(), 5, "{mode:?}");
        let accepted = if mode == Mode::Enforce { 1 } else { 6 };
        assert_eq!(status.counters.advertisement_rcvd, accepted, "{mode:?}");
        let failure = status.authentication_failure.unwrap();
        assert_eq!(failure.error, AuthenticationError::Replay);
        assert_eq!((failure.source, failure.at), (HIGH_PEER.into(), WALL));
    }
}

#[test]
fn what_is_tolerated_is_told_once() {
    let mut bench = Bench::started(with(keys(Mode::Permissive)));
    let mut hear = |sender: &InstanceConfig, at| {
        let message = sent_by(sender, 200, HIGH_PEER, at);
        bench.event(packet(HIGH_PEER, &message))
    };
    let unsigned = with(Authentication::None);
    let good = with(keys(Mode::Enforce));
    let wrong_clock = |seconds| later(Duration::from_secs(seconds));
    assert_eq!(hear(&unsigned, WALL), ["differs: Authentication(Missing)"]);
    assert_eq!(hear(&unsigned, WALL), NOTHING);
    assert_eq!(hear(&good, WALL), NOTHING);
    assert_eq!(hear(&unsigned, WALL), ["differs: Authentication(Missing)"]);
    assert_eq!(
        hear(&good, wrong_clock(60)),
        ["differs: Authentication(Clock { ahead: true, by: 60s })"]
    );
    assert_eq!(hear(&good, wrong_clock(61)), NOTHING);
}

/// Whoever records the MASTER's own words and those of a router that once was MASTER can do nothing with them.
#[test]
fn replays_move_nobody() {
    let config = with(keys(Mode::Enforce));
    let mut backup = Bench::started(config.clone());
    let released = sent_by(&config, 0, HIGH_PEER, WALL);
    let spoken = sent_by(&config, 200, HIGH_PEER, later(Duration::from_secs(1)));
    backup.event(packet(HIGH_PEER, &released));
    backup.event(packet_at(HIGH_PEER, &spoken, later(Duration::from_secs(1))));
    let due = backup.due_in();
    for at in [1, 2, 3600] {
        let at = later(Duration::from_secs(at));
        for captured in [&released, &spoken] {
            let seen = backup.event(packet_at(HIGH_PEER, captured, at));
            assert_eq!(seen.len(), 1);
            assert!(seen[0].starts_with("discard: "), "{seen:?}");
        }
    }
    assert_eq!(backup.due_in(), due);

    let mut active = Bench::active(config.clone());
    let seen = active.event(packet_at(HIGH_PEER, &spoken, later(Duration::from_secs(7))));
    assert_eq!(
        seen,
        ["discard: signed 6s ago: replayed, or one of the clocks is wrong"]
    );
    // Not even where the same keys serve another virtual router.
    let other = InstanceConfig {
        virtual_router_id: VirtualRouterId(NonZeroU8::new(52).unwrap()),
        ..config.clone()
    };
    let mut spliced = sent_by(&other, 200, HIGH_PEER, WALL);
    spliced[1] = 51;
    spliced[7] += 1;
    let seen = active.event(packet(HIGH_PEER, &spliced));
    assert_eq!(
        seen,
        ["discard: wrong signature: forged, or its key 1 is not the one configured here"]
    );
    assert_eq!(active.status().state, State::Active);
}

#[test]
fn marks_outlive_another_configuration() {
    let config = with(keys(Mode::Enforce));
    let mut bench = Bench::started(config.clone());
    let message = sent_by(&config, 200, HIGH_PEER, WALL);
    assert_eq!(bench.event(packet(HIGH_PEER, &message)), NOTHING);
    let changed = InstanceConfig {
        preempt: false,
        ..config
    };
    bench.router.reconfigure(bench.now, one(changed)).unwrap();
    let seen = bench.event(packet(HIGH_PEER, &message));
    assert_eq!(
        seen,
        ["discard: seen before, or older than what its sender has sent since"]
    );
}

#[test]
fn each_advertisement_is_signed_anew_when_it_is_sent() {
    for (mode, signs) in [
        (Mode::ReceiveOnly, false),
        (Mode::Permissive, true),
        (Mode::Enforce, true),
    ] {
        let mut bench = Bench::started(with(keys(mode)));
        let mut signer = Signer::default();
        let mut sent = Vec::new();
        for _ in 0..3 {
            bench.now = bench.router.poll_timeout().unwrap().at;
            bench.router.handle_timeout(bench.now);
            while let Some(action) = bench.router.poll_action() {
                if let Action::Advertise(advertise) = action {
                    sent.push(written(&mut signer, &advertise, WALL));
                }
            }
        }
        let length = if signs { 12 + 28 } else { 12 };
        assert!(sent.iter().all(|datagram| datagram.len() == length));
        let distinct = sent.iter().filter(|one| *one != &sent[0]).count();
        assert_eq!(distinct, if signs { 2 } else { 0 }, "{mode:?}");
    }
}

#[test]
fn a_dead_router_is_spoken_for_after_its_last_word() {
    let config = with(keys(Mode::Enforce));
    let mut receiver = Bench::started(config.clone());
    let mut router = Signer::default();
    let advertise = |priority| {
        let mut advertise = release_packets(INSTANCE, &config, HIGH_PEER.into()).remove(0);
        let message = advertisement(&config, priority).emit(HIGH_PEER.into(), GROUP);
        advertise.payload = message.into();
        advertise
    };
    let last = written(&mut router, &advertise(200), later(Duration::from_secs(2)));
    assert_eq!(receiver.event(packet(HIGH_PEER, &last)), NOTHING);

    // The clock was set back by two seconds before the router died.
    let mut guardian = Signer::default();
    guardian.resume(INSTANCE, router.ahead(INSTANCE, WALL).unwrap());
    let released = written(&mut guardian, &advertise(0), WALL);
    assert_eq!(receiver.event(packet(HIGH_PEER, &released)), NOTHING);
    assert_eq!(receiver.status().counters.priority_zero_pkts_rcvd, 1);

    let mut next = Signer::default();
    next.resume(INSTANCE, guardian.last(INSTANCE).unwrap());
    let again = written(&mut next, &advertise(200), WALL);
    assert_eq!(receiver.event(packet(HIGH_PEER, &again)), NOTHING);
    assert_eq!(
        receiver.status().counters.authentication.authenticated_rcvd,
        3
    );
}

#[test]
fn passwords_are_compared() {
    let ours = with(password("hunter2"));
    assert_eq!(yields(&ours, &ours), Ok(()));
    let none = InstanceConfig {
        version: Version::V2,
        ..with(Authentication::None)
    };
    let signed = InstanceConfig {
        version: Version::V2,
        ..with(keys(Mode::Enforce))
    };
    for (receiver, sender, text) in [
        (&ours, &with(password("hunter3")), "wrong password"),
        (&ours, &none, "not authenticated"),
        (&ours, &signed, "signed, and no keys are configured here"),
        (
            &none,
            &ours,
            "authentication type 1, which is not configured here",
        ),
    ] {
        let discarded = yields(receiver, sender).unwrap_err();
        assert_eq!(discarded, [alloc::format!("discard: {text}")]);
    }
}

/// Without keys, 28 bytes behind a message are too much, whatever they are, unless they look like a signature.
#[test]
fn what_is_no_trailer_is_just_too_long() {
    let plain = with(Authentication::None);
    let mut bench = Bench::started(plain.clone());
    let mut message = sent_by(&plain, 200, HIGH_PEER, WALL);
    message.extend([0; 28]);
    let seen = bench.event(packet(HIGH_PEER, &message));
    assert_eq!(seen, ["discard: 40 bytes instead of 12"]);

    let mut bench = Bench::started(with(keys(Mode::Enforce)));
    let seen = bench.event(packet(HIGH_PEER, &message));
    assert_eq!(seen, ["discard: a signature of the unknown scheme 0"]);
    for length in 13..40 {
        let seen = bench.event(packet(HIGH_PEER, &message[..length]));
        assert_eq!(
            seen,
            [alloc::format!("discard: {length} bytes instead of 12")]
        );
    }
}
