//! Ctrl-C and its like: long work ends at a place from which it can go on.

use crate::exit::Error;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::OnceLock;

/// The signal that has asked for an end, if any has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interrupts(&'static AtomicUsize);

static SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

impl Interrupts {
    /// From now on a signal asks for an end, and a second one ends the program at once: what is on record then holds.
    pub(crate) fn catch() -> Result<Self, Error> {
        if let Some(signal) = SIGNAL.get() {
            return Ok(Self(signal));
        }
        let signal = Arc::new(AtomicUsize::new(0));
        let again = Arc::new(AtomicBool::new(false));
        for (number, value) in [(SIGINT, 2), (SIGTERM, 15)] {
            // In this order: the first signal finds that it is not the second.
            flag::register_conditional_shutdown(number, code_of(value), Arc::clone(&again))
                .and_then(|_| flag::register(number, Arc::clone(&again)))
                .and_then(|_| flag::register_usize(number, Arc::clone(&signal), value))
                .map_err(|error| Error::Engine(format!("signals cannot be caught: {error}")))?;
        }
        Ok(Self(SIGNAL.get_or_init(|| signal)))
    }

    /// The exit code that tells of the signal, once there was one.
    pub(crate) fn code(self) -> Option<u8> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            signal => u8::try_from(code_of(signal)).ok(),
        }
    }
}

/// As shells have it.
fn code_of(signal: usize) -> i32 {
    i32::try_from(signal).map_or(i32::from(u8::MAX), |signal| signal.saturating_add(128))
}
