//! Promotion rules.

use store::Command;
use topology::PromotionRule;
use wire::Key;

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::error::Error;
use crate::lookup;
use crate::route::{Route, write};

pub(super) fn routes() -> Vec<Route> {
    vec![write("register-candidate/{host}/{port}/{rule}", register)]
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
