//! `log`: what the home is asked.

use crate::stage::{Home, ok};
use serde_json::json;

#[test]
fn the_log_is_shown_from_a_number_or_a_position() {
    let home = Home::start(|_| ok(&json!({ "head": "1.18", "last": 18, "is_all": true, "records": [] })));
    let fleet = home.fleet();
    for since in ["18", "1.18"] {
        fleet.run(&["log", "--since", since]).failed(0, &[]);
    }
    fleet.run(&["log"]).failed(0, &[]);
    let asked = [
        "get /log/records?since=18 http/1.1",
        "get /log/records?since=18 http/1.1",
        "get /log/records?since=0 http/1.1",
    ];
    assert_eq!(home.lines(), asked);
}
