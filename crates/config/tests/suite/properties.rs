//! No text makes it panic, and what is accepted stays accepted.

use config::{Config, KEYS, NoSurroundings, Surroundings};
use proptest::prelude::*;

use crate::{file, read};

/// Gives the same text for every file and variable.
struct Everywhere(String);

impl Surroundings for Everywhere {
    fn variable(&self, _name: &str) -> Option<String> {
        Some(self.0.clone())
    }

    fn read_file(&self, _path: &str) -> Result<String, String> {
        Ok(self.0.clone())
    }
}

/// A value that fits some key, or none.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<f64>().prop_map(|value| value.to_string()),
        Just("null".to_owned()),
        Just("0".to_owned()),
        Just("1e999".to_owned()),
        Just(r#""\ud800""#.to_owned()),
        any::<String>().prop_map(|value| serde_json::Value::from(value).to_string()),
        proptest::collection::vec("[a-z*.=~:()\\[\\]]{0,8}", 0..3)
            .prop_map(|value| serde_json::Value::from(value).to_string()),
        "[a-z*(]{0,4}".prop_map(|value| serde_json::json!({ value: "x" }).to_string()),
    ]
}

/// An object of known keys with any values.
fn any_object() -> impl Strategy<Value = String> {
    let member = (0..KEYS.len(), any_value()).prop_map(|(index, value)| format!("\"{}\": {value}", KEYS[index].name));
    proptest::collection::vec(member, 0..8).prop_map(|members| format!("{{{}}}", members.join(",\n")))
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _answer = read(&text);
    }

    #[test]
    fn no_text_like_json_panics(text in "[{}\\[\\]\",:#a-zA-Z0-9\\\\ \n\u{feff}é-]{0,60}") {
        let _answer = read(&text);
        let _answer = read(&format!("{{\"Debug\": {text}"));
    }

    #[test]
    fn no_object_of_known_keys_panics(text in any_object()) {
        match read(&text) {
            Err(problems) => prop_assert!(!problems.is_empty()),
            Ok(loaded) => {
                let again = loaded.config.reload(&[file("orc.json", &text)], &NoSurroundings);
                let (config, _) = again.expect("what was accepted at start is accepted again");
                prop_assert_eq!(config.dump_json(), loaded.config.dump_json());
            }
        }
    }

    #[test]
    fn no_credentials_file_panics(text in "[\\[\\]a-z=\"\\\\;#${} \n\u{feff}é]{0,40}") {
        let source = r#"{"MySQLTopologyCredentialsConfigFile": "/x", "MySQLTopologyPassword": "${A}"}"#;
        for ini in [text.clone(), format!("[client]\npassword={text}")] {
            let _answer = config::parse(&[file("orc.json", source)], &Everywhere(ini));
        }
    }

    #[test]
    fn every_problem_and_finding_of_a_file_has_its_line(text in any_object()) {
        let lines = text.lines().count().max(1);
        let places: Vec<_> = match read(&text) {
            Err(problems) => problems.into_iter().map(|problem| problem.place).collect(),
            Ok(loaded) => loaded.findings.into_iter().map(|finding| finding.place).collect(),
        };
        for place in places {
            let place = place.expect("nothing is wrong with the defaults");
            prop_assert!((1..=lines).contains(&place.line), "{}", place);
        }
    }
}

#[test]
fn deep_nesting_is_no_danger() {
    let deep = format!("{{\"Nonsense\": {}{}, \"Debug\": true}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read(&deep).expect("an unknown key of any shape").config.process.debug);
    assert!(read(&deep.replace("Nonsense", "PowerAuthUsers")).is_err());
    assert!(read(&deep.replace("Nonsense", "ClusterNameToAlias")).is_err());
    assert_eq!(Config::default().dump_json(), read("{}").expect("an empty object").config.dump_json());
}
