//! Stopping.

use std::net::TcpStream;

use crate::harness::{Origin, Site, wait_for};
use crate::http_client::Ended;

fn origin(arguments: &[&str]) -> Origin {
    Origin::serve_with(Site::new(&[("index.html", "home")]), arguments)
}

#[test]
fn requests_in_flight_finish_first() {
    for signal in ["TERM", "INT"] {
        let origin = origin(&["--drain-timeout-ms", "60000"]);
        let mut idle = origin.connect();
        idle.request("GET", "/", &[], "").expect("a response").expect(200);
        let mut busy = origin.connect();
        busy.send_request("GET", "/_synthetic/1000/a?delay_ms=2000", &[], "");
        origin.wait_for_stats(|stats| stats["requests"]["in_flight"] == 1);
        origin.signal(signal);
        assert!(idle.is_closed());
        wait_for(|| TcpStream::connect(origin.address).is_err().then_some(()));
        assert_eq!(busy.start(true).expect("a head").finish().expect(200).body.len(), 1000);
        assert_eq!(origin.wait().code(), Some(0), "{signal}");
    }
}

#[test]
fn the_wait_is_bounded() {
    let origin = origin(&["--drain-timeout-ms", "50"]);
    let mut stalled = origin.connect();
    stalled.send_request("GET", "/_synthetic/1000/a?fault=stall", &[], "");
    let started = stalled.start(true).expect("a head");
    origin.signal("TERM");
    assert_ne!(started.finish().ended, Ended::Complete);
    assert_eq!(origin.wait().code(), Some(0));
}
