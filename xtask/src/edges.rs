//! Who may depend on whom.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::tidy::Finding;

/// Where a crate stands. Edges lead inwards only, or stay in their ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ring {
    Core,
    Port,
    Shell,
    Tool,
}

use Ring::{Core, Port, Shell, Tool};

const RINGS: &[(&str, Ring)] = &[
    ("topology", Core),
    ("config", Core),
    ("analysis", Core),
    ("planner", Core),
    ("mysql", Port),
    ("store", Port),
    ("consensus", Port),
    ("wire", Shell),
    ("manager", Shell),
    ("api", Shell),
    ("cli", Shell),
    ("server", Shell),
    ("lab", Tool),
    ("xtask", Tool),
];

/// Every edge between our crates: from, to, why. A new one is a commit of its own.
const EDGES: &[(&str, &str, &str)] = &[
    ("analysis", "topology", "diagnoses are about a snapshot of the topology"),
    ("planner", "topology", "plans name servers and GTID sets"),
    ("planner", "analysis", "decisions are about a diagnosis, under a policy"),
    ("mysql", "topology", "a probe gives an instance; verbs take keys and GTID sets"),
    ("store", "topology", "declared state is part of each snapshot; observed instances are kept"),
    ("consensus", "topology", "nodes ask each other what they see of a server"),
    ("consensus", "store", "the log is kept in it, and what was decided is applied to it"),
    ("wire", "topology", "the JSON of an instance is made from one"),
    ("manager", "topology", "the shell joins all of the core and the ports"),
    ("manager", "config", "turns the configuration into policy, access and rhythms"),
    ("manager", "analysis", "runs diagnoses"),
    ("manager", "planner", "decides, and carries plans out"),
    ("manager", "mysql", "turns steps into verbs"),
    ("manager", "store", "asks for rows"),
    ("manager", "consensus", "declares and journals; acts while it holds the lease"),
    ("api", "topology", "requests name instances"),
    ("api", "config", "authentication, prefix, and what is shown of it"),
    ("api", "analysis", "shows diagnoses under Orchestrator's names"),
    ("api", "planner", "shows explanations; takes requests for a recovery"),
    ("api", "store", "asks for rows; declares"),
    ("api", "consensus", "shows who leads, and sends there what changes something"),
    ("api", "manager", "all that changes something goes through it"),
    ("api", "wire", "answers in its shapes"),
    ("cli", "topology", "addresses as people write them"),
    ("server", "topology", "one command in this process names instances"),
    ("server", "config", "reads the configuration files"),
    ("server", "analysis", "explains without a running service"),
    ("server", "planner", "explains without a running service"),
    ("server", "store", "opens the database"),
    ("server", "consensus", "joins the other nodes"),
    ("server", "manager", "starts and stops it"),
    ("server", "api", "serves it"),
    ("server", "cli", "the same binary is the client"),
    ("lab", "topology", "addresses and GTID sets of its servers"),
    ("lab", "mysql", "speaks to its servers"),
    ("lab", "store", "reads the manager's journal beside it, and compares it with what the servers show"),
    ("lab", "planner", "reads plans and certificates in that journal"),
];

/// Edges of tests only. They may lead outwards: a test stands outside of what it tests.
const TEST_EDGES: &[(&str, &str, &str)] = &[
    ("mysql", "lab", "probe and verbs on real servers"),
    ("manager", "lab", "stories on real servers"),
    ("api", "lab", "answers about real servers"),
    ("api", "cli", "the client asks the router over a real connection"),
    ("cli", "lab", "commands against real servers"),
    ("server", "lab", "the binary against real servers"),
    ("server", "mysql", "an example that answers in place of a thousand servers"),
    ("lab", "manager", "campaigns look into the manager's own view"),
    ("lab", "server", "campaigns run the binary"),
];

/// Libraries that stay behind one crate: library, the manifests that may name it, why.
const BEHIND: &[(&str, &[&str], &str)] = &[
    ("mysql_async", &["mysql"], "one crate speaks MySQL"),
    ("rusqlite", &["store"], "one crate has a database"),
    ("openraft", &["consensus"], "one crate knows raft"),
    ("tower-http", &["api"], "one crate routes HTTP"),
    ("axum", &["api", "server"], "api makes the router, server owns the listener that serves it"),
    ("axum-server", &["server"], "the listener of HTTPS"),
    ("reqwest", &["cli", "api"], "the client asks a service; a node hands requests on to the one that leads"),
    ("clap", &["cli", "lab"], "two programs have a command line"),
];

/// A package of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    name: String,
    /// What it depends on, and whether for its tests only.
    needs: Vec<(String, bool)>,
}

/// Asks Cargo for the packages of the workspace.
///
/// # Errors
/// When Cargo fails, or answers in another shape than it documents.
pub fn packages() -> Result<Vec<Package>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let answer = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version=1", "--locked", "--offline"])
        .output()
        .context("cannot run cargo metadata")?;
    anyhow::ensure!(answer.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&answer.stderr));
    read(&serde_json::from_slice(&answer.stdout)?).context("cargo metadata has an unknown shape")
}

fn read(metadata: &Value) -> Option<Vec<Package>> {
    metadata.get("packages")?.as_array()?.iter().map(read_package).collect()
}

fn read_package(package: &Value) -> Option<Package> {
    let needs = package.get("dependencies")?.as_array()?.iter().map(|dependency| {
        let name = short(dependency.get("name")?.as_str()?);
        Some((name, dependency.get("kind")?.as_str() == Some("dev")))
    });
    Some(Package { name: short(package.get("name")?.as_str()?), needs: needs.collect::<Option<_>>()? })
}

/// Folders are short; packages carry the project's prefix.
fn short(name: &str) -> String {
    name.strip_prefix("orchestrator-").unwrap_or(name).to_owned()
}

/// Checks the edges of `packages`.
pub fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let mut complain = |what: String| findings.push(Finding::of_file(&manifest(&package.name), what));
        if ring(&package.name).is_none() {
            complain("this crate stands in no ring: add it to RINGS in xtask/src/edges.rs".to_owned());
        }
        for (needed, for_tests) in &package.needs {
            if ring(needed).is_some() {
                complain_about_edge(&package.name, needed, *for_tests, &mut complain);
            }
            for (_, allowed, why) in BEHIND.iter().filter(|(library, ..)| library == needed) {
                if !allowed.contains(&package.name.as_str()) {
                    complain(format!("{needed} belongs to {}: {why}", allowed.join(", ")));
                }
            }
        }
    }
    findings.extend(outward_edges());
    findings
}

fn complain_about_edge(from: &str, to: &str, for_tests: bool, complain: &mut impl FnMut(String)) {
    let listed = |edges: &[(&str, &str, &str)]| edges.iter().any(|edge| (edge.0, edge.1) == (from, to));
    if !(listed(EDGES) || for_tests && listed(TEST_EDGES)) {
        let list = if for_tests { "TEST_EDGES" } else { "EDGES" };
        complain(format!(
            "the edge {from} → {to} is not allowed: add it to {list} in xtask/src/edges.rs, with the reason"
        ));
    }
}

/// Returns what is wrong with our own table.
fn outward_edges() -> Vec<Finding> {
    let outward = EDGES.iter().filter(|(from, to, _)| ring(from) < ring(to) || ring(to).is_none());
    outward
        .map(|(from, to, _)| Finding::of_file("xtask/src/edges.rs", format!("{from} → {to} leads outwards")))
        .collect()
}

fn ring(name: &str) -> Option<Ring> {
    RINGS.iter().find(|(known, _)| *known == name).map(|(_, ring)| *ring)
}

fn manifest(name: &str) -> String {
    if name == "xtask" { "xtask/Cargo.toml".to_owned() } else { format!("crates/{name}/Cargo.toml") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, needs: &[(&str, bool)]) -> Package {
        Package {
            name: name.to_owned(),
            needs: needs.iter().map(|(needed, for_tests)| ((*needed).to_owned(), *for_tests)).collect(),
        }
    }

    fn complaints(package: Package) -> Vec<String> {
        check(&[package]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn cargo_is_understood() {
        let metadata = serde_json::json!({"packages": [{
            "name": "orchestrator-planner",
            "dependencies": [{"name": "orchestrator-topology", "kind": null}, {"name": "proptest", "kind": "dev"}],
        }]});
        let expected = package("planner", &[("topology", false), ("proptest", true)]);
        assert_eq!(read(&metadata), Some(vec![expected]));
        assert_eq!(read(&serde_json::json!({})), None);
    }

    #[test]
    fn listed_edges_pass_and_others_do_not() {
        assert_eq!(complaints(package("planner", &[("analysis", false), ("serde", false)])), [""; 0]);
        let found = complaints(package("mysql", &[("planner", false)]));
        assert!(found[0].contains("mysql → planner is not allowed"), "{found:?}");
    }

    #[test]
    fn an_edge_of_tests_is_none_of_the_product() {
        assert_eq!(complaints(package("manager", &[("lab", true)])), [""; 0]);
        assert_eq!(complaints(package("manager", &[("lab", false)])).len(), 1);
    }

    #[test]
    fn libraries_stay_behind_their_crate() {
        assert_eq!(complaints(package("store", &[("rusqlite", false)])), [""; 0]);
        let found = complaints(package("manager", &[("rusqlite", false)]));
        assert!(found[0].contains("rusqlite belongs to store"), "{found:?}");
    }

    #[test]
    fn a_new_crate_must_take_its_place() {
        assert!(complaints(package("gossip", &[]))[0].contains("stands in no ring"));
    }

    #[test]
    fn the_table_leads_inwards() {
        assert_eq!(outward_edges(), []);
    }
}
