//! Against the vectors of the draft, and against anybody who has no key.

use alloc::sync::Arc;
use alloc::vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU8;

use proptest::prelude::*;

use super::*;
use crate::packet::{MULTICAST_IPV4, MULTICAST_IPV6, split_trailer};
use crate::testing::{bytes, written};
use crate::{Advertise, ChecksumForm, InstanceId, InterfaceId, Version, VirtualRouterId};

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// The time of the vectors: 0x68000000 and a half.
const NOW: UnixTime = UnixTime::from_nanos(0x6800_0000 * NANOS_PER_SECOND + 500_000_000);
const V4: (IpAddr, IpAddr) = (
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10)),
    IpAddr::V4(MULTICAST_IPV4),
);
const V6: (IpAddr, IpAddr) = (
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x10)),
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x20)),
);
const ID: KeyId = KeyId(NonZeroU8::MIN);

fn key(first: u8) -> Key {
    let bytes: Vec<u8> = (first..first + 32).collect();
    Key::new(&bytes).unwrap()
}

fn hmac() -> Hmac {
    Hmac {
        mode: Mode::Enforce,
        keys: vec![(ID, key(0))],
        active_key: ID,
        window: Duration::from_secs(5),
    }
}

fn advertisement(version: Version, addresses: Vec<IpAddr>) -> Advertisement {
    Advertisement {
        version,
        virtual_router_id: VirtualRouterId(NonZeroU8::new(51).unwrap()),
        priority: 200,
        interval: Duration::from_secs(1),
        checksum: ChecksumForm::Rfc9568,
        addresses,
        password: None,
    }
}

fn v4() -> Advertisement {
    advertisement(Version::V3, vec![IpAddr::from([192, 0, 2, 100])])
}

fn v6() -> Advertisement {
    let address = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x100);
    advertisement(Version::V3, vec![address.into()])
}

/// What a router with these keys sends.
fn signed(
    hmac: &Hmac,
    advertisement: &Advertisement,
    (source, destination): (IpAddr, IpAddr),
    now: UnixTime,
) -> Vec<u8> {
    let advertise = Advertise {
        instance: InstanceId(1),
        interface: InterfaceId(1),
        source,
        destination,
        payload: Arc::from(advertisement.emit(source, destination)),
        priority: advertisement.priority,
        signing: Authentication::Hmac(hmac.clone()).signing(),
    };
    written(&mut Signer::default(), &advertise, now)
}

/// What a router with these keys thinks of a datagram.
fn verify(
    hmac: &Hmac,
    datagram: &[u8],
    (source, destination): (IpAddr, IpAddr),
    now: UnixTime,
    marks: &mut HighWaterMarks,
) -> Result<bool, crate::Discard> {
    let (message, trailer) = match split_trailer(datagram, source) {
        Some((message, trailer)) => (message, Some(trailer)),
        None => (datagram, None),
    };
    let covered = if source.is_ipv4() { message } else { datagram };
    let advertisement =
        Advertisement::parse_covered(message, covered, (source, destination), Vec::new())?;
    let received = Received {
        source,
        advertisement: &advertisement,
        message,
        trailer,
        at: now,
    };
    let authentication = Authentication::Hmac(hmac.clone());
    Ok(authentication.verify(&received, marks)?)
}

/// The wire images in the appendix of draft-cassen-vrrp-auth-hmac: key 00 to 1f, number 0x6800000080000000.
#[test]
fn golden_vectors() {
    let table = [
        (
            v4(),
            V4,
            "3133c801 00644402 c0000264 \
             01010000 68000000 80000000 1b84bc4e8e43892dc6d98448f8ee2265",
        ),
        (
            v6(),
            V6,
            "3133c801 0064a2e9 fe800000000000000000000000000100 \
             01010000 68000000 80000000 c8c56146ebfd66ee10ec4d8186461b78",
        ),
    ];
    for (advertisement, addresses, hex) in table {
        assert_eq!(
            signed(&hmac(), &advertisement, addresses, NOW),
            bytes(hex),
            "{addresses:?}"
        );
        let mut marks = HighWaterMarks::default();
        let verified = verify(&hmac(), &bytes(hex), addresses, NOW, &mut marks);
        assert_eq!(verified, Ok(true), "{addresses:?}");
    }
}

#[test]
fn version_2_is_signed_too() {
    let advertisement = advertisement(Version::V2, v4().addresses);
    let datagram = signed(&hmac(), &advertisement, V4, NOW);
    assert_eq!(datagram.len(), 20 + 28);
    let mut marks = HighWaterMarks::default();
    assert_eq!(verify(&hmac(), &datagram, V4, NOW, &mut marks), Ok(true));
}

#[track_caller]
fn check(datagram: &[u8], addresses: (IpAddr, IpAddr), hmac: &Hmac, error: AuthenticationError) {
    let mut marks = HighWaterMarks::default();
    let verified = verify(hmac, datagram, addresses, NOW, &mut marks);
    assert_eq!(verified, Err(error.into()));
    assert_eq!(marks.len(), 0, "nobody without a key is remembered");
}

#[test]
fn each_defect_has_its_error() {
    use AuthenticationError as Error;
    let good = signed(&hmac(), &v4(), V4, NOW);
    let changed = |index: usize, value: u8| {
        let mut datagram = good.clone();
        datagram[index] = value;
        datagram
    };
    check(&good[..12], V4, &hmac(), Error::Missing);
    check(&changed(12, 2), V4, &hmac(), Error::Scheme(2));
    check(&changed(15, 1), V4, &hmac(), Error::Scheme(1));
    check(&changed(13, 0), V4, &hmac(), Error::Key(0));
    check(&changed(13, 2), V4, &hmac(), Error::Key(2));
    check(&changed(39, !good[39]), V4, &hmac(), Error::Hmac(1));

    let other_key = Hmac {
        keys: vec![(ID, key(1))],
        ..hmac()
    };
    check(&good, V4, &other_key, Error::Hmac(1));
    // Whoever captured it cannot send it as somebody else.
    let other_source = (IpAddr::from([198, 51, 100, 11]), V4.1);
    check(&good, other_source, &hmac(), Error::Hmac(1));

    let password = Advertisement {
        password: Some(Password::new(b"hunter2")),
        ..advertisement(Version::V2, v4().addresses)
    };
    let unsigned = password.emit(V4.0, V4.1);
    check(&unsigned, V4, &hmac(), Error::Type(1));
    check(
        &signed(&hmac(), &password, V4, NOW),
        V4,
        &hmac(),
        Error::Type(1),
    );
}

#[test]
fn the_window_is_open_on_both_sides() {
    let at = |seconds: u64| UnixTime::from_nanos(NOW.as_nanos() + seconds * NANOS_PER_SECOND);
    let seen = |sent, now| {
        let datagram = signed(&hmac(), &v4(), V4, sent);
        verify(&hmac(), &datagram, V4, now, &mut HighWaterMarks::default())
    };
    assert_eq!(seen(at(0), at(5)), Ok(true));
    assert_eq!(seen(at(5), at(0)), Ok(true));
    for (sent, now, ahead) in [(0_u64, 6, false), (6, 0, true), (0, 3600, false)] {
        let by = Duration::from_secs(sent.abs_diff(now));
        let error = AuthenticationError::Clock { ahead, by };
        assert_eq!(seen(at(sent), at(now)), Err(error.into()));
    }
}

#[test]
fn every_configured_key_verifies_and_the_active_one_signs() {
    let second = KeyId(NonZeroU8::new(2).unwrap());
    let both = Hmac {
        keys: vec![(ID, key(0)), (second, key(100))],
        active_key: second,
        ..hmac()
    };
    let new = signed(&both, &v4(), V4, NOW);
    let old = signed(&hmac(), &v4(), V4, NOW);
    assert_eq!((old[13], new[13]), (1, 2));
    for datagram in [&old, &new] {
        let verified = verify(&both, datagram, V4, NOW, &mut HighWaterMarks::default());
        assert_eq!(verified, Ok(true));
    }
    check(&new, V4, &hmac(), AuthenticationError::Key(2));
}

#[test]
fn passwords() {
    let ours = Authentication::Password(Password::new(b"hunter2"));
    let verified = |authentication: &Authentication, password: Option<&[u8]>| {
        let advertisement = Advertisement {
            password: password.map(Password::new),
            ..advertisement(Version::V2, v4().addresses)
        };
        let received = Received {
            source: V4.0,
            advertisement: &advertisement,
            message: &[],
            trailer: None,
            at: NOW,
        };
        authentication.verify(&received, &mut HighWaterMarks::default())
    };
    use AuthenticationError as Error;
    assert_eq!(verified(&ours, Some(b"hunter2")), Ok(true));
    assert_eq!(verified(&ours, Some(b"hunter3")), Err(Error::Password));
    assert_eq!(verified(&ours, Some(b"")), Err(Error::Password));
    assert_eq!(verified(&ours, None), Err(Error::Missing));
    assert_eq!(verified(&Authentication::None, None), Ok(false));
    let unasked = verified(&Authentication::None, Some(b"hunter2"));
    assert_eq!(unasked, Err(Error::Type(1)));
}

#[test]
fn the_default_window_leaves_room_for_three_advertisements() {
    let window = |millis| Authentication::default_window(Duration::from_millis(millis));
    assert_eq!(window(10), Duration::from_secs(5));
    assert_eq!(window(1000), Duration::from_secs(5));
    assert_eq!(window(2500), Duration::from_millis(7500));
    assert_eq!(window(255_000), Duration::from_secs(300));
}

fn advertisements() -> impl Strategy<Value = (Advertisement, (IpAddr, IpAddr))> {
    let form = prop_oneof![Just(ChecksumForm::Rfc9568), Just(ChecksumForm::Rfc5798)];
    let v4 = (
        prop_oneof![Just(Version::V2), Just(Version::V3)],
        prop::collection::vec(any::<Ipv4Addr>().prop_map(IpAddr::V4), 1..20),
        any::<Ipv4Addr>(),
        form,
    )
        .prop_map(|(version, addresses, source, checksum)| {
            let advertisement = Advertisement {
                checksum,
                ..advertisement(version, addresses)
            };
            (advertisement, (source.into(), MULTICAST_IPV4.into()))
        });
    let others = prop::collection::vec(any::<Ipv6Addr>().prop_map(IpAddr::V6), 0..20);
    let v6 = (others, any::<Ipv6Addr>()).prop_map(|(others, source)| {
        let addresses = v6().addresses.into_iter().chain(others).collect();
        let advertisement = advertisement(Version::V3, addresses);
        (advertisement, (source.into(), MULTICAST_IPV6.into()))
    });
    (prop_oneof![v4, v6], any::<u8>(), any::<NonZeroU8>()).prop_map(
        |((advertisement, addresses), priority, id)| {
            let advertisement = Advertisement {
                priority,
                virtual_router_id: VirtualRouterId(id),
                ..advertisement
            };
            (advertisement, addresses)
        },
    )
}

fn times() -> impl Strategy<Value = UnixTime> {
    any::<u64>().prop_map(UnixTime::from_nanos)
}

proptest! {
    #[test]
    fn what_is_signed_is_verified_once((advertisement, addresses) in advertisements(), now in times()) {
        let datagram = signed(&hmac(), &advertisement, addresses, now);
        let mut marks = HighWaterMarks::default();
        prop_assert_eq!(verify(&hmac(), &datagram, addresses, now, &mut marks), Ok(true));
        let again = verify(&hmac(), &datagram, addresses, now, &mut marks);
        prop_assert_eq!(again, Err(AuthenticationError::Replay.into()));
    }

    #[test]
    fn any_flipped_bit_is_refused(
        (advertisement, addresses) in advertisements(),
        now in times(),
        bit in any::<prop::sample::Index>(),
    ) {
        let mut datagram = signed(&hmac(), &advertisement, addresses, now);
        let bit = bit.index(datagram.len() * 8);
        datagram[bit / 8] ^= 1 << (bit % 8);
        let mut marks = HighWaterMarks::default();
        prop_assert!(verify(&hmac(), &datagram, addresses, now, &mut marks).is_err());
        prop_assert_eq!(marks.len(), 0);
    }

    /// As above, for somebody who repairs the checksum, so that only the signature tells.
    #[test]
    fn any_flipped_bit_under_a_good_checksum_is_refused(
        (advertisement, addresses) in advertisements(),
        now in times(),
        bit in any::<prop::sample::Index>(),
    ) {
        let mut datagram = signed(&hmac(), &advertisement, addresses, now);
        let bit = bit.index(datagram.len() * 8);
        prop_assume!(!crate::packet::CHECKSUM.contains(&(bit / 8)));
        datagram[bit / 8] ^= 1 << (bit % 8);
        repair_checksum(&mut datagram, addresses);
        let mut marks = HighWaterMarks::default();
        let verified = verify(&hmac(), &datagram, addresses, now, &mut marks);
        prop_assert!(verified.is_err());
    }

    #[test]
    fn every_truncation_is_refused((advertisement, addresses) in advertisements(), now in times()) {
        let datagram = signed(&hmac(), &advertisement, addresses, now);
        for length in 0..datagram.len() {
            let mut marks = HighWaterMarks::default();
            prop_assert!(verify(&hmac(), &datagram[..length], addresses, now, &mut marks).is_err());
        }
    }

    /// Whatever the clock does within the window, each advertisement of a sender is accepted.
    #[test]
    fn numbers_of_a_sender_grow(steps in prop::collection::vec(-5_000_000_000_i64..=5_000_000_000, 1..100)) {
        let mut signer = Signer::default();
        let mut marks = HighWaterMarks::default();
        let mut now = NOW.as_nanos();
        let mut latest = now;
        for step in steps {
            now = now.saturating_add_signed(step).max(latest - 4_900_000_000);
            latest = latest.max(now);
            let time = UnixTime::from_nanos(now);
            let advertise = Advertise {
                instance: InstanceId(1),
                interface: InterfaceId(1),
                source: V4.0,
                destination: V4.1,
                payload: Arc::from(v4().emit(V4.0, V4.1)),
                priority: 200,
                signing: Authentication::Hmac(hmac()).signing(),
            };
            let datagram = written(&mut signer, &advertise, time);
            // The receiver's clock is the one that is right.
            let right = UnixTime::from_nanos(latest);
            let wide = Hmac { window: Duration::from_secs(6), ..hmac() };
            prop_assert_eq!(verify(&wide, &datagram, V4, right, &mut marks), Ok(true));
        }
    }
}

fn repair_checksum(datagram: &mut [u8], (source, destination): (IpAddr, IpAddr)) {
    if source.is_ipv6() {
        crate::packet::checksum_with_trailer(datagram, source, destination);
        return;
    }
    let message_len = datagram.len() - TRAILER_LEN;
    datagram[crate::packet::CHECKSUM].fill(0);
    let sum = crate::checksum::Sum::default().add(&datagram[..message_len]);
    datagram[crate::packet::CHECKSUM].copy_from_slice(&sum.checksum().to_be_bytes());
}
