//! Messages as Discord's webhooks take them: one message with an embed for each notice, within Discord's limits, that
//! pings nobody. See <https://docs.discord.com/developers/resources/webhook#execute-webhook>.

use proxy_core::alerts::{Kind, Notice, Severity, time};
use serde_json::{Value, json};

use std::time::Duration;

/// Discord takes ten embeds and 6000 characters in them.
const EMBEDS: usize = 10;
const TITLE: usize = 80;
const DESCRIPTION: usize = 480;

const RED: u32 = 0x00D6_3B3B;
const AMBER: u32 = 0x00E8_A33D;
const GREEN: u32 = 0x003B_A55D;
const GREY: u32 = 0x0080_848E;

/// The message for these notices; those past the ninth are counted in the last embed.
pub(super) fn message(notices: &[Notice], full_addresses: bool) -> Value {
    let shown = if notices.len() > EMBEDS {
        EMBEDS - 1
    } else {
        notices.len()
    };
    let mut embeds: Vec<_> = notices[..shown]
        .iter()
        .map(|notice| embed(notice, full_addresses))
        .collect();
    if notices.len() > shown {
        let rest = &notices[shown..];
        let cleared = rest.iter().filter(|notice| notice.kind == Kind::Cleared).count();
        let text = format!(
            "And {} more: {} raised or worse, {cleared} cleared. See the dashboard.",
            rest.len(),
            rest.len() - cleared
        );
        embeds.push(json!({ "description": text, "color": GREY }));
    }
    envelope(&embeds)
}

/// What the test button sends.
pub(super) fn test() -> Value {
    envelope(&[json!({
        "title": "Test",
        "description": "This is a test message. Alerts of this Lavalink Proxy arrive here.",
        "color": GREY,
    })])
}

fn envelope(embeds: &[Value]) -> Value {
    json!({
        "username": "Lavalink Proxy",
        "embeds": embeds,
        "allowed_mentions": { "parse": [] },
    })
}

fn embed(notice: &Notice, full_addresses: bool) -> Value {
    let alert = &notice.alert;
    let (word, color) = match (notice.kind, alert.severity) {
        (Kind::Cleared, _) => ("Over", GREEN),
        (Kind::Repeated, Severity::Critical) => ("Still critical", RED),
        (Kind::Repeated, Severity::Warning) => ("Still a warning", AMBER),
        (_, Severity::Critical) => ("Critical", RED),
        (_, Severity::Warning) => ("Warning", AMBER),
    };
    let title = format!("{word}: {}", alert.rule.summary());
    let mut description = cut(&escape(&alert.sentence(full_addresses)), DESCRIPTION - 80);
    match alert.cleared_at {
        Some(cleared) => {
            let lasted = Duration::from_millis(cleared.saturating_sub(alert.raised_at));
            description.push_str(&format!("\nIt lasted {}.", time(lasted)));
        }
        // Discord shows it in the reader's own time zone.
        None => description.push_str(&format!("\nSince <t:{}:f>.", alert.raised_at / 1000)),
    }
    json!({
        "title": cut(&title, TITLE),
        "description": description,
        "color": color,
        "footer": { "text": format!("{} #{}", alert.rule.name(), alert.id) },
    })
}

/// What Discord would take for markup is text here.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\*_~`|>#[]()<@:-".contains(c) && !matches!(c, ':' | '-' | '(' | ')' | '#') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// At most so many characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::alerts::tests::notice;

    #[test]
    fn a_message_says_what_happened_and_pings_nobody() {
        let mut notice = notice(Kind::Raised, "eu_1");
        let text = message(std::slice::from_ref(&notice), false);
        assert_eq!(text["allowed_mentions"], json!({ "parse": [] }));
        let embed = &text["embeds"][0];
        assert_eq!(embed["title"], "Critical: A node is down");
        assert_eq!(
            embed["description"],
            "eu\\_1 is down: probe: no answer in time\nSince <t:1790000000:f>."
        );
        notice.kind = Kind::Cleared;
        notice.alert.cleared_at = Some(notice.alert.raised_at + 90_000);
        let text = message(&[notice], false);
        assert_eq!(text["embeds"][0]["title"], "Over: A node is down");
        assert!(text.to_string().contains("It lasted 1m 30s."), "{text}");
    }

    #[test]
    fn a_burst_is_one_message_within_discords_limits() {
        let long = "@everyone **x** ".repeat(500);
        let notices: Vec<_> = (0..200)
            .map(|n| {
                let mut notice = notice(if n % 2 == 0 { Kind::Raised } else { Kind::Cleared }, "n");
                notice.alert.text.clone_from(&long);
                notice
            })
            .collect();
        let text = message(&notices, false);
        let embeds = text["embeds"].as_array().unwrap();
        assert_eq!(embeds.len(), EMBEDS);
        let characters = |embed: &Value| {
            let texts = [&embed["title"], &embed["description"], &embed["footer"]["text"]];
            let lengths = texts.map(|text| text.as_str().unwrap_or_default().chars().count());
            lengths.iter().sum::<usize>()
        };
        assert!(embeds.iter().map(characters).sum::<usize>() <= 6000);
        assert!(
            embeds[9]["description"]
                .as_str()
                .unwrap()
                .starts_with("And 191 more: 95 raised")
        );
        assert_eq!(message(&notices[..10], false)["embeds"].as_array().unwrap().len(), 10);
    }
}
