//! Lavalink's error object, as its REST API writes it.
//!
//! Which failure gets which status and message is decided by whoever refuses; 401 and 403 carry no body at all.

use serde::Serialize;

#[derive(Serialize)]
struct ErrorBody<'a> {
    timestamp: u64,
    status: u16,
    error: &'a str,
    message: &'a str,
    path: &'a str,
}

/// Appends the error object. `timestamp_ms` is Unix time in milliseconds; `path` carries no query.
pub fn write(out: &mut Vec<u8>, timestamp_ms: u64, status: u16, message: &str, path: &str) {
    let body = ErrorBody {
        timestamp: timestamp_ms,
        status,
        error: reason_phrase(status),
        message,
        path,
    };
    serde_json::to_writer(out, &body).expect("text and numbers serialise, and a vector takes them");
}

/// The reason phrase of a status, as the status line and `error` carry it; empty for a status nobody sends.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Payload Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Entity",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_is_lavalinks_with_everything_escaped() {
        let mut out = b"x".to_vec();
        write(&mut out, 1_700_000_000_000, 404, "no \"such\"\nroute \u{1}", "/v4/\\x");
        let expected = r#"x{"timestamp":1700000000000,"status":404,"error":"Not Found","message":"no \"such\"\nroute \u0001","path":"/v4/\\x"}"#;
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
