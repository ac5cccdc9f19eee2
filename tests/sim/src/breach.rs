//! What a checker says when a promise is broken.

/// A broken promise, in words that name the instance and the instants it is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Breach(pub String);

/// Returns a [`Breach`] unless the promise is kept.
macro_rules! promise {
    ($kept:expr, $($words:tt)+) => {
        if !$kept {
            return Err($crate::breach::Breach(format!($($words)+)));
        }
    };
}

pub(crate) use promise;
