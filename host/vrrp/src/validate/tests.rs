use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU8;

use super::*;
use crate::testing::{CHECK, INSTANCE, check, instance, one, tracking};
use crate::{
    Hmac, Key, Mode, Password, Router, RouterConfig, Track, VirtualAddress, VirtualRouterId,
};

fn error(config: InstanceConfig) -> Option<InstanceError> {
    match Router::new(one(config)) {
        Ok(_) => None,
        Err(ConfigError::Instance { instance, error }) => {
            assert_eq!(instance, INSTANCE);
            Some(error)
        }
        Err(ConfigError::Check { error, .. }) => panic!("{error}"),
        Err(ConfigError::Group { error, .. }) => panic!("{error}"),
    }
}

fn addresses(list: &[&str]) -> Vec<VirtualAddress> {
    let address = |text: &&str| VirtualAddress {
        address: text.parse().unwrap(),
        prefix_length: 24,
    };
    list.iter().map(address).collect()
}

#[test]
fn addresses_of_one_family() {
    let with = |list: &[&str]| {
        error(InstanceConfig {
            addresses: addresses(list),
            ..instance(100)
        })
    };
    assert_eq!(with(&["10.0.0.1", "10.0.0.2"]), None);
    assert_eq!(with(&["fe80::1", "2001:db8::1"]), None);
    assert_eq!(with(&[]), Some(InstanceError::AddressCount(0)));
    assert_eq!(
        with(&["10.0.0.1"; 256]),
        Some(InstanceError::AddressCount(256))
    );
    assert_eq!(
        with(&["10.0.0.1", "fe80::1"]),
        Some(InstanceError::MixedFamilies)
    );
    let twice = InstanceError::AddressTwice("10.0.0.1".parse().unwrap());
    assert_eq!(with(&["10.0.0.1", "10.0.0.2", "10.0.0.1"]), Some(twice));
    let global = "2001:db8::1";
    let not_link_local = InstanceError::NotLinkLocal(global.parse().unwrap());
    assert_eq!(with(&[global, "fe80::1"]), Some(not_link_local));

    let address = "10.0.0.1".parse().unwrap();
    let long = VirtualAddress {
        address,
        prefix_length: 33,
    };
    let config = InstanceConfig {
        addresses: vec![long],
        ..instance(100)
    };
    assert_eq!(
        error(config),
        Some(InstanceError::PrefixLength {
            address,
            prefix_length: 33
        })
    );

    let v2 = InstanceConfig {
        version: Version::V2,
        addresses: addresses(&["fe80::1"]),
        ..instance(100)
    };
    assert_eq!(error(v2), Some(InstanceError::Version2WithIpv6));
}

#[test]
fn intervals_that_fit_the_wire() {
    let table = [
        (Version::V3, 10, true),
        (Version::V3, 40_950, true),
        (Version::V3, 0, false),
        (Version::V3, 5, false),
        (Version::V3, 15, false),
        (Version::V3, 40_960, false),
        (Version::V2, 1_000, true),
        (Version::V2, 255_000, true),
        (Version::V2, 0, false),
        (Version::V2, 500, false),
        (Version::V2, 1_500, false),
        (Version::V2, 256_000, false),
    ];
    for (version, milliseconds, fits) in table {
        let advertisement_interval = Duration::from_millis(milliseconds);
        let config = InstanceConfig {
            version,
            advertisement_interval,
            ..instance(100)
        };
        let expected = (!fits).then_some(InstanceError::Interval(advertisement_interval));
        assert_eq!(error(config), expected, "{version:?}");
    }
}

#[test]
fn tracks() {
    assert_eq!(error(tracking(100, OnFail::Weight(-253))), None);
    for weight in [0, 254, -254, i16::MIN] {
        let expected = InstanceError::Weight(weight);
        assert_eq!(error(tracking(100, OnFail::Weight(weight))), Some(expected));
    }
    let unknown = Track {
        check: CheckId(9),
        on_fail: OnFail::Fault,
    };
    let config = InstanceConfig {
        tracks: vec![unknown],
        ..instance(100)
    };
    assert_eq!(error(config), Some(InstanceError::UnknownCheck(CheckId(9))));
    let mut config = tracking(100, OnFail::Fault);
    config.tracks.push(Track {
        check: CHECK,
        on_fail: OnFail::Weight(1),
    });
    assert_eq!(error(config), Some(InstanceError::TrackedTwice(CHECK)));
}

#[test]
fn numbers_and_virtual_routers_are_taken_once() {
    let two = |second: InstanceId, config: InstanceConfig| {
        let instances = vec![(INSTANCE, instance(100)), (second, config)];
        Router::new(RouterConfig {
            checks: vec![],
            instances,
            groups: Vec::new(),
        })
        .map(|_| ())
    };
    let other = InstanceId(2);
    let failed = |instance, error| Err(ConfigError::Instance { instance, error });
    assert_eq!(
        two(other, instance(90)),
        failed(other, InstanceError::VirtualRouterTaken(INSTANCE))
    );
    let vrid = VirtualRouterId(NonZeroU8::new(52).unwrap());
    let elsewhere = InstanceConfig {
        virtual_router_id: vrid,
        ..instance(90)
    };
    assert_eq!(two(other, elsewhere.clone()), Ok(()));
    assert_eq!(
        two(INSTANCE, elsewhere),
        failed(INSTANCE, InstanceError::NumberTaken)
    );
    let v6 = InstanceConfig {
        addresses: addresses(&["fe80::1"]),
        ..instance(90)
    };
    assert_eq!(
        two(other, v6),
        Ok(()),
        "the other family is another virtual router"
    );
}

#[test]
fn checks() {
    let build = |checks| {
        Router::new(RouterConfig {
            checks,
            instances: vec![],
            groups: Vec::new(),
        })
        .map(|_| ())
    };
    let failed = |error| {
        Err(ConfigError::Check {
            check: CHECK,
            error,
        })
    };
    assert_eq!(
        build(vec![(CHECK, check()), (CHECK, check())]),
        failed(CheckError::NumberTaken)
    );
    let hasty = CheckConfig {
        stale_after: Duration::ZERO,
        ..check()
    };
    assert_eq!(build(vec![(CHECK, hasty)]), failed(CheckError::StaleAtOnce));
}

#[test]
fn authentication() {
    let key = |byte| Key::new(&[byte; 32]).unwrap();
    let id = |number| KeyId(NonZeroU8::new(number).unwrap());
    let hmac = Hmac {
        mode: Mode::Enforce,
        keys: vec![(id(1), key(1)), (id(2), key(2))],
        active_key: id(2),
        window: Duration::from_secs(5),
    };
    let with = |version, authentication| {
        error(InstanceConfig {
            version,
            authentication,
            ..instance(100)
        })
    };
    let password = Authentication::Password(Password::new(b"hunter2"));
    assert_eq!(with(Version::V2, password.clone()), None);
    let with_version_3 = InstanceError::PasswordWithVersion3;
    assert_eq!(with(Version::V3, password), Some(with_version_3));

    let keys = |change: fn(&mut Hmac)| {
        let mut hmac = hmac.clone();
        change(&mut hmac);
        with(Version::V3, Authentication::Hmac(hmac))
    };
    assert_eq!(keys(|_| {}), None);
    assert_eq!(
        keys(|hmac| hmac.active_key = KeyId(NonZeroU8::MAX)),
        Some(InstanceError::NoActiveKey(id(255)))
    );
    assert_eq!(
        keys(|hmac| hmac.keys.clear()),
        Some(InstanceError::NoActiveKey(id(2)))
    );
    assert_eq!(
        keys(|hmac| hmac.keys[1].0 = hmac.keys[0].0),
        Some(InstanceError::KeyTwice(id(1)))
    );
    let window = Duration::from_millis(300_001);
    assert_eq!(
        keys(|hmac| hmac.window = Duration::from_millis(300_001)),
        Some(InstanceError::Window(window))
    );
    assert_eq!(
        keys(|hmac| hmac.window = Duration::ZERO),
        Some(InstanceError::Window(Duration::ZERO))
    );
}
