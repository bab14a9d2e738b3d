//! Long lists in pages: which part of them, in which order, and which filters. The order is by a number, so that one way
//! of sorting serves every list; only the shown part is brought into order.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::time::SystemTime;

use axum::extract::FromRequestParts;
use axum::extract::Query;
use axum::http::Uri;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::error::ApiError;
use crate::view::millis;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// Which part of a list, in which order.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// Entries in the answer; at most 1000.
    #[param(default = 100, maximum = 1000)]
    limit: Option<usize>,
    /// Entries that are left out before them.
    #[param(value_type = Option<usize>)]
    #[serde(default)]
    offset: usize,
    /// The column to sort by, `-` before it for the largest first. Default: the largest of the first column first.
    sort: Option<Box<str>>,
}

/// The query of what is no list.
pub(crate) struct Asked<F>(pub(crate) F);

impl<S: Sync, F: DeserializeOwned + IntoParams> FromRequestParts<S> for Asked<F> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let known = F::into_params(|| None);
        refuse_unknown(&parts.uri, known.iter().map(|known| known.name.as_str()))?;
        parse(&parts.uri).map(Self)
    }
}

/// The query of a list whose filters are `F`. A key that neither of them has is refused, so that a filter that was
/// written wrong does not show everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing<F> {
    paging: Paging,
    pub(crate) filters: F,
}

impl<S: Sync, F: DeserializeOwned + IntoParams> FromRequestParts<S> for Listing<F> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let paging = Paging::into_params(|| None);
        let filters = F::into_params(|| None);
        refuse_unknown(
            &parts.uri,
            paging.iter().chain(&filters).map(|known| known.name.as_str()),
        )?;
        Ok(Self {
            paging: parse(&parts.uri)?,
            filters: parse(&parts.uri)?,
        })
    }
}

/// The query of a list that has an order of its own; keys that are not known are refused here too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters<F>(pub(crate) F);

impl<S: Sync, F: DeserializeOwned + IntoParams> FromRequestParts<S> for Filters<F> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let filters = F::into_params(|| None);
        refuse_unknown(&parts.uri, filters.iter().map(|known| known.name.as_str()))?;
        parse(&parts.uri).map(Self)
    }
}

fn parse<T: DeserializeOwned>(uri: &Uri) -> Result<T, ApiError> {
    Query::try_from_uri(uri)
        .map(|Query(parsed)| parsed)
        .map_err(|error| ApiError::Query(error.body_text()))
}

fn refuse_unknown<'a>(uri: &Uri, known: impl Iterator<Item = &'a str> + Clone) -> Result<(), ApiError> {
    let pairs: Vec<(String, String)> = parse(uri)?;
    match pairs.iter().find(|(key, _)| !known.clone().any(|known| known == key)) {
        None => Ok(()),
        Some((key, _)) => {
            let known: Vec<_> = known.collect();
            let key: String = key.chars().take(32).collect();
            Err(ApiError::Query(format!(
                "{key:?} is not known here; known are {}",
                known.join(", ")
            )))
        }
    }
}

/// Part of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    /// When the figures were read.
    sampled_at: u64,
    /// Entries that the filters leave.
    matched: usize,
    offset: usize,
    limit: usize,
    pub(crate) items: Vec<T>,
}

/// A name in `?sort=` with the number that it sorts by.
pub(crate) type Column<T> = (&'static str, Key<T>);

/// The number that something sorts by.
type Key<T> = fn(&T) -> u64;

impl<F> Listing<F> {
    /// Sorts by the asked column (`-` before it: largest first), or largest first by the first one, and shows the asked
    /// part. What is equal stays in the order of `rows`.
    pub(crate) fn page<T, V>(
        &self,
        rows: &[T],
        columns: &[Column<T>],
        at: SystemTime,
        show: impl FnMut(&T) -> V,
    ) -> Result<Page<V>, ApiError> {
        let (key, descending) = self.order(columns)?;
        let keys = rows.iter().map(key).enumerate();
        let keys: Vec<_> = keys.map(|(row, key)| (key, row)).collect();
        let (offset, limit) = self.part();
        let shown = ordered(keys, descending, offset, limit);
        let items = shown.iter().map(|(_, row)| &rows[*row]).map(show).collect();
        Ok(self.made(rows.len(), at, items))
    }

    /// The part that is asked for: offset and limit.
    pub(crate) fn part(&self) -> (usize, usize) {
        let limit = self.paging.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
        (self.paging.offset, limit)
    }

    /// A page whose entries somebody else has chosen.
    pub(crate) fn made<V>(&self, matched: usize, at: SystemTime, items: Vec<V>) -> Page<V> {
        let (offset, limit) = self.part();
        Page {
            sampled_at: millis(at),
            matched,
            offset,
            limit,
            items,
        }
    }

    /// What is to be sorted by, and whether the largest come first.
    pub(crate) fn order<K: Copy>(&self, columns: &[(&'static str, K)]) -> Result<(K, bool), ApiError> {
        let Some(sort) = self.paging.sort.as_deref() else {
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

/// Brings only `limit` entries from `offset` on into order: the first page of ten thousand rows costs two passes over
/// them, not a sort.
fn ordered(mut keys: Vec<(u64, usize)>, descending: bool, offset: usize, limit: usize) -> Vec<(u64, usize)> {
    let compare = |a: &(u64, usize), b: &(u64, usize)| -> Ordering {
        let by_key = if descending { b.0.cmp(&a.0) } else { a.0.cmp(&b.0) };
        by_key.then(a.1.cmp(&b.1))
    };
    let end = offset.saturating_add(limit).min(keys.len());
    if offset >= end {
        return Vec::new();
    }
    if end < keys.len() {
        keys.select_nth_unstable_by(end, compare);
        keys.truncate(end);
    }
    if offset > 0 {
        keys.select_nth_unstable_by(offset, compare);
        keys.drain(..offset);
    }
    keys.sort_unstable_by(compare);
    keys
}

/// Whether an address is the one that was asked for, however either of them is written.
pub(crate) fn same_ip(wanted: Option<IpAddr>, ip: IpAddr) -> bool {
    wanted.is_none_or(|wanted| wanted.to_canonical() == ip.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const COLUMNS: [Column<(u64, u64)>; 2] = [("first", |row| row.0), ("second", |row| row.1)];

    #[derive(Debug, Default, Deserialize, IntoParams)]
    struct Filters {
        #[expect(dead_code, reason = "only its name matters here")]
        colour: Option<String>,
    }

    fn listing(sort: Option<&str>, limit: Option<usize>, offset: usize) -> Listing<Filters> {
        Listing {
            paging: Paging {
                limit,
                offset,
                sort: sort.map(Into::into),
            },
            ..Listing::default()
        }
    }

    fn items(listing: &Listing<Filters>) -> Result<Vec<u64>, ApiError> {
        let rows = [(1, 30), (2, 10), (3, 20)];
        Ok(listing.page(&rows, &COLUMNS, SystemTime::now(), |row| row.0)?.items)
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
            let listing = listing(sort, limit, offset);
            assert_eq!(items(&listing).unwrap(), expected, "{listing:?}");
        }
    }

    #[test]
    fn a_part_is_what_a_whole_sort_would_show_there() {
        let mut rng = fastrand::Rng::with_seed(7);
        for round in 0..200 {
            let keys: Vec<_> = (0..rng.usize(0..40)).map(|row| (rng.u64(0..9), row)).collect();
            let (offset, limit) = (rng.usize(0..45), rng.usize(0..45));
            for descending in [false, true] {
                let mut whole = keys.clone();
                whole.sort_by_key(|(key, _)| if descending { u64::MAX - key } else { *key });
                let expected: Vec<_> = whole.into_iter().skip(offset).take(limit).collect();
                assert_eq!(
                    ordered(keys.clone(), descending, offset, limit),
                    expected,
                    "round {round}"
                );
            }
        }
    }

    #[test]
    fn an_unknown_column_is_refused_with_the_known_ones() {
        assert_eq!(
            items(&listing(Some("third"), None, 0)).unwrap_err(),
            ApiError::Query("sort is one of first, second".to_owned())
        );
    }

    #[tokio::test]
    async fn an_unknown_filter_is_refused_with_the_known_ones() {
        let asked = |query: &str| axum::http::Request::get(format!("/?{query}")).body(()).unwrap();
        let mut parts = asked("limit=3&colour=red").into_parts().0;
        assert!(Listing::<Filters>::from_request_parts(&mut parts, &()).await.is_ok());
        let mut parts = asked("limit=3&color=red").into_parts().0;
        let refused = Listing::<Filters>::from_request_parts(&mut parts, &())
            .await
            .unwrap_err();
        let ApiError::Query(text) = refused else {
            panic!("{refused:?}")
        };
        assert!(
            text.contains("\"color\"") && text.ends_with("limit, offset, sort, colour"),
            "{text}"
        );
    }
}
