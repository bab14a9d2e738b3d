//! Whether a node can load from a source. Not for choosing among those that can.

use crate::pool::NodeView;

/// Search prefixes and the source manager behind each: Lavalink's own, and those of the plugins in wide use.
const PREFIXES: [(&str, &str); 19] = [
    ("ytsearch", "youtube"),
    ("ytmsearch", "youtube"),
    ("scsearch", "soundcloud"),
    ("spsearch", "spotify"),
    ("sprec", "spotify"),
    ("amsearch", "applemusic"),
    ("dzsearch", "deezer"),
    ("dzisrc", "deezer"),
    ("dzrec", "deezer"),
    ("ymsearch", "yandexmusic"),
    ("ymrec", "yandexmusic"),
    ("vksearch", "vkmusic"),
    ("vkrec", "vkmusic"),
    ("tdsearch", "tidal"),
    ("tdrec", "tidal"),
    ("qbsearch", "qobuz"),
    ("jssearch", "jiosaavn"),
    ("jsrec", "jiosaavn"),
    ("ftts", "flowery-tts"),
];

/// The search prefix of an identifier (`ytsearch:never gonna`), if it has one that names a source.
pub fn prefix_of(identifier: &str) -> Option<&str> {
    let (prefix, rest) = identifier.split_once(':')?;
    let is_word = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric());
    // `https://...` is an address, and which source takes it is the node's to say.
    (is_word && !rest.starts_with("//")).then_some(prefix)
}

/// Whether a node says, or its operator says of it, that it serves this source manager or search prefix.
pub fn serves(node: &NodeView, source: &str) -> bool {
    let manager = PREFIXES
        .iter()
        .find(|(prefix, _)| *prefix == source)
        .map_or(source, |(_, manager)| manager);
    let configured = node
        .sources
        .iter()
        .any(|known| **known == *source || **known == *manager);
    configured
        || node
            .about
            .as_ref()
            .is_some_and(|about| about.info.source_managers().any(|known| known == manager))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_of_an_identifier_is_found_and_addresses_have_none() {
        let cases = [
            ("ytsearch:a b", Some("ytsearch")),
            ("dzisrc:US123", Some("dzisrc")),
            ("ytsearch:https://x", Some("ytsearch")),
            ("https://example.org/a:b", None),
            ("dQw4w9WgXcQ", None),
            ("a track: live", None),
            (":x", None),
            ("", None),
        ];
        for (identifier, expected) in cases {
            assert_eq!(prefix_of(identifier), expected, "{identifier}");
        }
    }
}
