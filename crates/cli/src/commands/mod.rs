//! The table of commands.

mod clusters;
pub(crate) mod declarations;
mod instances;
mod meta;
mod raft;
mod recovery;
mod replication;
mod supposed;
mod tags;

use crate::failure::Failure;
use crate::options::{Options, Program};
use crate::show::{Answer, Lines};

/// A command, as dispatch and help know it.
pub(crate) struct Command {
    /// Its name.
    pub(crate) name: &'static str,
    /// Other names, beside those with `slave` for `replica`.
    pub(crate) synonyms: &'static [&'static str],
    /// The title it is listed under.
    pub(crate) section: &'static str,
    /// One line about it.
    pub(crate) summary: &'static str,
    /// What else a person should know; may be empty.
    pub(crate) details: &'static str,
    /// Options that it reads, as help shows them.
    pub(crate) reads: &'static str,
    /// The only program that has it; both when none.
    pub(crate) only: Option<Program>,
    /// What it does.
    pub(crate) action: Action,
    /// `orchestrator` tells how many recoveries it acknowledged.
    pub(crate) counts: bool,
    /// Tells by its message whether `orchestrator` takes a refusal for an empty result.
    pub(crate) tolerates: fn(&str) -> bool,
    /// It changes something, and goes to the node that leads or nowhere.
    pub(crate) changes: bool,
}

/// What a command does.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    /// Asks the API for a path and shows the answer.
    Call {
        /// Path below `/api`.
        path: fn(&Options) -> Result<String, Failure>,
        /// Lines of the result.
        show: fn(&Answer<'_>) -> Lines,
    },
    /// Shows help.
    Help,
    /// Shows the address of the API.
    WhichApi,
    /// Asks for a path that the caller gives.
    RawApi,
}

impl Command {
    /// Returns a command that asks the API and has neither synonyms nor peculiarities.
    const fn new(
        section: &'static str,
        name: &'static str,
        reads: &'static str,
        path: fn(&Options) -> Result<String, Failure>,
        show: fn(&Answer<'_>) -> Lines,
        summary: &'static str,
    ) -> Self {
        Self {
            name,
            synonyms: &[],
            section,
            summary,
            details: "",
            reads,
            only: None,
            action: Action::Call { path, show },
            counts: false,
            tolerates: |_| false,
            changes: false,
        }
    }

    const fn also(mut self, synonyms: &'static [&'static str]) -> Self {
        self.synonyms = synonyms;
        self
    }

    const fn only(mut self, program: Program) -> Self {
        self.only = Some(program);
        self
    }

    const fn details(mut self, details: &'static str) -> Self {
        self.details = details;
        self
    }

    const fn counting(mut self) -> Self {
        self.counts = true;
        self
    }

    const fn tolerating(mut self, tolerates: fn(&str) -> bool) -> Self {
        self.tolerates = tolerates;
        self
    }

    const fn changing(mut self) -> Self {
        self.changes = true;
        self
    }

    /// True when `program` has it.
    pub(crate) fn is_of(&self, program: Program) -> bool {
        self.only.is_none_or(|only| only == program)
    }
}

/// Returns every command, in the order in which help lists them.
pub(crate) fn all() -> impl Iterator<Item = &'static Command> {
    [
        clusters::COMMANDS,
        instances::COMMANDS,
        replication::COMMANDS,
        tags::COMMANDS,
        declarations::COMMANDS,
        recovery::COMMANDS,
        supposed::COMMANDS,
        raft::COMMANDS,
        meta::COMMANDS,
    ]
    .into_iter()
    .flatten()
}

/// Returns the command of this name, an old one or a synonym included.
pub(crate) fn find(name: &str, program: Program) -> Option<&'static Command> {
    let name = name.replacen("slave", "replica", 1);
    all()
        .filter(|command| command.is_of(program))
        .find(|command| command.name == name || command.synonyms.contains(&name.as_str()))
}

/// Returns a path that takes nothing.
macro_rules! fixed {
    ($path:literal) => {
        |_| Ok($path.to_owned())
    };
}

/// Returns a path that ends in the instance.
macro_rules! of_instance {
    ($path:literal) => {
        |options| Ok(format!(concat!($path, "/{}"), options.instance_path()?))
    };
}

/// Returns a path that ends in the cluster.
macro_rules! of_cluster {
    ($path:literal) => {
        |options| Ok(format!(concat!($path, "/{}"), options.cluster_hint()?))
    };
}

pub(crate) use declarations::default_promotion_rule;
pub(crate) use {fixed, of_cluster, of_instance};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_means_one_command() {
        for program in [Program::Orchestrator, Program::Client] {
            let mut seen = BTreeSet::new();
            for command in all().filter(|command| command.is_of(program)) {
                for name in std::iter::once(&command.name).chain(command.synonyms) {
                    assert!(seen.insert(*name), "{name}");
                    assert!(!name.contains("slave"), "{name} would never be found");
                }
                assert!(command.summary.len() <= 100, "{}", command.name);
            }
        }
    }

    #[test]
    fn old_names_lead_to_the_new_commands() {
        for (old, new) in
            [("stop-slave", "stop-replica"), ("which-slaves", "which-replicas"), ("instance", "which-instance")]
        {
            assert_eq!(find(old, Program::Client).map(|command| command.name), Some(new));
        }
        assert!(find("nosuchcommand", Program::Client).is_none());
    }
}
