//! Who asks, and what that lets them do. Not how it was found out.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::digest::Digest;

/// One thing that can be allowed. `admin` implies the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// See everything but tokens.
    Read,
    /// Read `/metrics`.
    Metrics,
    /// Drain, disconnect, move, acknowledge, test.
    Operate,
    /// Make and revoke tokens.
    Admin,
}

impl Scope {
    pub(crate) const ALL: [Self; 4] = [Self::Read, Self::Metrics, Self::Operate, Self::Admin];

    /// As it is written in the API and the store.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Metrics => "metrics",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    pub(super) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Scopes(u8);

impl Scopes {
    pub(crate) fn has(self, scope: Scope) -> bool {
        let bit = |scope: Scope| self.0 & (1 << scope as u8) != 0;
        bit(scope) || bit(Scope::Admin)
    }

    /// All that it allows, what is implied included.
    pub(crate) fn list(self) -> Vec<Scope> {
        Scope::ALL.into_iter().filter(|scope| self.has(*scope)).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | (1 << scope as u8)))
    }
}

/// What people are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Sees everything but tokens, changes nothing.
    Viewer,
    /// May do everything.
    Admin,
}

impl Role {
    /// As it is written in the API and the store.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Admin => "admin",
        }
    }

    pub(super) fn find(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Admin].into_iter().find(|role| role.name() == name)
    }

    pub(crate) fn scopes(self) -> Scopes {
        match self {
            Self::Viewer => [Scope::Read, Scope::Metrics].into_iter().collect(),
            Self::Admin => Scope::ALL.into_iter().collect(),
        }
    }
}

/// How somebody logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LoginMethod)]
pub(crate) enum Method {
    /// The dashboard's cookie.
    Cookie,
    /// HTTP Basic.
    Basic,
    /// An API token as Bearer.
    Token,
}

/// Who asks; every request behind the login carries it.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// The user, or the name of the token.
    pub(crate) user: Arc<str>,
    pub(crate) method: Method,
    pub(crate) scopes: Scopes,
    /// Of the cookie or token, by which it is found again to see whether it is still good.
    pub(super) digest: Option<Digest>,
}

impl Access {
    /// A token has the role that its scopes come to.
    pub(crate) fn role(&self) -> Role {
        if self.scopes.has(Scope::Admin) {
            Role::Admin
        } else {
            Role::Viewer
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_implies_everything_and_nothing_else_implies_anything() {
        let admin: Scopes = [Scope::Admin].into_iter().collect();
        for scope in Scope::ALL {
            let only: Scopes = [scope].into_iter().collect();
            assert!(admin.has(scope));
            for other in Scope::ALL {
                assert_eq!(
                    only.has(other),
                    scope == other || scope == Scope::Admin,
                    "{scope:?} {other:?}"
                );
            }
        }
        assert_eq!(Role::Viewer.scopes().list(), [Scope::Read, Scope::Metrics]);
        assert_eq!(Role::Admin.scopes().list(), Scope::ALL);
    }
}
