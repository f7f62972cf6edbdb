//! Lists of patterns from the configuration, as types that answer one question each.

use std::net::IpAddr;

use regex::Regex;

/// A list of host patterns (`*HostnameFilters`): regular expressions, not anchored, on `host:port`; an entry that is an
/// IP address matches only the host that is exactly this address. An empty list matches nothing.
#[derive(Clone, Debug, Default)]
pub struct HostFilters(Vec<HostFilter>);

#[derive(Clone, Debug)]
enum HostFilter {
    Address(String),
    Pattern(Regex),
}

impl HostFilters {
    /// Compiles `entries`.
    ///
    /// # Errors
    /// The index of each entry that is no regular expression, with the reason.
    pub fn compile(entries: &[String]) -> Result<Self, Vec<BadPattern>> {
        compile_each(entries, |entry| match entry.parse::<IpAddr>() {
            Ok(_) => Ok(HostFilter::Address(entry.to_owned())),
            Err(_) => compile(entry).map(HostFilter::Pattern),
        })
        .map(Self)
    }

    /// Returns whether any entry matches the server at `host` and `port`.
    pub fn matches(&self, host: &str, port: u16) -> bool {
        let address = format!("{host}:{port}");
        self.0.iter().any(|filter| match filter {
            HostFilter::Address(exact) => exact == host,
            HostFilter::Pattern(pattern) => pattern.is_match(&address),
        })
    }

    /// Returns whether the list has no entries, and so matches nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `RecoveryIgnoreHostnameFilters`: regular expressions, not anchored, on the host alone, without its port.
#[derive(Clone, Debug, Default)]
pub struct RecoveryIgnore(NameFilters);

impl RecoveryIgnore {
    /// Compiles `entries`.
    ///
    /// # Errors
    /// The index of each entry that is no regular expression, with the reason.
    pub fn compile(entries: &[String]) -> Result<Self, Vec<BadPattern>> {
        NameFilters::compile(entries).map(Self)
    }

    /// Returns whether any entry matches `host`.
    pub fn matches(&self, host: &str) -> bool {
        self.0.matches(host)
    }
}

/// A list of regular expressions, not anchored, on some name.
#[derive(Clone, Debug, Default)]
pub struct NameFilters(Vec<Regex>);

impl NameFilters {
    /// Compiles `entries`.
    ///
    /// # Errors
    /// The index of each entry that is no regular expression, with the reason.
    pub fn compile(entries: &[String]) -> Result<Self, Vec<BadPattern>> {
        compile_each(entries, compile).map(Self)
    }

    /// Returns whether any entry matches `name`.
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.is_match(name))
    }
}

/// The clusters that recover by themselves (`Recover*ClusterFilters`). Each entry is the exact cluster name, the exact
/// alias, `alias=NAME`, `alias~=REGEX`, `*` for every cluster, or a regular expression, not anchored, on the cluster
/// name. An empty list matches no cluster.
#[derive(Clone, Debug, Default)]
pub struct ClusterFilters(Vec<ClusterFilter>);

#[derive(Clone, Debug)]
enum ClusterFilter {
    Every,
    Alias(String),
    AliasPattern(Regex),
    /// The exact name or alias, or the pattern if the text is one and not empty.
    Name {
        exact: String,
        pattern: Option<Regex>,
    },
}

impl ClusterFilters {
    /// Compiles `entries`. An entry that is no regular expression still counts as an exact name or alias, except after
    /// `alias~=`.
    ///
    /// # Errors
    /// The index of each `alias~=` entry that is no regular expression, with the reason.
    pub fn compile(entries: &[String]) -> Result<Self, Vec<BadPattern>> {
        compile_each(entries, |entry| {
            if entry == "*" {
                return Ok(ClusterFilter::Every);
            }
            if let Some(pattern) = entry.strip_prefix("alias~=") {
                return compile(pattern).map(ClusterFilter::AliasPattern);
            }
            if let Some(alias) = entry.strip_prefix("alias=") {
                return Ok(ClusterFilter::Alias(alias.to_owned()));
            }
            let pattern = if entry.is_empty() { None } else { compile(entry).ok() };
            Ok(ClusterFilter::Name { exact: entry.to_owned(), pattern })
        })
        .map(Self)
    }

    /// Returns whether any entry matches the cluster called `cluster_name` with the given alias (empty if it has none).
    pub fn matches(&self, cluster_name: &str, alias: &str) -> bool {
        self.0.iter().any(|filter| match filter {
            ClusterFilter::Every => true,
            ClusterFilter::Alias(exact) => exact == alias,
            ClusterFilter::AliasPattern(pattern) => pattern.is_match(alias),
            ClusterFilter::Name { exact, pattern } => {
                exact == cluster_name
                    || exact == alias
                    || pattern.as_ref().is_some_and(|pattern| pattern.is_match(cluster_name))
            }
        })
    }

    /// Returns whether the list has no entries: automatic recovery is off everywhere.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `ClusterNameToAlias`: patterns on the cluster name and the alias for those it matches.
#[derive(Clone, Debug, Default)]
pub struct ClusterAliases(Vec<(Regex, String)>);

impl ClusterAliases {
    /// Compiles pairs of pattern and alias.
    ///
    /// # Errors
    /// The index of each pattern that is no regular expression, with the reason.
    pub fn compile(pairs: &[(String, String)]) -> Result<Self, Vec<BadPattern>> {
        let patterns: Vec<String> = pairs.iter().map(|(pattern, _)| pattern.clone()).collect();
        let compiled = compile_each(&patterns, compile)?;
        Ok(Self(compiled.into_iter().zip(pairs.iter().map(|(_, alias)| alias.clone())).collect()))
    }

    /// Returns the alias of the first pattern, in the order of the file, that matches `cluster_name`.
    pub fn alias_of(&self, cluster_name: &str) -> Option<&str> {
        self.0.iter().find(|(pattern, _)| pattern.is_match(cluster_name)).map(|(_, alias)| alias.as_str())
    }
}

/// A pattern that takes a label (data centre, region, environment) out of a host name: its first group.
#[derive(Clone, Debug)]
pub struct LabelPattern(Regex);

impl LabelPattern {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// `pattern` is no regular expression, or has no group that could hold the label.
    pub fn compile(pattern: &str) -> Result<Self, String> {
        let compiled = compile(pattern)?;
        if compiled.captures_len() < 2 {
            return Err("it needs one group in parentheses around the part to take".to_owned());
        }
        Ok(Self(compiled))
    }

    /// Returns what the first group matched in `host`.
    pub fn label<'a>(&self, host: &'a str) -> Option<&'a str> {
        self.0.captures(host).and_then(|groups| groups.get(1)).map(|group| group.as_str())
    }
}

/// An entry of a list that is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPattern {
    /// Which entry, counted from 0.
    pub index: usize,
    /// Why, in one line.
    pub reason: String,
}

/// Compiles one pattern; the error is one line.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| {
        let text = error.to_string();
        // The library draws the pattern with a caret below it; its last line is the reason itself.
        let reason = text.lines().last().unwrap_or_default();
        reason.trim_start_matches("error: ").to_owned()
    })
}

fn compile_each<T>(entries: &[String], compile: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, Vec<BadPattern>> {
    let mut compiled = Vec::with_capacity(entries.len());
    let mut bad = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        match compile(entry) {
            Ok(filter) => compiled.push(filter),
            Err(reason) => bad.push(BadPattern { index, reason }),
        }
    }
    if bad.is_empty() { Ok(compiled) } else { Err(bad) }
}
