//! The dashboard's cookie: how it is set, cleared and found again. Not what it stands for.

use axum::http::{HeaderMap, HeaderValue, header};
use proxy_core::secret::Secret;

/// Its name.
pub(crate) const NAME: &str = "lavalink_proxy";

/// Whether the browser may send the cookie over TLS only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecureCookie {
    /// If a reverse proxy in front says that the request came over TLS (`X-Forwarded-Proto: https`).
    #[default]
    Auto,
    /// Yes. Over plain HTTP nobody can then log in to the dashboard.
    Always,
    /// No.
    Never,
}

impl SecureCookie {
    fn applies(self, headers: &HeaderMap) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => headers
                .get("x-forwarded-proto")
                .and_then(|value| value.to_str().ok())
                // Each proxy may add its own; the first is the browser's.
                .and_then(|list| list.split(',').next())
                .is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https")),
        }
    }
}

/// `Set-Cookie` for a request with these headers. `None` clears it.
pub(crate) fn set(value: Option<&Secret>, seconds: u64, secure: SecureCookie, headers: &HeaderMap) -> HeaderValue {
    let (value, seconds) = value.map_or(("", 0), |value| (value.expose(), seconds));
    let secure = if secure.applies(headers) { "; Secure" } else { "" };
    let text = format!("{NAME}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Strict{secure}");
    let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// The values of the cookie. There may be several: a page on a neighbouring host name can set one of the same name.
pub(crate) fn values(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs.filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == NAME && !value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn it_is_out_of_reach_for_scripts_and_other_sites_and_for_tls_only_where_there_is_tls() {
        let forwarded =
            |scheme: &str| HeaderMap::from_iter([("x-forwarded-proto".parse().unwrap(), scheme.parse().unwrap())]);
        let rows = [
            (SecureCookie::Auto, HeaderMap::new(), false),
            (SecureCookie::Auto, forwarded("http"), false),
            (SecureCookie::Auto, forwarded("https"), true),
            (SecureCookie::Auto, forwarded("HTTPS, http"), true),
            (SecureCookie::Auto, forwarded("http, https"), false),
            (SecureCookie::Always, HeaderMap::new(), true),
            (SecureCookie::Never, forwarded("https"), false),
        ];
        for (setting, headers, secure) in rows {
            let value = set(Some(&Secret::new("abc")), 60, setting, &headers);
            let expected = "lavalink_proxy=abc; Max-Age=60; Path=/; HttpOnly; SameSite=Strict";
            let end = if secure { "; Secure" } else { "" };
            assert_eq!(
                value.to_str().unwrap(),
                format!("{expected}{end}"),
                "{setting:?} {headers:?}"
            );
            let cleared = set(None, 60, setting, &headers);
            assert!(
                cleared
                    .to_str()
                    .unwrap()
                    .starts_with("lavalink_proxy=; Max-Age=0; Path=/;")
            );
        }
    }

    #[test]
    fn its_values_are_found_among_others() {
        let headers = |lines: &[&str]| {
            lines
                .iter()
                .map(|line| (header::COOKIE, line.parse().unwrap()))
                .collect()
        };
        let rows: [(HeaderMap, &[&str]); 5] = [
            (HeaderMap::new(), &[]),
            (headers(&["a=b; lavalink_proxy=x; c=d"]), &["x"]),
            (headers(&["lavalink_proxy=x;lavalink_proxy=y"]), &["x", "y"]),
            (headers(&["a=1", "lavalink_proxy=z=="]), &["z=="]),
            (headers(&["lavalink_proxy_=x; lavalink_proxy=; Lavalink_proxy=y"]), &[]),
        ];
        for (headers, expected) in rows {
            assert_eq!(values(&headers).collect::<Vec<_>>(), expected, "{headers:?}");
        }
    }
}
