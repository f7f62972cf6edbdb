//! Every key of the table, once.

use config::{Config, Effect, Id, KEYS, Kind, Literal, RETIRED};
use serde_json::{Value, json};

use crate::{accept, findings, refuse};

/// A value of the key's shape that is not its default. `None` where the key cannot be changed alone.
fn other_value(id: Id) -> Option<Value> {
    let key = id.key();
    match id {
        // These need others beside them, or are refused; the rules' own tests have them.
        Id::BackendDB
        | Id::MySQLOrchestratorHost
        | Id::RaftEnabled
        | Id::UseSSL
        | Id::UseMutualTLS
        | Id::FailMasterPromotionOnLagMinutes
        | Id::MySQLTopologyUseMutualTLS
        | Id::MySQLTopologyCredentialsConfigFile => None,
        Id::HTTPAdvertise => Some(json!("http://node1:3000")),
        Id::ListenAddress => Some(json!("127.0.0.1:3001")),
        Id::AuthenticationMethod => Some(json!("proxy")),
        Id::DataLossPolicy => Some(json!("wait:30")),
        Id::ReturnedPrimaryPolicy => Some(json!("subset")),
        Id::DataCenterPattern | Id::RegionPattern | Id::PhysicalEnvironmentPattern => Some(json!("(x)")),
        _ => Some(match (key.kind, key.default) {
            (Kind::Bool, Literal::Bool(default)) => json!(!default),
            (Kind::Text | Kind::Secret, _) => json!("other"),
            (Kind::Int | Kind::Uint | Kind::Int32, Literal::Whole(default)) => json!(default + 7),
            (Kind::Float, Literal::Float(default)) => json!(default + 0.5),
            (Kind::List, _) => json!(["other"]),
            (Kind::Map, _) => json!({"a": "b"}),
            (kind, default) => panic!("{}: the default {default:?} is no {kind:?}", key.name),
        }),
    }
}

#[test]
fn the_table_has_every_key_of_orchestrator_and_ours() {
    assert_eq!(KEYS.len(), 201 + 13);
    assert_eq!(RETIRED.len(), 17 + 1);
    for (index, key) in KEYS.iter().enumerate() {
        assert_eq!(key.id as usize, index, "{}", key.name);
        assert_eq!(Id::find(&key.name.to_lowercase()), Some(key.id), "names differ in more than case");
        assert!(key.doc.ends_with(['.', ')']), "{} has a sentence", key.name);
    }
}

#[test]
fn every_key_is_read_in_any_case_and_seen_in_the_dump() {
    for key in KEYS {
        let Some(value) = other_value(key.id) else { continue };
        let text = json!({ key.name.to_uppercase(): value }).to_string();
        let dump: Value = serde_json::from_str(&accept(&text).config.dump_json()).expect("the dump is JSON");
        let shown = dump.get(key.name).unwrap_or_else(|| panic!("{} is not in the dump", key.name));
        let expected = match (key.id, key.kind) {
            (_, Kind::Secret) => json!("***"),
            (Id::URLPrefix, _) => json!("/other"),
            (Id::KVClusterMasterPrefix, _) => json!("other/"),
            // An old name moves its value to the present name.
            (Id::SlaveLagQuery, _) => json!(""),
            _ => value,
        };
        assert_eq!(*shown, expected, "{}", key.name);
    }
}

#[test]
fn every_key_refuses_a_value_of_another_shape() {
    for key in KEYS {
        let wrong = match key.kind {
            Kind::Bool => json!("true"),
            Kind::Text | Kind::Secret => json!(12345),
            Kind::Int | Kind::Uint | Kind::Int32 | Kind::Float => json!("five"),
            Kind::List => json!("one"),
            Kind::Map => json!(["one"]),
        };
        let message = refuse(&json!({ key.name: wrong }).to_string());
        assert!(message.starts_with(&format!("orc.json:1: {}: expected ", key.name)), "{message}");
    }
}

#[test]
fn every_key_without_effect_is_named_and_every_other_is_not() {
    for key in KEYS {
        let Some(value) = other_value(key.id) else { continue };
        let named = findings(&json!({ key.name: value }).to_string());
        match key.effect {
            Effect::NotYet => assert!(named.contains(&format!("{} has no effect yet", key.name)), "{named}"),
            Effect::NoEffect => assert!(named.contains(&format!("{} is obsolete", key.name)), "{named}"),
            Effect::Live | Effect::Restart => assert!(!named.contains("no effect"), "{named}"),
        }
    }
}

#[test]
fn retired_names_are_told_but_do_not_fail_the_check() {
    for name in RETIRED {
        let expected = format!("  orc.json:1: {name} is obsolete and has no effect: it can be removed");
        assert_eq!(findings(&json!({ *name: {"any": "shape"} }).to_string()), expected);
    }
}

#[test]
fn without_a_file_the_defaults_apply() {
    let dump: Value = serde_json::from_str(&Config::default().dump_json()).expect("the dump is JSON");
    let changed_by_rules = [Id::KVClusterMasterPrefix, Id::RaftAdvertise, Id::ReasonableLockedSemiSyncMasterSeconds];
    for key in KEYS.iter().filter(|key| !changed_by_rules.contains(&key.id)) {
        let expected = match key.default {
            Literal::Bool(value) => json!(value),
            Literal::Text(value) => json!(value),
            Literal::Whole(value) => json!(value),
            Literal::Float(value) => json!(value),
            Literal::List(values) => json!(values),
            Literal::Map => json!({}),
        };
        assert_eq!(dump[key.name], expected, "{}", key.name);
    }
    assert_eq!(dump["KVClusterMasterPrefix"], "mysql/master/");
    assert_eq!(dump["RaftAdvertise"], "127.0.0.1:10008");
    assert_eq!(dump["ReasonableLockedSemiSyncMasterSeconds"], 10);
}

#[test]
fn a_dump_can_be_read_back() {
    let first = accept("{}").config.dump_json();
    // The dump names the backend, and a named SQLite backend needs its file.
    let text = first.replace(r#""SQLite3DataFile": """#, r#""SQLite3DataFile": "/x.db""#);
    assert_eq!(accept(&text).config.dump_json(), text);
}
