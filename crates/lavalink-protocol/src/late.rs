//! Evidence that binds a WebSocket whose version its handshake left open.
//!
//! `ready`, `stats` and `playerUpdate` are the same for 3.7 and v4 once a null `frameStats` is left out, so such a socket
//! is served without a node until one of these speaks, or an event must be delivered. Silence proves nothing.

use crate::detect::Class;
use crate::route::Route;
use crate::scan::Members;

/// Whether a client's text frame is an op, a JSON object with `op`: then the client speaks legacy v3 (signal 8).
/// Clients of v4 never send text.
pub fn evidence_from_op(payload: &[u8]) -> bool {
    Members::of(payload).is_some_and(|mut members| members.any(|(key, _)| key.is("op")))
}

/// What a REST body tells (signal 10); `None` when it fits both versions.
///
/// Weaker than any path or header: real clients send `resumingKey` on `/v4` (poru 5) and `channelId` on `/v3`. Use it
/// only where those left the version open.
pub fn evidence_from_body(route: &Route<'_>, body: &[u8]) -> Option<Class> {
    match route {
        Route::Session { .. } => session_update(body),
        Route::Player { .. } => player_update(body).then_some(Class::V4),
        _ => None,
    }
}

fn session_update(body: &[u8]) -> Option<Class> {
    Members::of(body)?.find_map(|(key, _)| {
        if key.is("resuming") {
            Some(Class::V4)
        } else {
            key.is("resumingKey").then_some(Class::V3)
        }
    })
}

fn player_update(body: &[u8]) -> bool {
    let Some(mut members) = Members::of(body) else {
        return false;
    };
    members.any(|(key, value)| {
        (key.is("track") && value.starts_with(b"{"))
            || (key.is("voice") && has_member(value, "channelId"))
            || (key.is("filters") && has_member(value, "pluginFilters"))
    })
}

fn has_member(value: &[u8], name: &str) -> bool {
    Members::of(value).is_some_and(|mut members| members.any(|(key, _)| key.is(name)))
}

/// What the query of a decodetrack tells (signal 11): only `track` means legacy v3. Weak: v4 takes it as an alias, so it
/// counts only for a client whose socket is undecided.
pub fn evidence_from_query(route: &Route<'_>, query: Option<&str>) -> Option<Class> {
    if *route != Route::DecodeTrack {
        return None;
    }
    let names =
        |name: &str| query.is_some_and(|query| query.split('&').any(|pair| pair.split('=').next() == Some(name)));
    (names("track") && !names("encodedTrack")).then_some(Class::V3Legacy)
}
