//! How far long work is: a bar where standard error is a terminal, else a line from time to time.

use crate::exit::say;
use core::time::Duration;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::time::Instant;

/// Work that takes less shows nothing.
const QUIET: Duration = Duration::from_secs(2);

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Shows how much of `total` bytes is done.
pub(crate) struct Progress {
    what: &'static str,
    total: u64,
    done: u64,
    display: Display,
}

enum Display {
    /// Nothing yet: since when.
    Quiet(Instant),
    Bar(ProgressBar),
    /// Lines: when the last was printed.
    Lines(Instant),
}

impl Progress {
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        Self { what, total, done: 0, display: Display::Quiet(Instant::now()) }
    }

    /// So many bytes of this many are done.
    pub(crate) fn reach(&mut self, done: u64, total: u64) {
        self.total = total;
        self.advance(done.saturating_sub(self.done));
    }

    /// So many more bytes are done.
    pub(crate) fn advance(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        match &mut self.display {
            Display::Quiet(since) if since.elapsed() < QUIET => {}
            Display::Quiet(_) if stderr().is_terminal() => {
                self.display = Display::Bar(bar(self.what, self.total, self.done));
            }
            Display::Quiet(since) => self.display = Display::Lines(*since),
            Display::Bar(bar) => bar.set_position(self.done),
            Display::Lines(last) if last.elapsed() < LINE_EVERY => {}
            Display::Lines(last) => {
                *last = Instant::now();
                let percent = self.done.saturating_mul(100).checked_div(self.total).unwrap_or(0);
                say(&format!("{}: {percent} %", self.what));
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        match &self.display {
            Display::Bar(bar) => bar.finish_and_clear(),
            Display::Quiet(_) | Display::Lines(_) => {}
        }
    }
}

fn bar(what: &'static str, total: u64, done: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let template = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.set_position(done);
    bar
}
