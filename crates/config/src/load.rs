//! Reading files, one over the other, into a [`Config`]; at start and again on reload.

use std::collections::{BTreeMap, BTreeSet};

use crate::findings;
use crate::json::{Member, Source};
use crate::key::Effect;
use crate::report::{Finding, FindingKind, Place, Problem, Severity};
use crate::rules;
use crate::settings::{Setting, Settings, Value};
use crate::surroundings::{self, Surroundings};
use crate::table::Id;
use crate::{Config, build, typed};

/// The text of one file.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its name, as messages should show it.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// An accepted configuration.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What applies.
    pub config: Config,
    /// What should be told about the files, in their order.
    pub findings: Vec<Finding>,
}

/// Reads `files`, later ones over earlier ones: a key replaces the same key, in any case, of an earlier file, lists as
/// a whole; `ClusterNameToAlias` is merged entry by entry. Keys that begin with `#` are comments. No file at all gives
/// the defaults.
///
/// # Errors
/// Every problem of every file: syntax, types, values out of range, rules between keys, patterns. When a file is not
/// JSON at all, the rules between keys are left for later, because a missing file's keys would break them by themselves.
pub fn parse(files: &[SourceFile], surroundings: &dyn Surroundings) -> Result<Loaded, Vec<Problem>> {
    let settled = merge(Settings::default(), files).and_then(|merged| settle(merged, surroundings));
    let (config, mut findings) = settled.map_err(|problems| sorted(problems, files))?;
    findings.sort_by_key(|finding| rank(&finding.place, files));
    Ok(Loaded { config, findings })
}

/// Where a place lies among the files; what is in none of them comes first.
fn rank(place: &Option<Place>, files: &[SourceFile]) -> Option<(usize, usize)> {
    let place = place.as_ref()?;
    let index = files.iter().position(|file| file.name == place.file)?;
    Some((index, place.line))
}

/// Puts problems in the order in which a person goes through the files.
fn sorted(mut problems: Vec<Problem>, files: &[SourceFile]) -> Vec<Problem> {
    problems.sort_by_key(|problem| rank(&problem.place, files));
    problems
}

impl Config {
    /// Reads `files` again, over what applies now: a key that no file gives keeps its present value, as in
    /// Orchestrator. A key that is only read at start keeps its present value too, and a finding says so.
    ///
    /// # Errors
    /// As [`parse`]; the present configuration stays.
    pub fn reload(
        &self,
        files: &[SourceFile],
        surroundings: &dyn Surroundings,
    ) -> Result<(Config, Vec<Finding>), Vec<Problem>> {
        let reloaded = merge(self.raw.clone(), files).and_then(|mut merged| {
            // The files are judged as they are, so that what is accepted now also starts; only then is the present kept.
            let judged = rules::judge(&merged.settings, &merged.broken);
            if !judged.problems.is_empty() || !merged.problems.is_empty() {
                return Err(merged.problems.into_iter().chain(judged.problems).collect());
            }
            let kept = self.keep_until_restart(&mut merged);
            merged.findings.extend(kept);
            settle(merged, surroundings)
        });
        let (config, mut findings) = reloaded.map_err(|problems| sorted(problems, files))?;
        findings.sort_by_key(|finding| rank(&finding.place, files));
        Ok((config, findings))
    }

    /// Puts the present value back for each key that is only read at start.
    fn keep_until_restart(&self, merged: &mut Merged) -> Vec<Finding> {
        let changed = |id: &Id| id.key().effect == Effect::Restart && self.raw.value(*id) != merged.settings.value(*id);
        let ids: Vec<Id> = merged.given.iter().copied().filter(changed).collect();
        let keep = |id: Id| {
            let (now, file) = (self.effective.shown(id), merged.settings.shown(id));
            let place = merged.settings.place(id);
            *merged.settings.get_mut(id) = self.raw.get(id).clone();
            let shown = if now == file { String::new() } else { format!(" ({now}; the file says {file})") };
            Finding {
                place,
                key: Some(id.name().to_owned()),
                kind: FindingKind::NeedsRestart,
                severity: Severity::Warning,
                message: format!("{} keeps its present value until the next start{shown}", id.name()),
            }
        };
        ids.into_iter().map(keep).collect()
    }
}

/// All files on top of each other.
pub(crate) struct Merged {
    pub(crate) settings: Settings,
    /// Keys that these files gave, whether or not an earlier load did.
    pub(crate) given: BTreeSet<Id>,
    /// Keys whose value could not be read: rules must not judge what stands in for it.
    pub(crate) broken: BTreeSet<Id>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) findings: Vec<Finding>,
}

/// Merges `files` into `settings`.
///
/// # Errors
/// A file is no JSON object.
fn merge(settings: Settings, files: &[SourceFile]) -> Result<Merged, Vec<Problem>> {
    let mut merged = Merged {
        settings,
        given: BTreeSet::new(),
        broken: BTreeSet::new(),
        problems: Vec::new(),
        findings: Vec::new(),
    };
    let mut is_json = true;
    for file in files {
        is_json &= merged.add_file(file);
    }
    if is_json { Ok(merged) } else { Err(merged.problems) }
}

impl Merged {
    /// Takes over one file. Returns whether it is a JSON object.
    fn add_file(&mut self, file: &SourceFile) -> bool {
        let source = Source::new(&file.text);
        let object = match source.object() {
            Ok(object) => object,
            Err(error) => {
                let place = Place { file: file.name.clone(), line: error.line };
                self.problems.push(Problem::new(Some(place), error.message));
                return false;
            }
        };
        let mut lines: BTreeMap<Id, usize> = BTreeMap::new();
        for member in &object.members {
            let place = Place { file: file.name.clone(), line: member.line };
            let Some(id) = Id::find(&member.key) else {
                self.add_unknown(member, place);
                continue;
            };
            if let Some(line) = lines.insert(id, member.line) {
                self.findings.push(findings::duplicate(member, place.clone(), line));
            }
            self.add_member(id, member, &place, &source);
        }
        if let Some(line) = object.trailing {
            self.findings.push(findings::trailing(Place { file: file.name.clone(), line }));
        }
        true
    }

    fn add_unknown(&mut self, member: &Member<'_>, place: Place) {
        let is_same =
            |finding: &Finding| finding.key.as_deref().is_some_and(|key| key.eq_ignore_ascii_case(&member.key));
        // Comments may be repeated; everything else is told once, wherever it stands.
        if !member.key.starts_with('#') && !self.findings.iter().any(is_same) {
            self.findings.push(findings::unknown(&member.key, place));
        }
    }

    fn add_member(&mut self, id: Id, member: &Member<'_>, place: &Place, source: &Source<'_>) {
        match typed::read(id.key(), member.value, place, |value| source.line_of(value)) {
            Ok(Some(setting)) => {
                self.given.insert(id);
                self.broken.remove(&id);
                self.add_setting(id, setting);
            }
            Ok(None) => {}
            Err(problems) => {
                self.broken.insert(id);
                self.problems.extend(problems);
            }
        }
    }

    fn add_setting(&mut self, id: Id, setting: Setting) {
        let present = self.settings.get_mut(id);
        let Value::Map(new_pairs) = setting.value else {
            *present = setting;
            return;
        };
        present.place = setting.place;
        let Value::Map(pairs) = &mut present.value else { return };
        for ((key, value), place) in new_pairs.into_iter().zip(setting.entries) {
            match pairs.iter().position(|(known, _)| *known == key) {
                Some(index) => {
                    pairs[index].1 = value;
                    present.entries[index] = place;
                }
                None => {
                    pairs.push((key, value));
                    present.entries.push(place);
                }
            }
        }
    }
}

/// Applies the rules and the surroundings, and builds the typed values.
fn settle(merged: Merged, surroundings: &dyn Surroundings) -> Result<(Config, Vec<Finding>), Vec<Problem>> {
    let Merged { settings: raw, given, broken, mut problems, mut findings } = merged;
    let mut judged = rules::judge(&raw, &broken);
    problems.extend(judged.problems);
    let from_outside = surroundings::apply(&mut judged.effective, surroundings);
    problems.extend(from_outside.problems);
    findings.extend(findings::without_effect(&raw, &given));
    findings.extend(judged.findings);
    findings.extend(from_outside.findings);
    match build::build(&raw, judged.effective) {
        Ok(config) if problems.is_empty() => Ok((config, findings)),
        Ok(_) => Err(problems),
        Err(patterns) => {
            problems.extend(patterns);
            Err(problems)
        }
    }
}
