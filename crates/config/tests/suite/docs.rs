//! `docs/configuration.md`: the table of keys in it is made from the table in the code.
//!
//! `UPDATE_DOCS=1 cargo test -p orchestrator-config` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use config::{Effect, Group, KEYS, Key, Literal, RETIRED};

const BEGIN: &str = "<!-- keys: made from the code; see the note above -->\n";
const END: &str = "<!-- end of keys -->\n";

#[test]
fn the_documentation_has_the_table_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = std::fs::read_to_string(&path).expect("docs/configuration.md is in the repository");
    let (before, rest) = page.split_once(BEGIN).expect("the page has the mark where the keys begin");
    let (_, after) = rest.split_once(END).expect("the page has the mark where the keys end");
    let fresh = format!("{before}{BEGIN}{}{END}{after}", tables());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, fresh).expect("docs/configuration.md can be written");
        return;
    }
    assert!(page == fresh, "docs/configuration.md is stale: UPDATE_DOCS=1 cargo test -p orchestrator-config");
}

fn tables() -> String {
    let mut page = String::new();
    let mut section = None::<Group>;
    for key in KEYS {
        if section != Some(key.group) {
            section = Some(key.group);
            let heading = "| key | type | default | effect | meaning |\n|---|---|---|---|---|";
            writeln!(page, "\n### {}\n\n{heading}", key.group.title()).expect("a String takes everything");
        }
        writeln!(page, "{}", row(key)).expect("a String takes everything");
    }
    let retired = RETIRED.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    writeln!(page, "\n### Names that were retired\n\nRecognised, never looked at: {retired}.\n").expect("as above");
    page
}

fn row(key: &Key) -> String {
    let default = match key.default {
        Literal::Bool(value) => value.to_string(),
        Literal::Text(value) => format!("{value:?}"),
        Literal::Whole(value) => value.to_string(),
        Literal::Float(value) => value.to_string(),
        Literal::List(values) => format!("{values:?}"),
        Literal::Map => "{}".to_owned(),
    };
    let effect = match key.effect {
        Effect::Live => "live",
        Effect::Restart => "at start",
        Effect::NotYet => "**not yet**",
        Effect::NoEffect => "none",
    };
    let doc = key.doc.replace('|', "\\|");
    format!("| `{}` | {} | `{default}` | {effect} | {doc} |", key.name, key.kind.name())
}
