//! Events that do not fit the file.

use std::time::Duration;

use expect_test::{Expect, expect};

use super::{SCENARIO, scene};
use crate::simulate::read;

#[track_caller]
fn refused(events: &[(&str, &str)], expected: &Expect) {
    let scene = scene(SCENARIO);
    let pairs: Vec<_> = events
        .iter()
        .map(|(time, words)| ((*time).to_owned(), (*words).to_owned()))
        .collect();
    expected.assert_eq(&read(&scene, Duration::from_secs(60), &pairs).unwrap_err());
}

#[test]
fn every_wrong_event_is_told_with_what_to_write() {
    refused(
        &[
            ("5", "crash:master"),
            ("70s", "crash:master"),
            ("5s", "crush:master"),
            ("5s", "crash"),
            ("5s", "crash:mister"),
            ("5s", "fail:node-exporter"),
            ("5s", "fail:node_exporter@master"),
            ("5s", "fail:nginx@master"),
            ("5s", "fail:node-exporter@slave"),
            ("5s", "link-down:eth1@master"),
            ("5s", "drain:VI-1@master"),
            ("5s", "explode"),
        ],
        &expect![[r#"
            --at 5 crash:master: `5` is not a time; write a number and a unit: 5s, 250ms
            --at 70s crash:master: the simulation ends after 1m; make it longer: --for 1m 10s, or more
            --at 5s crush:master: no event is called `crush`; did you mean `crash`?
            --at 5s crash: at which node? write crash:NODE
            --at 5s crash:mister: no node is called `mister`; did you mean `master`?
            --at 5s fail:node-exporter: at which node? write fail:CHECK@NODE
            --at 5s fail:node_exporter@master: no check is called `node_exporter`; did you mean `node-exporter`?
            --at 5s fail:nginx@master: no check is called `nginx`; `master` has `node-exporter`
            --at 5s fail:node-exporter@slave: nothing on `slave` tracks the check `node-exporter`; it is tracked on `master`
            --at 5s link-down:eth1@master: no interface is called `eth1`; did you mean `eth0`?
            --at 5s drain:VI-1@master: no instance or sync group is called `VI-1`; did you mean `VI_1`?
            --at 5s explode: no event is called `explode`; there are `fail`, `warn`, `pass`, `error`, `crash`, `start`, `stop`, `cut`, `heal`, `freeze`, `thaw`, `link-down`, `link-up`, `drain`, `undrain` and `release`"#]],
    );
}
