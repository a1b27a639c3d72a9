//! The process itself under the names that every Prometheus client has for it (`process_*`), read from `/proc` when it
//! is asked for.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// How many there are.
pub const COUNT: usize = 7;

/// What proc(5) tells of this process.
pub struct Process {
    cpu: Counter,
    open_files: Gauge,
    most_files: Gauge,
    virtual_memory: Gauge,
    resident_memory: Gauge,
    started: Gauge,
    threads: Gauge,
}

impl Process {
    /// The metrics, not read yet.
    ///
    /// # Errors
    /// When a name is none: a mistake in this file.
    pub fn new() -> Result<Self, prometheus::Error> {
        Ok(Self {
            cpu: Counter::new("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")?,
            open_files: Gauge::new("process_open_fds", "Number of open file descriptors.")?,
            most_files: Gauge::new("process_max_fds", "Maximum number of open file descriptors.")?,
            virtual_memory: Gauge::new("process_virtual_memory_bytes", "Virtual memory size in bytes.")?,
            resident_memory: Gauge::new("process_resident_memory_bytes", "Resident memory size in bytes.")?,
            started: Gauge::new(
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds.",
            )?,
            threads: Gauge::new("process_threads", "Number of OS threads in the process.")?,
        })
    }

    fn all(&self) -> [&dyn Collector; COUNT] {
        [
            &self.cpu,
            &self.open_files,
            &self.most_files,
            &self.virtual_memory,
            &self.resident_memory,
            &self.started,
            &self.threads,
        ]
    }

    /// Reads what can be read; what cannot stays as it was.
    #[allow(clippy::cast_precision_loss)] // seconds and bytes of one process
    fn read(&self) {
        // The directory that is read is itself one of them.
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            self.open_files.set(files.count().saturating_sub(1) as f64);
        }
        self.most_files.set(getrlimit(Resource::Nofile).current.map_or(f64::INFINITY, |most| most as f64));
        let Some(stat) = std::fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) else {
            return;
        };
        let seconds = |ticks: u64| ticks as f64 / clock_ticks_per_second() as f64;
        // Two who ask at once must not count it twice; that it goes back, prometheus refuses.
        self.cpu.inc_by((seconds(stat.cpu_ticks) - self.cpu.get()).max(0.0));
        self.virtual_memory.set(stat.virtual_bytes as f64);
        self.resident_memory.set(stat.resident_pages as f64 * page_size() as f64);
        self.threads.set(stat.threads as f64);
        if let Some(boot) = std::fs::read_to_string("/proc/stat").ok().as_deref().and_then(boot_time) {
            self.started.set(boot as f64 + seconds(stat.start_ticks));
        }
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.read();
        self.all().into_iter().flat_map(Collector::collect).collect()
    }
}

/// Of `/proc/self/stat`, `proc_pid_stat(5)`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name in parentheses may hold blanks and parentheses itself. Behind it comes field 3.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// When the machine was started, in seconds since the epoch, of `/proc/stat`, `proc_stat(5)`.
fn boot_time(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
#[allow(clippy::cast_precision_loss)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_stat_is_read_behind_any_name() {
        let text =
            "7 (desk ) gate) S 1 7 7 0 -1 4194560 1 0 0 0 250 150 0 0 20 0 9 0 3000 81920 33 18446744073709551615 1";
        let stat = Stat { cpu_ticks: 400, threads: 9, start_ticks: 3000, virtual_bytes: 81920, resident_pages: 33 };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("7 (deskgate) S 1 7"), None);
        assert_eq!(boot_time("cpu 1 2\nbtime 1772442000\nprocesses 3\n"), Some(1_772_442_000));
    }

    #[test]
    fn this_process_is_seen() {
        let process = Process::new().unwrap();
        process.read();
        let now = Clock::system().now().0 as f64 / 1000.0;
        assert!(
            process.started.get() > now - 86_400.0 && process.started.get() <= now + 1.0,
            "{}",
            process.started.get()
        );
        assert!(process.resident_memory.get() > 1e6 && process.virtual_memory.get() > process.resident_memory.get());
        assert!(process.threads.get() >= 1.0 && process.most_files.get() >= process.open_files.get());
        let before = process.open_files.get();
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        process.read();
        assert!(process.open_files.get() > 2.0 && before > 2.0);
        drop(file);
        // Enough work for a tick of the clock.
        let cpu = process.cpu.get();
        let mut sum = 0_u64;
        while process.cpu.get() <= cpu {
            sum = (0..10_000_000_u64).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
            process.read();
        }
        assert!(process.cpu.get() > cpu, "{sum}");
    }
}
