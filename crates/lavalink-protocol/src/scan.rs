//! Walks over the members of a JSON object in place: no allocation, no recursion, linear time.
//!
//! It trusts that a node sends JSON and only has to find its way through it: what is not JSON ends the walk, it does
//! not say why. It is no validator; whoever acts on values parses them with serde.

use memchr::memchr2;

/// Iterates over the members of one object, as slices of the text.
pub(crate) struct Members<'a> {
    text: &'a [u8],
    at: usize,
    first: bool,
}

/// The text of a key or of a string value between its quotes, escapes untouched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) text: &'a [u8],
    /// Whether there are escapes in it, so that the text is not what it stands for.
    pub(crate) escaped: bool,
}

impl<'a> Members<'a> {
    /// Enters the object that `text` starts with, or returns `None` when it is none.
    pub(crate) fn of(text: &'a [u8]) -> Option<Self> {
        let at = skip_space(text, 0);
        (text.get(at) == Some(&b'{')).then_some(Self {
            text,
            at: at + 1,
            first: true,
        })
    }

    /// The text from where the value of the first member with this key begins: what follows is not looked at.
    pub(crate) fn find_key(mut self, expected: &str) -> Option<&'a [u8]> {
        loop {
            let (key, start) = self.key()?;
            if key.is(expected) {
                return self.text.get(start..);
            }
            self.at = value_end(self.text, start)?;
        }
    }

    fn member(&mut self) -> Option<(Raw<'a>, &'a [u8])> {
        let (key, start) = self.key()?;
        self.at = value_end(self.text, start)?;
        Some((key, &self.text[start..self.at]))
    }

    /// The next key, and where its value begins.
    fn key(&mut self) -> Option<(Raw<'a>, usize)> {
        let mut at = skip_space(self.text, self.at);
        if !self.first {
            at = skip_space(self.text, expect(self.text, at, b',')?);
        }
        self.first = false;
        let key_start = expect(self.text, at, b'"')?;
        let (key_end, escaped) = string_end(self.text, key_start)?;
        let colon = skip_space(self.text, key_end + 1);
        let start = skip_space(self.text, expect(self.text, colon, b':')?);
        let key = Raw {
            text: &self.text[key_start..key_end],
            escaped,
        };
        Some((key, start))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Raw<'a>, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let member = self.member();
        if member.is_none() {
            // Whatever stopped the walk, it is over.
            self.at = self.text.len();
        }
        member
    }
}

impl<'a> Raw<'a> {
    /// The string that a whole value is, if it is one.
    pub(crate) fn of_value(value: &'a [u8]) -> Option<Self> {
        match value {
            [b'"', text @ .., b'"'] => Some(Self {
                text,
                escaped: text.contains(&b'\\'),
            }),
            _ => None,
        }
    }

    /// Whether this is `expected` (plain ASCII), also when spelled with escapes.
    pub(crate) fn is(self, expected: &str) -> bool {
        if self.escaped {
            self.unescapes_to(expected)
        } else {
            self.text == expected.as_bytes()
        }
    }

    fn unescapes_to(self, expected: &str) -> bool {
        let mut rest = self.text;
        for &wanted in expected.as_bytes() {
            let Some((byte, after)) = ascii_unit(rest) else {
                return false;
            };
            if byte != wanted {
                return false;
            }
            rest = after;
        }
        rest.is_empty()
    }
}

/// The next character of a string if it is ASCII, and what follows it. Only escapes that ASCII names need are known.
fn ascii_unit(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'\\', b'u', b'0', b'0', high, low, rest @ ..] => {
            let digits = [char::from(*high).to_digit(16)?, char::from(*low).to_digit(16)?];
            Some(((digits[0] << 4 | digits[1]) as u8, rest))
        }
        [b'\\', escaped @ (b'"' | b'\\' | b'/'), rest @ ..] => Some((*escaped, rest)),
        [b'\\', ..] | [] => None,
        [byte, rest @ ..] => Some((*byte, rest)),
    }
}

fn skip_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

fn expect(text: &[u8], at: usize, byte: u8) -> Option<usize> {
    (text.get(at) == Some(&byte)).then_some(at + 1)
}

/// Where the quote stands that ends the string whose text begins at `at`, and whether escapes stand before it.
fn string_end(text: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut escaped = false;
    loop {
        at = quote_or_backslash(text, at)?;
        if text[at] == b'"' {
            return Some((at, escaped));
        }
        // Whatever is escaped, it is not the end; of `\uXXXX` the digits are ordinary characters.
        escaped = true;
        at += 2;
    }
}

/// The next quote or backslash. Strings are mostly short, where looking at words beats the set-up of `memchr`, which
/// takes over for the long ones.
fn quote_or_backslash(text: &[u8], at: usize) -> Option<usize> {
    const WORDS: usize = 4;
    let rest = text.get(at..)?;
    let (words, _) = rest.as_chunks::<8>();
    for (index, word) in words.iter().take(WORDS).enumerate() {
        let word = u64::from_le_bytes(*word);
        let hits = bytes_equal(word, b'"') | bytes_equal(word, b'\\');
        if hits != 0 {
            return Some(at + index * 8 + hits.trailing_zeros() as usize / 8);
        }
    }
    let done = words.len().min(WORDS) * 8;
    Some(at + done + memchr2(b'"', b'\\', &rest[done..])?)
}

/// Sets the top bit of each byte of `word` that equals `byte`. Bytes above the lowest such one may be set wrongly.
fn bytes_equal(word: u64, byte: u8) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let zeroed = word ^ (ONES * u64::from(byte));
    zeroed.wrapping_sub(ONES) & !zeroed & (ONES << 7)
}

/// The string value that the text begins with, its quotes included.
pub(crate) fn leading_string(text: &[u8]) -> Option<&[u8]> {
    let (end, _) = string_end(text, expect(text, 0, b'"')?)?;
    text.get(..=end)
}

/// Just past the value that begins at `start`.
fn value_end(text: &[u8], start: usize) -> Option<usize> {
    match text.get(start)? {
        b'"' => Some(string_end(text, start + 1)?.0 + 1),
        b'{' | b'[' => container_end(text, start),
        _ => scalar_end(text, start),
    }
}

fn container_end(text: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = start;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at = string_end(text, at + 1)?.0,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn scalar_end(text: &[u8], start: usize) -> Option<usize> {
    let len = text[start..]
        .iter()
        .position(|byte| !is_scalar(*byte))
        .unwrap_or(text.len() - start);
    (len > 0).then_some(start + len)
}

fn is_scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}
