//! REST of a simulated node: from a request that has arrived whole to its answer, in the order that a node checks.
//!
//! 404 and 405 come before the password, as Lavalink's web framework does it. Routes are in `routes.rs`, the faults
//! that spoil answers in `answer.rs`.

use std::time::Instant;

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, header, request::Parts};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Node,
    answer::Answer,
    filters,
    generation::SimGeneration,
    load,
    messages::unix_ms,
    player::SimVoice,
    routes::{Route, form_decode, query},
    track::{SimTrack, TrackError},
    update::{LenientInt, Parsed, QuotableBool, QuotableInt, parse, parse_object, present},
};

/// Which bodies a PATCH takes.
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
/// Bodies that a node reads.
const JSON_TYPES: &str = "application/json, application/*+json";

/// An error that the client sees as Lavalink's error object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RestError {
    pub(crate) status: u16,
    pub(crate) message: String,
    /// An exception that no handler expected: such answers lack the version header, even on a real node.
    uncaught: bool,
    /// Headers that go with it, such as the `Allow` of a 405.
    pub(crate) headers: Vec<(HeaderName, String)>,
}

impl RestError {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            uncaught: false,
            headers: Vec::new(),
        }
    }

    /// A request whose body, path or query is not of the right type or form: a node gives no details.
    pub(crate) fn bad_request() -> Self {
        Self::new(400, "Bad Request")
    }

    /// A method that the path does not take.
    pub(crate) fn method_not_allowed(method: &Method, allow: String) -> Self {
        Self {
            headers: vec![(header::ALLOW, allow)],
            ..Self::new(405, format!("Method '{method}' is not supported."))
        }
    }

    /// An exception in the node's own code.
    pub(crate) fn uncaught(message: impl Into<String>) -> Self {
        Self {
            uncaught: true,
            ..Self::new(500, message)
        }
    }

    /// Lavalink's error object. A `trace` parameter that is not `false` adds a trace.
    pub(crate) fn answer(&self, parts: &Parts) -> Answer {
        let status = http::StatusCode::from_u16(self.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = json!({
            "timestamp": unix_ms(), "status": self.status, "error": status.canonical_reason().unwrap_or("Error"),
            "message": self.message, "path": parts.uri.path(),
        });
        if query(parts.uri.query().unwrap_or_default(), "trace").is_some_and(|value| value != "false") {
            body["trace"] = json!(format!(
                "java.lang.RuntimeException: {}\n\tat sim.Node.handle",
                self.message
            ));
        }
        let answer = Answer::json(self.status, &body).with_headers(self.headers.clone());
        if self.uncaught {
            answer.without_version()
        } else {
            answer
        }
    }
}

/// Answers a request that is not a WebSocket handshake.
pub(crate) async fn answer(node: &Node, parts: &Parts, body: &Bytes) -> Answer {
    let outcome = match Route::find(&parts.method, parts.uri.path(), node.settings.generation) {
        Err(error) if parts.method == Method::OPTIONS => return options(node, &error, parts),
        Err(error) => Err(error),
        Ok(route) => match authorise(node, &parts.headers) {
            Some(refusal) => return refusal,
            None => run(node, route, parts, body).await,
        },
    };
    outcome.unwrap_or_else(|error| error.answer(parts))
}

/// What the web framework says of a path that has no handler for OPTIONS of its own: who may ask is told what it takes.
fn options(node: &Node, error: &RestError, parts: &Parts) -> Answer {
    const EVERYTHING: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, TRACE, OPTIONS";
    let everything = vec![(header::ALLOW, EVERYTHING.to_owned())];
    if error.status == 404 {
        return error.answer(parts).with_headers(everything);
    }
    if let Some(refusal) = authorise(node, &parts.headers) {
        return refusal.with_headers(everything);
    }
    let takes = error
        .headers
        .iter()
        .map(|(_, methods)| methods.as_str())
        .collect::<String>();
    let also = if takes.contains("GET") {
        "HEAD,OPTIONS"
    } else {
        "OPTIONS"
    };
    Answer::empty(200).with_headers(vec![
        (header::ALLOW, format!("{},{also}", takes.replace(", ", ","))),
        (ACCEPT_PATCH, String::new()),
    ])
}

/// The password check of mapped routes: 401 without, 403 with a wrong one, no body.
fn authorise(node: &Node, headers: &HeaderMap) -> Option<Answer> {
    match headers.get(header::AUTHORIZATION) {
        None => Some(Answer::empty(401)),
        Some(value) if value.as_bytes() != node.password.as_bytes() => Some(Answer::empty(403)),
        Some(_) => None,
    }
}

async fn run(node: &Node, route: Route, parts: &Parts, body: &Bytes) -> Result<Answer, RestError> {
    let generation = node.settings.generation;
    let raw_query = parts.uri.query().unwrap_or_default();
    match route {
        Route::Stub => Ok(Answer::empty(200)),
        Route::Version => Ok(version(generation, &parts.headers)),
        Route::LoadTracks => load_tracks(raw_query, generation).await,
        Route::DecodeTrack => decode_track(raw_query, generation),
        Route::DecodeTracks => decode_tracks(parts, body, generation),
        Route::Info => Ok(Answer::json(200, &info(node))),
        Route::Plugins => Ok(Answer::json(200, &plugins(node))),
        Route::Stats => {
            let mut stats = node.state().stats();
            if generation.is_v4() {
                stats["frameStats"] = Value::Null;
            }
            Ok(Answer::json(200, &stats))
        }
        Route::PlannerStatus if generation.is_v4() => Ok(Answer::empty(204)),
        Route::PlannerStatus => Ok(Answer::json(200, &json!({"class": null, "details": null}))),
        Route::PlannerFreeAddress if generation.is_v4() => {
            parse_object::<AddressBody>(body)?;
            Err(RestError::new(500, "Can't access disabled route planner"))
        }
        Route::PlannerFree | Route::PlannerFreeAddress => {
            Err(RestError::new(500, "Can't access disabled route planner"))
        }
        Route::Players(session) => with_session(node, &session, |session| {
            let now = Instant::now();
            let players: Vec<Value> = session
                .players
                .values()
                .map(|player| player.to_json(generation, now))
                .collect();
            Ok(Answer::json(200, &json!(players)))
        }),
        Route::Player(session, guild) => {
            let guild = guild_id(&guild)?;
            with_session(node, &session, |session| {
                let player = session
                    .players
                    .get(&guild)
                    .ok_or_else(|| RestError::new(404, "Player not found"))?;
                Ok(Answer::json(200, &player.to_json(generation, Instant::now())))
            })
        }
        Route::UpdatePlayer(session, guild) => update_player(node, &session, &guild, parts, body).await,
        Route::DestroyPlayer(session, guild) => {
            let guild = guild_id(&guild)?;
            with_session(node, &session, |session| {
                session.destroy(guild, Instant::now());
                Ok(Answer::empty(204))
            })
        }
        Route::UpdateSession(session) => update_session(node, &session, parts, body),
        Route::Echo => Ok(echo(parts, body)),
        Route::Youtube => Ok(Answer::json(200, &json!({"refreshToken": "sim-node-wide-secret"}))),
    }
}

fn with_session(
    node: &Node,
    id: &str,
    work: impl FnOnce(&mut super::session::Session) -> Result<Answer, RestError>,
) -> Result<Answer, RestError> {
    let mut state = node.state();
    let session = state
        .sessions
        .get_mut(id)
        .ok_or_else(|| RestError::new(404, "Session not found"))?;
    work(session)
}

/// `/version`: bare text, whatever type the client asks for.
fn version(generation: SimGeneration, headers: &HeaderMap) -> Answer {
    let answer = Answer::text(200, generation.version());
    let json = headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept == "application/json");
    if json {
        answer.of_type(Some("application/json"))
    } else {
        answer
    }
}

fn guild_id(text: &str) -> Result<i64, RestError> {
    form_decode(text).parse().map_err(|_| RestError::bad_request())
}

/// What a node answers to a track that it cannot decode.
pub(crate) fn undecodable(error: TrackError, generation: SimGeneration) -> RestError {
    match error {
        TrackError::Layout if generation.is_v4() => RestError::uncaught(format!(
            "Request processing failed: java.lang.IllegalStateException: {error}"
        )),
        TrackError::Layout => RestError::new(500, error.to_string()),
        TrackError::Base64 | TrackError::Character(_) => RestError::uncaught(format!(
            "Request processing failed: java.lang.IllegalArgumentException: {error}"
        )),
        TrackError::Truncated => RestError::uncaught(error.to_string()),
    }
}

/// Bodies are read only when they say that they are JSON.
fn require_json(method: &Method, headers: &HeaderMap) -> Result<(), RestError> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("application/octet-stream");
    let kind = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")) {
        return Ok(());
    }
    // The container adds to text what it assumes.
    let assumed = if kind.starts_with("text/") {
        ";charset=UTF-8"
    } else {
        ""
    };
    let mut accepted = vec![(header::ACCEPT, JSON_TYPES.to_owned())];
    if method == Method::PATCH {
        accepted.push((ACCEPT_PATCH, JSON_TYPES.to_owned()));
    }
    Err(RestError {
        headers: accepted,
        ..RestError::new(415, format!("Content-Type '{kind}{assumed}' is not supported."))
    })
}

async fn load_tracks(raw_query: &str, generation: SimGeneration) -> Result<Answer, RestError> {
    let identifier = query(raw_query, "identifier")
        .ok_or_else(|| RestError::new(400, "Required parameter 'identifier' is not present."))?;
    tokio::time::sleep(load::delay(&identifier)).await;
    if let Some(size) = load::large(&identifier) {
        return Ok(Answer::json_text(200, load::large_body(size, generation).into()));
    }
    Ok(Answer::json(200, &load::to_json(&load::load(&identifier), generation)))
}

fn decode_track(raw_query: &str, generation: SimGeneration) -> Result<Answer, RestError> {
    let aliases: &[&str] = if generation == SimGeneration::Legacy {
        &["track"]
    } else {
        &["encodedTrack", "track"]
    };
    let encoded = aliases
        .iter()
        .find_map(|name| query(raw_query, name))
        .ok_or_else(|| RestError::new(400, "No track to decode provided"))?;
    let track = decode(&encoded, generation)?;
    Ok(Answer::json(
        200,
        &match generation {
            SimGeneration::Legacy => track.info(generation),
            SimGeneration::V3_7 => {
                let info = track.info(generation);
                let mut flat = info.clone();
                flat["encoded"] = json!(track.encode(2));
                flat["info"] = info;
                flat
            }
            SimGeneration::V4_1 | SimGeneration::V4_2 => track.to_json(generation, &json!({})),
        },
    ))
}

fn decode_tracks(parts: &Parts, body: &[u8], generation: SimGeneration) -> Result<Answer, RestError> {
    if body.is_empty() {
        return Err(RestError::bad_request());
    }
    require_json(&parts.method, &parts.headers)?;
    let encoded: Vec<String> = parse(body)?;
    if encoded.is_empty() && generation != SimGeneration::Legacy {
        return Err(RestError::new(400, "No tracks to decode provided"));
    }
    let tracks = encoded
        .iter()
        .map(|text| Ok(decode(text, generation)?.to_json(generation, &json!({}))));
    Ok(Answer::json(
        200,
        &Value::Array(tracks.collect::<Result<_, RestError>>()?),
    ))
}

fn decode(encoded: &str, generation: SimGeneration) -> Result<SimTrack, RestError> {
    SimTrack::decode(encoded, generation).map_err(|error| undecodable(error, generation))
}

async fn update_player(
    node: &Node,
    session: &str,
    guild: &str,
    parts: &Parts,
    body: &[u8],
) -> Result<Answer, RestError> {
    let generation = node.settings.generation;
    require_json(&parts.method, &parts.headers)?;
    let guild = guild_id(guild)?;
    let no_replace = match query(parts.uri.query().unwrap_or_default(), "noReplace") {
        None => false,
        Some(text) => truth(&text).ok_or_else(RestError::bad_request)?,
    };
    let parsed = Parsed::read(body, generation)?;
    with_session(node, session, |_| Ok(Answer::empty(200)))?;
    let update = parsed.check(generation, &node.disabled_filters)?;
    if let Some(voice) = &update.voice
        && let Err(error) = connect_voice(voice).await
    {
        // The old connection is given up before the new one is tried.
        with_session(node, session, |session| {
            session.player(guild, Instant::now());
            session.close_voice(guild, 1000, "", false, Instant::now());
            session.player(guild, Instant::now()).voice = SimVoice::default();
            Ok(Answer::empty(200))
        })?;
        return Err(error);
    }
    with_session(node, session, |session| {
        update.apply(session, guild, no_replace, generation)?;
        Ok(Answer::json(
            200,
            &session
                .player(guild, Instant::now())
                .to_json(generation, Instant::now()),
        ))
    })
}

/// The voice gateway's handshake, which a node awaits: at once, except that an endpoint `slow-MS.anything` takes that
/// time and `fail.anything` fails.
async fn connect_voice(voice: &SimVoice) -> Result<(), RestError> {
    if let Some(channel) = voice
        .channel_id
        .as_ref()
        .filter(|channel| channel.parse::<i64>().is_err())
    {
        let cause = format!("java.lang.NumberFormatException: For input string: \"{channel}\"");
        return Err(RestError::uncaught(format!("Request processing failed: {cause}")));
    }
    let kind = voice.endpoint.split('.').next().unwrap_or_default();
    if let Some(ms) = kind.strip_prefix("slow-").and_then(|ms| ms.parse().ok()) {
        tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
    }
    if kind == "fail" {
        Err(RestError::new(500, "Failed to connect to voice server"))
    } else {
        Ok(())
    }
}

/// A truth value in a query, in the words that the web framework knows.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Some(true),
        "false" | "off" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// The body of `routeplanner/free/address`.
#[derive(Deserialize)]
struct AddressBody {
    #[serde(rename = "address")]
    _address: String,
}

#[derive(Deserialize)]
struct V4SessionBody {
    #[serde(default, deserialize_with = "present")]
    resuming: Option<QuotableBool>,
    #[serde(default, deserialize_with = "present")]
    timeout: Option<QuotableInt>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct V3SessionBody {
    #[serde(default, deserialize_with = "present")]
    resuming_key: Option<Option<String>>,
    timeout: Option<LenientInt>,
}

fn update_session(node: &Node, session: &str, parts: &Parts, body: &[u8]) -> Result<Answer, RestError> {
    require_json(&parts.method, &parts.headers)?;
    if node.settings.generation.is_v4() {
        let body: V4SessionBody = parse_object(body)?;
        return with_session(node, session, |session| {
            session.resuming = body.resuming.map_or(session.resuming, |resuming| resuming.get());
            session.timeout = body.timeout.map_or(session.timeout, |timeout| timeout.get());
            Ok(Answer::json(
                200,
                &json!({"resuming": session.resuming, "timeout": session.timeout}),
            ))
        });
    }
    let body: V3SessionBody = parse_object(body)?;
    with_session(node, session, |session| {
        session.resume_key = body.resuming_key.unwrap_or_else(|| session.resume_key.take());
        session.timeout = body.timeout.map_or(session.timeout, |timeout| timeout.0);
        Ok(Answer::json(
            200,
            &json!({"resumingKey": session.resume_key, "timeout": session.timeout}),
        ))
    })
}

fn info(node: &Node) -> Value {
    let generation = node.settings.generation;
    let semver = generation.version();
    let mut numbers = semver.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut number = || numbers.next().unwrap_or(0);
    let mut version = json!({"semver": semver, "major": number(), "minor": number(), "patch": number()});
    if generation.is_v4() {
        version["preRelease"] = json!("");
    } else {
        version["preRelease"] = Value::Null;
        version["build"] = Value::Null;
    }
    json!({
        "version": version, "buildTime": 1_700_000_000_000_i64,
        "git": {"branch": "HEAD", "commit": "51a0000", "commitTime": 1_700_000_000_000_i64},
        "jvm": "17.0.9", "lavaplayer": if generation.is_v4() { "2.2.4" } else { "1.5.6" },
        "sourceManagers": node.source_managers,
        "filters": filters::NAMES.iter().filter(|name| !node.disabled_filters.iter().any(|off| off == *name)).collect::<Vec<_>>(),
        "plugins": plugins(node),
    })
}

fn plugins(node: &Node) -> Value {
    let plugin = |name: &String| json!({"name": name, "version": "1.0.0"});
    Value::Array(node.plugins.iter().map(plugin).collect())
}

/// The simulated plugin: tells what arrived, so that a test can see what became of a request on its way.
fn echo(parts: &Parts, body: &[u8]) -> Answer {
    let headers: Vec<Value> = parts
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    let method: &Method = &parts.method;
    Answer::json(
        200,
        &json!({
            "method": method.as_str(),
            "target": parts.uri.to_string(),
            "headers": headers,
            "body": String::from_utf8_lossy(body),
            "bodyBase64": base64::engine::general_purpose::STANDARD.encode(body),
            "bodyLength": body.len(),
        }),
    )
}
