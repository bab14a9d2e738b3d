//! Long lists in pages: which part of them, in which order. The order is by a number, so that one way of sorting serves
//! every list.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::time::SystemTime;

use axum::extract::FromRequestParts;
use axum::extract::Query;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::view::millis;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// The query of a list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listing {
    limit: Option<usize>,
    #[serde(default)]
    offset: usize,
    sort: Option<Box<str>>,
    /// Only what belongs to this tenant.
    pub(crate) tenant: Option<Box<str>>,
    /// Only what comes from this address.
    pub(crate) ip: Option<IpAddr>,
}

impl<S: Sync> FromRequestParts<S> for Listing {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(listing)| listing)
            .map_err(|error| ApiError::Query(error.body_text()))
    }
}

/// Part of a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    /// When the figures were read.
    sampled_at: u64,
    /// Entries that the filters leave.
    matched: usize,
    offset: usize,
    limit: usize,
    items: Vec<T>,
}

/// A name in `?sort=` with the number that it sorts by.
pub(crate) type Column<T> = (&'static str, Key<T>);

/// The number that something sorts by.
type Key<T> = fn(&T) -> u64;

impl Listing {
    /// Whether something with this tenant and address passes the filters.
    pub(crate) fn wants(&self, tenant: &str, ip: IpAddr) -> bool {
        self.tenant.as_deref().is_none_or(|wanted| wanted == tenant)
            && self.ip.is_none_or(|wanted| wanted.to_canonical() == ip.to_canonical())
    }

    /// Sorts by the asked column (`-` before it: largest first), or largest first by the first one, and shows the asked
    /// part.
    pub(crate) fn page<T, V>(
        &self,
        mut rows: Vec<T>,
        columns: &[Column<T>],
        at: SystemTime,
        show: impl FnMut(&T) -> V,
    ) -> Result<Page<V>, ApiError> {
        let (key, descending) = self.order(columns)?;
        if descending {
            rows.sort_by_key(|row| Reverse(key(row)));
        } else {
            rows.sort_by_key(key);
        }
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
        Ok(Page {
            sampled_at: millis(at),
            matched: rows.len(),
            offset: self.offset,
            limit,
            items: rows.iter().skip(self.offset).take(limit).map(show).collect(),
        })
    }

    fn order<T>(&self, columns: &[Column<T>]) -> Result<(Key<T>, bool), ApiError> {
        let Some(sort) = self.sort.as_deref() else {
            return Ok((columns[0].1, true));
        };
        let (name, descending) = sort.strip_prefix('-').map_or((sort, false), |name| (name, true));
        match columns.iter().find(|(column, _)| *column == name) {
            Some((_, key)) => Ok((*key, descending)),
            None => {
                let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
                Err(ApiError::Query(format!("sort is one of {}", names.join(", "))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const COLUMNS: [Column<(u64, u64)>; 2] = [("first", |row| row.0), ("second", |row| row.1)];

    fn items(listing: &Listing) -> Result<Vec<u64>, ApiError> {
        let rows = vec![(1, 30), (2, 10), (3, 20)];
        Ok(listing.page(rows, &COLUMNS, SystemTime::now(), |row| row.0)?.items)
    }

    #[test]
    fn a_list_is_sorted_and_cut_as_asked() {
        let rows = [
            (None, None, 0, vec![3, 2, 1]),
            (Some("first"), None, 0, vec![1, 2, 3]),
            (Some("second"), None, 0, vec![2, 3, 1]),
            (Some("-second"), Some(2), 0, vec![1, 3]),
            (Some("-second"), Some(2), 2, vec![2]),
            (None, Some(0), 0, vec![]),
            (None, None, usize::MAX, vec![]),
        ];
        for (sort, limit, offset, expected) in rows {
            let listing = Listing {
                limit,
                offset,
                sort: sort.map(Into::into),
                ..Listing::default()
            };
            assert_eq!(items(&listing).unwrap(), expected, "{listing:?}");
        }
    }

    #[test]
    fn an_unknown_column_is_refused_with_the_known_ones() {
        let listing = Listing {
            sort: Some("third".into()),
            ..Listing::default()
        };
        assert_eq!(
            items(&listing).unwrap_err(),
            ApiError::Query("sort is one of first, second".to_owned())
        );
    }
}
