//! The sentences about keys that do not do what their author may expect.

use std::collections::BTreeSet;

use crate::json::Member;
use crate::key::{Effect, Group};
use crate::report::{Finding, FindingKind, Place, Severity};
use crate::settings::Settings;
use crate::table::{Id, KEYS, RETIRED};

fn finding(kind: FindingKind, severity: Severity, key: &str, place: Option<Place>, message: String) -> Finding {
    Finding { place, key: Some(key.to_owned()), kind, severity, message }
}

/// A key that is in no table, or retired.
pub(crate) fn unknown(key: &str, place: Place) -> Finding {
    if RETIRED.iter().any(|retired| retired.eq_ignore_ascii_case(key)) {
        let message = format!("{key} is obsolete and has no effect: it can be removed");
        return finding(FindingKind::NoEffect, Severity::Note, key, Some(place), message);
    }
    let suggestion = match closest(key) {
        Some(known) => format!("did you mean {known}?"),
        None => "nothing reads it (begin its name with # if it is a comment)".to_owned(),
    };
    let message = format!("{key} is not a known key: {suggestion}");
    finding(FindingKind::UnknownKey, Severity::Warning, key, Some(place), message)
}

/// Returns the key whose name is near enough to be a misspelling.
fn closest(key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase();
    // No misspelling is this long; measuring the distance takes time with the product of the lengths.
    if key.len() > 80 {
        return None;
    }
    let tolerance = (key.chars().count() / 5).clamp(1, 6);
    let distance = |name: &str| strsim::damerau_levenshtein(&key, &name.to_ascii_lowercase());
    let nearest = KEYS.iter().map(|known| (distance(known.name), known.name)).min()?;
    (nearest.0 <= tolerance).then_some(nearest.1)
}

/// The same key again in one file.
pub(crate) fn duplicate(member: &Member<'_>, place: Place, earlier: usize) -> Finding {
    let key = &member.key;
    let message = format!("{key} is given again (first in line {earlier}): the last one counts");
    finding(FindingKind::Duplicate, Severity::Warning, key, Some(place), message)
}

/// Text after the object.
pub(crate) fn trailing(place: Place) -> Finding {
    Finding {
        place: Some(place),
        key: None,
        kind: FindingKind::TrailingData,
        severity: Severity::Warning,
        message: "the configuration ends before this line: what follows is not read".to_owned(),
    }
}

/// Two keys, or a key and a rule, that disagree.
pub(crate) fn overridden(settings: &Settings, id: Id, message: String) -> Finding {
    finding(FindingKind::Overridden, Severity::Warning, id.name(), settings.place(id), message)
}

/// A value that is probably not what was meant.
pub(crate) fn doubtful(settings: &Settings, id: Id, message: String) -> Finding {
    finding(FindingKind::Doubtful, Severity::Warning, id.name(), settings.place(id), message)
}

/// The given keys that have no effect, in the order of the table.
pub(crate) fn without_effect(settings: &Settings, given: &BTreeSet<Id>) -> Vec<Finding> {
    given.iter().filter_map(|id| no_effect(settings, *id)).collect()
}

fn no_effect(settings: &Settings, id: Id) -> Option<Finding> {
    let name = id.name();
    let (kind, severity, message) = match id.key().effect {
        Effect::Live | Effect::Restart => return None,
        Effect::NoEffect => {
            let message = format!("{name} is obsolete and has no effect: it can be removed");
            (FindingKind::NoEffect, Severity::Note, message)
        }
        // What it asks for is what happens, so nothing is asked in vain.
        Effect::NotYet if settings.is_default(id) => {
            (FindingKind::NotYet, Severity::Note, format!("{name} has no effect yet; this is its default"))
        }
        Effect::NotYet => match idle_reason(settings, id) {
            Some(reason) => (FindingKind::NotYet, Severity::Note, format!("{name} has no effect yet; {reason}")),
            None => (FindingKind::NotYet, Severity::Warning, format!("{name} has no effect yet")),
        },
    };
    Some(finding(kind, severity, name, settings.place(id), message))
}

/// Why a key would not matter even if it were built: the feature it belongs to is switched off in the same files.
fn idle_reason(settings: &Settings, id: Id) -> Option<String> {
    let off = |switch: Id| Some(format!("it only matters with {}", switch.name()));
    match id.key().group {
        Group::MySqlBackend => Some("it only matters with BackendDB \"mysql\"".to_owned()),
        Group::Graphite if settings.text(Id::GraphiteAddr).is_empty() => off(Id::GraphiteAddr),
        Group::Consul if settings.text(Id::ConsulAddress).is_empty() => off(Id::ConsulAddress),
        Group::Agents if id != Id::ServeAgentsHttp && !settings.bool(Id::ServeAgentsHttp) => off(Id::ServeAgentsHttp),
        Group::ServerTls if id != Id::UseSSL && !settings.bool(Id::UseSSL) => off(Id::UseSSL),
        _ => None,
    }
}
