//! Tenants: client passwords with a name and rights of their own, and the check of a presented password.
//! Not for limits of a tenant (they come with the guard) and not for what a client sees on a failure.

use std::sync::Arc;

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::pool::NodeId;
use crate::secret::Secret;

/// The longest password a tenant may have, in bytes. Every comparison runs over this many bytes, whatever the lengths.
pub const MAX_PASSWORD: usize = 256;

const WORDS: usize = MAX_PASSWORD / 8;

/// A tenant's number: its place in the configuration. Small, so that counters and maps can use it as a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(pub u16);

/// One client password and what its holders may do.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its number; set by [`Tenants::new`].
    pub id: TenantId,
    /// Its name, as shown in logs, metrics and the admin API.
    pub name: Arc<str>,
    /// What its clients send as `Authorization`.
    pub password: Secret,
    /// The nodes whose administration routes (`/youtube*`, route planner writes) its clients may call; usually none.
    pub admin_nodes: Arc<[NodeId]>,
    /// The nodes that its clients may be placed on; `None` is all.
    pub nodes: Option<Arc<[NodeId]>>,
}

impl Tenant {
    /// A tenant with all nodes and no administrative rights.
    pub fn new(name: impl Into<Arc<str>>, password: Secret) -> Self {
        Self {
            id: TenantId(0),
            name: name.into(),
            password,
            admin_nodes: Arc::default(),
            nodes: None,
        }
    }
}

/// Why a request has no tenant. Lavalink answers the two cases differently over REST: 401 and 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthFailure {
    /// No `Authorization` header.
    #[error("no password was sent")]
    Missing,
    /// An `Authorization` header that is no tenant's password.
    #[error("the password is not any tenant's")]
    Wrong,
}

/// Why a list of tenants cannot be used. Names, never passwords, are in the texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TenantsError {
    /// Anyone could come in.
    #[error("tenant {0} has an empty password")]
    EmptyPassword(Arc<str>),
    /// Longer than [`MAX_PASSWORD`].
    #[error("the password of tenant {0} is longer than {MAX_PASSWORD} bytes")]
    LongPassword(Arc<str>),
    /// Two tenants could not be told apart.
    #[error("tenants {0} and {1} have the same password")]
    SamePassword(Arc<str>, Arc<str>),
    /// More tenants than a [`TenantId`] can number.
    #[error("more than 65535 tenants")]
    TooMany,
}

/// All tenants, ready for the check that every request goes through.
#[derive(Debug, Clone, Default)]
pub struct Tenants {
    tenants: Vec<Arc<Tenant>>,
    /// `keys[i]` is the padded password of `tenants[i]`.
    keys: Vec<Key>,
}

impl Tenants {
    /// Numbers the tenants in their order and prepares their passwords for comparison.
    ///
    /// # Errors
    /// An empty, overlong or repeated password.
    pub fn new(list: Vec<Tenant>) -> Result<Self, TenantsError> {
        let mut tenants: Vec<Arc<Tenant>> = Vec::with_capacity(list.len());
        for (index, mut tenant) in list.into_iter().enumerate() {
            tenant.id = TenantId(u16::try_from(index).map_err(|_| TenantsError::TooMany)?);
            check_password(&tenant, &tenants)?;
            tenants.push(Arc::new(tenant));
        }
        let keys = tenants
            .iter()
            .map(|tenant| Key::new(tenant.password.expose().as_bytes()))
            .collect();
        Ok(Self { tenants, keys })
    }

    /// Finds the tenant of a presented password (the raw value of `Authorization`; Lavalink knows no scheme prefix).
    ///
    /// The time depends on the number of tenants and on the presented length, never on how much of a password was
    /// right or on which tenant it belongs to: every key is compared over its whole padded block.
    ///
    /// # Errors
    /// [`AuthFailure`].
    pub fn authenticate(&self, presented: Option<&[u8]>) -> Result<&Arc<Tenant>, AuthFailure> {
        let presented = Key::new(presented.ok_or(AuthFailure::Missing)?);
        let mut found = u32::MAX;
        for (index, key) in (0_u32..).zip(&self.keys) {
            found.conditional_assign(&index, presented.same(key));
        }
        self.tenants.get(found as usize).ok_or(AuthFailure::Wrong)
    }

    /// All tenants, in their order.
    pub fn all(&self) -> &[Arc<Tenant>] {
        &self.tenants
    }

    /// The tenant with this number.
    pub fn get(&self, id: TenantId) -> Option<&Arc<Tenant>> {
        self.tenants.get(usize::from(id.0))
    }
}

fn check_password(tenant: &Tenant, earlier: &[Arc<Tenant>]) -> Result<(), TenantsError> {
    let password = tenant.password.expose();
    if password.is_empty() {
        return Err(TenantsError::EmptyPassword(Arc::clone(&tenant.name)));
    }
    if password.len() > MAX_PASSWORD {
        return Err(TenantsError::LongPassword(Arc::clone(&tenant.name)));
    }
    match earlier.iter().find(|other| other.password.expose() == password) {
        Some(other) => Err(TenantsError::SamePassword(
            Arc::clone(&other.name),
            Arc::clone(&tenant.name),
        )),
        None => Ok(()),
    }
}

/// A password padded to a fixed block. The length is part of it, so that padding cannot make two passwords equal, and a
/// text longer than the block equals none.
#[derive(Clone)]
struct Key {
    words: [u64; WORDS],
    len: u64,
}

impl Key {
    fn new(text: &[u8]) -> Self {
        let mut block = [0_u8; MAX_PASSWORD];
        let kept = text.len().min(MAX_PASSWORD);
        block[..kept].copy_from_slice(&text[..kept]);
        let mut words = [0_u64; WORDS];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().expect("chunks_exact(8) yields eight bytes"));
        }
        Self {
            words,
            len: text.len() as u64,
        }
    }

    /// Whole words are folded without a branch and judged once: comparing byte by byte with `subtle` would cost a
    /// barrier per byte, which is most of the time budget of a request's authentication.
    fn same(&self, other: &Self) -> Choice {
        let difference = self
            .words
            .iter()
            .zip(&other.words)
            .fold(self.len ^ other.len, |all, (a, b)| all | (a ^ b));
        difference.ct_eq(&0)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(passwords: &[&str]) -> Result<Tenants, TenantsError> {
        let list = passwords.iter().enumerate();
        Tenants::new(
            list.map(|(i, password)| Tenant::new(format!("t{i}"), Secret::from(*password)))
                .collect(),
        )
    }

    #[test]
    fn each_password_finds_its_own_tenant_and_nothing_else_does() {
        let long = "x".repeat(MAX_PASSWORD);
        let too_long = "x".repeat(MAX_PASSWORD + 1);
        let all = tenants(&["youshallnotpass", "youshallnotpas", "p\u{e4}ss", "with\0nul", &long]).unwrap();
        type Case<'a> = (Option<&'a [u8]>, Result<u16, AuthFailure>);
        let cases: &[Case<'_>] = &[
            (Some(b"youshallnotpass"), Ok(0)),
            (Some(b"youshallnotpas"), Ok(1)),
            (Some("p\u{e4}ss".as_bytes()), Ok(2)),
            (Some(b"with\0nul"), Ok(3)),
            (Some(long.as_bytes()), Ok(4)),
            (None, Err(AuthFailure::Missing)),
            (Some(b""), Err(AuthFailure::Wrong)),
            (Some(b"youshallnotpass\0"), Err(AuthFailure::Wrong)),
            (Some(b"Youshallnotpass"), Err(AuthFailure::Wrong)),
            (Some(b"Bearer youshallnotpass"), Err(AuthFailure::Wrong)),
            (Some(b"with"), Err(AuthFailure::Wrong)),
            (Some(b"\xff\xfe"), Err(AuthFailure::Wrong)),
            (Some(too_long.as_bytes()), Err(AuthFailure::Wrong)),
        ];
        for (presented, expected) in cases {
            assert_eq!(
                all.authenticate(*presented).map(|tenant| tenant.id.0),
                *expected,
                "{presented:?}"
            );
        }
    }

    #[test]
    fn unusable_lists_are_refused_with_the_tenants_name_and_no_password() {
        let too_long = "x".repeat(MAX_PASSWORD + 1);
        let cases: &[(&[&str], &str)] = &[
            (&["a", ""], "tenant t1 has an empty password"),
            (
                &["same-secret", "b", "same-secret"],
                "tenants t0 and t2 have the same password",
            ),
            (&[&too_long], "the password of tenant t0 is longer than 256 bytes"),
        ];
        for (passwords, expected) in cases {
            assert_eq!(tenants(passwords).unwrap_err().to_string(), *expected);
        }
    }

    #[test]
    fn without_tenants_every_password_is_wrong() {
        assert_eq!(
            Tenants::default().authenticate(Some(b"x")).unwrap_err(),
            AuthFailure::Wrong
        );
    }

    #[test]
    fn debug_output_of_tenants_holds_no_password() {
        assert!(!format!("{:?}", tenants(&["youshallnotpass"]).unwrap()).contains("youshall"));
    }
}
