//! How a test client is set up, and how its handshake is written and refused.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest as _};

use super::{Rest, TestClient, endpoint::Endpoint};

/// Which of Lavalink's protocols a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `/v4/websocket` and `/v4` REST.
    V4,
    /// Ops over the WebSocket at `/`, unversioned REST; waits for no `ready`.
    V3Ops,
    /// `/v3/websocket` and `/v3` REST.
    V3Rest,
}

impl Protocol {
    fn socket_path(self) -> &'static str {
        match self {
            Self::V4 => "/v4/websocket",
            Self::V3Ops => "/",
            Self::V3Rest => "/v3/websocket",
        }
    }

    /// What precedes `loadtracks` and the others.
    pub(super) fn rest_prefix(self) -> &'static str {
        match self {
            Self::V4 => "/v4",
            Self::V3Ops => "",
            Self::V3Rest => "/v3",
        }
    }

    /// Header that names the session to resume.
    fn resume_header(self) -> HeaderName {
        HeaderName::from_static(if self == Self::V4 { "session-id" } else { "resume-key" })
    }
}

/// The handshake was answered, but not with 101.
#[derive(Clone, Debug)]
pub struct HandshakeRefused {
    /// Status code.
    pub status: u16,
    /// Headers of the answer.
    pub headers: HeaderMap,
    /// Its body, as far as it came with the head.
    pub body: Bytes,
}

impl std::fmt::Display for HandshakeRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the handshake was refused with {}", self.status)
    }
}

impl std::error::Error for HandshakeRefused {}

/// Settings of a [`TestClient`] to be connected.
#[derive(Clone, Debug)]
pub struct TestClientBuilder {
    pub(super) protocol: Protocol,
    url: String,
    password: String,
    user_id: u64,
    client_name: Option<String>,
    resume: Option<String>,
    socket_path: Option<String>,
    headers: Vec<(String, String)>,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl TestClientBuilder {
    pub(super) fn new(protocol: Protocol, url: &str, password: &str, user_id: u64) -> Self {
        Self {
            protocol,
            url: url.to_owned(),
            password: password.to_owned(),
            user_id,
            client_name: Some("testkit/1.0".to_owned()),
            resume: None,
            socket_path: None,
            headers: Vec::new(),
            tls: None,
        }
    }

    /// The `Client-Name` header; default `testkit/1.0`, `None` = not sent.
    pub fn client_name(mut self, name: Option<&str>) -> Self {
        self.client_name = name.map(str::to_owned);
        self
    }

    /// What to resume: a session id (v4) or a resume key (v3).
    pub fn resume(mut self, key: impl Into<String>) -> Self {
        self.resume = Some(key.into());
        self
    }

    /// Another path for the WebSocket than the protocol's own (it follows the URL's own path).
    pub fn socket_path(mut self, path: impl Into<String>) -> Self {
        self.socket_path = Some(path.into());
        self
    }

    /// One more header for the handshake.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// TLS settings for `https` URLs, e.g. [`crate::certs::TestCa::client_config`].
    pub fn tls(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Connects. With v4 and 3.7 the client is `ready` when this returns.
    ///
    /// # Errors
    /// [`HandshakeRefused`] (to be found with `downcast_ref`) when the answer was not 101; others when there was none,
    /// or no `ready` within 10 s.
    pub async fn connect(self) -> anyhow::Result<TestClient> {
        let endpoint = Endpoint::new(&self.url, self.tls.clone())?;
        let client = TestClient {
            rest: Rest::new(endpoint.clone(), Some(self.password.clone())),
            endpoint,
            mailbox: Arc::default(),
            link: Mutex::default(),
            known: Mutex::default(),
            options: self,
        };
        let resume = client.options.resume.clone();
        client.open(resume).await?;
        Ok(client)
    }

    pub(super) fn handshake_request(
        &self,
        endpoint: &Endpoint,
        resume: Option<&str>,
    ) -> anyhow::Result<http::Request<()>> {
        let path = self.socket_path.as_deref().unwrap_or(self.protocol.socket_path());
        let url = format!("ws://{}{}{path}", endpoint.authority(), endpoint.prefix);
        let mut request = url.into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("authorization", HeaderValue::from_str(&self.password)?);
        headers.insert("user-id", HeaderValue::from_str(&self.user_id.to_string())?);
        if let Some(name) = &self.client_name {
            headers.insert("client-name", HeaderValue::from_str(name)?);
        }
        if let Some(key) = resume {
            headers.insert(self.protocol.resume_header(), HeaderValue::from_str(key)?);
        }
        for (name, value) in &self.headers {
            headers.insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        }
        Ok(request)
    }
}

/// A refused handshake as [`HandshakeRefused`]; other failures as they are.
pub(super) fn describe_refusal(error: tungstenite::Error) -> anyhow::Error {
    let tungstenite::Error::Http(response) = error else {
        return anyhow::Error::new(error).context("the handshake failed");
    };
    let (parts, body) = response.into_parts();
    let body = Bytes::from(body.unwrap_or_default());
    anyhow::Error::new(HandshakeRefused {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
    })
}
