//! REST of a test client, over connections that are kept alive as real libraries do.

use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::endpoint::Endpoint;

/// An answer.
#[derive(Clone, Debug)]
pub struct RestAnswer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl RestAnswer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// REST calls with one password.
#[derive(Debug)]
pub struct Rest {
    endpoint: Endpoint,
    password: Option<String>,
    /// Connections that wait for their next request.
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl Rest {
    pub(crate) fn new(endpoint: Endpoint, password: Option<String>) -> Self {
        Self {
            endpoint,
            password,
            idle: Mutex::default(),
        }
    }

    /// Calls to a plain `http://` URL; `None` = without a password.
    ///
    /// # Errors
    /// Not a URL.
    pub fn to(url: &str, password: Option<&str>) -> anyhow::Result<Self> {
        Ok(Self::new(Endpoint::new(url, None)?, password.map(str::to_owned)))
    }

    /// Closes the connections that wait for a request. For who calls just when the other side may give them up, which
    /// a request that is then under way does not survive.
    pub fn close_idle(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A GET.
    ///
    /// # Errors
    /// No answer: connecting failed, or the connection ended first.
    pub async fn get(&self, target: &str) -> anyhow::Result<RestAnswer> {
        self.request(Method::GET, target, None).await
    }

    /// A request with an optional JSON body. `target` is path and query, sent byte for byte after the URL's own path.
    ///
    /// # Errors
    /// No answer: connecting failed, or the connection ended first.
    pub async fn request(&self, method: Method, target: &str, body: Option<&Value>) -> anyhow::Result<RestAnswer> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.endpoint.prefix));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        self.send(request.body(body).context("not a valid request")?).await
    }

    /// Any request. `Host`, and `Authorization` where it is not set, are added.
    ///
    /// # Errors
    /// No answer: connecting failed, or the connection ended first.
    pub async fn send(&self, mut request: Request<Bytes>) -> anyhow::Result<RestAnswer> {
        let headers = request.headers_mut();
        headers
            .entry(header::HOST)
            .or_insert(self.endpoint.authority().parse()?);
        if let Some(password) = &self.password {
            headers.entry(header::AUTHORIZATION).or_insert(password.parse()?);
        }
        let mut request = request.map(Full::new);
        loop {
            let (mut connection, fresh) = match self.take_idle() {
                Some(connection) => (connection, false),
                None => (self.connect().await?, true),
            };
            match connection.try_send_request(request).await {
                Ok(response) => return self.finish(response, connection).await,
                Err(mut failed) => match failed.take_message() {
                    // Not a byte of it was sent: the kept connection had been closed meanwhile.
                    Some(unsent) if !fresh => request = unsent,
                    _ => return Err(failed.into_error()).context("no answer"),
                },
            }
        }
    }

    async fn finish(
        &self,
        response: http::Response<hyper::body::Incoming>,
        connection: SendRequest<Full<Bytes>>,
    ) -> anyhow::Result<RestAnswer> {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.context("the body broke off")?.to_bytes();
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
        Ok(RestAnswer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    }

    /// A kept connection that is still usable.
    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(connection) = idle.pop() {
            if connection.is_ready() && !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let io = self.endpoint.connect().await?;
        let (sender, connection) = http1::handshake(TokioIo::new(io)).await?;
        // It ends when the sender is dropped or the peer closes; errors show up at the sender.
        tokio::spawn(connection);
        Ok(sender)
    }
}
