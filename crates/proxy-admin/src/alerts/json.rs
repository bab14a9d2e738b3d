//! Messages for receivers of one's own: one JSON object, signed so that the receiver knows whose it is and when it was
//! sent. `docs/alerts.md` has the format and how to check the signature.

use hmac::{Hmac, KeyInit as _, Mac as _};
use proxy_core::alerts::Notice;
use proxy_core::secret::Secret;
use serde::Serialize;
use sha2::Sha256;

/// The header with the time of sending: seconds since 1970 UTC.
pub(super) const TIMESTAMP: &str = "x-lavalink-proxy-timestamp";
/// The header with `sha256=` and the HMAC of the time, a dot, and the body, in hexadecimal digits.
pub(super) const SIGNATURE: &str = "x-lavalink-proxy-signature";

/// The body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    /// `alerts` or `test`.
    kind: &'static str,
    source: &'static str,
    version: &'static str,
    /// Milliseconds since 1970 UTC.
    sent_at: u64,
    alerts: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    event: &'static str,
    id: u64,
    rule: &'static str,
    severity: &'static str,
    subject: String,
    /// A whole sentence, the subject in it.
    text: String,
    value: f64,
    threshold: f64,
    raised_at: u64,
    updated_at: u64,
    cleared_at: Option<u64>,
    acknowledged_at: Option<u64>,
    acknowledged_by: Option<&'a str>,
}

/// The body for these notices; for none it is the test message.
pub(super) fn message(notices: &[Notice], full_addresses: bool, sent_at: u64) -> String {
    let message = Message {
        kind: if notices.is_empty() { "test" } else { "alerts" },
        source: "lavalink-proxy",
        version: env!("CARGO_PKG_VERSION"),
        sent_at,
        alerts: notices.iter().map(|notice| entry(notice, full_addresses)).collect(),
    };
    serde_json::to_string(&message).expect("texts and numbers can always be written")
}

fn entry(notice: &Notice, full_addresses: bool) -> Entry<'_> {
    let alert = &notice.alert;
    let acknowledged = alert.acknowledged.as_ref();
    Entry {
        event: notice.kind.name(),
        id: alert.id,
        rule: alert.rule.name(),
        severity: alert.severity.name(),
        subject: if full_addresses {
            alert.subject.to_string()
        } else {
            alert.subject.shortened()
        },
        text: alert.sentence(full_addresses),
        value: alert.value,
        threshold: alert.threshold,
        raised_at: alert.raised_at,
        updated_at: alert.updated_at,
        cleared_at: alert.cleared_at,
        acknowledged_at: acknowledged.map(|by| by.at),
        acknowledged_by: acknowledged.map(|by| &*by.by),
    }
}

/// The value of the signature's header.
pub(super) fn signature(secret: &Secret, seconds: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("any length of key will do");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body.as_bytes());
    let digest = mac.finalize().into_bytes();
    let mut text = "sha256=".to_owned();
    digest.iter().for_each(|byte| text.push_str(&format!("{byte:02x}")));
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proxy_core::alerts::{Kind, Rule, Subject};

    use super::*;
    use crate::alerts::tests::notice;

    #[test]
    fn the_signature_is_that_of_the_time_and_the_body() {
        // printf '1790000000.{"a":1}' | openssl dgst -sha256 -hmac secret
        let expected = "sha256=da8fe498621aaab99d5b11c51346b13d1a2bf2914b865b8d3edd3531cab25a3e";
        let found = signature(&Secret::new("secret"), 1_790_000_000, "{\"a\":1}");
        assert_eq!(found, expected);
        assert_ne!(signature(&Secret::new("secret"), 1_790_000_001, "{\"a\":1}"), expected);
        assert_ne!(signature(&Secret::new("other"), 1_790_000_000, "{\"a\":1}"), expected);
    }

    #[test]
    fn addresses_are_shortened_unless_asked_for() {
        let mut notice = notice(Kind::Raised, "");
        notice.alert.rule = Rule::IpRate;
        notice.alert.subject = Subject::Address("203.0.113.7".parse().unwrap());
        notice.alert.text = "moves much".to_owned();
        let message =
            |full| serde_json::from_str::<serde_json::Value>(&super::message(&[notice.clone()], full, 5)).unwrap();
        let short = message(false);
        assert!(!short.to_string().contains("203.0.113.7"), "{short}");
        assert_eq!(short["alerts"][0]["text"], "203.0.113.x moves much");
        assert_eq!(
            (&short["alerts"][0]["event"], &short["sentAt"]),
            (&"raised".into(), &5.into())
        );
        assert_eq!(message(true)["alerts"][0]["subject"], "203.0.113.7");
        assert!(super::message(&[], false, 5).contains("\"kind\":\"test\""));
    }
}
