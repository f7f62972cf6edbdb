//! Promotion rules.

use std::collections::BTreeSet;

use store::Command;
use topology::{InstanceKey, PromotionRule};
use wire::{Key, PromotionRuleEntry, row_time};

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::error::Error;
use crate::lookup;
use crate::route::{Route, read, write};

pub(super) fn routes() -> Vec<Route> {
    vec![read("bulk-promotion-rules", rules), write("register-candidate/{host}/{port}/{rule}", register)]
}

/// Shows every rule that somebody registered or that a server's own query gives.
async fn rules(api: Api, _call: Call) -> Answer {
    let view = api.fresh_view();
    let (snapshot, lasts) = (&view.snapshot, api.config().candidates.rule_expiry);
    let declared = &snapshot.declared.promotion_rules;
    let entry = |key: &InstanceKey| {
        let queried = snapshot.get(key).filter(|watched| {
            watched.instance.as_ref().is_some_and(|instance| instance.labels.promotion_rule.is_some())
        });
        let rule = snapshot.promotion_rule(key, lasts);
        let at = queried.and_then(|watched| watched.seen).or_else(|| declared.get(key).map(|registered| registered.at));
        let is_told = rule != PromotionRule::Neutral || (declared.contains_key(key) && queried.is_none());
        at.filter(|_| is_told).map(|at| PromotionRuleEntry {
            hostname: key.host.clone(),
            port: key.port,
            promotion_rule: rule.as_str().to_owned(),
            last_suggested_string: row_time(at),
            promotion_rule_expiry: row_time(at.plus(lasts)),
        })
    };
    let keys: BTreeSet<&InstanceKey> = snapshot.watched.keys().chain(declared.keys()).collect();
    let shown: Vec<PromotionRuleEntry> = keys.into_iter().filter_map(entry).collect();
    Reply::list_or_null(&shown)
}

async fn register(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_change(&api, &api.view(), call.key()?);
    let text = call.param("rule")?;
    let rule: PromotionRule =
        text.parse().map_err(|_| Error::BadParameter(format!("Invalid CandidatePromotionRule: {text}")))?;
    if rule == PromotionRule::Must {
        return Err(Error::BadParameter(
            "Unsupported CandidatePromotionRule: must; register with prefer, or use DetectPromotionRuleQuery"
                .to_owned(),
        ));
    }
    api.manager.declare(Command::RegisterCandidate { key: key.clone(), rule, at: api.manager.now() }).await?;
    Reply::ok("Registered candidate", Key::from(&key))
}
