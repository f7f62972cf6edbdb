//! What the manager wrote down about a recovery, read from its store: moments to the microsecond, which its API rounds
//! to seconds.

use std::path::Path;

use anyhow::{Context, Result};
use planner::{Action, Certificate, Plan};
use store::{Narration, Page, Recovery, RecoveryFilter, StepOutcome, StepRecord, Store};
use topology::Timestamp;

/// A manager's store, opened to read beside it.
#[derive(Clone)]
pub struct Journal {
    store: Store,
}

/// One recovery with all that was kept about it.
#[derive(Clone, Debug)]
pub struct Story {
    /// The row of the recovery.
    pub recovery: Recovery,
    /// When the failure was put on record.
    pub detected: Timestamp,
    /// What was to be done.
    pub plan: Plan,
    /// What was certified about data loss.
    pub certificate: Certificate,
    /// How each step went, in the order of the plan; a step that was not begun is absent.
    pub steps: Vec<StepRecord>,
    /// The sentences that were told on the way.
    pub sentences: Vec<Narration>,
}

impl Journal {
    /// Opens the store file of a manager that runs, or ran.
    ///
    /// # Errors
    /// When there is no such file, or another version of the program wrote it.
    pub fn open(file: &Path) -> Result<Self> {
        let store = Store::open(file, store::Mode::Read);
        Ok(Self { store: store.with_context(|| format!("cannot read the manager's store {}", file.display()))? })
    }

    /// Returns all recoveries, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn recoveries(&self) -> Result<Vec<Recovery>> {
        Ok(self.store.recoveries(RecoveryFilter::default(), Page::all())?)
    }

    /// Returns the reasons of all downtimes, as they were when the journal was opened.
    pub fn downtime_reasons(&self) -> Vec<String> {
        self.store.declared().downtimes.values().map(|downtime| downtime.reason.clone()).collect()
    }

    /// Returns the sentences of a recovery so far.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sentences(&self, uid: &str) -> Result<Vec<Narration>> {
        Ok(self.store.recovery_steps(uid)?)
    }

    /// Returns everything about one recovery; nothing when it is not known, or replaced no primary.
    ///
    /// # Errors
    /// When the file cannot be read, or holds a plan that nobody understands.
    pub fn story(&self, uid: &str) -> Result<Option<Story>> {
        let filter = RecoveryFilter { uid: Some(uid.to_owned()), ..RecoveryFilter::default() };
        let Some(recovery) = self.store.recoveries(filter, Page::all())?.pop() else { return Ok(None) };
        let Some(record) = self.store.plan(uid)? else { return Ok(None) };
        let plan: Plan = serde_json::from_str(&record.plan).context("the journal holds a plan of another version")?;
        let Some(certificate) = plan.certificate.clone() else { return Ok(None) };
        let detections = self.store.detections(
            store::DetectionFilter { id: Some(recovery.detection_id), ..store::DetectionFilter::default() },
            Page::all(),
        )?;
        let detected = detections.first().map_or(recovery.started, |detection| detection.at);
        let sentences = self.sentences(uid)?;
        Ok(Some(Story { recovery, detected, plan, certificate, steps: record.steps, sentences }))
    }
}

impl Story {
    /// Returns when the last step of this kind was finished with success; nothing when none was.
    pub fn done(&self, is_meant: impl Fn(&Action) -> bool) -> Option<Timestamp> {
        let steps = self.steps.iter().filter(|step| step.outcome == Some(StepOutcome::Done));
        let meant = steps.filter(|step| {
            self.plan.steps.iter().any(|planned| planned.number == step.number && is_meant(&planned.action))
        });
        meant.filter_map(|step| step.finished).max()
    }
}
