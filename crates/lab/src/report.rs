//! Tables of measured times, and the machine they were measured on.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

/// A row of a table: what was measured, and each measurement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// What was measured.
    pub name: String,
    samples: Vec<Duration>,
}

impl Series {
    /// Returns an empty row.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), samples: Vec::new() }
    }

    /// Adds a measurement.
    pub fn push(&mut self, sample: Duration) {
        let place = self.samples.partition_point(|known| *known <= sample);
        self.samples.insert(place, sample);
    }

    /// Returns how many measurements there are.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// True when there is no measurement.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Returns the least measurement that at least `percent` of all do not exceed (nearest rank); nothing without any.
    pub fn percentile(&self, percent: u8) -> Option<Duration> {
        let rank = (self.samples.len() * usize::from(percent.min(100))).div_ceil(100);
        self.samples.get(rank.max(1) - 1).copied()
    }

    /// Returns the median (the lower of the two in the middle).
    pub fn median(&self) -> Option<Duration> {
        self.percentile(50)
    }

    /// Returns the worst.
    pub fn worst(&self) -> Option<Duration> {
        self.samples.last().copied()
    }
}

impl Extend<Duration> for Series {
    fn extend<T: IntoIterator<Item = Duration>>(&mut self, samples: T) {
        samples.into_iter().for_each(|sample| self.push(sample));
    }
}

/// Returns a table in Markdown: one line per series with count, median, 99th percentile and worst, in milliseconds.
pub fn table(series: &[Series]) -> String {
    let width = series.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(4);
    let mut text = format!("| {:width$} | runs | median ms | p99 ms | worst ms |\n", "time");
    text.push_str(&format!("|{}|-----:|----------:|-------:|---------:|\n", "-".repeat(width + 2)));
    for row in series {
        let cell = |value: Option<Duration>| value.map_or("-".to_owned(), |time| time.as_millis().to_string());
        let cells = [row.median(), row.percentile(99), row.worst()].map(cell);
        let (name, count) = (&row.name, row.len());
        let written =
            writeln!(text, "| {name:width$} | {count:>4} | {:>9} | {:>6} | {:>8} |", cells[0], cells[1], cells[2]);
        written.expect("a text takes all that is written to it");
    }
    text
}

/// Returns one line about this machine: processor, cores, memory, kernel.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    describe(&read("/proc/cpuinfo"), cores, &read("/proc/meminfo"), kernel.trim())
}

/// Returns today's date (UTC) as `2026-11-22`.
pub fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

fn describe(processors: &str, cores: usize, memory: &str, kernel: &str) -> String {
    let value = |text: &str, name: &str| -> Option<String> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let processor = value(processors, "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let kilobytes = value(memory, "MemTotal").and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    let gigabytes = kilobytes.unwrap_or(0) / (1024 * 1024);
    format!("{processor}, {cores} cores, {gigabytes} GiB of memory, Linux {kernel}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(millis: &[u64]) -> Series {
        let mut series = Series::new("detect");
        series.extend(millis.iter().map(|time| Duration::from_millis(*time)));
        series
    }

    #[test]
    fn percentiles_are_measurements() {
        let hundred: Vec<u64> = (1..=100).rev().collect();
        let series = series(&hundred);
        assert_eq!(series.median(), Some(Duration::from_millis(50)));
        assert_eq!(series.percentile(99), Some(Duration::from_millis(99)));
        assert_eq!(series.percentile(0), Some(Duration::from_millis(1)));
        assert_eq!(series.worst(), Some(Duration::from_millis(100)));
    }

    #[test]
    fn a_few_have_the_worst_as_their_tail_and_none_have_nothing() {
        assert_eq!(series(&[3, 1, 2]).percentile(99), Some(Duration::from_millis(3)));
        assert_eq!(series(&[]).median(), None);
    }

    #[test]
    fn the_table_lines_up() {
        let text = table(&[series(&[10, 20]), Series::new("promote")]);
        let expected = "\
| time    | runs | median ms | p99 ms | worst ms |
|---------|-----:|----------:|-------:|---------:|
| detect  |    2 |        10 |     20 |       20 |
| promote |    0 |         - |      - |        - |
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_machine_is_one_line() {
        let text = describe("model name\t: Fast CPU\n", 2, "MemTotal:  25165824 kB\n", "6.1");
        assert_eq!(text, "Fast CPU, 2 cores, 24 GiB of memory, Linux 6.1");
        assert_eq!(describe("", 1, "", "6.1"), "unknown processor, 1 cores, 0 GiB of memory, Linux 6.1");
    }
}
