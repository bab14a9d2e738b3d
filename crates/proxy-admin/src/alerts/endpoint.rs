//! One receiver: making a message of notices and getting it there, with retries. Its address is a secret and never part
//! of an error.

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use proxy_core::alerts::Notice;
use proxy_core::secret::Secret;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url};

use super::config::{WebhookConfig, WebhookKind};
use super::reach::{PublicOnly, is_public};
use super::{discord, json};
use crate::view::millis;

/// For one attempt, from connecting to the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often a message is sent before it is given up.
const ATTEMPTS: u32 = 8;
/// After the first attempt; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest that a receiver may make us wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What became of the notices for one receiver.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Taken by the receiver.
    pub(crate) sent: AtomicU64,
    /// Given up.
    pub(crate) failed: AtomicU64,
    /// Never tried, since too many were waiting.
    pub(crate) dropped: AtomicU64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) config: WebhookConfig,
    pub(super) counters: Counters,
    full_addresses: bool,
    /// `None` when its address is not allowed.
    client: Option<(Client, Url)>,
}

/// Why an attempt did not succeed.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// Trying again may help, not before this long if the receiver said so.
    Later(Option<Duration>, String),
    /// Trying again is of no use.
    Final(String),
}

/// The host of a webhook's URL; an IPv6 address without brackets.
///
/// # Errors
/// What was expected, when it is no URL that a webhook can have. The URL is not repeated: it is a secret.
pub fn webhook_host(url: &Secret) -> Result<String, &'static str> {
    let expected = "expected a URL that begins with https:// or http://";
    let url = Url::parse(url.expose()).map_err(|_| expected)?;
    match url.host_str() {
        Some(host) if matches!(url.scheme(), "https" | "http") => Ok(host.trim_matches(['[', ']']).to_owned()),
        _ => Err(expected),
    }
}

impl Endpoint {
    /// # Errors
    /// When the URL is none, or the system's certificates cannot be used.
    pub(super) fn new(config: WebhookConfig, full_addresses: bool, private_targets: bool) -> Result<Self, String> {
        let host = webhook_host(&config.url)?;
        let url = Url::parse(config.url.expose()).map_err(|error| error.to_string())?;
        let allowed = private_targets || host.parse::<IpAddr>().ok().is_none_or(is_public);
        // A redirect could lead anywhere, and would not carry the signature's meaning along.
        let builder = Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("lavalink-proxy/", env!("CARGO_PKG_VERSION")));
        let builder = if private_targets {
            builder
        } else {
            builder.dns_resolver(PublicOnly)
        };
        let client = builder.build().map_err(|error| reasons(&error.without_url()))?;
        Ok(Self {
            config,
            counters: Counters::default(),
            full_addresses,
            client: allowed.then_some((client, url)),
        })
    }

    /// Sends these notices as one message, and tries again as long as it makes sense.
    pub(super) async fn deliver(&self, notices: &[Notice]) {
        let count = notices.len() as u64;
        for attempt in 0..ATTEMPTS {
            let (wait, why) = match self.attempt(notices).await {
                Ok(()) => {
                    self.counters.sent.fetch_add(count, Ordering::Relaxed);
                    return;
                }
                Err(Failure::Final(why)) => return self.give_up(count, &why),
                Err(Failure::Later(wait, why)) => (wait, why),
            };
            if attempt + 1 == ATTEMPTS {
                return self.give_up(count, &why);
            }
            tracing::debug!(webhook = %self.config.name, attempt, why, "an alert could not be delivered yet");
            tokio::time::sleep(pause(attempt, wait)).await;
        }
    }

    /// Sends a test message, once.
    pub(super) async fn test(&self) -> Result<(), String> {
        self.attempt(&[]).await.map_err(|failure| match failure {
            Failure::Later(_, why) | Failure::Final(why) => why,
        })
    }

    fn give_up(&self, count: u64, why: &str) {
        self.counters.failed.fetch_add(count, Ordering::Relaxed);
        tracing::warn!(webhook = %self.config.name, notices = count, why, "alerts could not be delivered");
    }

    /// None is the test message.
    async fn attempt(&self, notices: &[Notice]) -> Result<(), Failure> {
        let Some((client, url)) = &self.client else {
            let why = "its address is private, and alerts.private_targets is false";
            return Err(Failure::Final(why.to_owned()));
        };
        let now = millis(SystemTime::now());
        let mut request = client.post(url.clone()).header(CONTENT_TYPE, "application/json");
        let body = match self.config.kind {
            WebhookKind::Discord if notices.is_empty() => discord::test().to_string(),
            WebhookKind::Discord => discord::message(notices, self.full_addresses).to_string(),
            WebhookKind::Json => {
                let body = json::message(notices, self.full_addresses, now);
                request = request.header(json::TIMESTAMP, now / 1000);
                if let Some(secret) = &self.config.secret {
                    request = request.header(json::SIGNATURE, json::signature(secret, now / 1000, &body));
                }
                body
            }
        };
        match request.body(body).send().await {
            Ok(answer) => judge(answer.status(), answer.headers()),
            Err(error) => Err(Failure::Later(None, reasons(&error.without_url()))),
        }
    }
}

/// What an answer means.
fn judge(status: StatusCode, headers: &HeaderMap) -> Result<(), Failure> {
    if status.is_success() {
        return Ok(());
    }
    let why = format!("the receiver answered {status}");
    let again = status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY
        );
    if !again {
        return Err(Failure::Final(why));
    }
    let seconds = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse::<f64>().ok());
    let wait = seconds.filter(|seconds| *seconds >= 0.0);
    let longest = LONGEST_PAUSE.as_secs_f64();
    Err(Failure::Later(
        wait.map(|seconds| Duration::from_secs_f64(seconds.min(longest))),
        why,
    ))
}

/// How long to wait after an attempt: what the receiver asked for, or longer each time.
fn pause(attempt: u32, asked: Option<Duration>) -> Duration {
    let doubled = (FIRST_PAUSE * (1 << attempt.min(16))).min(LONGEST_PAUSE);
    // A little apart from others that the same failure hit.
    asked.unwrap_or(doubled) + Duration::from_millis(fastrand::u64(..250))
}

/// An error with its causes; the first alone often says no more than that sending failed.
fn reasons(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn answers_are_taken_for_what_they_mean() {
        let judge = |status: u16, after: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(after) = after {
                headers.insert(RETRY_AFTER, after.parse().unwrap());
            }
            super::judge(StatusCode::from_u16(status).unwrap(), &headers)
        };
        assert_eq!(judge(204, None), Ok(()));
        assert_eq!(judge(200, None), Ok(()));
        for status in [301, 400, 401, 403, 404, 413] {
            assert!(matches!(judge(status, None), Err(Failure::Final(_))), "{status}");
        }
        let waits = [
            (429, Some("1.5"), Some(1500)),
            (429, Some("999999999"), Some(300_000)),
            (429, Some("-1"), None),
            (429, Some("tomorrow"), None),
            (503, None, None),
        ];
        for (status, after, expected) in waits {
            let Err(Failure::Later(wait, _)) = judge(status, after) else {
                panic!("{status} {after:?}");
            };
            assert_eq!(wait.map(|wait| wait.as_millis()), expected, "{status} {after:?}");
        }
    }

    #[test]
    fn pauses_grow_unless_the_receiver_says() {
        let second = |attempt, asked| pause(attempt, asked).as_secs();
        assert_eq!([second(0, None), second(1, None), second(4, None)], [1, 2, 16]);
        assert_eq!(second(30, None), 300);
        assert_eq!(second(4, Some(Duration::from_secs(3))), 3);
    }
}
