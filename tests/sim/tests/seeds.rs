//! A fixed set of seeds, on every run of the tests.

use sim::{Mark, Marks, run_seeds};

/// `cargo xtask sim --seeds N --from S` runs others.
const SEEDS: u64 = 2_000;

/// What no plan asks for yet.
const NOT_DRAWN: &[Mark] = &[
    Mark::ReasonInterfaceDown,
    Mark::ReasonInterfaceUp,
    Mark::ReasonSyncGroup,
    Mark::ReasonReconfigured,
    Mark::DueInterface,
];

#[test]
fn every_promise_is_kept_and_everything_happens() {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let marks: Marks = match run_seeds(0, SEEDS, threads, |_| ()) {
        Ok(marks) => marks,
        Err(failure) => panic!("{failure}"),
    };
    assert_eq!(
        marks.missing(),
        NOT_DRAWN,
        "{SEEDS} seeds in which this never happened prove little:\n{marks}"
    );
    assert!(
        marks.count(Mark::OneLeft) > SEEDS,
        "most worlds end with an Active router for each virtual router"
    );
}

#[test]
fn a_seed_is_one_run_and_no_other() {
    for seed in [1, 2, 3] {
        let [one, other] = [(); 2].map(|()| sim::tell(seed, sim::Rig::Sound));
        assert_eq!(one.timeline, other.timeline);
        assert!(!one.timeline.is_empty());
    }
    assert_ne!(
        sim::tell(1, sim::Rig::Sound).timeline,
        sim::tell(2, sim::Rig::Sound).timeline
    );
}
