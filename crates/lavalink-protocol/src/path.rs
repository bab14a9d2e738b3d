//! Brings a request's path into the one form that routes are matched against.
//!
//! Nothing is percent-decoded. Because a node does decode, a path that would name another route after decoding is
//! called disguised, so that a refused route cannot be reached by spelling it differently.

use std::borrow::Cow;

use memchr::{memchr_iter, memchr3};

use crate::route::{Fixed, Kind, Prefix, Shape, leading_version};

/// A path without repeated or trailing slashes, mount prefix and outer version segments.
pub(crate) struct Normal<'a> {
    pub(crate) path: Cow<'a, str>,
    /// Whether version segments were dropped, so that the remaining one is surely the client's own.
    pub(crate) nested: bool,
    /// Whether a node could read the path as another route than its text says.
    pub(crate) disguised: bool,
}

pub(crate) fn normalise<'a>(raw: &'a str, mount: &str) -> Normal<'a> {
    let look = Look::at(raw);
    let clean = if look.repeated {
        Cow::Owned(collapsed(raw))
    } else {
        Cow::Borrowed(raw)
    };
    let clean = without_trailing_slash(clean);
    let after_mount = mount_len(&clean, mount);
    let (start, versions) = innermost_version(&clean, after_mount);
    let path = without_start(clean, start);
    let path = if path.is_empty() { Cow::Borrowed("/") } else { path };
    let disguised = !raw.starts_with('/') || (look.odd && is_disguised(&path));
    Normal {
        path,
        nested: versions > 1,
        disguised,
    }
}

/// Drops the first `len` bytes.
pub(crate) fn without_start(path: Cow<'_, str>, len: usize) -> Cow<'_, str> {
    match path {
        Cow::Borrowed(path) => Cow::Borrowed(&path[len..]),
        Cow::Owned(mut path) => {
            path.drain(..len);
            Cow::Owned(path)
        }
    }
}

/// What a quick look over the bytes can tell; usually that nothing is to be done.
struct Look {
    repeated: bool,
    odd: bool,
}

impl Look {
    fn at(path: &str) -> Self {
        let bytes = path.as_bytes();
        let mut look = Self {
            repeated: false,
            odd: memchr3(b'%', b';', b'\\', bytes).is_some(),
        };
        for slash in memchr_iter(b'/', bytes) {
            match bytes.get(slash + 1) {
                Some(b'/') => look.repeated = true,
                Some(b'.') => look.odd = true,
                _ => {}
            }
        }
        look
    }
}

fn collapsed(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !out.ends_with('/') {
            out.push(character);
        }
    }
    out
}

fn without_trailing_slash(path: Cow<'_, str>) -> Cow<'_, str> {
    if path.len() < 2 || !path.ends_with('/') {
        return path;
    }
    match path {
        Cow::Borrowed(path) => Cow::Borrowed(&path[..path.len() - 1]),
        Cow::Owned(mut path) => {
            path.pop();
            Cow::Owned(path)
        }
    }
}

/// How many bytes of `path` are the mount prefix, matched in whole segments. A path outside of it is left alone: a
/// server in front of the proxy may have stripped the prefix already.
fn mount_len(path: &str, mount: &str) -> usize {
    let mount = mount.trim_matches('/');
    let rest = path.strip_prefix('/').and_then(|path| path.strip_prefix(mount));
    match rest {
        Some(rest) if !mount.is_empty() && (rest.is_empty() || rest.starts_with('/')) => path.len() - rest.len(),
        _ => 0,
    }
}

/// Where the last of the version segments that follow each other from `start` stands, and how many there are.
fn innermost_version(path: &str, start: usize) -> (usize, usize) {
    let (mut innermost, mut next, mut count) = (start, start, 0);
    loop {
        let version = leading_version(&path[next..]);
        if version == Prefix::None {
            return (innermost, count);
        }
        innermost = next;
        next += version.len();
        count += 1;
    }
}

/// Whether dot segments, path parameters or percent-encoding make a node see another kind of route. The version segment
/// may yet turn out to be a base path and be dropped, so what stands below it counts by itself too.
fn is_disguised(path: &str) -> bool {
    reads_differently(path) || reads_differently(&path[leading_version(path).len()..])
}

fn reads_differently(path: &str) -> bool {
    let Some(seen) = as_a_node_reads_it(path) else {
        return true;
    };
    let (written, seen) = (Shape::parse(path), Shape::parse(&seen));
    match (written.kind, seen.kind) {
        (Kind::Fixed(written), Kind::Fixed(seen)) => written != seen && seen != Fixed::Plugin,
        (written, seen) => std::mem::discriminant(&written) != std::mem::discriminant(&seen),
    }
}

/// The path with its segments stripped of parameters and decoded; `None` when a segment walks upwards.
fn as_a_node_reads_it(path: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len());
    for segment in path.split('/').skip(1) {
        let decoded = percent_decoded(segment.split(';').next().unwrap_or_default());
        if decoded.split(['/', '\\']).any(|part| part == "." || part == "..") {
            return None;
        }
        if decoded.is_empty() {
            continue;
        }
        out.push('/');
        // An encoded slash stays part of its segment.
        out.push_str(&decoded.replace('/', "%2F"));
    }
    Some(out)
}

fn percent_decoded(segment: &str) -> String {
    let mut out = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [byte, after @ ..] = rest {
        match (byte, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            _ => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(digit: u8) -> u8 {
    (digit as char).to_digit(16).map_or(0, |value| value as u8)
}
