//! The core, the CPU's name, the date.

use core::mem::size_of;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs, io};

/// Binds this process, and the children that it starts, to one CPU: `wish`, or the last one
/// allowed, which is farthest from where interrupts usually go.
pub(crate) fn pin(wish: Option<usize>) -> io::Result<usize> {
    // SAFETY: a set of CPUs is an array of bits: all zero is the empty one.
    let mut set: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    // SAFETY: the set is valid for writes of its own size; 0 is the calling thread.
    let failed = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    let allowed = |cpu: &usize| {
        // SAFETY: the macro indexes the set's array with bounds checks, below CPU_SETSIZE.
        unsafe { libc::CPU_ISSET(*cpu, &set) }
    };
    let limit = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    let mut cpus = (0..limit).filter(allowed);
    let cpu = match wish {
        Some(cpu) => cpus.find(|&it| it == cpu),
        None => cpus.next_back(),
    };
    let Some(cpu) = cpu else {
        return Err(io::Error::other("this process may not run on that CPU"));
    };
    // SAFETY: as above: all zero is the empty set.
    let mut only: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    // SAFETY: `cpu` is below CPU_SETSIZE.
    unsafe { libc::CPU_SET(cpu, &mut only) };
    // SAFETY: the set is valid for reads of its own size; 0 is the calling thread.
    let failed = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &only) };
    if failed == 0 { Ok(cpu) } else { Err(io::Error::last_os_error()) }
}

/// The CPU, as it calls itself, with family and model.
pub(crate) fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name)
            .map_or("?", |(_, value)| value.trim())
            .to_owned()
    };
    format!("{}, family {} model {}", field("model name"), field("cpu family"), field("model"))
}

/// Today in UTC, as year-month-day.
pub(crate) fn date() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // Days since 0000-03-01, so that a leap day is the last of its year; 400 years are an era.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + carry)
}
