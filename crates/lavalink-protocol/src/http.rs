//! HTTP/1.1 heads and body framing, read in place: what the proxy must know of a request or answer to pass it on.
//!
//! Tokenising is httparse's. Here is what makes one framing the only possible one (no request smuggling), and which of
//! the headers Lavalink and the proxy look at. Nothing is copied; writing heads is the gateway's.

use std::mem::MaybeUninit;

/// More header lines than this are refused; real clients send under twenty.
pub const MAX_HEADERS: usize = 100;

/// Room for the header lines of one head, left uninitialised until httparse fills it.
pub type HeaderSlots<'b> = [MaybeUninit<httparse::Header<'b>>; MAX_HEADERS];

/// Fresh room for the header lines of one head.
#[must_use]
pub const fn header_slots<'b>() -> HeaderSlots<'b> {
    [const { MaybeUninit::uninit() }; MAX_HEADERS]
}

/// Why bytes are no acceptable head. All but the last two are answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Not HTTP/1.x at all, or a broken line.
    #[error("malformed request head")]
    Malformed,
    /// More than [`MAX_HEADERS`] header lines.
    #[error("too many header lines")]
    TooManyHeaders,
    /// Both `Content-Length` and `Transfer-Encoding`, several lengths, or one that is not a plain number.
    #[error("conflicting or malformed body framing")]
    Framing,
    /// A transfer coding other than `chunked` alone (answered with 501, as RFC 9112 asks).
    #[error("unsupported transfer coding")]
    TransferCoding,
    /// `Host` missing on HTTP/1.1, or given twice.
    #[error("missing or repeated host header")]
    Host,
    /// A target that is neither a path nor an absolute http(s) URL.
    #[error("unsupported request target")]
    Target,
    /// A version other than 1.0 and 1.1 (answered with 505).
    #[error("unsupported HTTP version")]
    Version,
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// Exactly so many bytes.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
    /// Until the peer closes; answers only.
    UntilClose,
}

/// A request's head and what the proxy reads of it. Header values are as sent, without surrounding blanks.
#[derive(Debug)]
pub struct RequestHead<'b> {
    /// The method as sent.
    pub method: &'b str,
    /// Path and query as sent; of an absolute URL only what follows the authority.
    pub target: &'b str,
    /// HTTP/1.`minor`.
    pub minor: u8,
    /// Bytes of the head with its empty line.
    pub len: usize,
    /// How the body is framed.
    pub framing: Framing,
    /// The client lets the connection be used again. Never with HTTP/1.0: a proxy must not keep such connections, since
    /// what stands between may not know `keep-alive` (RFC 9112, 9.3).
    pub keep_alive: bool,
    /// `Connection: upgrade` was sent.
    pub connection_upgrade: bool,
    /// `Upgrade: websocket` was sent.
    pub upgrade_websocket: bool,
    /// `Expect: 100-continue` was sent.
    pub expect_continue: bool,
    /// All header lines, in order.
    pub headers: &'b [httparse::Header<'b>],
    /// The headers that are looked at.
    pub known: KnownHeaders<'b>,
}

/// Values of the headers that Lavalink or the proxy reads (the last one wins where a header is repeated).
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "each field is the header of its name")]
pub struct KnownHeaders<'b> {
    pub authorization: Option<&'b [u8]>,
    pub user_id: Option<&'b [u8]>,
    pub client_name: Option<&'b [u8]>,
    pub user_agent: Option<&'b [u8]>,
    pub session_id: Option<&'b [u8]>,
    pub resume_key: Option<&'b [u8]>,
    pub num_shards: Option<&'b [u8]>,
    pub lavalink_version: Option<&'b [u8]>,
    pub websocket_key: Option<&'b [u8]>,
    pub websocket_version: Option<&'b [u8]>,
}

impl<'b> RequestHead<'b> {
    /// Reads a request's head at the start of `buf`; `None` when its empty line has not come yet.
    ///
    /// # Errors
    /// See [`HeadError`]; the size of an unfinished head is the caller's to limit.
    pub fn read(buf: &'b [u8], slots: &'b mut HeaderSlots<'b>) -> Result<Option<Self>, HeadError> {
        let mut request = httparse::Request::new(&mut []);
        let len = match request.parse_with_uninit_headers(buf, slots) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooManyHeaders),
            Err(httparse::Error::Version) => return Err(HeadError::Version),
            Err(_) => return Err(HeadError::Malformed),
        };
        let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
            return Err(HeadError::Malformed);
        };
        let mut head = Self {
            method,
            target: origin_form(target)?,
            minor,
            len,
            framing: Framing::None,
            keep_alive: minor == 1,
            connection_upgrade: false,
            upgrade_websocket: false,
            expect_continue: false,
            headers: request.headers,
            known: KnownHeaders::default(),
        };
        head.read_headers()?;
        Ok(Some(head))
    }

    fn read_headers(&mut self) -> Result<(), HeadError> {
        let mut hosts = 0;
        let mut body = BodyHeaders::default();
        for header in self.headers {
            let value = header.value;
            let known = &mut self.known;
            match HeaderName::of(header.name) {
                HeaderName::Host => hosts += 1,
                HeaderName::ContentLength => body.length(value)?,
                HeaderName::TransferEncoding => body.coding(value)?,
                HeaderName::Connection => self.read_connection(value),
                HeaderName::Upgrade => self.upgrade_websocket |= has_token(value, b"websocket"),
                HeaderName::Expect => self.expect_continue = value.eq_ignore_ascii_case(b"100-continue"),
                HeaderName::Authorization => known.authorization = Some(value),
                // Nodes take the first of several, and get all of them.
                HeaderName::UserId => known.user_id = known.user_id.or(Some(value)),
                HeaderName::ClientName => known.client_name = Some(value),
                HeaderName::UserAgent => known.user_agent = Some(value),
                HeaderName::SessionId => known.session_id = Some(value),
                HeaderName::ResumeKey => known.resume_key = Some(value),
                HeaderName::NumShards => known.num_shards = Some(value),
                HeaderName::LavalinkVersion => known.lavalink_version = Some(value),
                HeaderName::WebSocketKey => known.websocket_key = Some(value),
                HeaderName::WebSocketVersion => known.websocket_version = Some(value),
                _ => {}
            }
        }
        if hosts > 1 || (hosts == 0 && self.minor == 1) {
            return Err(HeadError::Host);
        }
        self.framing = body.framing(Framing::None)?;
        if self.framing == Framing::Chunked && self.minor == 0 {
            return Err(HeadError::Framing);
        }
        Ok(())
    }

    fn read_connection(&mut self, value: &[u8]) {
        for token in tokens(value) {
            if token.eq_ignore_ascii_case(b"close") {
                self.keep_alive = false;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                self.connection_upgrade = true;
            }
        }
    }

    /// Path and query of the target.
    #[must_use]
    pub fn path_and_query(&self) -> (&'b str, Option<&'b str>) {
        match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.target, None),
        }
    }
}

/// The path of an absolute-form target, or the target as it is.
fn origin_form(target: &str) -> Result<&str, HeadError> {
    if target.starts_with('/') {
        return Ok(target);
    }
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| {
            target
                .get(..scheme.len())?
                .eq_ignore_ascii_case(scheme)
                .then(|| &target[scheme.len()..])
        })
        .ok_or(HeadError::Target)?;
    match rest.find(['/', '?']) {
        Some(at) if rest.as_bytes()[at] == b'/' && at > 0 => Ok(&rest[at..]),
        None if !rest.is_empty() => Ok("/"),
        _ => Err(HeadError::Target),
    }
}

/// A node's answer: its head and what is needed to pass it on.
#[derive(Debug)]
pub struct ResponseHead<'b> {
    /// Status code.
    pub status: u16,
    /// Reason phrase as sent.
    pub reason: &'b str,
    /// Bytes of the head with its empty line.
    pub len: usize,
    /// How the body is framed, the request's method taken into account.
    pub framing: Framing,
    /// The node lets the connection be used again.
    pub keep_alive: bool,
    /// Header `Lavalink-Api-Version`.
    pub api_version: Option<&'b [u8]>,
    /// All header lines, in order.
    pub headers: &'b [httparse::Header<'b>],
}

impl<'b> ResponseHead<'b> {
    /// Reads an answer's head at the start of `buf`; `None` when its empty line has not come yet. `to_head` says that
    /// the request was a HEAD, whose answer has no body.
    ///
    /// # Errors
    /// As [`RequestHead::read`].
    pub fn read(buf: &'b [u8], slots: &'b mut HeaderSlots<'b>, to_head: bool) -> Result<Option<Self>, HeadError> {
        let mut response = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let len = match config.parse_response_with_uninit_headers(&mut response, buf, slots) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooManyHeaders),
            Err(httparse::Error::Version) => return Err(HeadError::Version),
            Err(_) => return Err(HeadError::Malformed),
        };
        let (Some(status), Some(minor)) = (response.code, response.version) else {
            return Err(HeadError::Malformed);
        };
        let mut head = Self {
            status,
            reason: response.reason.unwrap_or(""),
            len,
            framing: Framing::None,
            keep_alive: minor == 1,
            api_version: None,
            headers: response.headers,
        };
        let mut body = BodyHeaders::default();
        for header in head.headers {
            match HeaderName::of(header.name) {
                HeaderName::ContentLength => body.length(header.value)?,
                HeaderName::TransferEncoding => body.coding(header.value)?,
                HeaderName::Connection if has_token(header.value, b"close") => head.keep_alive = false,
                HeaderName::Connection if has_token(header.value, b"keep-alive") => head.keep_alive = true,
                HeaderName::ApiVersion => head.api_version = Some(header.value),
                _ => {}
            }
        }
        head.framing = if to_head || matches!(status, 100..=199 | 204 | 304) {
            Framing::None
        } else {
            body.framing(Framing::UntilClose)?
        };
        if head.framing == Framing::UntilClose {
            head.keep_alive = false;
        }
        Ok(Some(head))
    }
}

/// What the two framing headers said; both together, or the same one twice, is an attack or a fault.
#[derive(Default)]
struct BodyHeaders {
    length: Option<u64>,
    chunked: bool,
}

impl BodyHeaders {
    fn length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if self.length.is_some() || value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
            return Err(HeadError::Framing);
        }
        self.length = Some(value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')));
        Ok(())
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if self.chunked {
            return Err(HeadError::Framing);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(HeadError::TransferCoding);
        }
        self.chunked = true;
        Ok(())
    }

    const fn framing(&self, otherwise: Framing) -> Result<Framing, HeadError> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(HeadError::Framing),
            (Some(length), false) => Ok(Framing::Length(length)),
            (None, true) => Ok(Framing::Chunked),
            (None, false) => Ok(otherwise),
        }
    }
}

/// The header names that are looked at, told apart by length first so that most lines cost one comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the header of its name")]
pub enum HeaderName {
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Upgrade,
    Expect,
    KeepAlive,
    ProxyConnection,
    Te,
    Trailer,
    Origin,
    Authorization,
    UserId,
    ClientName,
    UserAgent,
    SessionId,
    ResumeKey,
    NumShards,
    LavalinkVersion,
    ApiVersion,
    WebSocketKey,
    WebSocketVersion,
    WebSocketExtensions,
    WebSocketProtocol,
    WebSocketAccept,
    ProxyAuthorization,
    Other,
}

/// Whether a name is a known one, whatever its case. Without a branch for each byte, so that it becomes a few steps for
/// many of them at a time.
#[inline(always)]
fn is<const LEN: usize>(name: &[u8], known: &[u8; LEN]) -> bool {
    let Ok(name) = <&[u8; LEN]>::try_from(name) else {
        return false;
    };
    let mut differ = 0;
    for (byte, known) in name.iter().zip(known) {
        let case = if known.is_ascii_lowercase() { 0x20 } else { 0 };
        differ |= (byte | case) ^ known;
    }
    differ == 0
}

impl HeaderName {
    /// The name, whatever its case.
    #[must_use]
    pub fn of(name: &str) -> Self {
        // Length and first letter leave one name, or two: this runs for every header line of every request and answer.
        let name = name.as_bytes();
        let first = name.first().map_or(0, u8::to_ascii_lowercase);
        let (known, found) = match (name.len(), first) {
            (2, b't') => (is(name, b"te"), Self::Te),
            (4, b'h') => (is(name, b"host"), Self::Host),
            (6, b'e') => (is(name, b"expect"), Self::Expect),
            (6, b'o') => (is(name, b"origin"), Self::Origin),
            (7, b'u') if is(name, b"user-id") => (true, Self::UserId),
            (7, b'u') => (is(name, b"upgrade"), Self::Upgrade),
            (7, b't') => (is(name, b"trailer"), Self::Trailer),
            (10, b'c') => (is(name, b"connection"), Self::Connection),
            (10, b'u') => (is(name, b"user-agent"), Self::UserAgent),
            (10, b's') => (is(name, b"session-id"), Self::SessionId),
            (10, b'r') => (is(name, b"resume-key"), Self::ResumeKey),
            (10, b'n') => (is(name, b"num-shards"), Self::NumShards),
            (10, b'k') => (is(name, b"keep-alive"), Self::KeepAlive),
            (11, b'c') => (is(name, b"client-name"), Self::ClientName),
            (13, b'a') => (is(name, b"authorization"), Self::Authorization),
            (14, b'c') => (is(name, b"content-length"), Self::ContentLength),
            (16, b'l') => (is(name, b"lavalink-version"), Self::LavalinkVersion),
            (16, b'p') => (is(name, b"proxy-connection"), Self::ProxyConnection),
            (17, b't') => (is(name, b"transfer-encoding"), Self::TransferEncoding),
            (17, b's') => (is(name, b"sec-websocket-key"), Self::WebSocketKey),
            (19, b'p') => (is(name, b"proxy-authorization"), Self::ProxyAuthorization),
            (20, b'l') => (is(name, b"lavalink-api-version"), Self::ApiVersion),
            (20, b's') => (is(name, b"sec-websocket-accept"), Self::WebSocketAccept),
            (21, b's') => (is(name, b"sec-websocket-version"), Self::WebSocketVersion),
            (22, b's') => (is(name, b"sec-websocket-protocol"), Self::WebSocketProtocol),
            (24, b's') => (is(name, b"sec-websocket-extensions"), Self::WebSocketExtensions),
            _ => (false, Self::Other),
        };
        if known { found } else { Self::Other }
    }

    /// Meant for one connection only (RFC 9110, 7.6.1), so never passed on.
    #[must_use]
    pub const fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::Upgrade
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::ProxyAuthorization
                | Self::Te
                | Self::Trailer
                | Self::Expect
        )
    }
}

/// Comma-separated tokens of a header value, without blanks.
pub fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

fn has_token(value: &[u8], wanted: &[u8]) -> bool {
    tokens(value).any(|token| token.eq_ignore_ascii_case(wanted))
}

/// Why chunked bytes are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed chunked body")]
pub struct ChunkError;

/// Finds the end of a chunked body in bytes that are passed on as they are. Strict: what two parsers could read in two
/// ways (bare line feeds, signs, blanks, over-long sizes) is refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChunkWalker {
    state: ChunkState,
    /// Bytes of the current chunk, or its size while that is read.
    left: u64,
    /// Digits of the size, or bytes of an extension or of the trailers.
    count: u16,
    /// Payload bytes seen so far.
    payload: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChunkState {
    #[default]
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

/// Extension or trailer bytes that are put up with.
const MAX_CHUNK_EXTRA: u16 = 4096;

impl ChunkWalker {
    /// Takes the next bytes; returns how many of them belong to the body (all, unless it ended).
    ///
    /// # Errors
    /// When the bytes are no chunked body.
    pub fn walk(&mut self, bytes: &[u8]) -> Result<usize, ChunkError> {
        self.walk_payload(bytes, |_| {})
    }

    /// Like [`walk`](Self::walk), handing each piece of payload to `piece`.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn walk_payload(&mut self, bytes: &[u8], mut piece: impl FnMut(&[u8])) -> Result<usize, ChunkError> {
        let mut at = 0;
        while at < bytes.len() && self.state != ChunkState::Done {
            if self.state == ChunkState::Data {
                let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - at);
                piece(&bytes[at..at + take]);
                at += take;
                self.left -= take as u64;
                self.payload += take as u64;
                if self.left == 0 {
                    self.state = ChunkState::DataCr;
                }
            } else {
                self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<(), ChunkError> {
        use ChunkState as S;
        self.state = match (self.state, byte) {
            (S::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if self.count < 15 => {
                let digit = (byte as char).to_digit(16).ok_or(ChunkError)?;
                self.left = self.left << 4 | u64::from(digit);
                self.count += 1;
                S::Size
            }
            (S::Size, b';') if self.count > 0 => S::Extension,
            (S::Size, b'\r') if self.count > 0 => S::SizeLf,
            (S::Extension, b'\r') => S::SizeLf,
            (S::Extension, b'\t' | b' '..=b'~') => self.extra(S::Extension)?,
            (S::SizeLf, b'\n') => {
                self.count = 0;
                if self.left == 0 { S::TrailerStart } else { S::Data }
            }
            (S::DataCr, b'\r') => S::DataLf,
            (S::DataLf, b'\n') => S::Size,
            (S::TrailerStart, b'\r') => S::EndLf,
            (S::TrailerStart | S::Trailer, b'\t' | b' '..=b'~') => self.extra(S::Trailer)?,
            (S::Trailer, b'\r') => S::TrailerLf,
            (S::TrailerLf, b'\n') => S::TrailerStart,
            (S::EndLf, b'\n') => S::Done,
            _ => return Err(ChunkError),
        };
        Ok(())
    }

    fn extra(&mut self, state: ChunkState) -> Result<ChunkState, ChunkError> {
        self.count += 1;
        if self.count > MAX_CHUNK_EXTRA {
            Err(ChunkError)
        } else {
            Ok(state)
        }
    }

    /// The body has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == ChunkState::Done
    }

    /// Payload bytes seen so far.
    #[must_use]
    pub const fn payload(&self) -> u64 {
        self.payload
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
