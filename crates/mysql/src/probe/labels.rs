//! The operator's own queries: their failures are notes, and they come last, so that a slow one costs nothing else.

use tokio::time::Instant;
use topology::PromotionRule;

use super::{Prober, Said, left};
use crate::session::Session;

impl Prober {
    /// Runs the queries that are set, when they are due. A failure leaves what was said before.
    pub(super) async fn ask_if_due(&mut self, session: &mut Session, deadline: Instant) {
        if self.asked_at.is_some_and(|at| at.elapsed() < self.settings.slow_every) {
            return;
        }
        // Also when they fail: a query that hangs must not cost a session with every probe.
        self.asked_at = Some(Instant::now());
        let queries = self.queries();
        if queries.is_empty() {
            return;
        }
        let statements: Vec<&str> = queries.iter().map(|(_, sql)| sql.as_str()).collect();
        let outcomes = match session.each(&statements, left(deadline)).await {
            Ok(outcomes) => outcomes,
            Err(error) => return self.note("the configured queries", error),
        };
        for ((about, _), outcome) in queries.iter().zip(outcomes) {
            let said = outcome.map_err(|error| error.to_string()).and_then(|rows| {
                let text = rows.first().and_then(|row| row.get(0)).unwrap_or_default().trim();
                self.said.take(about, text)
            });
            if let Err(why) = said {
                self.note(about, why);
            }
        }
    }

    /// Runs `ReplicationLagQuery`, if it is set. A failure leaves the server's own figure in place.
    pub(super) async fn custom_lag(&mut self, session: &mut Session, deadline: Instant) -> Option<u64> {
        let about = "ReplicationLagQuery";
        let sql = self.settings.queries.replication_lag.trim();
        if sql.is_empty() || session.is_broken() {
            return None;
        }
        match session.rows_within(sql, left(deadline)).await {
            Ok(rows) => {
                let text = rows.first().and_then(|row| row.get(0)).unwrap_or_default().trim().to_owned();
                let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
                if seconds.is_none() && !text.is_empty() {
                    self.note(about, format!("{text:?} is no number of seconds"));
                }
                // A negative lag is a clock that runs ahead. The cast saturates.
                seconds.map(|seconds| seconds.max(0.0) as u64)
            }
            Err(error) => {
                self.note(about, error);
                None
            }
        }
    }

    fn queries(&self) -> Vec<(&'static str, String)> {
        let queries = &self.settings.queries;
        let all = [
            ("DetectDataCenterQuery", &queries.data_center),
            ("DetectRegionQuery", &queries.region),
            ("DetectPhysicalEnvironmentQuery", &queries.environment),
            ("DetectInstanceAliasQuery", &queries.instance_alias),
            ("DetectClusterAliasQuery", &queries.cluster_alias),
            ("DetectClusterDomainQuery", &queries.cluster_domain),
            ("DetectPromotionRuleQuery", &queries.promotion_rule),
            ("DetectSemiSyncEnforcedQuery", &queries.semi_sync_enforced),
        ];
        let set = all.into_iter().filter(|(_, sql)| !sql.trim().is_empty());
        set.map(|(about, sql)| (about, sql.clone())).collect()
    }
}

impl Said {
    fn take(&mut self, about: &str, text: &str) -> Result<(), String> {
        match about {
            "DetectDataCenterQuery" => text.clone_into(&mut self.placement.data_center),
            "DetectRegionQuery" => text.clone_into(&mut self.placement.region),
            "DetectPhysicalEnvironmentQuery" => text.clone_into(&mut self.placement.environment),
            "DetectInstanceAliasQuery" => text.clone_into(&mut self.labels.instance_alias),
            "DetectClusterAliasQuery" => text.clone_into(&mut self.labels.cluster_alias),
            "DetectClusterDomainQuery" => text.clone_into(&mut self.labels.cluster_domain),
            "DetectPromotionRuleQuery" => {
                self.labels.promotion_rule = if text.is_empty() { None } else { Some(text.parse::<PromotionRule>()?) };
            }
            "DetectSemiSyncEnforcedQuery" => {
                self.semi_sync_priority =
                    if text.is_empty() { 0 } else { text.parse().map_err(|_| format!("{text:?} is no priority"))? };
            }
            _ => {}
        }
        Ok(())
    }
}
