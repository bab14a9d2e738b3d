//! Successful writes to plugin routes below a player (SponsorBlock categories, lyrics subscriptions), kept to be sent
//! again after a migration. Not for reads, and not for plugin routes of no player.

/// One write. Its query and body are kept as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginWrite {
    /// `PUT`, `POST`, `PATCH` or `DELETE`.
    pub method: Box<str>,
    /// Below the player's own path, with its leading `/` and its query.
    pub path: Box<str>,
    /// The body's type, when there is one.
    pub content_type: Option<Box<str>>,
    /// The body.
    pub body: Box<[u8]>,
}

impl PluginWrite {
    fn route(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    fn size(&self) -> usize {
        self.path.len() + self.body.len()
    }
}

/// At most this many for a player.
const MAX_WRITES: usize = 16;
/// At most this many bytes of them.
const MAX_BYTES: usize = 16 * 1024;

/// The newest write to each route, in the order of these. Most players have none, so it is one word.
#[derive(Debug, Default)]
#[expect(
    clippy::box_collection,
    reason = "a vector of its own would be three words in every player"
)]
pub struct Writes(Option<Box<Vec<PluginWrite>>>);

impl Writes {
    /// Takes a write that succeeded. A deletion only undoes what was written before: a new player has nothing to delete.
    /// The oldest are forgotten when there are too many.
    pub fn note(&mut self, write: PluginWrite) {
        let writes = self.0.get_or_insert_default();
        writes.retain(|known| known.route() != write.route());
        if &*write.method != "DELETE" && write.size() <= MAX_BYTES {
            writes.push(write);
        }
        while writes.len() > MAX_WRITES || writes.iter().map(PluginWrite::size).sum::<usize>() > MAX_BYTES {
            writes.remove(0);
        }
        if writes.is_empty() {
            self.0 = None;
        }
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &PluginWrite> {
        self.0.iter().flat_map(|writes| writes.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(method: &str, path: &str, body: &str) -> PluginWrite {
        PluginWrite {
            method: method.into(),
            path: path.into(),
            content_type: None,
            body: body.as_bytes().into(),
        }
    }

    fn kept(writes: &Writes) -> Vec<&str> {
        writes.iter().map(|write| &*write.path).collect()
    }

    #[test]
    fn the_newest_write_to_a_route_is_kept_and_a_deletion_undoes_it() {
        let mut writes = Writes::default();
        writes.note(write("PUT", "/sponsorblock/categories", "[1]"));
        writes.note(write("POST", "/lyrics/subscribe?a=1", ""));
        writes.note(write("PUT", "/sponsorblock/categories", "[2]"));
        assert_eq!(kept(&writes), ["/lyrics/subscribe?a=1", "/sponsorblock/categories"]);
        writes.note(write("DELETE", "/lyrics/subscribe", ""));
        writes.note(write("DELETE", "/other", ""));
        assert_eq!(kept(&writes), ["/sponsorblock/categories"]);
        writes.note(write("DELETE", "/sponsorblock/categories", ""));
        assert!(writes.0.is_none());
    }

    #[test]
    fn neither_count_nor_bytes_grow_without_bound() {
        let mut writes = Writes::default();
        (0..100).for_each(|n| writes.note(write("PUT", &format!("/a{n}"), "x")));
        assert_eq!((kept(&writes).len(), kept(&writes)[0]), (16, "/a84"));
        (0..3).for_each(|n| writes.note(write("PUT", &format!("/b{n}"), &"x".repeat(7000))));
        assert_eq!(kept(&writes), ["/b1", "/b2"]);
        writes.note(write("PUT", "/huge", &"x".repeat(20_000)));
        assert_eq!(kept(&writes), ["/b1", "/b2"]);
    }
}
