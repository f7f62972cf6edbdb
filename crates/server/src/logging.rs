//! The log, on standard error.

use std::fmt;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// Local time to the second, as Orchestrator's log has it: `YYYY-MM-DD HH:MM:SS`.
struct LocalTime;

impl FormatTime for LocalTime {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        write!(out, "{}", jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S"))
    }
}

/// Starts logging at `level`; `RUST_LOG` overrides it.
pub fn start(level: &str) {
    // The raft library tells every heartbeat that a dead node does not answer; what matters of it is told by us.
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("{level},mysql_async=warn,openraft=off")));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_timer(LocalTime);
    subscriber.with_ansi(false).with_writer(std::io::stderr).init();
}
