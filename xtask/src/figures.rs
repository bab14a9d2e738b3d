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

/// One line of the figures in `/api/v1/overview`: its numbers, those in groups as `group.name`.
pub(crate) fn line(overview: &str) -> Result<String> {
    let overview: Json = serde_json::from_str(overview).context("the overview is not JSON")?;
    let mut parts = Vec::new();
    collect(&overview, "", &mut parts);
    Ok(parts.join("  "))
}

fn collect(value: &Json, name: &str, parts: &mut Vec<String>) {
    match value {
        Json::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() {
                    field.clone()
                } else {
                    format!("{name}.{field}")
                };
                collect(value, &name, parts);
            }
        }
        Json::Number(number) => parts.push(format!("{name} {number}")),
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::line;

    #[test]
    fn numbers_become_words_of_one_line_and_the_rest_is_left_out() {
        let overview = r#"{"version":"1","sessions":{"v3":2,"v4":10},"players":40,"list":[1]}"#;
        assert_eq!(line(overview).unwrap(), "players 40  sessions.v3 2  sessions.v4 10");
    }
}
