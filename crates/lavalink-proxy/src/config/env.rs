//! Configuration by environment: every key as `LAVALINK_PROXY__SECTION__KEY`, and the two variables of a start without
//! a file.
//!
//! Two underscores separate, since key names contain single ones. Sections that repeat are numbered from 0, as in
//! `LAVALINK_PROXY__NODES__0__URL`; a number that the file already has overrides keys of that section. An empty variable
//! counts as not set: that is what compose files make of a variable that is missing.

use super::mistake::{Mistake, Origin};
use super::read::nearest;
use super::reference::Section;
use super::tree::{Entry, Table, Value};

/// What the variables of keys begin with.
pub(crate) const PREFIX: &str = "LAVALINK_PROXY__";
/// The password of the tenant `default`, for a start without a file.
pub(crate) const PASSWORD: &str = "LAVALINK_PROXY_PASSWORD";
/// The nodes, for a start without a file.
pub(crate) const NODES: &str = "LAVALINK_PROXY_NODES";

/// The variable of a key in a section, with `0` standing for the number where the section repeats.
pub(crate) fn variable(section: &Section, key: &str) -> String {
    let mut parts: Vec<String> = section
        .path
        .split('.')
        .filter(|part| !part.is_empty())
        .map(str::to_uppercase)
        .collect();
    if section.repeated {
        parts.push("0".to_owned());
    }
    parts.push(key.to_uppercase());
    format!("{PREFIX}{}", parts.join("__"))
}

/// Puts the variables of keys into the tree, over what is there.
pub(crate) fn apply_keys(tree: &mut Table, variables: &[(String, String)], reference: &Section) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut keyed: Vec<_> = variables.iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    // Numbered sections are appended in order, so that a gap in the numbers is noticed: 2 before 10.
    keyed.sort_by_key(|(name, _)| {
        name.split("__")
            .map(|part| (part.parse().unwrap_or(0_usize), part.to_owned()))
            .collect::<Vec<_>>()
    });
    for (name, text) in keyed {
        let path: Vec<String> = name[PREFIX.len()..].split("__").map(str::to_lowercase).collect();
        if let Err(message) = insert(tree, reference, &path, name, text) {
            mistakes.push(Mistake {
                origin: Origin::Variable(name.clone()),
                key: String::new(),
                message,
            });
        }
    }
    mistakes
}

fn insert(table: &mut Table, section: &Section, path: &[String], name: &str, text: &str) -> Result<(), String> {
    let origin = Origin::Variable(name.to_owned());
    let Some((first, rest)) = path.split_first() else {
        return Err("expected a key after the section".to_owned());
    };
    if let Some(inner) = section.section(first) {
        return match (inner.repeated, rest.split_first()) {
            (true, Some((index, rest))) => {
                let index = index
                    .parse()
                    .map_err(|_| format!("expected a number after {}", first.to_uppercase()))?;
                insert(numbered(table, first, index, &origin)?, inner, rest, name, text)
            }
            (true, None) => Err(format!(
                "expected a number and a key, such as {}",
                variable(inner, "name")
            )),
            (false, _) => insert(named(table, first, &origin)?, inner, rest, name, text),
        };
    }
    if section.key(first).is_none() {
        let near = nearest(first, section.names());
        return Err(near.map_or_else(
            || format!("there is no key `{first}` in [{}]", section.path),
            |near| format!("there is no key `{first}`, did you mean `{}`?", near.to_uppercase()),
        ));
    }
    match rest {
        [] => table.insert(
            first.clone(),
            Entry {
                origin,
                value: Value::Untyped(text.to_owned()),
            },
        ),
        // One entry of a table of values, such as a Discord token by user id.
        [entry] => {
            let values = named(table, first, &origin)?;
            values.insert(
                entry.clone(),
                Entry {
                    origin,
                    value: Value::Untyped(text.to_owned()),
                },
            )
        }
        _ => return Err(format!("there is no section `{first}`")),
    };
    Ok(())
}

/// The table of this name, made if there is none.
fn named<'a>(table: &'a mut Table, name: &str, origin: &Origin) -> Result<&'a mut Table, String> {
    let empty = || Entry {
        origin: origin.clone(),
        value: Value::Table(Table::new()),
    };
    match &mut table.entry(name.to_owned()).or_insert_with(empty).value {
        Value::Table(inner) => Ok(inner),
        _ => Err(format!("`{name}` is a single value already")),
    }
}

/// The section of this number in a section that repeats, appended if it is the next one.
fn numbered<'a>(table: &'a mut Table, name: &str, index: usize, origin: &Origin) -> Result<&'a mut Table, String> {
    let empty = || Entry {
        origin: origin.clone(),
        value: Value::List(Vec::new()),
    };
    let Value::List(items) = &mut table.entry(name.to_owned()).or_insert_with(empty).value else {
        return Err(format!("`{name}` is a single value already"));
    };
    if index > items.len() {
        return Err(format!(
            "sections are numbered from 0 without gaps; {} is missing",
            items.len()
        ));
    }
    if index == items.len() {
        items.push(Entry {
            origin: origin.clone(),
            value: Value::Table(Table::new()),
        });
    }
    match &mut items[index].value {
        Value::Table(inner) => Ok(inner),
        _ => Err(format!("`{name}` is a single value already")),
    }
}

/// Puts the variables of a start without a file into the tree, where the file has no such sections; otherwise they are
/// named in `unused`.
pub(crate) fn apply_short(tree: &mut Table, variables: &[(String, String)], unused: &mut Vec<Mistake>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let about = |name: &str, message: String| Mistake {
        origin: Origin::Variable(name.to_owned()),
        key: String::new(),
        message,
    };
    for (name, sections) in [(PASSWORD, "tenants"), (NODES, "nodes")] {
        let Some(text) = value_of(variables, name) else {
            continue;
        };
        if tree.contains_key(sections) {
            unused.push(about(name, format!("is not used, since the file has [[{sections}]]")));
            continue;
        }
        let items = if name == PASSWORD {
            vec![section(PASSWORD, &[("password", text.to_owned())])]
        } else {
            let (nodes, wrong) = short_nodes(text);
            mistakes.extend(wrong.into_iter().map(|message| about(name, message)));
            nodes
        };
        tree.insert(sections.to_owned(), list(name, items));
    }
    mistakes
}

/// Whether a variable of a node's key is set.
pub(crate) fn names_nodes(variables: &[(String, String)]) -> bool {
    let prefix = format!("{PREFIX}NODES__");
    variables.iter().any(|(name, _)| name.starts_with(&prefix))
}

/// The value of a variable that is set and not empty.
pub(crate) fn value_of<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
    variables
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

/// A list whose origin is a variable.
pub(crate) fn list(name: &str, items: Vec<Entry>) -> Entry {
    Entry {
        origin: Origin::Variable(name.to_owned()),
        value: Value::List(items),
    }
}

/// A section of text values whose origin is a variable.
pub(crate) fn section(name: &str, keys: &[(&str, String)]) -> Entry {
    let origin = Origin::Variable(name.to_owned());
    let entries = keys.iter().map(|(key, text)| {
        (
            (*key).to_owned(),
            Entry {
                origin: origin.clone(),
                value: Value::Untyped(text.clone()),
            },
        )
    });
    let table = entries.collect();
    Entry {
        origin,
        value: Value::Table(table),
    }
}

/// Reads `v4://password@host:2333,v3s://...`. Messages name the place in the list, never the text: it has passwords.
fn short_nodes(text: &str) -> (Vec<Entry>, Vec<String>) {
    let (mut nodes, mut wrong) = (Vec::new(), Vec::new());
    for (index, item) in text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .enumerate()
    {
        match short_node(item) {
            Some(keys) => nodes.push(section(NODES, &keys)),
            None => wrong.push(format!(
                "node {} is not understood, expected v4://password@host:port (or v3://, v4s://, v3s://; a comma or @ in \
                 the password as %2C or %40)",
                index + 1
            )),
        }
    }
    (nodes, wrong)
}

fn short_node(item: &str) -> Option<[(&'static str, String); 3]> {
    let (scheme, rest) = item.split_once("://")?;
    let (version, web) = match scheme {
        "v3" => ("3", "http"),
        "v4" => ("4", "http"),
        "v3s" => ("3", "https"),
        "v4s" => ("4", "https"),
        _ => return None,
    };
    let (password, address) = rest.rsplit_once('@')?;
    let address = address.trim_end_matches('/');
    // After the last `]` of an IPv6 address, or anywhere in another, a colon begins the port.
    let has_port = address.rsplit(']').next().is_some_and(|end| end.contains(':'));
    let port = if has_port { "" } else { ":2333" };
    if address.is_empty() || password.is_empty() {
        return None;
    }
    Some([
        ("url", format!("{web}://{address}{port}")),
        ("password", percent_decoded(password)),
        ("version", version.to_owned()),
    ])
}

/// Undoes `%XX`. A `%` without two hex digits stands for itself, since passwords may well contain one.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let decoded = code
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .filter(|_| first == b'%');
        bytes.push(decoded.unwrap_or(first));
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
