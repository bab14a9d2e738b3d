//! `?q=`: a text that is looked for in what people know of an entry, without regard to letter case.

use proxy_gateway::session::directory::SessionEntry;
use serde::Deserialize;

/// What is looked for, in lower case.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub(crate) struct Search(Box<str>);

impl From<String> for Search {
    fn from(text: String) -> Self {
        Self(text.trim().to_lowercase().into())
    }
}

impl Search {
    /// Whether `text` contains it.
    pub(crate) fn finds(&self, text: &str) -> bool {
        // Nearly everything searched is ASCII in lower case already, which needs no copy.
        text.contains(&*self.0) || text.to_lowercase().contains(&*self.0)
    }

    /// Whether the client's name or its bot's id contains it.
    pub(crate) fn finds_client(&self, entry: &SessionEntry) -> bool {
        entry.client_name.as_deref().is_some_and(|name| self.finds(name)) || self.finds(&entry.user.0.to_string())
    }
}
