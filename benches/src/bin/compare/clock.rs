//! The stopwatch: CPU time of this thread, so that a busy machine does not count as a slow peer.

use core::mem::MaybeUninit;
use core::time::Duration;

/// A point in the CPU time of this thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuTime(Duration);

impl CpuTime {
    pub(crate) fn now() -> Self {
        let mut time = MaybeUninit::<libc::timespec>::uninit();
        // SAFETY: `time` is valid for a write of its type.
        let failed =
            unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, time.as_mut_ptr()) };
        assert_eq!(failed, 0, "every Linux has this clock");
        // SAFETY: the call succeeded, so it wrote all of it.
        let time = unsafe { time.assume_init() };
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Self(Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0)))
    }

    pub(crate) fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

/// How often the CPU was taken from this thread.
pub(crate) fn preemptions() -> i64 {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: `usage` is valid for a write of its type.
    let failed = unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    assert_eq!(failed, 0, "every Linux counts this");
    // SAFETY: the call succeeded, so it wrote all of it.
    unsafe { usage.assume_init() }.ru_nivcsw
}
