//! What operators declare: downtime, maintenance, promotion rules.

use serde_json::Value;

use super::{Command, fixed, of_instance};
use crate::failure::Failure;
use crate::options::{Options, Program, encoded, required};
use crate::show::{Answer, Lines, key, key_of_details, keys_of_instances, text};

const SECTION: &str = "Declarations";

pub(super) const COMMANDS: &[Command] = &[
    Command::new(SECTION, "begin-downtime", "-i -owner -reason -duration", begin_downtime, key_of_details, "Tell that problems of an instance are expected for a while: no recovery").changing()
        .details("The duration is a number and s, m, h, d or w; 10m if it is not given."),
    Command::new(SECTION, "end-downtime", "-i", of_instance!("end-downtime"), key_of_details, "End the downtime of an instance").changing(),
    Command::new(SECTION, "downtimed", "[-i|-alias]", downtimed, keys_of_instances, "List instances in downtime, of one cluster or of all")
        .also(&["which-downtimed-instances"]),
    Command::new(SECTION, "which-lost-in-recovery", "", fixed!("downtimed"), lost, "List instances that a recovery lost and put in downtime"),
    Command::new(SECTION, "begin-maintenance", "-i -owner -reason", begin_maintenance, key_of_details, "Lock an instance for ten minutes").changing(),
    Command::new(SECTION, "end-maintenance", "-i", of_instance!("end-maintenance"), key_of_details, "Unlock an instance").changing(),
    Command::new(SECTION, "in-maintenance", "-i", of_instance!("in-maintenance"), in_maintenance, "Show the instance if it is locked; nothing if not"),
    Command::new(SECTION, "register-candidate", "-i -promotion-rule", register, key_of_details, "Tell how welcome an instance is as a primary").changing()
        .details("Rules: prefer, neutral, prefer_not, must_not. A rule expires after CandidateInstanceExpireMinutes: register it again from time to time, for example from cron."),
    Command::new(SECTION, "bulk-promotion-rules", "", fixed!("bulk-promotion-rules"), rules, "List all promotion rules but neutral"),
];

fn rules(answer: &Answer<'_>) -> Lines {
    let rule = |entry: &Value| format!("{} {}", key(entry), text(&entry["PromotionRule"]));
    Ok(answer.items().iter().map(rule).collect())
}

fn begin_downtime(options: &Options) -> Result<String, Failure> {
    let duration = if options.duration.is_empty() { "10m" } else { &options.duration };
    Ok(format!("begin-downtime/{}/{}/{}", options.instance_path()?, owner_and_reason(options)?, encoded(duration)))
}

fn begin_maintenance(options: &Options) -> Result<String, Failure> {
    Ok(format!("begin-maintenance/{}/{}", options.instance_path()?, owner_and_reason(options)?))
}

/// A slash cannot stand inside a segment of a path.
fn owner_and_reason(options: &Options) -> Result<String, Failure> {
    let owner = encoded(&required(&options.owner, "owner")?.replace('/', "\u{2215}"));
    let reason = encoded(&required(&options.reason, "reason")?.replace('/', "\u{2215}"));
    Ok(format!("{owner}/{reason}"))
}

fn downtimed(options: &Options) -> Result<String, Failure> {
    match options.cluster_hint() {
        Ok(hint) => Ok(format!("downtimed/{hint}")),
        Err(_) => Ok("downtimed".to_owned()),
    }
}

fn lost(answer: &Answer<'_>) -> Lines {
    let is_lost = |instance: &&Value| text(&instance["DowntimeReason"]) == "lost-in-recovery";
    Ok(answer.items().iter().filter(is_lost).map(|instance| key(&instance["Key"])).collect())
}

fn in_maintenance(answer: &Answer<'_>) -> Lines {
    let shown = text(answer.details());
    Ok(if shown.is_empty() { Vec::new() } else { vec![shown.to_owned()] })
}

fn register(options: &Options) -> Result<String, Failure> {
    let rule = required(&options.promotion_rule, "promotion rule")?;
    Ok(format!("register-candidate/{}/{}", options.instance_path()?, encoded(rule)))
}

/// The binary takes an option that is not given for a common wish; the client demands it.
pub(crate) fn default_promotion_rule(program: Program) -> &'static str {
    match program {
        Program::Orchestrator => "prefer",
        Program::Client => "",
    }
}
