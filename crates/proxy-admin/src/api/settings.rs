//! `/api/v1/settings`: what the dashboard needs to know of this proxy to explain it to people.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use proxy_core::levels::Level;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::view::LevelName;

/// See the module.
#[derive(Serialize, ToSchema)]
pub(crate) struct Settings {
    /// Of the program.
    version: &'static str,
    connection: Address,
    levels: Vec<LevelFrom>,
    /// Whether history is kept.
    history: bool,
    /// Names of the tenants.
    tenants: Vec<Arc<str>>,
    /// Whether unusual use is watched for.
    alerts: bool,
    /// Whether there is a public status page.
    status: bool,
}

/// Where clients connect.
#[derive(Serialize, ToSchema)]
#[schema(as = ConnectionAddress)]
struct Address {
    /// Null if the proxy listens on all addresses and was not told its name.
    host: Option<String>,
    port: u16,
    tls: bool,
    /// As configured in `server.public_url`.
    url: Option<String>,
}

/// Where a level begins.
#[derive(Serialize, ToSchema)]
struct LevelFrom {
    name: LevelName,
    /// Bytes per second, both ways.
    from: u64,
}

/// What explains the figures
#[utoipa::path(get, path = "/settings", tag = "about", responses((status = 200, description = "Of this run", body = Settings)))]
pub(crate) async fn settings(State(app): State<Arc<App>>) -> Json<Settings> {
    let level = |(level, from): (Level, u64)| LevelFrom {
        name: level.into(),
        from,
    };
    Json(Settings {
        version: env!("CARGO_PKG_VERSION"),
        connection: address(&app),
        levels: app.levels.iter().map(level).collect(),
        history: app.history,
        tenants: app
            .shared
            .config
            .tenants
            .all()
            .iter()
            .map(|tenant| Arc::clone(&tenant.name))
            .collect(),
        alerts: app.alerting.is_some(),
        status: app.status.is_some(),
    })
}

/// The public URL tells most; else the first listener.
fn address(app: &App) -> Address {
    let url = app.public_url.clone();
    if let Some((scheme, authority)) = url.as_deref().and_then(|url| url.split_once("://")) {
        let authority = authority.split('/').next().unwrap_or_default();
        let tls = matches!(scheme, "https" | "wss");
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port.parse().ok()),
            _ => (authority, None),
        };
        return Address {
            host: Some(host.trim_matches(['[', ']']).to_owned()),
            port: port.unwrap_or(if tls { 443 } else { 80 }),
            tls,
            url,
        };
    }
    let listeners = &app.shared.config.listeners;
    let first = listeners.first();
    let taken = app.shared.addresses().first().map(SocketAddr::port);
    Address {
        host: first
            .filter(|listener| !listener.bind.ip().is_unspecified())
            .map(|listener| listener.bind.ip().to_string()),
        port: taken.or(first.map(|listener| listener.bind.port())).unwrap_or(0),
        tls: first.is_some_and(|listener| listener.tls.is_some()),
        url: None,
    }
}
