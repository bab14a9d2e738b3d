//! Every section and key as a list that can be walked: name, kind of value, default, meaning.
//!
//! It is read from the JSON schema of [`super::file::File`], so there is nothing to keep in step. The parser takes the
//! known keys from it, the environment the names of its variables, and the documents their text.

use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use super::file::{File, declared_order};

/// One section of the file, with the sections inside it.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    /// Its path, such as `server.tls`; empty for the file itself.
    pub(crate) path: String,
    /// Whether it is written in double brackets and may appear several times.
    pub(crate) repeated: bool,
    /// Whether most files do without it, though a key in it is required.
    pub(crate) optional: bool,
    /// What it is for.
    pub(crate) meaning: String,
    /// Its keys in the order of their declaration.
    pub(crate) keys: Vec<Key>,
    /// The sections inside it.
    pub(crate) sections: Vec<Section>,
}

/// One key of a section.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// Its name, without the section.
    pub(crate) name: String,
    /// What kind of value it takes, in words.
    pub(crate) kind: String,
    /// Its default; `None` where leaving the key out is not the same as any value.
    pub(crate) default: Option<Json>,
    /// A value to show where there is no telling default.
    pub(crate) example: Option<Json>,
    /// What it does, then when to touch it and what the trap is, a paragraph each.
    pub(crate) meaning: String,
    /// Whether the file is of no use without it.
    pub(crate) required: bool,
    /// Why it has no effect yet, if it has none.
    pub(crate) not_yet: Option<String>,
}

impl Section {
    /// The key of this name.
    pub(crate) fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The section of this name directly inside this one.
    pub(crate) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name() == name)
    }

    /// The last part of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// The names of all keys and sections in this one.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.keys
            .iter()
            .map(|key| key.name.as_str())
            .chain(self.sections.iter().map(Section::name))
    }

    /// This section and all inside it, outermost first.
    pub(crate) fn walk(&self) -> Vec<&Section> {
        let inner = self.sections.iter().flat_map(Section::walk);
        std::iter::once(self).chain(inner).collect()
    }
}

/// The JSON schema of the configuration file, without references.
pub(crate) fn schema() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<File>().to_value();
    remove_null(&mut schema);
    schema
}

/// The whole file as a tree of sections.
pub(crate) fn reference() -> Section {
    section("", false, &schema())
}

/// TOML has no null: a key that may be left out is simply absent.
fn remove_null(schema: &mut Json) {
    match schema {
        Json::Object(map) => {
            if map.get("default").is_some_and(Json::is_null) {
                map.remove("default");
            }
            for name in ["type", "anyOf", "enum"] {
                let Some(Json::Array(choices)) = map.get_mut(name) else {
                    continue;
                };
                choices.retain(|choice| choice != "null" && !choice.is_null() && choice["type"] != "null");
                if name == "type" && choices.len() == 1 {
                    let only = choices.remove(0);
                    map.insert(name.to_owned(), only);
                }
            }
            map.values_mut().for_each(remove_null);
        }
        Json::Array(items) => items.iter_mut().for_each(remove_null),
        _ => {}
    }
}

fn section(path: &str, repeated: bool, schema: &Json) -> Section {
    let mut section = Section {
        path: path.to_owned(),
        repeated,
        optional: false,
        meaning: text(schema),
        keys: Vec::new(),
        sections: Vec::new(),
    };
    for name in declared_order(path) {
        let property = &schema["properties"][name];
        let inner = if path.is_empty() {
            (*name).to_owned()
        } else {
            format!("{path}.{name}")
        };
        if property["properties"].is_object() {
            section.sections.push(self::section(&inner, false, property));
        } else if property["items"]["properties"].is_object() {
            let mut list = self::section(&inner, true, &property["items"]);
            list.meaning = text(property);
            list.optional = property["x-optional"] == true;
            section.sections.push(list);
        } else {
            section.keys.push(key(name, property));
        }
    }
    section
}

fn key(name: &str, property: &Json) -> Key {
    Key {
        name: name.to_owned(),
        kind: kind(property),
        default: property.get("default").cloned(),
        example: property["examples"].get(0).cloned(),
        meaning: text(property),
        required: property["x-required"] == true,
        not_yet: property["x-not-yet"].as_str().map(str::to_owned),
    }
}

fn text(schema: &Json) -> String {
    schema["description"].as_str().unwrap_or_default().to_owned()
}

/// Puts a property's type into words.
fn kind(property: &Json) -> String {
    if let Some(kind) = property["x-kind"].as_str() {
        return kind.to_owned();
    }
    if let Some([only]) = property["anyOf"].as_array().map(Vec::as_slice) {
        return kind(only);
    }
    let choices = property["oneOf"].as_array().or_else(|| property["enum"].as_array());
    if let Some(choices) = choices {
        let words = choices
            .iter()
            .map(|choice| choice.get("const").unwrap_or(choice).to_string());
        return words.collect::<Vec<_>>().join(" or ");
    }
    match property["type"].as_str() {
        Some("array") => format!("list of {}", kind(&property["items"])),
        Some("object") => format!("table of {}", kind(&property["additionalProperties"])),
        Some("integer") => "number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        _ => "text".to_owned(),
    }
}
