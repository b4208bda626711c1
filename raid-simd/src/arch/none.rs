//! No backend of its own: the portable ones do the work.

use crate::operations::Operation;
use crate::select::Backend;

/// No value of it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Native {}

impl Native {
    pub(crate) fn detect(_backend: Backend) -> Option<Self> {
        None
    }

    /// # Safety
    ///
    /// Safe: there is nothing to assume.
    pub(crate) unsafe fn assume(_backend: Backend) -> Option<Self> {
        None
    }

    pub(crate) const fn backend(self) -> Backend {
        match self {}
    }

    pub(crate) fn run<O: Operation>(self, _operation: O) -> Option<O::Answer> {
        match self {}
    }
}
