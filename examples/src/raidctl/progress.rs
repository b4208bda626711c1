//! How far long work is: a bar where standard error is a terminal, else a line from time to time.

use crate::exit::say;
use core::time::Duration;
use indicatif::{BinaryBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::time::Instant;

/// Work that takes less shows nothing.
const QUIET: Duration = Duration::from_secs(2);

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Shows how much of `total` bytes is done.
pub(crate) struct Progress {
    what: String,
    total: u64,
    /// What was done before it began, and so says nothing about its speed.
    start: Option<u64>,
    done: u64,
    since: Instant,
    display: Display,
}

enum Display {
    /// Nothing yet.
    Quiet,
    Bar(ProgressBar),
    /// Lines: when the last was printed.
    Lines(Instant),
}

impl Progress {
    pub(crate) fn new(what: impl Into<String>, total: u64) -> Self {
        let (what, since) = (what.into(), Instant::now());
        Self { what, total, start: None, done: 0, since, display: Display::Quiet }
    }

    /// So many bytes of this many are done. The first time says where it began.
    pub(crate) fn reach(&mut self, done: u64, total: u64) {
        self.start.get_or_insert(done);
        (self.done, self.total) = (done, total);
        self.show();
    }

    /// So many more bytes are done.
    pub(crate) fn advance(&mut self, bytes: u64) {
        self.start.get_or_insert(0);
        self.done = self.done.saturating_add(bytes);
        self.show();
    }

    fn show(&mut self) {
        match &mut self.display {
            Display::Quiet if self.since.elapsed() < QUIET => {}
            Display::Quiet if stderr().is_terminal() => self.display = Display::Bar(self.bar()),
            Display::Quiet => self.display = Display::Lines(self.since),
            Display::Bar(bar) => bar.set_position(self.done),
            Display::Lines(last) if last.elapsed() < LINE_EVERY => {}
            Display::Lines(last) => {
                *last = Instant::now();
                say(&self.line());
            }
        }
    }

    fn line(&self) -> String {
        let percent = self.done.saturating_mul(100).checked_div(self.total).unwrap_or(0);
        let fresh = self.done.saturating_sub(self.start.unwrap_or(0));
        let seconds = self.since.elapsed().as_secs();
        let rate = fresh.checked_div(seconds).unwrap_or(0);
        let left = self.total.saturating_sub(self.done).checked_div(rate);
        let left = left.map_or(String::from("-"), |seconds| {
            HumanDuration(Duration::from_secs(seconds)).to_string()
        });
        let what = &self.what;
        format!("{what}: {percent} %, {}/s, {left} left", BinaryBytes(rate))
    }

    fn bar(&self) -> ProgressBar {
        let target = ProgressDrawTarget::stderr();
        let bar = ProgressBar::with_draw_target(Some(self.total), target);
        let template = "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(self.what.clone());
        bar.set_position(self.done);
        // What was done before says nothing about the speed.
        bar.reset_eta();
        bar
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        match &self.display {
            Display::Bar(bar) => bar.finish_and_clear(),
            Display::Quiet | Display::Lines(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_what_was_done_now() {
        let mut progress = Progress::new("recovery of member 1", 0);
        progress.since = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
        progress.display = Display::Lines(Instant::now());
        progress.reach(600 << 20, 1000 << 20);
        assert_eq!(progress.line(), "recovery of member 1: 60 %, 0 B/s, - left");
        progress.reach(700 << 20, 1000 << 20);
        assert_eq!(progress.line(), "recovery of member 1: 70 %, 10.00 MiB/s, 30 seconds left");
    }
}
