//! `AArch64`: Advanced SIMD, which every CPU with it has, and the exclusive or of three that comes
//! with SHA-3.

mod neon;
mod neon_sha3;

use self::neon::{Neon, Quad};
use self::neon_sha3::{NeonSha3, Sha3Quad};
use super::lanes::run_in_extent;
use crate::operations::Operation;
use crate::select::Backend;

/// A backend that this CPU has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Native {
    Neon(Neon),
    NeonSha3(NeonSha3),
}

impl Native {
    /// A backend, if the CPU has what it takes.
    pub(crate) fn detect(backend: Backend) -> Option<Self> {
        match backend {
            Backend::Neon => Some(Self::Neon(Neon::new())),
            Backend::NeonSha3 => {
                if !has_sha3() {
                    return None;
                }
                // SAFETY: the CPU said so.
                unsafe { Self::assume(backend) }
            }
            Backend::Scalar
            | Backend::Swar
            | Backend::Ssse3
            | Backend::Avx2
            | Backend::Avx2Gfni
            | Backend::Avx512
            | Backend::Avx512Gfni => None,
        }
    }

    /// A backend of this architecture.
    ///
    /// # Safety
    ///
    /// The CPU has what it takes.
    pub(crate) unsafe fn assume(backend: Backend) -> Option<Self> {
        match backend {
            Backend::Neon => Some(Self::Neon(Neon::new())),
            // SAFETY: the caller's word.
            Backend::NeonSha3 => Some(Self::NeonSha3(unsafe { NeonSha3::assume() })),
            Backend::Scalar
            | Backend::Swar
            | Backend::Ssse3
            | Backend::Avx2
            | Backend::Avx2Gfni
            | Backend::Avx512
            | Backend::Avx512Gfni => None,
        }
    }

    pub(crate) const fn backend(self) -> Backend {
        match self {
            Self::Neon(_) => Backend::Neon,
            Self::NeonSha3(_) => Backend::NeonSha3,
        }
    }

    pub(crate) fn run<O: Operation>(self, operation: O) -> Option<O::Answer> {
        match self {
            Self::Neon(proof) => run_in_extent::<Quad, O>(proof, operation),
            Self::NeonSha3(proof) => run_in_extent::<Sha3Quad, O>(proof, operation),
        }
    }
}

/// Without `std` the question takes a privileged register: the build, or the integrator, answers.
#[cfg(feature = "std")]
fn has_sha3() -> bool {
    std::arch::is_aarch64_feature_detected!("sha3")
}

#[cfg(not(feature = "std"))]
fn has_sha3() -> bool {
    cfg!(target_feature = "sha3")
}
