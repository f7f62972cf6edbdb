//! How `orchestrator` is called.
//!
//! The rules are those of Go's `flag` package, since scripts were written for them: one dash or two, `-x v` or `-x=v`,
//! switches only `-x` or `-x=false`, and the first word that is no flag ends the flags.

use std::path::PathBuf;

use crate::commands::default_promotion_rule;
use crate::options::{FAULTS, Options, Program};

/// A flag.
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) is_switch: bool,
    pub(crate) about: &'static str,
}

const fn value(name: &'static str, about: &'static str) -> Flag {
    Flag { name, is_switch: false, about }
}

const fn switch(name: &'static str, about: &'static str) -> Flag {
    Flag { name, is_switch: true, about }
}

/// Every flag. Those without effect here are accepted, so that an existing command line goes on working.
pub(crate) const FLAGS: &[Flag] = &[
    value("config", "Configuration file; only this one is read"),
    value("c", "Command to run; -c help lists them"),
    value("i", "Instance, host[:port]; several separated by commas"),
    value("d", "Destination instance, host[:port]"),
    value("s", "The same as -d"),
    value("alias", "Name or alias of a cluster"),
    value("owner", "Who does it; the user of the system if not given"),
    value("reason", "Why"),
    value("duration", "For how long: a number and s, m, h, d or w"),
    value("pattern", "Regular expression, or part of a name"),
    value("promotion-rule", "prefer (default), neutral, prefer_not or must_not"),
    value("pool", "Pool of instances"),
    value("hostname", "No effect yet"),
    value("tag", "Tag: name or name=value"),
    value("snapshot", "File of instances, as /api/all-instances returns them, to ask instead of a service; - is stdin"),
    value("kill", "simulate: an instance whose mysqld is gone; may be repeated"),
    value("cut", "simulate: a data centre that is cut off; may be repeated"),
    value("stop-replication", "simulate: an instance whose replication somebody stopped; may be repeated"),
    switch("json", "explain, simulate: all of the answer, as JSON"),
    value("binlog", "No effect yet"),
    value("statement", "No effect yet"),
    switch("debug", "Log everything"),
    switch("verbose", "Log what happens"),
    switch("quiet", "Log errors only"),
    switch("version", "Show the version"),
    switch("discovery", "http: watch servers by itself (default true)"),
    switch("ignore-raft-setup", "Run a command although raft is configured"),
    switch("stack", "No effect: errors name their causes"),
    switch("noop", "No effect: refused, so that nobody takes it for a dry run"),
    switch("grab-election", "No effect: a single node always leads"),
    switch("strict", "No effect"),
    switch("skip-binlog-search", "No effect"),
    switch("skip-unresolve", "No effect"),
    switch("skip-unresolve-check", "No effect"),
    switch("skip-continuous-registration", "No effect: a command does not register itself"),
    switch("enable-database-update", "No effect: the database is always brought up to date"),
];

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// What the program does by default.
    #[default]
    Normal,
    /// Errors only.
    Quiet,
    /// What happens.
    Verbose,
    /// Everything.
    Debug,
}

/// What `orchestrator` is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Run the service.
    Http,
    /// Run a command (`-c`).
    Command(String),
    /// Tell what is wrong with the configuration.
    ConfigCheck,
    /// Show help about a command, or list them all.
    Help(Option<String>),
    /// List all commands on stderr (`-c help`).
    Listing,
    /// Show the version.
    Version,
    /// Nothing was said: show how to begin.
    CheatSheet,
}

/// How `orchestrator` was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerArgs {
    /// What to do.
    pub mode: Mode,
    /// `-config`.
    pub config: Option<PathBuf>,
    /// How much to log.
    pub verbosity: Verbosity,
    /// `-discovery`: watch servers by itself.
    pub discovery: bool,
    /// `-ignore-raft-setup`.
    pub ignore_raft_setup: bool,
    /// `-snapshot`: the farm that a command is about.
    pub snapshot: Option<PathBuf>,
    /// What a command is told. `default_port` is 3306 until the configuration is known.
    pub options: Options,
}

/// A call that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    /// What is wrong.
    pub message: String,
    /// The exit code: 2 for a bad flag, 1 for a bad word or value.
    pub exit_code: u8,
    /// Whether the usage should be shown with it.
    pub show_usage: bool,
}

impl ServerArgs {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// [`UsageError`] for unknown flags and words, and for values that cannot be.
    pub fn parse<I: IntoIterator<Item = String>>(words: I) -> Result<Self, UsageError> {
        let mut given = Given::default();
        let mut rest = given.read(words.into_iter().collect())?;
        // Flags may follow the words that are our own.
        let own = match rest.first().map(String::as_str) {
            Some("explain") => 2,
            Some("simulate") => 1,
            _ => rest.len(),
        };
        let after = rest.split_off(own.min(rest.len()));
        let more = given.read(after)?;
        rest.extend(more);
        given.into_args(&rest)
    }
}

/// Flags as they were given, the last of each.
#[derive(Default)]
struct Given(Vec<(&'static str, String)>);

impl Given {
    /// Takes flags from the front of `words` and returns the words after them.
    fn read(&mut self, words: Vec<String>) -> Result<Vec<String>, UsageError> {
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next_if(|word| word.starts_with('-') && word.len() > 1) {
            if word == "--" {
                break;
            }
            let bare = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or(&word);
            let (name, attached) = match bare.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (bare, None),
            };
            if matches!(name, "h" | "help") {
                return Err(UsageError { message: String::new(), exit_code: 0, show_usage: true });
            }
            let flag = FLAGS.iter().find(|flag| flag.name == name);
            let flag = flag.ok_or_else(|| bad_flag(format!("flag provided but not defined: -{name}")))?;
            let value = match attached {
                Some(value) => value,
                None if flag.is_switch => "true".to_owned(),
                None => words.next().ok_or_else(|| bad_flag(format!("flag needs an argument: -{name}")))?,
            };
            if flag.is_switch && truth(&value).is_none() {
                return Err(bad_flag(format!("invalid boolean value {value:?} for -{name}")));
            }
            self.0.push((flag.name, value));
        }
        Ok(words.collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(flag, _)| *flag == name).map(|(_, value)| value.as_str())
    }

    fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    fn is_on(&self, name: &str) -> bool {
        self.get(name).and_then(truth).unwrap_or(false)
    }

    fn into_args(self, words: &[String]) -> Result<ServerArgs, UsageError> {
        let mode = self.mode(words)?;
        if self.is_on("noop") {
            return Err(bad_value("-noop is not supported; orchestrator explain CLUSTER tells what would be done"));
        }
        if self.get("d").is_some() && self.get("s").is_some() {
            return Err(bad_value("-s and -d are synonyms: give one of them"));
        }
        let rule = self.get("promotion-rule").unwrap_or_else(|| default_promotion_rule(Program::Orchestrator));
        if !["prefer", "neutral", "prefer_not", "must_not"].contains(&rule) {
            return Err(bad_value(format!(
                "{rule:?} is no promotion rule: write prefer, neutral, prefer_not or must_not"
            )));
        }
        let snapshot = self.get("snapshot").filter(|path| !path.is_empty()).map(PathBuf::from);
        if snapshot.is_some() && !matches!(mode, Mode::Command(_)) {
            return Err(bad_value("-snapshot is for commands: orchestrator -c COMMAND -snapshot FILE"));
        }
        let explained = words.get(1).filter(|_| words[0] == "explain").cloned();
        Ok(ServerArgs {
            mode,
            snapshot,
            config: self.get("config").filter(|path| !path.is_empty()).map(PathBuf::from),
            verbosity: self.verbosity(),
            discovery: self.get("discovery").and_then(truth).unwrap_or(true),
            ignore_raft_setup: self.is_on("ignore-raft-setup"),
            options: Options {
                instance: self.text("i"),
                destination: self.get("d").or_else(|| self.get("s")).unwrap_or_default().to_owned(),
                alias: explained.unwrap_or_else(|| self.text("alias")),
                owner: self.get("owner").map_or_else(user_of_the_system, str::to_owned),
                reason: self.text("reason"),
                duration: self.text("duration"),
                pattern: self.text("pattern"),
                promotion_rule: rule.to_owned(),
                default_port: 3306,
                hostname: self.text("hostname"),
                path: String::new(),
                pool: self.text("pool"),
                tag: self.text("tag"),
                faults: self.0.iter().filter(|(name, _)| FAULTS.contains(name)).cloned().collect(),
                json: self.is_on("json"),
            },
        })
    }

    fn mode(&self, words: &[String]) -> Result<Mode, UsageError> {
        if self.is_on("version") {
            return Ok(Mode::Version);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let command = self.get("c").filter(|command| !command.is_empty());
        match (words.as_slice(), command) {
            ([], None) | (["cli"], None) => Ok(Mode::CheatSheet),
            ([] | ["cli", ..], Some("help")) => Ok(Mode::Listing),
            (["help", topic, ..], _) => Ok(Mode::Help(Some((*topic).to_owned()))),
            (["help"], Some(topic)) => Ok(Mode::Help(Some(topic.to_owned()))),
            (["help"], None) => Ok(Mode::Help(None)),
            (["http", ..], _) => Ok(Mode::Http),
            (["config-check", ..], _) => Ok(Mode::ConfigCheck),
            (["explain", _], _) => Ok(Mode::Command("explain".to_owned())),
            (["explain", ..], _) => Err(bad_value("explain needs the name, alias or a member of one cluster")),
            (["simulate"], _) => Ok(Mode::Command("simulate".to_owned())),
            ([] | ["cli", ..], Some(command)) => Ok(Mode::Command(command.to_owned())),
            ([word, ..], _) => {
                Err(UsageError { message: format!("unknown word {word:?}"), exit_code: 1, show_usage: true })
            }
        }
    }

    fn verbosity(&self) -> Verbosity {
        if self.is_on("quiet") {
            Verbosity::Quiet
        } else if self.is_on("debug") {
            Verbosity::Debug
        } else if self.is_on("verbose") {
            Verbosity::Verbose
        } else {
            Verbosity::Normal
        }
    }
}

fn bad_flag(message: String) -> UsageError {
    UsageError { message, exit_code: 2, show_usage: true }
}

fn bad_value(message: impl Into<String>) -> UsageError {
    UsageError { message: message.into(), exit_code: 1, show_usage: false }
}

/// Reads a truth value as Go's `strconv.ParseBool` does.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Returns the name of the user that runs this process; empty where the environment does not tell.
pub(crate) fn user_of_the_system() -> String {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<ServerArgs, UsageError> {
        ServerArgs::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_take_one_dash_or_two_and_two_ways_of_values() {
        for line in
            ["-config f -c topology -i db1", "--config=f --c=topology --i=db1", "-c topology -config=f --i db1 cli"]
        {
            let args = parse(line).expect(line);
            assert_eq!(args.mode, Mode::Command("topology".to_owned()), "{line}");
            assert_eq!(args.config, Some(PathBuf::from("f")), "{line}");
            assert_eq!(args.options.instance, "db1", "{line}");
        }
    }

    #[test]
    fn the_first_other_word_ends_the_flags() {
        let args = parse("-debug http -config ignored").expect("a call");
        assert_eq!((args.mode, args.config, args.verbosity), (Mode::Http, None, Verbosity::Debug));
        assert_eq!(parse("-debug -quiet http").expect("a call").verbosity, Verbosity::Quiet);
        assert!(!parse("-discovery=false http").expect("a call").discovery);
    }

    #[test]
    fn words_choose_what_to_do() {
        for (line, mode) in [
            ("", Mode::CheatSheet),
            ("-c help", Mode::Listing),
            ("help", Mode::Help(None)),
            ("help topology", Mode::Help(Some("topology".to_owned()))),
            ("-c topology help", Mode::Help(Some("topology".to_owned()))),
            ("-version", Mode::Version),
            ("-config f config-check", Mode::ConfigCheck),
            ("explain shop", Mode::Command("explain".to_owned())),
            ("simulate -kill db1", Mode::Command("simulate".to_owned())),
        ] {
            assert_eq!(parse(line).expect(line).mode, mode, "{line}");
        }
    }

    #[test]
    fn flags_may_follow_our_own_words() {
        let args = parse("-quiet explain shop --snapshot f -json").expect("a call");
        assert_eq!((args.options.alias.as_str(), args.options.json), ("shop", true));
        assert_eq!(args.snapshot, Some(PathBuf::from("f")));
        let args = parse("simulate --kill db1 --cut=dc1 -kill db2 -stop-replication db3").expect("a call");
        let fault = |name, value: &str| (name, value.to_owned());
        let wanted =
            [fault("kill", "db1"), fault("cut", "dc1"), fault("kill", "db2"), fault("stop-replication", "db3")];
        assert_eq!(args.options.faults, wanted);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_exit_code() {
        for (line, code) in [
            ("-nosuchflag", 2),
            ("-i", 2),
            ("-debug=perhaps", 2),
            ("serve", 1),
            ("-c topology -d a -s b", 1),
            ("-c topology -promotion-rule must", 1),
            ("-noop -c topology", 1),
            ("explain", 1),
            ("explain a b", 1),
            ("-snapshot f http", 1),
            ("-h", 0),
        ] {
            assert_eq!(parse(line).expect_err(line).exit_code, code, "{line}");
        }
    }
}
