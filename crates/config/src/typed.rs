//! From a JSON value to the value of a key, or a sentence that says what would be right.

use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::json;
use crate::key::{Key, Kind};
use crate::report::{Place, Problem};
use crate::settings::{Setting, Value};

/// Longest piece of a wrong value that a message repeats.
const SHOWN_CHARS: usize = 40;

/// Reads `raw` as the value of `key`. `line_of` gives the line of any part of `raw`. `None`: the value is `null`, which
/// leaves a scalar as it is.
///
/// # Errors
/// The value, or entries of it, are of another shape.
pub(crate) fn read(
    key: &Key,
    raw: &RawValue,
    place: &Place,
    line_of: impl Fn(&RawValue) -> usize,
) -> Result<Option<Setting>, Vec<Problem>> {
    let at = |raw: &RawValue| Place { file: place.file.clone(), line: line_of(raw) };
    let setting = |value, entries| Ok(Some(Setting { value, place: Some(place.clone()), entries }));
    match (key.kind, raw.get()) {
        (Kind::List, "null") => setting(Value::List(Vec::new()), Vec::new()),
        (Kind::Map, "null") => setting(Value::Map(Vec::new()), Vec::new()),
        (_, "null") => Ok(None),
        (Kind::List, _) => {
            let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
                return Err(vec![wrong_type(key, raw, place)]);
            };
            let entries = elements.iter().map(|element| at(element)).collect();
            texts(key, elements.into_iter(), at).and_then(|values| setting(Value::List(values), entries))
        }
        (Kind::Map, _) => {
            let Some(members) = json::members(raw) else {
                return Err(vec![wrong_type(key, raw, place)]);
            };
            let entries = members.iter().map(|(_, value)| at(value)).collect();
            let values = texts(key, members.iter().map(|(_, value)| *value), at)?;
            let names = members.into_iter().map(|(name, _)| name);
            setting(Value::Map(names.zip(values).collect()), entries)
        }
        _ => match scalar(key.kind, raw) {
            Some(value) => setting(value, Vec::new()),
            None => Err(vec![wrong_type(key, raw, place)]),
        },
    }
}

fn scalar(kind: Kind, raw: &RawValue) -> Option<Value> {
    match (kind, serde_json::from_str(raw.get()).ok()?) {
        (Kind::Bool, Json::Bool(value)) => Some(Value::Bool(value)),
        (Kind::Text | Kind::Secret, Json::String(text)) => Some(Value::Text(text)),
        (Kind::Int | Kind::Uint | Kind::Int32, Json::Number(number)) => {
            // "-0" is read as a fraction; the program that we replace takes it as zero.
            let whole = if raw.get() == "-0" { 0 } else { number.as_i64()? };
            match kind {
                Kind::Uint if whole < 0 => None,
                Kind::Int32 if i32::try_from(whole).is_err() => None,
                _ => Some(Value::Whole(whole)),
            }
        }
        (Kind::Float, Json::Number(number)) => number.as_f64().map(Value::Float),
        _ => None,
    }
}

/// Reads each element as text; all that are not are reported.
fn texts<'a>(
    key: &Key,
    elements: impl Iterator<Item = &'a RawValue>,
    at: impl Fn(&RawValue) -> Place,
) -> Result<Vec<String>, Vec<Problem>> {
    let mut values = Vec::new();
    let mut problems = Vec::new();
    for (index, raw) in elements.enumerate() {
        match serde_json::from_str::<String>(raw.get()) {
            Ok(text) => values.push(text),
            Err(_) => {
                let found = describe(raw);
                let message =
                    format!("{}: entry {} must be a text, found {found}{}", key.name, index + 1, quotes_hint(raw));
                problems.push(Problem::new(Some(at(raw)), message));
            }
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

fn wrong_type(key: &Key, raw: &RawValue, place: &Place) -> Problem {
    let found = if key.kind == Kind::Secret { "something else".to_owned() } else { describe(raw) };
    let hint = hint(key.kind, raw);
    let message = format!("{}: expected {}, found {found}{hint}", key.name, expected(key));
    Problem::new(Some(place.clone()), message)
}

fn expected(key: &Key) -> String {
    let unit =
        ["Milliseconds", "Seconds", "Minutes", "Hours", "Days"].into_iter().find(|unit| key.name.ends_with(unit));
    let of_unit = unit.map(|unit| format!(" of {}", unit.to_lowercase())).unwrap_or_default();
    match key.kind {
        Kind::Bool => "true or false".to_owned(),
        Kind::Text | Kind::Secret => "a text in quotes".to_owned(),
        Kind::Int => format!("a whole number{of_unit}"),
        Kind::Uint => format!("a whole number{of_unit}, not negative"),
        Kind::Int32 => "a whole number of at most 32 bits".to_owned(),
        Kind::Float => "a number".to_owned(),
        Kind::List => "a list of texts, [\"…\", \"…\"]".to_owned(),
        Kind::Map => "an object from text to text, {\"…\": \"…\"}".to_owned(),
    }
}

/// Shows a wrong value, cut where it gets long.
fn describe(raw: &RawValue) -> String {
    let text = raw.get();
    match text.chars().next() {
        Some('[') => "a list".to_owned(),
        Some('{') => "an object".to_owned(),
        Some('"') => format!("{} (text)", shortened(text)),
        _ => shortened(text),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Says what to change, where that is plain from the value.
fn hint(kind: Kind, raw: &RawValue) -> String {
    let inner = serde_json::from_str::<String>(raw.get()).ok();
    let inner = inner.as_deref().map(str::trim);
    match kind {
        Kind::Bool if matches!(inner, Some("true" | "false")) => ": remove the quotes".to_owned(),
        Kind::Bool if matches!(raw.get(), "0" | "1") => {
            format!(": write {}", if raw.get() == "1" { "true" } else { "false" })
        }
        Kind::Int | Kind::Uint | Kind::Int32 if inner.is_some_and(|text| text.parse::<i64>().is_ok()) => {
            ": remove the quotes".to_owned()
        }
        Kind::Float if inner.is_some_and(|text| text.parse::<f64>().is_ok()) => ": remove the quotes".to_owned(),
        Kind::Text => quotes_hint(raw),
        Kind::List if inner.is_some() => ": put it in brackets".to_owned(),
        _ => String::new(),
    }
}

fn quotes_hint(raw: &RawValue) -> String {
    let scalar = !raw.get().starts_with(['[', '{', '"']) && raw.get() != "null";
    if scalar { format!(": write \"{}\"", shortened(raw.get())) } else { String::new() }
}
