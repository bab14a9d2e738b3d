//! Filters: which there are, their defaults, what a node refuses.

use serde_json::{Map, Value, json};

use super::{generation::SimGeneration, rest::RestError};

/// The built-in filters' names, as `/v4/info` lists them.
pub(crate) const NAMES: [&str; 10] = [
    "volume",
    "equalizer",
    "karaoke",
    "timescale",
    "tremolo",
    "vibrato",
    "distortion",
    "rotation",
    "channelMix",
    "lowPass",
];

/// Default values of a filter's fields: a node writes out those that the client left away.
fn defaults(name: &str) -> Value {
    match name {
        "karaoke" => json!({"level": 1.0, "monoLevel": 1.0, "filterBand": 220.0, "filterWidth": 100.0}),
        "timescale" => json!({"speed": 1.0, "pitch": 1.0, "rate": 1.0}),
        "tremolo" | "vibrato" => json!({"frequency": 2.0, "depth": 0.5}),
        "rotation" => json!({"rotationHz": 0.0}),
        "distortion" => json!({
            "sinOffset": 0.0, "sinScale": 1.0, "cosOffset": 0.0, "cosScale": 1.0,
            "tanOffset": 0.0, "tanScale": 1.0, "offset": 0.0, "scale": 1.0,
        }),
        "channelMix" => {
            json!({"leftToLeft": 1.0, "leftToRight": 0.0, "rightToLeft": 0.0, "rightToRight": 1.0})
        }
        "lowPass" => json!({"smoothing": 20.0}),
        _ => json!({}),
    }
}

/// How fast the position advances under these filters; 1.0 = as fast as time.
pub(crate) fn speed(filters: &Map<String, Value>) -> f64 {
    let factor = |name: &str| {
        filters
            .get("timescale")
            .and_then(|t| t.get(name))
            .and_then(Value::as_f64)
            .unwrap_or(1.0)
    };
    (factor("speed") * factor("rate")).max(0.0)
}

/// The filters as a player object shows them.
pub(crate) fn shown(filters: &Map<String, Value>) -> Value {
    let with_defaults = |(name, value): (&String, &Value)| {
        if name == "equalizer" {
            return (name.clone(), with_gains(value));
        }
        let mut shown = defaults(name);
        match (shown.as_object_mut(), value.as_object()) {
            (Some(fields), Some(given)) => fields.extend(given.clone()),
            _ => shown = value.clone(),
        }
        (name.clone(), shown)
    };
    Value::Object(filters.iter().map(with_defaults).collect())
}

/// An equalizer's bands, each with its gain.
fn with_gains(bands: &Value) -> Value {
    let mut bands = bands.clone();
    for band in bands
        .as_array_mut()
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        band.entry("gain").or_insert(json!(1.0));
    }
    bands
}

/// What a node does with the `filters` of a REST request: refuses disabled ones, drops nulls, checks bands.
///
/// # Errors
/// 400 for a disabled filter (even when null) or a null where none may be.
pub(crate) fn accept(
    generation: SimGeneration,
    given: &Map<String, Value>,
    disabled: &[String],
) -> Result<Map<String, Value>, RestError> {
    let refused: Vec<&str> = given
        .keys()
        .map(String::as_str)
        .filter(|name| disabled.iter().any(|other| other == name))
        .collect();
    if !refused.is_empty() {
        let message = format!("Following filters are disabled in the config: {}", refused.join(", "));
        return Err(RestError::new(400, message));
    }
    if generation.is_v4() {
        return typed(given);
    }
    Ok(given
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect())
}

/// The filters as v4's JSON reader takes them: known ones only, every number a fraction, nothing of another type.
///
/// # Errors
/// 400 for a wrong type, or a null where none may be.
pub(crate) fn typed(given: &Map<String, Value>) -> Result<Map<String, Value>, RestError> {
    let mut filters = Map::new();
    for (name, value) in given {
        let read = match (name.as_str(), value) {
            ("volume", value) => fraction(value)?,
            ("equalizer", Value::Array(bands)) => bands.iter().map(band).collect::<Result<_, _>>()?,
            ("pluginFilters", Value::Object(plugins)) if plugins.is_empty() => continue,
            ("pluginFilters", Value::Object(_)) => value.clone(),
            ("equalizer" | "pluginFilters", _) => return Err(RestError::bad_request()),
            (name, Value::Null) if NAMES.contains(&name) => continue,
            (name, Value::Object(fields)) if NAMES.contains(&name) => fractions(name, fields)?,
            (name, _) if NAMES.contains(&name) => return Err(RestError::bad_request()),
            _ => continue,
        };
        filters.insert(name.clone(), read);
    }
    Ok(filters)
}

/// A filter's known fields.
fn fractions(name: &str, fields: &Map<String, Value>) -> Result<Value, RestError> {
    let known = defaults(name);
    let read = |(key, value): (&String, &Value)| Ok((key.clone(), fraction(value)?));
    let fields = fields.iter().filter(|(key, _)| known.get(key.as_str()).is_some());
    fields.map(read).collect::<Result<_, _>>().map(Value::Object)
}

/// One band of the equalizer.
fn band(band: &Value) -> Result<Value, RestError> {
    let number = band.get("band").and_then(|number| match number {
        Value::String(text) => text.parse().ok(),
        number => number.as_i64(),
    });
    let mut read = json!({"band": number.ok_or_else(RestError::bad_request)?});
    if let Some(gain) = band.get("gain") {
        read["gain"] = fraction(gain)?;
    }
    Ok(read)
}

/// A number, also in quotes, as a fraction.
fn fraction(value: &Value) -> Result<Value, RestError> {
    let number: Option<f64> = match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_f64(),
    };
    number.map(|number| json!(number)).ok_or_else(RestError::bad_request)
}

/// Whether an equalizer names a band that does not exist, and which: a node fails on applying it.
pub(crate) fn bad_band(filters: &Map<String, Value>) -> Option<i64> {
    let bands = filters.get("equalizer").and_then(Value::as_array)?;
    let numbers = bands
        .iter()
        .map(|band| band.get("band").and_then(Value::as_i64).unwrap_or(-1));
    numbers.into_iter().find(|band| !(0..15).contains(band))
}
