//! The route table of a simulated node: which paths a generation maps, and the reading of query parameters.

use http::Method;

use super::{generation::SimGeneration, rest::RestError};

/// A mapped route; session and guild ids as the path has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/` and `/v3/websocket` of a v4 node: an empty 200.
    Stub,
    Version,
    LoadTracks,
    DecodeTrack,
    DecodeTracks,
    Info,
    Plugins,
    Stats,
    PlannerStatus,
    PlannerFree,
    PlannerFreeAddress,
    Players(String),
    Player(String, String),
    UpdatePlayer(String, String),
    DestroyPlayer(String, String),
    UpdateSession(String),
    /// The simulated plugin's route.
    Echo,
    /// A node-administration route of a real plugin; the answer holds what must not leave the house.
    Youtube,
}

impl Route {
    /// Finds the route of a request.
    ///
    /// # Errors
    /// 404 for a path that is not mapped, 405 for a method that it does not take.
    pub(crate) fn find(method: &Method, path: &str, generation: SimGeneration) -> Result<Self, RestError> {
        let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        let candidates = Self::candidates(&segments, generation);
        if candidates.is_empty() {
            return Err(RestError::new(404, format!("No endpoint {method} {path}.")));
        }
        // HEAD is answered by the handler of GET.
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let takes = |allowed: &Option<Method>| allowed.as_ref().is_none_or(|allowed| allowed == wanted);
        match candidates.iter().find(|(allowed, _)| takes(allowed)) {
            Some((_, route)) => Ok(route.clone()),
            None => {
                let allowed: Vec<&str> = candidates
                    .iter()
                    .filter_map(|(method, _)| Some(method.as_ref()?.as_str()))
                    .collect();
                Err(RestError::method_not_allowed(method, allowed.join(", ")))
            }
        }
    }

    /// All routes of a path, with their method (`None` = any).
    fn candidates(segments: &[&str], generation: SimGeneration) -> Vec<(Option<Method>, Self)> {
        let get = |route| vec![(Some(Method::GET), route)];
        match segments {
            ["version"] => get(Self::Version),
            ["youtube"] => get(Self::Youtube),
            ["simplugin", "echo", ..] => vec![(None, Self::Echo)],
            ["" | "v3/websocket"] | ["v3", "websocket"] if generation.is_v4() => get(Self::Stub),
            ["v4", rest @ ..] if generation.is_v4() => Self::versioned(rest),
            ["v3", rest @ ..] if generation == SimGeneration::V3_7 => Self::versioned(rest),
            ["plugins"] if !generation.is_v4() => get(Self::Plugins),
            rest if !generation.is_v4() => Self::common(rest),
            _ => Vec::new(),
        }
    }

    /// Routes below `/v3` or `/v4`.
    fn versioned(segments: &[&str]) -> Vec<(Option<Method>, Self)> {
        let session = |id: &&str| (*id).to_owned();
        match segments {
            ["info"] => vec![(Some(Method::GET), Self::Info)],
            ["stats"] => vec![(Some(Method::GET), Self::Stats)],
            ["simplugin", "echo", ..] => vec![(None, Self::Echo)],
            ["sessions", _, "players", _, "simplugin", "echo"] => vec![(None, Self::Echo)],
            ["sessions", id] => vec![(Some(Method::PATCH), Self::UpdateSession(session(id)))],
            ["sessions", id, "players"] => vec![(Some(Method::GET), Self::Players(session(id)))],
            ["sessions", id, "players", guild] => vec![
                (Some(Method::GET), Self::Player(session(id), (*guild).to_owned())),
                (
                    Some(Method::PATCH),
                    Self::UpdatePlayer(session(id), (*guild).to_owned()),
                ),
                (
                    Some(Method::DELETE),
                    Self::DestroyPlayer(session(id), (*guild).to_owned()),
                ),
            ],
            rest => Self::common(rest),
        }
    }

    /// Routes that exist unversioned on v3 and below the version everywhere.
    fn common(segments: &[&str]) -> Vec<(Option<Method>, Self)> {
        match segments {
            ["loadtracks"] => vec![(Some(Method::GET), Self::LoadTracks)],
            ["decodetrack"] => vec![(Some(Method::GET), Self::DecodeTrack)],
            ["decodetracks"] => vec![(Some(Method::POST), Self::DecodeTracks)],
            ["routeplanner", "status"] => vec![(Some(Method::GET), Self::PlannerStatus)],
            ["routeplanner", "free", "all"] => vec![(Some(Method::POST), Self::PlannerFree)],
            ["routeplanner", "free", "address"] => vec![(Some(Method::POST), Self::PlannerFreeAddress)],
            _ => Vec::new(),
        }
    }
}

/// The first value of a query parameter, decoded as a form: `+` is a space.
pub(crate) fn query(raw: &str, name: &str) -> Option<String> {
    raw.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (form_decode(key) == name).then(|| form_decode(value))
    })
}

/// Decodes percent signs, and `+` as a space.
pub(crate) fn form_decode(text: &str) -> String {
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        match (bytes[index], hex(bytes.get(index + 1)), hex(bytes.get(index + 2))) {
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits are at most 255.
                out.push(u8::try_from(high * 16 + low).unwrap_or(u8::MAX));
                index += 2;
            }
            (b'+', ..) => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        index += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    #[test]
    fn query_values_are_decoded_as_forms_are() {
        assert_eq!(
            query("a=1&identifier=ytsearch%3Anever+gonna", "identifier").unwrap(),
            "ytsearch:never gonna"
        );
        assert_eq!(query("track=QA%2B%2F%3D", "track").unwrap(), "QA+/=");
        assert_eq!(query("track=50%", "track").unwrap(), "50%");
        assert_eq!(query("a=1", "b"), None);
    }

    #[test]
    fn each_generation_maps_its_own_paths_only() {
        let cases = [
            ("/loadtracks", [true, true, false, false]),
            ("/v3/loadtracks", [false, true, false, false]),
            ("/v4/loadtracks", [false, false, true, true]),
            ("/plugins", [true, true, false, false]),
            ("/v3/info", [false, true, false, false]),
            ("/v4/info", [false, false, true, true]),
            ("/version", [true; 4]),
            ("/", [false, false, true, true]),
            ("/nowhere", [false; 4]),
        ];
        for (path, expected) in cases {
            for (generation, mapped) in SimGeneration::ALL.into_iter().zip(expected) {
                let found = Route::find(&Method::GET, path, generation);
                assert_eq!(found.is_ok(), mapped, "{path} on {generation:?}");
            }
        }
        assert_eq!(
            Route::find(&Method::POST, "/v4/loadtracks", SimGeneration::V4_2)
                .unwrap_err()
                .status,
            405
        );
    }
}
