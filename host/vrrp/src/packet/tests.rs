use core::net::Ipv6Addr;

use alloc::string::ToString;
use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::testing::bytes;

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const GROUP: IpAddr = IpAddr::V4(MULTICAST_IPV4);
const SOURCE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
const GROUP_V6: IpAddr = IpAddr::V6(MULTICAST_IPV6);

fn golden(version: Version, checksum: ChecksumForm) -> Advertisement {
    Advertisement {
        version,
        virtual_router_id: VirtualRouterId(NonZeroU8::new(51).unwrap()),
        priority: 100,
        interval: Duration::from_secs(1),
        checksum,
        addresses: vec![IpAddr::from([10, 0, 0, 100])],
        password: None,
    }
}

/// The same advertisement in every form that IPv4 knows.
#[test]
fn golden_vectors() {
    let table = [
        (
            Version::V2,
            ChecksumForm::Rfc9568,
            "21336401 00017066 0a000064 0000000000000000",
        ),
        (
            Version::V3,
            ChecksumForm::Rfc9568,
            "31336401 00646003 0a000064",
        ),
        (
            Version::V3,
            ChecksumForm::Rfc5798,
            "31336401 00647573 0a000064",
        ),
    ];
    for (version, checksum, hex) in table {
        let advertisement = golden(version, checksum);
        assert_eq!(advertisement.emit(SOURCE, GROUP), bytes(hex));
        assert_eq!(
            Advertisement::parse(&bytes(hex), SOURCE, GROUP),
            Ok(advertisement)
        );
    }
}

/// RFC 2338 §5.3.10: a shorter password is padded with zeros.
#[test]
fn golden_vector_password() {
    let advertisement = Advertisement {
        password: Some(Password::new(b"hunter2")),
        ..golden(Version::V2, ChecksumForm::Rfc9568)
    };
    let hex = "21336401 01010000 0a000064 68756e7465723200";
    let message = sealed(hex, SOURCE);
    assert_eq!(advertisement.emit(SOURCE, GROUP), message);
    let parsed = Advertisement::parse(&message, SOURCE, GROUP);
    assert_eq!(parsed, Ok(advertisement));
}

#[test]
fn golden_vector_ipv6() {
    let advertisement = Advertisement {
        addresses: vec![
            "fe80::100".parse().unwrap(),
            "2001:db8::100".parse().unwrap(),
        ],
        ..golden(Version::V3, ChecksumForm::Rfc9568)
    };
    let hex = "31336402 00643dfd fe800000000000000000000000000100 20010db8000000000000000000000100";
    assert_eq!(advertisement.emit(SOURCE_V6, GROUP_V6), bytes(hex));
    assert_eq!(
        Advertisement::parse(&bytes(hex), SOURCE_V6, GROUP_V6),
        Ok(advertisement)
    );
}

#[test]
fn interval_units_of_the_versions() {
    let sent = |version, interval| {
        let advertisement = Advertisement {
            interval,
            ..golden(version, ChecksumForm::Rfc9568)
        };
        let message = advertisement.emit(SOURCE, GROUP);
        [message[4], message[5]]
    };
    assert_eq!(sent(Version::V3, Duration::from_millis(10)), [0, 1]);
    assert_eq!(
        sent(Version::V3, Duration::from_millis(40_950)),
        [0x0f, 0xff]
    );
    assert_eq!(sent(Version::V2, Duration::from_secs(255)), [0, 255]);
    assert_eq!(
        sent(Version::V3, Duration::ZERO),
        [0, 1],
        "held to what the wire can carry"
    );
    assert_eq!(sent(Version::V3, Duration::MAX), [0x0f, 0xff]);
    assert_eq!(sent(Version::V2, Duration::MAX), [0, 255]);
}

/// A message with a right checksum, whatever else is wrong with it.
fn sealed(hex: &str, source: IpAddr) -> Vec<u8> {
    let mut message = bytes(hex);
    let covered = match source {
        IpAddr::V4(_) => Sum::default(),
        IpAddr::V6(_) => pseudo_header(source, GROUP_V6, message.len()).unwrap(),
    };
    let checksum = covered.add(&message).checksum().to_be_bytes();
    message[6..8].copy_from_slice(&checksum);
    message
}

#[test]
fn each_defect_has_its_discard() {
    let length = |expected, actual| Discard::Length { expected, actual };
    let v4 = [
        ("01336401 00640000 0a000064", Discard::Version(0)),
        ("f1336401 00640000 0a000064", Discard::Version(15)),
        ("30336401 00640000 0a000064", Discard::Type(0)),
        ("32336401 00640000 0a000064", Discard::Type(2)),
        ("31336402 00640000 0a000064", length(16, 12)),
        ("31336401 00640000 0a000064 00", length(12, 13)),
        ("21336401 00010000 0a000064", length(20, 12)),
        ("31006401 00640000 0a000064", Discard::VirtualRouterId(0)),
        ("31336401 00000000 0a000064", Discard::ZeroInterval),
        ("31336401 f0000000 0a000064", Discard::ZeroInterval),
        (
            "21336401 00000000 0a000064 0000000000000000",
            Discard::ZeroInterval,
        ),
        (
            "21336401 02010000 0a000064 0000000000000000",
            AuthenticationError::Type(2).into(),
        ),
        // The first failure counts.
        ("31006400 00000000", Discard::VirtualRouterId(0)),
        ("31336400 00000000", Discard::ZeroInterval),
        (
            "21336401 01000000 0a000064 0000000000000000",
            Discard::ZeroInterval,
        ),
    ];
    for (hex, discard) in v4 {
        let parsed = Advertisement::parse(&sealed(hex, SOURCE), SOURCE, GROUP);
        assert_eq!(parsed, Err(discard), "{hex}");
    }
    let v6 = [
        (
            "21336401 00010000 fe800000000000000000000000000001 0000000000000000",
            Discard::Version(2),
        ),
        (
            "31336401 00640000 20010db8000000000000000000000100",
            Discard::NotLinkLocal,
        ),
        ("31336401 00640000 0a000064", length(24, 12)),
    ];
    for (hex, discard) in v6 {
        let parsed = Advertisement::parse(&sealed(hex, SOURCE_V6), SOURCE_V6, GROUP_V6);
        assert_eq!(parsed, Err(discard), "{hex}");
    }
    assert_eq!(Advertisement::parse(&[], SOURCE, GROUP), Err(length(8, 0)));
}

#[test]
fn reserved_bits_and_authentication_data_are_ignored() {
    let message = sealed("31336401 f0640000 0a000064", SOURCE);
    let parsed = Advertisement::parse(&message, SOURCE, GROUP);
    assert_eq!(parsed, Ok(golden(Version::V3, ChecksumForm::Rfc9568)));

    let message = sealed("21336401 00010000 0a000064 6b6579206b657920", SOURCE);
    let parsed = Advertisement::parse(&message, SOURCE, GROUP);
    assert_eq!(parsed, Ok(golden(Version::V2, ChecksumForm::Rfc9568)));
}

#[test]
fn only_v3_over_ipv4_has_two_checksums() {
    let v3 = golden(Version::V3, ChecksumForm::Rfc5798).emit(SOURCE, GROUP);
    let elsewhere = IpAddr::from([10, 0, 0, 2]);
    assert_eq!(
        Advertisement::parse(&v3, elsewhere, GROUP),
        Err(Discard::Checksum)
    );
    // A pseudo-header needs two addresses of one family.
    assert_eq!(
        Advertisement::parse(&v3, SOURCE, GROUP_V6),
        Err(Discard::Checksum)
    );

    let asked = golden(Version::V2, ChecksumForm::Rfc5798).emit(SOURCE, GROUP);
    let plain = golden(Version::V2, ChecksumForm::Rfc9568).emit(SOURCE, GROUP);
    assert_eq!(asked, plain);
}

#[test]
fn more_addresses_than_the_count_can_say_are_left_out() {
    let addresses = (0..300)
        .map(|n| IpAddr::from(Ipv4Addr::from_bits(n)))
        .collect();
    let advertisement = Advertisement {
        addresses,
        ..golden(Version::V3, ChecksumForm::Rfc9568)
    };
    let message = advertisement.emit(SOURCE, GROUP);
    assert_eq!(message.len(), advertisement.buffer_len());
    let parsed = Advertisement::parse(&message, SOURCE, GROUP).unwrap();
    assert_eq!(parsed.addresses, advertisement.addresses[..255]);
}

#[test]
fn discards_read_well() {
    assert_eq!(
        Discard::Ttl(Some(254)).to_string(),
        "TTL 254 instead of 255"
    );
    assert_eq!(Discard::Ttl(None).to_string(), "TTL unknown instead of 255");
    assert_eq!(
        Discard::Length {
            expected: 12,
            actual: 3
        }
        .to_string(),
        "3 bytes instead of 12"
    );
    let mismatch = Discard::IntervalMismatch {
        theirs: Duration::from_secs(2),
        ours: Duration::from_secs(1),
    };
    assert_eq!(
        mismatch.to_string(),
        "advertisement interval 2s instead of 1s"
    );
}

fn ipv4() -> impl Strategy<Value = IpAddr> {
    any::<Ipv4Addr>().prop_map(IpAddr::V4)
}

fn link_local() -> impl Strategy<Value = IpAddr> {
    any::<[u16; 4]>().prop_map(|[a, b, c, d]| IpAddr::from([0xfe80, 0, 0, 0, a, b, c, d]))
}

/// An advertisement with the source it is sent from.
fn advertisements() -> impl Strategy<Value = (Advertisement, IpAddr, IpAddr)> {
    let v2 = (1..=255_u64, prop::collection::vec(ipv4(), 1..=255), ipv4()).prop_map(
        |(seconds, addresses, source)| {
            (
                Version::V2,
                Duration::from_secs(seconds),
                addresses,
                source,
                GROUP,
            )
        },
    );
    let v3 = (1..=4095_u64, prop::collection::vec(ipv4(), 1..=255), ipv4()).prop_map(
        |(centiseconds, addresses, source)| {
            (
                Version::V3,
                Duration::from_millis(centiseconds * 10),
                addresses,
                source,
                GROUP,
            )
        },
    );
    let others = prop::collection::vec(any::<Ipv6Addr>().prop_map(IpAddr::V6), 0..=254);
    let v6 = (1..=4095_u64, link_local(), others, link_local()).prop_map(
        |(centiseconds, first, mut addresses, source)| {
            addresses.insert(0, first);
            (
                Version::V3,
                Duration::from_millis(centiseconds * 10),
                addresses,
                source,
                GROUP_V6,
            )
        },
    );
    let form = prop_oneof![Just(ChecksumForm::Rfc9568), Just(ChecksumForm::Rfc5798)];
    (
        prop_oneof![v2, v3, v6],
        form,
        any::<NonZeroU8>(),
        any::<u8>(),
        prop::option::of(any::<[u8; Password::LEN]>()),
    )
        .prop_map(
            |(
                (version, interval, addresses, source, destination),
                form,
                id,
                priority,
                password,
            )| {
                let password = password.filter(|_| version == Version::V2);
                let advertisement = Advertisement {
                    version,
                    virtual_router_id: VirtualRouterId(id),
                    priority,
                    interval,
                    checksum: form,
                    addresses,
                    password: password.map(|password| Password::new(&password)),
                };
                (advertisement, source, destination)
            },
        )
}

proptest! {
    #[test]
    fn parse_inverts_emit((advertisement, source, destination) in advertisements()) {
        let message = advertisement.emit(source, destination);
        prop_assert_eq!(message.len(), advertisement.buffer_len());
        let parsed = Advertisement::parse(&message, source, destination).unwrap();
        let plain = Advertisement { checksum: ChecksumForm::Rfc9568, ..advertisement.clone() };
        if plain.emit(source, destination) == message {
            prop_assert_eq!(parsed, plain);
        } else {
            prop_assert_eq!(parsed, advertisement);
        }
    }

    #[test]
    fn every_truncation_is_a_length_error((advertisement, source, destination) in advertisements()) {
        let message = advertisement.emit(source, destination);
        for length in 0..message.len() {
            let parsed = Advertisement::parse(&message[..length], source, destination);
            let is_length = matches!(parsed, Err(Discard::Length { actual, .. }) if actual == length);
            prop_assert!(is_length, "{} of {} bytes: {:?}", length, message.len(), parsed);
        }
    }

    #[test]
    fn a_flipped_bit_is_never_overlooked(
        (advertisement, source, destination) in advertisements(),
        bit in any::<prop::sample::Index>(),
    ) {
        let mut message = advertisement.emit(source, destination);
        let bit = bit.index(message.len() * 8);
        message[bit / 8] ^= 1 << (bit % 8);
        // One's complement sums notice every single bit, but a v3 checksum over IPv4 has two chances to be right.
        let parsed = Advertisement::parse(&message, source, destination);
        let is_other_form = parsed.as_ref().is_ok_and(|parsed| parsed.checksum != advertisement.checksum);
        prop_assert!(parsed.is_err() || is_other_form);
    }

    #[test]
    fn any_bytes_do_not_panic(
        mut message in prop::collection::vec(any::<u8>(), 0..64),
        first in prop::sample::select(vec![0x21_u8, 0x31]),
        source in prop_oneof![ipv4(), link_local()],
        destination in prop_oneof![ipv4(), link_local()],
    ) {
        let _ = Advertisement::parse(&message, source, destination);
        if let Some(byte) = message.first_mut() {
            *byte = first;
        }
        if let Ok(advertisement) = Advertisement::parse(&message, source, destination) {
            prop_assert_eq!(advertisement.buffer_len(), message.len());
        }
    }
}
