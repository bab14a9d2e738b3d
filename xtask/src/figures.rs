//! Asks the admin listener of the demo's proxy for its figures.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use serde_json::Value as Json;

const LIMIT: Duration = Duration::from_secs(3);

/// The body of a GET to the admin listener, with the password of the user `admin`.
pub(crate) fn get(admin: SocketAddr, path: &str, password: &str) -> Result<String> {
    let credentials = base64::engine::general_purpose::STANDARD.encode(format!("admin:{password}"));
    let mut stream = TcpStream::connect_timeout(&admin, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: {admin}\r\nAuthorization: Basic {credentials}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the admin listener did not answer in HTTP")?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        status => bail!("{path} answered {}", status.unwrap_or("without a status")),
    }
}

/// What the demo shows of `/api/v1/overview`: a word and where its number is.
const SHOWN: [(&str, &str); 9] = [
    ("nodes healthy", "/nodes/healthy"),
    ("connections", "/connections/open"),
    ("sessions", "/sessions/total"),
    ("players", "/players"),
    ("requests", "/clientSide/requests"),
    ("messages/s", "/clientSide/rates/tenSeconds/messagesOut"),
    ("bytes/s in", "/clientSide/rates/tenSeconds/bytesIn"),
    ("bytes/s out", "/clientSide/rates/tenSeconds/bytesOut"),
    ("bytes out", "/clientSide/bytesOut"),
];

/// One line of the figures in an overview.
pub(crate) fn line(overview: &str) -> Result<String> {
    let overview: Json = serde_json::from_str(overview).context("the overview is not JSON")?;
    let shown = |(word, place): (&str, &str)| -> Result<String> {
        let number = overview.pointer(place).and_then(Json::as_f64);
        let number = number.with_context(|| format!("the overview has no number at {place}"))?;
        // Rates have a fraction that means something only when they are small.
        let digits = usize::from(number.fract() != 0.0 && number < 10.0);
        Ok(format!("{word} {number:.digits$}"))
    };
    Ok(SHOWN.into_iter().map(shown).collect::<Result<Vec<_>>>()?.join("   "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::line;

    #[test]
    fn an_overview_becomes_one_line_and_a_missing_figure_is_named() {
        let overview = r#"{"players": 18, "nodes": {"healthy": 3}, "connections": {"open": 8}, "sessions": {"total": 6},
            "clientSide": {"requests": 120, "bytesOut": 40000,
                "rates": {"tenSeconds": {"messagesOut": 3.14, "bytesIn": 0, "bytesOut": 1234.5}}}}"#;
        let expected = "nodes healthy 3   connections 8   sessions 6   players 18   requests 120   messages/s 3.1   \
                        bytes/s in 0   bytes/s out 1234   bytes out 40000";
        assert_eq!(line(overview).unwrap(), expected);
        let error = line(&overview.replace("players", "guilds")).unwrap_err();
        assert_eq!(error.to_string(), "the overview has no number at /players");
    }
}
