//! What a forecast says is what happens.

use super::*;
use crate::{Command, Forecast, GroupId, SyncGroup};

/// The forecast, and what became of the instance when the check then went down.
fn forecast_and_outcome(bench: &mut Bench) -> (Forecast, InstanceStatus) {
    let forecast = bench.router.forecast(INSTANCE, CHECK).unwrap();
    bench.event(report(Outcome::Failing));
    (forecast, bench.status())
}

#[test]
fn a_check_that_goes_down_does_what_was_forecast() {
    for (base, on_fail) in [
        (100, OnFail::Fault),
        (100, OnFail::Weight(-20)),
        (10, OnFail::Weight(-20)),
        (100, OnFail::Weight(20)),
        (250, OnFail::Weight(20)),
        (150, OnFail::Release),
        (255, OnFail::Weight(-20)),
        (255, OnFail::Release),
        (255, OnFail::Fault),
    ] {
        for drained in [false, true] {
            let mut bench = Bench::active(tracking(base, on_fail));
            if drained {
                bench.event(Event::Command(INSTANCE, Command::Drain));
                bench.fire();
            }
            let yielding = bench.status().yielding;
            let (forecast, after) = forecast_and_outcome(&mut bench);
            let excluded = matches!(after.state, State::Fault | State::Initialize);
            assert_eq!(
                (forecast.excluded, forecast.priority, forecast.gives_away),
                (
                    excluded.then_some(after.state),
                    after.effective_priority,
                    after.yielding && !yielding
                ),
                "{base} {on_fail:?} {drained}"
            );
            let again = bench.router.forecast(INSTANCE, CHECK).unwrap();
            assert!(!again.gives_away, "it is down already");
            assert_eq!(again.priority, after.effective_priority);
        }
    }
    let bench = Bench::active(tracking(100, OnFail::Fault));
    assert_eq!(bench.router.forecast(INSTANCE, CheckId(9)), None);
}

#[test]
fn a_member_of_a_sync_group_goes_where_the_check_of_another_one_takes_it() {
    let other = InstanceId(2);
    let on = |number: u8| InstanceConfig {
        virtual_router_id: VirtualRouterId(number.try_into().unwrap()),
        ..tracking(100, OnFail::Fault)
    };
    let mut first = on(51);
    first.tracks.clear();
    let mut config = one(first);
    config.instances.push((other, on(52)));
    let members = vec![INSTANCE, other];
    config.groups.push((GroupId(1), SyncGroup { members }));
    let mut router = Router::new(config).unwrap();
    let now = Instant::from_nanos(0);
    for event in [
        link(true, Some(OWN)),
        Event::Startup,
        report(Outcome::Passing),
    ] {
        router.handle(now, event);
    }
    assert_eq!(
        router.forecast(INSTANCE, CHECK),
        None,
        "it does not track it"
    );
    let forecast = router.forecast(other, CHECK).unwrap();
    assert_eq!(forecast.excluded, Some(State::Fault));
    router.handle(now, report(Outcome::Failing));
    for member in [INSTANCE, other] {
        assert_eq!(router.instance(member).unwrap().state, State::Fault);
    }
}
