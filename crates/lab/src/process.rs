//! Processes that die with us.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, kill_process};

/// What can be sent to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Death without a word (SIGKILL).
    Kill,
    /// A request to end (SIGTERM).
    Terminate,
    /// Frozen until [`Signal::Continue`] (SIGSTOP); its sockets stay open and answer nothing.
    Stop,
    /// Thawed (SIGCONT).
    Continue,
}

impl Signal {
    fn raw(self) -> rustix::process::Signal {
        match self {
            Self::Kill => rustix::process::Signal::KILL,
            Self::Terminate => rustix::process::Signal::TERM,
            Self::Stop => rustix::process::Signal::STOP,
            Self::Continue => rustix::process::Signal::CONT,
        }
    }
}

/// Sends a signal to the process `pid`. A process that is gone is fine.
pub(crate) fn send(pid: u32, signal: Signal) -> Result<()> {
    let Some(target) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { bail!("{pid} is no process id") };
    match kill_process(target, signal.raw()) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot signal process {pid}")),
    }
}

/// A running child, in a process group of its own so that Ctrl-C reaches only us. The kernel kills it when we die.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts `program` with `arguments`, under the wrapper that binds its life to ours. `prefix` stands before all.
    pub(crate) fn start(prefix: &[String], command: &[String], log: &Path, env: &[(&str, &str)]) -> Result<Self> {
        let open = || {
            let file = fs::OpenOptions::new().create(true).append(true).open(log);
            file.with_context(|| format!("cannot write {}", log.display()))
        };
        let wrapper = ["setpriv", "--pdeathsig", "KILL", "--"].map(str::to_owned);
        let words: Vec<&String> = prefix.iter().chain(&wrapper).chain(command).collect();
        let mut child = Command::new(words[0]);
        child.args(&words[1..]).envs(env.iter().copied()).stdin(Stdio::null());
        child.stdout(open()?).stderr(open()?);
        std::os::unix::process::CommandExt::process_group(&mut child, 0);
        let started = on_lasting_thread(child);
        let child = started.with_context(|| format!("cannot run {} (is util-linux installed?)", words[0]))?;
        Ok(Self { child })
    }

    /// Returns the process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns how the process ended; nothing while it runs.
    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot wait for a child")
    }

    /// Sends a signal, unless the process has ended.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        // Asked first: the number of a process that was waited for may belong to another one by now.
        if self.exited()?.is_none() { send(self.pid(), signal) } else { Ok(()) }
    }

    /// Kills the process and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.signal(Signal::Kill)?;
        self.child.wait().map(drop).context("cannot wait for a child")
    }

    /// Waits until the process has ended by itself.
    ///
    /// # Errors
    /// When it still runs after `limit`.
    pub(crate) async fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            if Instant::now() > until {
                bail!("process {} still runs after {limit:?}", self.pid());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!(%error, "a process may be left over");
        }
    }
}

type Answer = std::io::Result<Child>;

/// Starts the child on a thread that lives as long as we do. The kernel's "kill me when my parent dies" means the parent
/// *thread*, and an async runtime's threads come and go.
fn on_lasting_thread(command: Command) -> Answer {
    static SPAWNER: OnceLock<Sender<(Command, Sender<Answer>)>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (send, receive) = channel::<(Command, Sender<Answer>)>();
        thread::spawn(move || {
            for (mut command, reply) in receive {
                // Whoever asked waits for the answer, so that sending it cannot fail.
                drop(reply.send(command.spawn()));
            }
        });
        send
    });
    let (reply, answer) = channel();
    spawner.send((command, reply)).expect("the spawner ends with the process only");
    answer.recv().expect("the spawner answers each request")
}

/// Runs a short program to its end and returns its output.
///
/// # Errors
/// When it cannot be run, or fails: with what it wrote to its standard error.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("cannot run {program}"))?;
    told(program, arguments, &output)
}

/// Runs a short program to its end on this input, which must fit into a pipe.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_with_input(program: &str, arguments: &[&str], input: &str) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let cannot = || format!("cannot run {program}");
    let mut child = command.spawn().with_context(cannot)?;
    // Closed at the end of the statement: the program waits for it.
    child.stdin.take().context("a pipe")?.write_all(input.as_bytes()).with_context(cannot)?;
    told(program, arguments, &child.wait_with_output().with_context(cannot)?).map(drop)
}

fn told(program: &str, arguments: &[&str], output: &Output) -> Result<String> {
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {} failed: {}", arguments.join(" "), text.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
