//! Finding the end of an HTTP answer in bytes as they come.

use anyhow::{Result, bail};
use lavalink_protocol::http::{ChunkWalker, Framing, ResponseHead, header_slots};

/// One whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Status code.
    pub(crate) status: u16,
    /// Bytes of the body without its framing.
    pub(crate) body_len: u64,
    /// The connection may be used again.
    pub(crate) keep_alive: bool,
}

/// Reads the answers on one connection, one after another, keeping only an unfinished head.
#[derive(Default)]
pub(crate) struct AnswerReader {
    head: Vec<u8>,
    body: Option<(Answer, Body)>,
}

enum Body {
    Fixed(u64),
    Chunked(ChunkWalker),
}

impl AnswerReader {
    /// Takes the next bytes: how many of them belong to the current answer, and the answer if they end it.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(usize, Option<Answer>)> {
        let mut used = 0;
        if self.body.is_none() {
            match self.feed_head(bytes)? {
                Some(len) => used = len,
                None => return Ok((bytes.len(), None)),
            }
        }
        let Some((answer, body)) = &mut self.body else {
            return Ok((used, None));
        };
        let rest = &bytes[used..];
        let done = match body {
            Body::Fixed(left) => {
                let take = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= take as u64;
                used += take;
                *left == 0
            }
            Body::Chunked(walker) => {
                used += walker.walk(rest)?;
                answer.body_len = walker.payload();
                walker.is_done()
            }
        };
        if !done {
            return Ok((used, None));
        }
        let answer = *answer;
        self.body = None;
        Ok((used, Some(answer)))
    }

    /// Takes bytes of the head; how many, when they end it.
    fn feed_head(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        let before = self.head.len();
        let whole = if before == 0 {
            bytes
        } else {
            self.head.extend_from_slice(bytes);
            &self.head
        };
        let mut slots = header_slots();
        let Some(head) = ResponseHead::read(whole, &mut slots, false)? else {
            if before == 0 {
                self.head.extend_from_slice(bytes);
            }
            return Ok(None);
        };
        let (body_len, body) = match head.framing {
            Framing::None => (0, Body::Fixed(0)),
            Framing::Length(len) => (len, Body::Fixed(len)),
            Framing::Chunked => (0, Body::Chunked(ChunkWalker::default())),
            Framing::UntilClose => bail!("an answer of status {} without a length", head.status),
        };
        let used = head.len - before;
        self.body = Some((
            Answer {
                status: head.status,
                body_len,
                keep_alive: head.keep_alive,
            },
            body,
        ));
        self.head.clear();
        Ok(Some(used))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CASES: [(&str, Answer); 5] = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            Answer {
                status: 200,
                body_len: 5,
                keep_alive: true,
            },
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            Answer {
                status: 200,
                body_len: 0,
                keep_alive: true,
            },
        ),
        (
            "HTTP/1.1 204 No Content\r\n\r\n",
            Answer {
                status: 204,
                body_len: 0,
                keep_alive: true,
            },
        ),
        (
            "HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
            Answer {
                status: 401,
                body_len: 2,
                keep_alive: false,
            },
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
            Answer {
                status: 200,
                body_len: 21,
                keep_alive: true,
            },
        ),
    ];

    /// Feeds the pieces and returns the answers that ended, each with the bytes used up to its end.
    fn read(pieces: &[&[u8]]) -> Vec<Answer> {
        let mut reader = AnswerReader::default();
        let mut answers = Vec::new();
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (used, answer) = reader.feed(rest).unwrap();
                answers.extend(answer);
                rest = &rest[used..];
            }
        }
        answers
    }

    #[test]
    fn an_answer_is_read_wherever_it_is_cut() {
        for (text, expected) in CASES {
            for cut in 0..text.len() {
                let (left, right) = text.as_bytes().split_at(cut);
                assert_eq!(read(&[left, right]), [expected], "cut at {cut}: {text}");
            }
        }
    }

    #[test]
    fn answers_that_come_together_are_told_apart() {
        let all: String = CASES.iter().map(|(text, _)| *text).collect();
        let expected: Vec<Answer> = CASES.iter().map(|(_, answer)| *answer).collect();
        assert_eq!(read(&[all.as_bytes()]), expected);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in [
            "nonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        ] {
            assert!(AnswerReader::default().feed(text.as_bytes()).is_err(), "{text}");
        }
    }
}
