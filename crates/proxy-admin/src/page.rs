//! `/`: a page for people who open the listener's address in a browser, until there is a dashboard.

use axum::response::Html;

/// What can be read with a browser.
pub(crate) const LINKS: [(&str, &str); 10] = [
    ("/api/v1/overview", "the whole proxy at a glance"),
    ("/api/v1/nodes", "what is known of every node"),
    ("/api/v1/connections", "the clients' connections"),
    ("/api/v1/sessions", "the Lavalink sessions of the clients"),
    ("/api/v1/usage/ips", "traffic by client address"),
    ("/api/v1/usage/tenants", "traffic by tenant"),
    ("/api/v1/config", "the settings in force"),
    ("/metrics", "for Prometheus"),
    ("/healthz", "is the proxy alive"),
    ("/readyz", "can it serve clients"),
];

/// `GET /`
pub(crate) async fn index() -> Html<String> {
    let items: String = LINKS
        .iter()
        .map(|(path, what)| format!("<li><a href=\"{path}\">{path}</a>: {what}</li>\n"))
        .collect();
    Html(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Lavalink Proxy</title></head>\n\
         <body><h1>Lavalink Proxy</h1>\n<p>The dashboard comes later. Until then:</p>\n<ul>\n{items}</ul></body></html>\n"
    ))
}
