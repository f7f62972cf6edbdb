//! Runs the processes that operators configured to be told.
//!
//! A hook is a line of shell text with placeholders such as `{failedHost}`, and sees the same facts as `ORC_*` variables.
//! Values never reach the shell as code: each placeholder becomes a reference to a variable of the environment, quoted
//! as its surroundings demand, so a host name or alias that contains `; rm -rf` stays a word.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// What hooks are told. Names are the placeholders without braces; those with an `ORC_` twin have it too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    values: BTreeMap<&'static str, String>,
}

/// Every placeholder with its environment variable; the last ones have a value only once a successor is known.
/// (Orchestrator 3.2.6, documented placeholders; `ORC_COUNT_LOST_REPLICAS` and below the line are ours.)
const NAMES: &[(&str, &str)] = &[
    ("failureType", "ORC_FAILURE_TYPE"),
    ("instanceType", "ORC_INSTANCE_TYPE"),
    ("isMaster", "ORC_IS_MASTER"),
    ("isCoMaster", "ORC_IS_CO_MASTER"),
    ("failureDescription", "ORC_FAILURE_DESCRIPTION"),
    ("command", "ORC_COMMAND"),
    ("failedHost", "ORC_FAILED_HOST"),
    ("failedPort", "ORC_FAILED_PORT"),
    ("failureCluster", "ORC_FAILURE_CLUSTER"),
    ("failureClusterAlias", "ORC_FAILURE_CLUSTER_ALIAS"),
    ("failureClusterDomain", "ORC_FAILURE_CLUSTER_DOMAIN"),
    ("countReplicas", "ORC_COUNT_REPLICAS"),
    ("countSlaves", "ORC_COUNT_REPLICAS"),
    ("isDowntimed", "ORC_IS_DOWNTIMED"),
    ("autoMasterRecovery", "ORC_AUTO_MASTER_RECOVERY"),
    ("autoIntermediateMasterRecovery", "ORC_AUTO_INTERMEDIATE_MASTER_RECOVERY"),
    ("orchestratorHost", "ORC_ORCHESTRATOR_HOST"),
    ("recoveryUID", "ORC_RECOVERY_UID"),
    ("isSuccessful", "ORC_IS_SUCCESSFUL"),
    ("lostReplicas", "ORC_LOST_REPLICAS"),
    ("lostSlaves", "ORC_LOST_REPLICAS"),
    ("countLostReplicas", "ORC_COUNT_LOST_REPLICAS"),
    ("replicaHosts", "ORC_REPLICA_HOSTS"),
    ("slaveHosts", "ORC_REPLICA_HOSTS"),
    ("successorHost", "ORC_SUCCESSOR_HOST"),
    ("successorPort", "ORC_SUCCESSOR_PORT"),
    ("successorAlias", "ORC_SUCCESSOR_ALIAS"),
    ("successorBinlogCoordinates", "ORC_SUCCESSOR_BINLOG_COORDINATES"),
    ("certificate", "ORC_CERTIFICATE"),
    ("hookID", "ORC_HOOK_ID"),
    ("hookRepeat", "ORC_HOOK_REPEAT"),
    ("lostGtids", "ORC_LOST_GTIDS"),
];

impl Facts {
    /// Sets the value of a placeholder (and of its other spelling).
    ///
    /// # Panics
    /// When there is no such placeholder: a defect of ours, found by the first test that runs a hook.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let variable = NAMES.iter().find(|(known, _)| *known == name).expect("a known placeholder").1;
        self.values.insert(variable, value.into());
    }

    /// Takes back who the successor is: nobody was promoted.
    pub fn clear_successor(&mut self) {
        self.values.retain(|variable, _| !variable.starts_with("ORC_SUCCESSOR_"));
    }

    fn environment(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().map(|(variable, value)| (*variable, value.as_str()))
    }
}

/// How to run hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shell {
    /// `ProcessesShellCommand`, such as `bash`.
    pub command: String,
    /// `HookTimeoutSeconds`: a hook that takes longer is killed and has failed.
    pub timeout: Duration,
}

/// How one hook went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How long it took.
    pub took: Duration,
    /// What it printed, both streams, at most [`OUTPUT_LIMIT`] bytes of each.
    pub output: String,
    /// Why it failed; none when it went well, or was started in the background.
    pub failure: Option<String>,
}

/// Returns why a hook failed with the end of what it printed, for people who wonder what it did not like.
pub fn complaint(failure: &str, output: &str) -> String {
    const LONGEST: usize = 400;
    let said = output.trim();
    let skipped = said.chars().count().saturating_sub(LONGEST);
    let end: String = said.chars().skip(skipped).collect();
    if end.is_empty() { failure.to_owned() } else { format!("{failure}; it said: {end}") }
}

/// Bytes of output that are kept of each stream of a hook.
pub const OUTPUT_LIMIT: usize = 16 * 1024;

/// Runs one hook and returns how it went. A hook that ends in `&` is started, and its result ignored.
///
/// Cancel-safe: a dropped run kills the hook.
pub async fn run(shell: &Shell, hook: &str, facts: &Facts) -> Report {
    let started = Instant::now();
    let text = hook.trim_end();
    let (text, in_background) = match text.strip_suffix('&') {
        // `&&` at the end is a mistake that the shell should report.
        Some(rest) if !rest.ends_with('&') => (rest, true),
        _ => (text, false),
    };
    let script = substitute(text, facts);
    let outcome = match spawn(shell, &script, facts, in_background) {
        Err(error) => Err((String::new(), format!("cannot start {:?}: {error}", shell.command))),
        Ok(child) if in_background => {
            drop(child);
            Ok("started in the background".to_owned())
        }
        Ok(child) => wait(child, shell.timeout).await,
    };
    let took = started.elapsed();
    match outcome {
        Ok(output) => Report { took, output, failure: None },
        Err((output, failure)) => Report { took, output, failure: Some(failure) },
    }
}

fn spawn(shell: &Shell, script: &str, facts: &Facts, in_background: bool) -> std::io::Result<Child> {
    let mut words = shell.command.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("bash"));
    command.args(words).arg("-c").arg(script).envs(facts.environment()).stdin(Stdio::null());
    // A group of its own, so that a timeout ends the children of the hook too.
    command.process_group(0);
    if in_background {
        command.stdout(Stdio::null()).stderr(Stdio::null());
    } else {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    }
    command.spawn()
}

async fn wait(mut child: Child, timeout: Duration) -> Result<String, (String, String)> {
    let mut stdout = child.stdout.take().expect("piped");
    let mut stderr = child.stderr.take().expect("piped");
    let (mut printed, mut complained) = (Vec::new(), Vec::new());
    let finished = {
        let reading = async {
            tokio::join!(
                read_capped(&mut stdout, &mut printed),
                read_capped(&mut stderr, &mut complained),
                child.wait()
            )
            .2
        };
        tokio::time::timeout(timeout, reading).await
    };
    let output = format!("{}{}", String::from_utf8_lossy(&printed), String::from_utf8_lossy(&complained));
    match finished {
        Ok(Ok(status)) if status.success() => Ok(output),
        Ok(Ok(status)) => Err((output, format!("{status}"))),
        Ok(Err(error)) => Err((output, error.to_string())),
        Err(_) => {
            kill_group(&child);
            Err((output, format!("killed after {} s (HookTimeoutSeconds)", timeout.as_secs_f32())))
        }
    }
}

async fn read_capped(stream: &mut (impl AsyncReadExt + Unpin), kept: &mut Vec<u8>) {
    let mut buffer = [0; 4096];
    while let Ok(count) = stream.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let room = OUTPUT_LIMIT.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..count.min(room)]);
    }
}

/// Kills the hook and whatever it started.
fn kill_group(child: &Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(group) = pid {
        // It may have ended by itself in this moment.
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
    }
}

/// Replaces each placeholder that has a value by a reference to its environment variable. Without a successor its
/// placeholders stay as they are, as people's scripts expect.
fn substitute(text: &str, facts: &Facts) -> String {
    let mut script = String::with_capacity(text.len());
    let mut quote = Quote::None;
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some((variable, length)) = placeholder(rest, facts) {
            script.push_str(&quote.reference(variable));
            rest = &rest[length..];
            continue;
        }
        let mut length = next.len_utf8();
        quote = match (quote, next) {
            (Quote::None | Quote::Double, '\\') => {
                length += rest[length..].chars().next().map_or(0, char::len_utf8);
                quote
            }
            (Quote::None, '\'') => Quote::Single,
            (Quote::None, '"') => Quote::Double,
            (Quote::Single, '\'') | (Quote::Double, '"') => Quote::None,
            _ => quote,
        };
        script.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    script
}

/// Returns the variable of the placeholder that `text` begins with, and the placeholder's length.
fn placeholder(text: &str, facts: &Facts) -> Option<(&'static str, usize)> {
    let name = text.strip_prefix('{')?.split_once('}')?.0;
    let (_, variable) = NAMES.iter().find(|(known, _)| *known == name)?;
    facts.values.contains_key(variable).then_some((*variable, name.len() + 2))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
}

impl Quote {
    fn reference(self, variable: &str) -> String {
        match self {
            Self::None => format!("\"${{{variable}}}\""),
            Self::Double => format!("${{{variable}}}"),
            Self::Single => format!("'\"${{{variable}}}\"'"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell() -> Shell {
        Shell { command: "bash".to_owned(), timeout: Duration::from_secs(20) }
    }

    fn facts(host: &str) -> Facts {
        let mut facts = Facts::default();
        facts.set("failedHost", host);
        facts.set("failedPort", "3306");
        facts
    }

    #[tokio::test]
    async fn placeholders_and_variables_say_the_same() {
        let hook = r#"echo {failedHost}:{failedPort} "{failedHost}" '{failedHost}' $ORC_FAILED_HOST"#;
        let report = run(&shell(), hook, &facts("db1")).await;
        assert_eq!(report.output, "db1:3306 db1 db1 db1\n");
        assert_eq!(report.failure, None);
    }

    #[tokio::test]
    async fn a_hostile_name_stays_a_word() {
        let hostile = "x; echo broken $(echo in) `id` ' \" \\ |";
        for hook in ["printf %s {failedHost}", "printf %s '{failedHost}'", "printf %s \"{failedHost}\""] {
            assert_eq!(run(&shell(), hook, &facts(hostile)).await.output, hostile, "{hook}");
        }
    }

    #[tokio::test]
    async fn without_a_successor_its_placeholders_stay() {
        let report = run(&shell(), "echo '{successorHost}' {unknown}", &facts("db1")).await;
        assert_eq!(report.output, "{successorHost} {unknown}\n");
    }

    #[tokio::test]
    async fn a_failure_is_told_with_its_output() {
        let report = run(&shell(), "echo out; echo err >&2; exit 3", &facts("db1")).await;
        assert_eq!(report.output, "out\nerr\n");
        assert_eq!(report.failure.as_deref(), Some("exit status: 3"));
    }

    #[tokio::test]
    async fn a_hook_that_hangs_is_killed_with_its_children() {
        let brief = Shell { timeout: Duration::from_millis(200), ..shell() };
        let report = run(&brief, "sleep 600 | cat", &facts("db1")).await;
        assert!(report.failure.is_some_and(|failure| failure.contains("HookTimeoutSeconds")));
        assert!(report.took < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_background_hook_is_not_waited_for() {
        let report = run(&shell(), "sleep 2 &", &facts("db1")).await;
        assert_eq!(report.failure, None);
        assert_eq!(report.output, "started in the background");
    }

    #[tokio::test]
    async fn a_missing_shell_is_a_failure() {
        let missing = Shell { command: "/no/such/shell".to_owned(), ..shell() };
        assert!(run(&missing, "true", &facts("db1")).await.failure.is_some());
    }
}
