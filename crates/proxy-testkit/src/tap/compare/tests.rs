//! The comparison on recordings made by hand.

use super::*;
use crate::tap::{Message, Request, Response};

fn exchange(method: &str, target: &str, sent: &str, received: &str) -> Exchange {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Exchange {
        request: Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: headers.clone(),
            body: sent.to_owned(),
        },
        response: Some(Response {
            status: 200,
            headers,
            body: received.to_owned(),
        }),
        at: None,
    }
}

fn from_node(text: &str) -> Message {
    Message {
        from_client: false,
        text: text.to_owned(),
        at: None,
    }
}

fn ready(session: &str) -> Message {
    from_node(&format!(r#"{{"op":"ready","resumed":false,"sessionId":"{session}"}}"#))
}

fn differences(side: Side, straight: &Recording, other: &Recording) -> Vec<String> {
    let found = compare(side, (straight, Names::default()), (other, Names::default()));
    found.into_iter().map(|difference| difference.about).collect()
}

/// A short run in a session, with a position that the test may vary.
fn run(session: &str, position: u32) -> Recording {
    let players = format!("/v4/sessions/{session}/players/1");
    Recording {
        exchanges: vec![
            exchange(
                "GET",
                "/v4/loadtracks?identifier=x",
                "",
                r#"{"loadType":"empty","data":null}"#,
            ),
            exchange(
                "PATCH",
                &players,
                r#"{"volume":5}"#,
                &format!(r#"{{"volume":5,"state":{{"position":{position}}}}}"#),
            ),
        ],
        messages: vec![
            ready(session),
            from_node(r#"{"op":"event","type":"TrackStartEvent","guildId":"1"}"#),
            from_node(&format!(
                r#"{{"op":"playerUpdate","guildId":"1","state":{{"position":{position}}}}}"#
            )),
        ],
        unreadable: Vec::new(),
    }
}

#[test]
fn runs_that_differ_in_session_figures_order_and_rhythm_are_equal() {
    let straight = run("aaaa", 100);
    let mut other = run("bbbb", 250);
    other.exchanges.reverse();
    other.messages.push(from_node(
        r#"{"op":"playerUpdate","guildId":"1","state":{"position":900}}"#,
    ));
    other.messages.push(from_node(
        r#"{"op":"event","type":"WebSocketClosedEvent","guildId":"1","code":1000}"#,
    ));
    assert_eq!(differences(Side::Client, &straight, &other), Vec::<String>::new());
    assert_eq!(differences(Side::Node, &straight, &other), Vec::<String>::new());
    other.messages.push(from_node(
        r#"{"op":"event","type":"WebSocketClosedEvent","guildId":"1","code":4014}"#,
    ));
    assert_eq!(differences(Side::Client, &straight, &other).len(), 1);
}

#[test]
fn a_changed_answer_a_missing_event_and_an_added_request_are_found() {
    let straight = run("aaaa", 1);
    let mut other = run("bbbb", 1);
    other.exchanges[0] = exchange(
        "GET",
        "/v4/loadtracks?identifier=x",
        "",
        r#"{"loadType":"error","data":null}"#,
    );
    other.messages.remove(1);
    other
        .exchanges
        .push(exchange("DELETE", "/v4/sessions/bbbb/players/1", "", ""));
    assert_eq!(
        differences(Side::Client, &straight, &other),
        [
            "DELETE /v4/sessions/{session}/players/1 (number 1 of 0 and 1)",
            "GET /v4/loadtracks?identifier=x (number 1 of 1 and 1)",
            "message event 1 (number 1 of 1 and 0)",
        ]
    );
    assert_eq!(
        differences(Side::Node, &straight, &other),
        ["DELETE /v4/sessions/{session}/players/1 (number 1 of 0 and 1)"]
    );
}

#[test]
fn before_the_node_reading_may_be_added_but_nothing_left_out() {
    let straight = run("aaaa", 1);
    let mut other = run("bbbb", 1);
    other
        .exchanges
        .push(exchange("GET", "/v4/sessions/bbbb/players", "", "[]"));
    other.exchanges.push(exchange("GET", "/v4/info", "", "{}"));
    assert_eq!(differences(Side::Node, &straight, &other), Vec::<String>::new());
    other.exchanges.remove(1);
    assert_eq!(
        differences(Side::Node, &straight, &other),
        ["PATCH /v4/sessions/{session}/players/1 (number 1 of 1 and 0)"]
    );
}

#[test]
fn a_clients_own_messages_are_one_sequence_with_exact_figures() {
    let message = |text: &str| Message {
        from_client: true,
        text: text.to_owned(),
        at: None,
    };
    let of = |texts: [&str; 2]| Recording {
        messages: texts.map(message).to_vec(),
        ..Recording::default()
    };
    let straight = of([r#"{"op":"seek","position":1}"#, r#"{"op":"stop"}"#]);
    assert_eq!(differences(Side::Client, &straight, &straight), Vec::<String>::new());
    let moved = of([r#"{"op":"seek","position":2}"#, r#"{"op":"stop"}"#]);
    assert_eq!(differences(Side::Client, &straight, &moved).len(), 1);
    let swapped = of([r#"{"op":"stop"}"#, r#"{"op":"seek","position":1}"#]);
    assert_eq!(differences(Side::Client, &straight, &swapped).len(), 2);
}

#[test]
fn a_difference_is_shown_with_its_surroundings_only() {
    let long = "x".repeat(500);
    let difference = |middle: &str| format!("{long}{middle}{long}");
    let shown = Difference {
        about: "a".to_owned(),
        straight: difference("one"),
        other: difference("two"),
    }
    .to_string();
    assert!(
        shown.contains("one") && shown.contains("two") && shown.len() < 500,
        "{shown}"
    );
    let missing = Difference {
        about: "a".to_owned(),
        straight: "(missing)".to_owned(),
        other: "é".to_owned(),
    };
    assert!(missing.to_string().contains('é'));
}
