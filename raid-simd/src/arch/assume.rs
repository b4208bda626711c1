//! The integrator's word in place of the CPU's.

use super::Native;
use crate::select::{Backend, Kernels};

impl Kernels {
    /// The kernels on a backend that the CPU cannot be asked for: on bare metal, or in a build for
    /// one machine. `None` if `backend` is none of the target's architecture, or a portable one,
    /// for which nothing need be assumed.
    ///
    /// # Safety
    ///
    /// Every CPU that the answer is used on has the instructions that [`Backend`] names, and the
    /// system, if there is one, has enabled them and saves their registers where it interrupts.
    #[must_use]
    pub unsafe fn assume(backend: Backend) -> Option<Self> {
        // SAFETY: the caller's word.
        unsafe { Native::assume(backend) }.map(Self::of)
    }
}
