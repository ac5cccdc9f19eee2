use super::*;

#[track_caller]
fn grant(text: &str) -> Grant {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn covers(granted: &str, need: &str, expect: bool) {
    assert_eq!(
        grant(granted).covers(&grant(need)),
        expect,
        "{granted} / {need}"
    );
}

#[track_caller]
fn refused(text: &str, part: &str) {
    let error = text.parse::<Grant>().expect_err(text).to_string();
    assert!(error.contains(part), "{error}");
    assert!(error.contains("; write `"), "{error}");
}

#[test]
fn what_is_watched_takes_the_grant_to_see_it() {
    let words = |trigger| Grant::to_watch(&trigger).map(|grant| grant.to_string());
    let name = || "nginx".to_owned();
    for (trigger, expected) in [
        (Trigger::ProcessStarted(name()), "process:nginx"),
        (Trigger::ProcessExited(name()), "process:nginx"),
        (Trigger::UnitChanged(name()), "unit:nginx.service"),
        (Trigger::PathChanged("/run/x".to_owned()), "read:/run/x"),
        (Trigger::LinkChanged("eth0".to_owned()), "link:eth0"),
        (Trigger::AddressChanged("eth0".to_owned()), "link:eth0"),
    ] {
        assert_eq!(words(trigger).as_deref(), Ok(expected));
    }
    // Otherwise a grant for a folder would be one for everything.
    for path in ["run/x", "/run/../etc/shadow"] {
        words(Trigger::PathChanged(path.to_owned())).unwrap_err();
    }
    let long = |bytes: usize| words(Trigger::PathChanged(format!("/{}", "x".repeat(bytes - 1))));
    long(4095).unwrap();
    long(4096).unwrap_err();
}

#[test]
fn what_is_printed_is_what_was_read() {
    for text in [
        "process:node_exporter",
        "unit:named.service",
        "unit:systemd-fsck@dev-disk-by\\x2dlabel:a.service",
        "unit:named.service:start,stop",
        "http:GET http://127.0.0.1:9100/metrics",
        "http:HEAD https://example.com/",
        "http:GET https://[::1]:8443/a/",
        "tcp:db.lan:5432",
        "udp:[2001:db8::1]:53",
        "unix:/run/haproxy/admin.sock",
        "dns:example.com",
        "icmp:10.0.0.1",
        "read:/etc/app",
        "exec:/usr/bin/pg_isready",
        "link:eth0",
    ] {
        assert_eq!(grant(text).to_string(), text);
    }
}

#[test]
fn a_wrong_text_says_what_to_write() {
    refused("node_exporter", "no colon");
    refused("proces:x", "nothing called `proces`");
    refused("process:", "names nothing");
    refused("unit:a.service:explode", "`explode` is none of");
    refused("unit:*.service", "exact name");
    refused("tcp:host", "port is missing");
    refused("tcp:::1:80", "brackets");
    refused("tcp:host:0", "not a port");
    refused("tcp::80", "no host");
    refused("udp:a b:53", "no host");
    refused("unix:run/redis.sock", "not absolute");
    refused("icmp:gateway", "not an IP address");
    refused("read:etc/app", "not absolute");
    refused("read:/etc/../root", "`..`");
    refused("http:https://host/", "method");
    refused("http:GET ftp://host/", "http:// or https://");
    refused("http:GET http://user@host/", "user name");
    refused("http:GET http://host/?q", "query");
}

#[test]
fn a_name_without_a_type_is_a_service() {
    assert_eq!(grant("unit:named"), grant("unit:named.service"));
    assert_eq!(
        grant("unit:foo.bar:start"),
        grant("unit:foo.bar.service:start")
    );
}

#[test]
fn names_match_exactly() {
    covers("process:named", "process:named", true);
    covers("process:named", "process:name", false);
    covers("process:named", "unit:named", false);
    covers("read:/etc/app", "read:/etc/app/a.conf", true);
    covers("read:/etc/app", "read:/etc/apple", false);
    covers("unix:/run/app", "unix:/run/app", true);
    covers("unix:/run/app", "unix:/run/app/a.sock", false);
    covers("unix:/run/app", "read:/run/app", false);
}

#[test]
fn a_host_is_what_a_url_would_make_of_it() {
    covers("tcp:LocalHost:80", "tcp:localhost:80", true);
    covers("tcp:127.0.0.1:80", "tcp:127.1:80", true);
    covers("tcp:[::1]:80", "tcp:[0:0::1]:80", true);
    covers("tcp:localhost:80", "tcp:localhost:81", false);
    covers("tcp:localhost:80", "tcp:127.0.0.1:80", false);
    covers("tcp:localhost:80", "udp:localhost:80", false);
}

#[test]
fn control_implies_read_and_nothing_more() {
    covers("unit:a:start,stop", "unit:a", true);
    covers("unit:a:start,stop", "unit:a:stop", true);
    covers("unit:a:start", "unit:a:start,stop", false);
    covers("unit:a", "unit:a:start", false);
    covers("unit:a:start", "unit:b:start", false);
}

#[test]
fn a_url_prefix_ends_at_a_segment() {
    covers("http:GET http://h/", "http:GET http://h/any/thing", true);
    covers("http:GET http://h/a", "http:GET http://h/a", true);
    covers("http:GET http://h/a", "http:GET http://h/a/b", true);
    covers("http:GET http://h/a", "http:GET http://h/ab", false);
    covers("http:GET http://h/a/", "http:GET http://h/a/b", true);
    covers("http:GET http://h/a/", "http:GET http://h/a", false);
}

#[test]
fn method_scheme_host_and_port_all_count() {
    covers("http:GET http://h:80/", "http:GET http://H/", true);
    covers("http:GET http://h/", "http:POST http://h/", false);
    covers("http:GET http://h/", "http:GET https://h/", false);
    covers("http:GET http://h/", "http:GET http://h:8080/", false);
    covers("http:GET http://h/", "http:GET http://h.evil/", false);
    covers("http:GET http://127.0.0.1/", "http:GET http://127.1/", true);
}

#[test]
fn a_path_that_a_server_could_climb_out_of_is_not_covered() {
    covers("http:GET http://h/a/", "http:GET http://h/a/../b", false);
    covers(
        "http:GET http://h/a/",
        "http:GET http://h/a/%2e%2e/b",
        false,
    );
    covers("http:GET http://h/a/", "http:GET http://h/a/..%2fb", false);
    covers(
        "http:GET http://h/a/",
        "http:GET http://h/a/..%252fb",
        false,
    );
    covers("http:GET http://h/a/", "http:GET http://h/a/..%5cb", false);
    covers("http:GET http://h/a/", "http:GET http://h/a/..;/b", false);
    covers("http:GET http://h/a/", "http:GET http://h/a/b..c", true);
}

#[test]
fn the_line_to_paste_is_toml() {
    let grants = [grant("process:a"), grant("http:GET http://h/")];
    assert_eq!(
        allow_line(&grants),
        r#"allow = ["process:a", "http:GET http://h/"]"#
    );
}
