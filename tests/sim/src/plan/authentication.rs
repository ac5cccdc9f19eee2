//! How the routers of a virtual router know each other, and the clocks that they need for it.

use std::num::NonZeroU8;
use std::time::Duration;

use vrrp::{Authentication, Hmac, Key, KeyId, Mode, Password, RouterConfig, Version};

use crate::draw::Draw;

/// What all hosts have in common.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scheme {
    Nothing,
    Password,
    /// A roll-out that is on its way from the first mode to the second one: hosts in either hear each other.
    Hmac([Mode; 2]),
}

impl Scheme {
    pub(super) fn draw(draw: &mut Draw, version: Version) -> Self {
        if version == Version::V2 && draw.chance(150) {
            return Self::Password;
        }
        if draw.chance(800) {
            return Self::Nothing;
        }
        Self::Hmac(draw.pick(&STEPS))
    }

    pub(super) fn on_a_host(self, draw: &mut Draw, interval: Duration) -> Authentication {
        match self {
            Self::Nothing => Authentication::None,
            Self::Password => Authentication::Password(Password::new(b"simsim")),
            Self::Hmac(modes) => Authentication::Hmac(Hmac {
                mode: draw.pick(&modes),
                keys: KEYS.map(|id| (id, key(id))).to_vec(),
                active_key: draw.pick(&KEYS),
                window: Authentication::default_window(interval),
            }),
        }
    }
}

const STEPS: [[Mode; 2]; 4] = [
    [Mode::ReceiveOnly, Mode::ReceiveOnly],
    [Mode::ReceiveOnly, Mode::Permissive],
    [Mode::Permissive, Mode::Enforce],
    [Mode::Enforce, Mode::Enforce],
];

const KEYS: [KeyId; 2] = [
    KeyId(NonZeroU8::new(1).unwrap()),
    KeyId(NonZeroU8::new(2).unwrap()),
];

fn key(id: KeyId) -> Key {
    Key::new(&[id.0.get(); Key::MIN_LEN]).expect("long enough")
}

/// Signs with the other key from now on.
pub(crate) fn change_key(draw: &mut Draw, authentication: &mut Authentication) {
    if let Authentication::Hmac(hmac) = authentication {
        hmac.active_key = draw.pick(&KEYS);
    }
}

/// How far the clocks of two hosts may be apart, so that what arrives in time is within every window: half of the
/// shortest. Nothing where nobody signs.
pub(super) fn clock_spread(configs: &[RouterConfig]) -> Duration {
    let instances = configs.iter().flat_map(|config| &config.instances);
    let windows = instances.filter_map(|(_, config)| match &config.authentication {
        Authentication::Hmac(hmac) => Some(hmac.window),
        Authentication::None | Authentication::Password(_) => None,
    });
    windows.min().unwrap_or_default() / 2
}
