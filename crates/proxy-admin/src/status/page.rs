//! The page: one file without scripts or anything to load, light and dark, read by people and refreshed by itself.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use super::escape;
use super::view::{NodeLine, Overall, View};

/// Seconds between two loads by the browser.
const REFRESH: u64 = 30;

const STYLE: &str = "\
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--line:#e3e6ea;--text:#1c2127;--soft:#5b6470;\
--good:#1a7f37;--warn:#9a6700;--bad:#c62a2f;--info:#0a63c9}\
@media(prefers-color-scheme:dark){:root{--page:#101317;--card:#191d23;--line:#2b313a;--text:#e8ebef;--soft:#9aa4b1;\
--good:#4ac26b;--warn:#d9a520;--bad:#ff7b72;--info:#6cb0ff}}\
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--text);\
font:16px/1.5 system-ui,-apple-system,Segoe UI,Roboto,Ubuntu,sans-serif}\
main{max-width:46rem;margin:0 auto;padding:2.5rem 1rem}\
h1{font-size:1.5rem;margin:0 0 1.25rem;overflow-wrap:anywhere}\
.whole{display:flex;gap:.9rem;align-items:center;padding:1.1rem 1.25rem;border-radius:.75rem;background:var(--card);\
border:1px solid var(--line);border-left:.4rem solid var(--state)}\
.whole b{font-size:1.15rem}.whole p{margin:0;color:var(--soft)}\
.mark{flex:none;width:1.5rem;height:1.5rem;color:var(--state)}\
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.75rem;margin:1rem 0}\
dl div{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:.7rem 1rem}\
dt{color:var(--soft);font-size:.85rem}dd{margin:0;font-size:1.3rem;font-variant-numeric:tabular-nums}\
ul{list-style:none;margin:0;padding:0;background:var(--card);border:1px solid var(--line);border-radius:.75rem}\
li{display:flex;flex-wrap:wrap;gap:.15rem 1rem;align-items:baseline;padding:.8rem 1.25rem}li+li{border-top:1px solid var(--line)}\
li b{flex:1 1 9rem;overflow-wrap:anywhere}li .state{color:var(--state);font-weight:600;white-space:nowrap}\
li small{flex-basis:100%;color:var(--soft);font-size:.85rem;font-variant-numeric:tabular-nums}\
.good{--state:var(--good)}.warn{--state:var(--warn)}.bad{--state:var(--bad)}.info{--state:var(--info)}.none{--state:var(--soft)}\
.state svg{width:.8em;height:.8em;margin-right:.4em;vertical-align:-.05em}footer{margin-top:1.25rem;color:var(--soft);font-size:.85rem}";

/// A filled circle, a triangle, a cross and a bar: the state is told by shape and word, never by colour alone.
const MARKS: [(&str, &str); 5] = [
    ("good", r#"<circle cx="8" cy="8" r="7"/>"#),
    ("warn", r#"<path d="M8 1 15.5 15H.5z"/>"#),
    (
        "bad",
        r#"<path d="m3.5 1 4.500 4.500L12.500 1 15 3.500 10.500 8l4.500 4.500-2.500 2.500L8 10.500 3.500 15 1 12.500 5.500 8 1 3.500z"/>"#,
    ),
    ("info", r#"<path d="M3 1h4v14H3zM9 1h4v14H9z"/>"#),
    ("none", r#"<path d="M1 6h14v4H1z"/>"#),
];

/// The whole page.
pub(super) fn html(view: &View, now: SystemTime) -> String {
    let title = escape(&view.title);
    let (kind, says, more) = match view.status {
        Overall::Operational => ("good", "All systems operational", "Every node takes players."),
        Overall::Degraded => (
            "warn",
            "Partly degraded",
            "Some nodes are not well; the others take over.",
        ),
        Overall::Down => ("bad", "Down", "No node takes players at the moment."),
    };
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"refresh\" content=\"{REFRESH}\">\n<title>{title}: {status}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
         <section class=\"whole {kind}\">{mark}<div><b>{says}</b><p>{more}</p></div></section>\n<dl>\n",
        status = view.status.name(),
        mark = mark(kind, "mark"),
    );
    let up = view
        .nodes
        .iter()
        .filter(|node| matches!(node.state, "healthy" | "degraded"))
        .count();
    figure(&mut out, "Nodes in service", &format!("{up} of {}", view.nodes.len()));
    if let Some(players) = view.players {
        figure(&mut out, "Players", &players.to_string());
    }
    figure(&mut out, "Running for", &span(view.uptime()));
    out.push_str("</dl>\n<ul>\n");
    for node in &view.nodes {
        line(&mut out, node, now);
    }
    out.push_str("</ul>\n<footer>Updated every few seconds; this page loads itself anew twice a minute.</footer>\n</main>\n</body>\n</html>\n");
    out
}

fn figure(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
}

fn line(out: &mut String, node: &NodeLine, now: SystemTime) {
    let kind = match node.state {
        "healthy" => "good",
        "degraded" => "warn",
        "down" => "bad",
        "draining" => "info",
        _ => "none",
    };
    let mut details = vec![format!("{} for {}", node.state, span(node.lasts(now)))];
    details.extend(node.protocol.map(|protocol| format!("Lavalink {protocol}")));
    details.extend(node.players.map(|players| format!("{players} players")));
    let shares = node.uptime.and_then(|uptime| Some((uptime.day?, uptime.month?)));
    details
        .extend(shares.map(|(day, month)| format!("up {} of the last day, {} of 30 days", share(day), share(month))));
    let _ = writeln!(
        out,
        "<li class=\"{kind}\"><b>{}</b><span class=\"state\">{}{}</span><small>{}</small></li>",
        escape(&node.name),
        mark(kind, ""),
        node.state,
        details.join(" · ")
    );
}

fn mark(kind: &str, class: &str) -> String {
    let shape = MARKS
        .iter()
        .find(|(name, _)| *name == kind)
        .map_or("", |(_, shape)| shape);
    format!("<svg class=\"{class}\" viewBox=\"0 0 16 16\" fill=\"currentColor\" aria-hidden=\"true\">{shape}</svg>")
}

/// A share in per cent. What is not quite all is not shown as all.
fn share(share: f64) -> String {
    let hundredths = (share.clamp(0.0, 1.0) * 10_000.0).floor();
    format!("{} %", hundredths / 100.0)
}

/// A length of time in its two largest units.
fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_two_largest_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h 0 min"),
            (90_061, "1 d 1 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_share_just_below_all_is_not_all() {
        for (of, text) in [
            (1.0, "100 %"),
            (0.99999, "99.99 %"),
            (0.5, "50 %"),
            (0.0, "0 %"),
            (7.0, "100 %"),
        ] {
            assert_eq!(share(of), text);
        }
    }
}
