//! Answers of a simulated node, and how armed faults spoil them.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use serde_json::Value;

use super::{
    fault::Fault,
    io::{ConnControl, Kill},
};

/// Body of every response.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// How long a spoiled answer rests after its first half, so that those bytes reach the peer before the end does.
const HALFWAY: Duration = Duration::from_millis(30);
/// Size of one chunk of a chunked answer.
const CHUNK: usize = 16 * 1024;

/// Mark on a response that goes out without `Lavalink-Api-Version`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WithoutVersion;

/// An answer before it becomes a response of the HTTP library.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    content_type: Option<&'static str>,
    body: Bytes,
    /// In chunks, as a node sends all JSON; otherwise under its length.
    chunked: bool,
    without_version: bool,
    /// Further headers.
    headers: Vec<(HeaderName, String)>,
}

impl Answer {
    fn new(status: u16, content_type: Option<&'static str>, body: Bytes) -> Self {
        let chunked = content_type == Some("application/json");
        Self {
            status,
            content_type,
            body,
            chunked,
            without_version: false,
            headers: Vec::new(),
        }
    }

    /// JSON text.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::json_text(status, body.to_string().into())
    }

    /// JSON that is text already.
    pub(crate) fn json_text(status: u16, body: Bytes) -> Self {
        Self::new(status, Some("application/json"), body)
    }

    /// Plain text.
    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::new(
            status,
            Some("text/plain;charset=ISO-8859-1"),
            Bytes::copy_from_slice(body.as_bytes()),
        )
    }

    /// Nothing but a status.
    pub(crate) fn empty(status: u16) -> Self {
        Self::new(status, None, Bytes::new())
    }

    /// The same without the header `Lavalink-Api-Version`.
    pub(crate) fn without_version(self) -> Self {
        Self {
            without_version: true,
            ..self
        }
    }

    /// The same with further headers.
    pub(crate) fn with_headers(self, headers: Vec<(HeaderName, String)>) -> Self {
        Self { headers, ..self }
    }

    /// The same text under another content type, or under none.
    pub(crate) fn of_type(self, content_type: Option<&'static str>) -> Self {
        Self { content_type, ..self }
    }

    /// The response as it is meant.
    pub(crate) fn into_response(self) -> Response<Body> {
        let body = if self.chunked {
            let chunks: Vec<Bytes> = chunks(&self.body);
            StreamBody::new(stream::iter(chunks).map(|chunk| Ok(Frame::data(chunk)))).boxed_unsync()
        } else {
            Full::new(self.body.clone()).boxed_unsync()
        };
        self.response(body)
    }

    fn response(&self, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(content_type) = self.content_type {
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
        }
        for (name, value) in &self.headers {
            if let Ok(value) = value.parse() {
                response.headers_mut().insert(name, value);
            }
        }
        if self.without_version {
            response.extensions_mut().insert(WithoutVersion);
        }
        response
    }

    /// The response with an answer fault applied. Some faults never return: the connection's end does.
    pub(crate) async fn spoiled(self, fault: &Fault, control: &Arc<ConnControl>) -> Response<Body> {
        match fault {
            Fault::NeverAnswer => std::future::pending().await,
            Fault::CloseBeforeAnswer => end(control, Kill::Fin).await,
            Fault::ResetBeforeAnswer => end(control, Kill::Reset).await,
            Fault::Delay(delay) => {
                tokio::time::sleep(*delay).await;
                self.into_response()
            }
            Fault::StaleKeepAlive => {
                control
                    .close_on_next_request
                    .store(true, std::sync::atomic::Ordering::SeqCst);
                self.into_response()
            }
            Fault::BrokenBody => {
                let half = self.body.slice(..self.body.len() / 2);
                Self {
                    body: half,
                    chunked: false,
                    ..self
                }
                .into_response()
            }
            Fault::CloseMidBody => self.cut(control, Kill::Fin),
            Fault::ResetMidBody => self.cut(control, Kill::Reset),
            Fault::EndlessBody => {
                let endless = stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[b' '; CHUNK]))));
                self.response(StreamBody::new(endless).boxed_unsync())
            }
            // The others are not faults of an answer.
            _ => self.into_response(),
        }
    }

    /// The head with the full length, half of the body, then the end of the connection.
    fn cut(self, control: &Arc<ConnControl>, how: Kill) -> Response<Body> {
        let half = self.body.slice(..self.body.len() / 2);
        let control = Arc::clone(control);
        let rest = stream::once(async move {
            tokio::time::sleep(HALFWAY).await;
            end(&control, how).await
        });
        let body = stream::once(async move { Ok(Frame::data(half)) }).chain(rest);
        let mut response = self.response(StreamBody::new(body).boxed_unsync());
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, header::HeaderValue::from(self.body.len()));
        response
    }
}

/// Ends the connection; the task that waits for this is dropped with it.
pub(crate) async fn end<T>(control: &ConnControl, how: Kill) -> T {
    control.kill(how);
    std::future::pending().await
}

fn chunks(body: &Bytes) -> Vec<Bytes> {
    (0..body.len())
        .step_by(CHUNK)
        .map(|start| body.slice(start..body.len().min(start + CHUNK)))
        .collect()
}
