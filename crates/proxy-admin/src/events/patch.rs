//! What changed between two JSON values, as a merge patch (RFC 7396), and the form in which lists can be patched.
//!
//! A merge patch replaces arrays whole and cannot tell null from absent. So before two values are compared, lists of
//! things with a name become an order and rows by name, and members that are null are left out ([`shape`]).

use serde_json::{Map, Value, json};

/// What names an entry of a list, in the order in which they count.
const NAMES: [&str; 6] = ["id", "name", "ip", "tenant", "guildId", "key"];

/// Brings a value into the form that patches are made of: `[{"id": "a", ...}]` becomes
/// `{"$order": ["a"], "$rows": {"a": {"id": "a", ...}}}`, and members that are null go.
pub(crate) fn shape(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let there = members.into_iter().filter(|(_, member)| !member.is_null());
            Value::Object(there.map(|(name, member)| (name, shape(member))).collect())
        }
        Value::Array(entries) => match names(&entries) {
            None => Value::Array(entries.into_iter().map(shape).collect()),
            Some(order) => {
                let rows: Map<_, _> = order.iter().cloned().zip(entries.into_iter().map(shape)).collect();
                json!({"$order": order, "$rows": rows})
            }
        },
        other => other,
    }
}

/// The names of all entries, if each has one and none has another's.
fn names(entries: &[Value]) -> Option<Vec<String>> {
    let first = entries.first()?.as_object()?;
    let name = NAMES.into_iter().find(|name| first.contains_key(*name))?;
    let text = |entry: &Value| match entry.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null => Some(String::new()),
        _ => None,
    };
    let order: Vec<_> = entries.iter().map(text).collect::<Option<_>>()?;
    let mut sorted: Vec<_> = order.iter().collect();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair[0] != pair[1]).then_some(order)
}

/// The merge patch that makes `old` into `new`; `None` when they are the same. Both are in the form of [`shape`].
pub(crate) fn patch(old: &Value, new: &Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        return (old != new).then(|| new.clone());
    };
    let mut changes = Map::new();
    for (name, member) in after {
        let change = match before.get(name) {
            None => Some(member.clone()),
            Some(earlier) => patch(earlier, member),
        };
        if let Some(change) = change {
            changes.insert(name.clone(), change);
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        changes.insert(name.clone(), Value::Null);
    }
    (!changes.is_empty()).then_some(Value::Object(changes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client does, as RFC 7396 has it.
    fn apply(patch: &Value, target: Value) -> Value {
        let Value::Object(changes) = patch else {
            return patch.clone();
        };
        let mut members = match target {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        for (name, change) in changes {
            let before = members.remove(name).unwrap_or_default();
            if !change.is_null() {
                members.insert(name.clone(), apply(change, before));
            }
        }
        Value::Object(members)
    }

    /// What a client makes of the form of `shape`.
    fn back(value: Value) -> Value {
        match value {
            Value::Array(entries) => Value::Array(entries.into_iter().map(back).collect()),
            Value::Object(mut members) => match members.remove("$order") {
                None => Value::Object(members.into_iter().map(|(name, member)| (name, back(member))).collect()),
                Some(order) => {
                    let names = order.as_array().cloned().unwrap_or_default();
                    let row = |name: &Value| back(members["$rows"][name.as_str().unwrap_or_default()].clone());
                    Value::Array(names.iter().map(row).collect())
                }
            },
            other => other,
        }
    }

    fn without_nulls(value: Value) -> Value {
        match value {
            Value::Array(entries) => Value::Array(entries.into_iter().map(without_nulls).collect()),
            Value::Object(members) => {
                let there = members.into_iter().filter(|(_, member)| !member.is_null());
                Value::Object(there.map(|(name, member)| (name, without_nulls(member))).collect())
            }
            other => other,
        }
    }

    fn random(rng: &mut fastrand::Rng, depth: u32) -> Value {
        match rng.u32(0..if depth == 0 { 4 } else { 8 }) {
            0 => Value::Null,
            1 => json!(rng.bool()),
            2 => json!(rng.u32(0..3)),
            3 => json!(["", "a", "b"][rng.usize(0..3)]),
            4 => (0..rng.usize(0..4)).map(|_| random(rng, depth - 1)).collect(),
            5 => {
                let row =
                    |rng: &mut fastrand::Rng| json!({"id": rng.u32(0..5).to_string(), "x": random(rng, depth - 1)});
                (0..rng.usize(0..4)).map(|_| row(rng)).collect()
            }
            _ => object(rng, depth),
        }
    }

    fn object(rng: &mut fastrand::Rng, depth: u32) -> Value {
        let member = |rng: &mut fastrand::Rng| {
            let name = ["a", "b", "c", "id"][rng.usize(0..4)].to_owned();
            (name, random(rng, depth - 1))
        };
        Value::Object((0..rng.usize(0..5)).map(|_| member(rng)).collect())
    }

    #[test]
    fn a_patched_value_is_the_new_one_over_random_values() {
        let mut rng = fastrand::Rng::with_seed(11);
        for round in 0..20_000 {
            let (old, new) = (shape(object(&mut rng, 4)), shape(object(&mut rng, 4)));
            let patched = match patch(&old, &new) {
                None => old.clone(),
                Some(patch) => apply(&patch, old.clone()),
            };
            assert_eq!(patched, new, "round {round}: {old} -> {new}");
            assert_eq!(patch(&new, &new), None, "round {round}");
        }
    }

    #[test]
    fn a_shaped_value_can_be_turned_back_but_for_nulls() {
        let mut rng = fastrand::Rng::with_seed(12);
        for round in 0..20_000 {
            let value = object(&mut rng, 4);
            assert_eq!(back(shape(value.clone())), without_nulls(value), "round {round}");
        }
    }

    #[test]
    fn a_list_that_moved_and_changed_is_patched_by_rows() {
        let list = |rows: Value| shape(json!({"matched": 3, "items": rows}));
        let old = list(json!([{"id": "1", "rate": 5}, {"id": "2", "rate": 4}, {"id": "3", "rate": null}]));
        let new = list(json!([{"id": "2", "rate": 9}, {"id": "1", "rate": 5}]));
        let expected = json!({"items": {"$order": ["2", "1"], "$rows": {"2": {"rate": 9}, "3": null}}});
        assert_eq!(patch(&old, &new), Some(expected));
    }

    #[test]
    fn lists_without_names_of_their_own_stay_lists() {
        for list in [
            json!([]),
            json!([1, 2]),
            json!([{"id": "1"}, {"id": "1"}]),
            json!([{"id": "1"}, {"name": "1"}]),
            json!([{"id": ["1"]}]),
            json!([{"x": 1}]),
        ] {
            assert_eq!(shape(list.clone()), list);
        }
        let unnamed = json!([{"ip": null, "bytes": 1}, {"ip": "::1", "bytes": 2}]);
        assert_eq!(shape(unnamed)["$order"], json!(["", "::1"]));
    }
}
