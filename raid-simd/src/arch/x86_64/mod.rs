//! x86-64: what the CPU is asked, and the backends.

mod avx2;
mod avx2_gfni;
mod avx512;
mod avx512_gfni;
mod features;
mod matrix;
mod offset;
mod ssse3;

use self::avx2::{Avx2, Ymm};
use self::avx2_gfni::{Avx2Gfni, GfniYmm};
use self::avx512::{Avx512, Zmm};
use self::avx512_gfni::{Avx512Gfni, GfniZmm};
use self::features::Features;
use self::ssse3::{Ssse3, Xmm};
use super::lanes::run_in_extent;
use crate::operations::Operation;
use crate::select::Backend;

/// A backend that this CPU has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Native {
    Ssse3(Ssse3),
    Avx2(Avx2),
    Avx2Gfni(Avx2Gfni),
    Avx512(Avx512),
    Avx512Gfni(Avx512Gfni),
}

impl Native {
    /// A backend, if the CPU has what it takes.
    pub(crate) fn detect(backend: Backend) -> Option<Self> {
        let features = Features::ask();
        let has = match backend {
            Backend::Ssse3 => features.contains(Features::SSSE3),
            Backend::Avx2 => features.contains(Features::AVX2),
            Backend::Avx2Gfni => features.contains(Features::AVX2.and(Features::GFNI)),
            Backend::Avx512 => features.contains(Features::AVX512),
            Backend::Avx512Gfni => features.contains(Features::AVX512.and(Features::GFNI)),
            Backend::Scalar | Backend::Swar | Backend::Neon | Backend::NeonSha3 => return None,
        };
        if !has {
            return None;
        }
        // SAFETY: the CPU said so.
        unsafe { Self::assume(backend) }
    }

    /// A backend of this architecture.
    ///
    /// # Safety
    ///
    /// The CPU has what it takes, and the system saves its registers.
    pub(crate) unsafe fn assume(backend: Backend) -> Option<Self> {
        Some(match backend {
            // SAFETY: the caller's word.
            Backend::Ssse3 => Self::Ssse3(unsafe { Ssse3::assume() }),
            // SAFETY: the caller's word.
            Backend::Avx2 => Self::Avx2(unsafe { Avx2::assume() }),
            Backend::Avx2Gfni => {
                // SAFETY: the caller's word.
                let avx2 = unsafe { Avx2::assume() };
                // SAFETY: the caller's word.
                Self::Avx2Gfni(unsafe { Avx2Gfni::assume(avx2) })
            }
            // SAFETY: the caller's word.
            Backend::Avx512 => Self::Avx512(unsafe { Avx512::assume() }),
            Backend::Avx512Gfni => {
                // SAFETY: the caller's word.
                let avx512 = unsafe { Avx512::assume() };
                // SAFETY: the caller's word.
                Self::Avx512Gfni(unsafe { Avx512Gfni::assume(avx512) })
            }
            Backend::Scalar | Backend::Swar | Backend::Neon | Backend::NeonSha3 => return None,
        })
    }

    pub(crate) const fn backend(self) -> Backend {
        match self {
            Self::Ssse3(_) => Backend::Ssse3,
            Self::Avx2(_) => Backend::Avx2,
            Self::Avx2Gfni(_) => Backend::Avx2Gfni,
            Self::Avx512(_) => Backend::Avx512,
            Self::Avx512Gfni(_) => Backend::Avx512Gfni,
        }
    }

    #[inline(always)]
    pub(crate) fn run<O: Operation>(self, operation: O) -> Option<O::Answer> {
        /// A backend that the build does not offer is not compiled: no value of it exists.
        macro_rules! run {
            ($backend:ident, $vector:ty, $proof:ident) => {
                if const { Backend::$backend.is_allowed() } {
                    run_in_extent::<$vector, O>($proof, operation)
                } else {
                    None
                }
            };
        }
        match self {
            Self::Ssse3(proof) => run!(Ssse3, Xmm, proof),
            Self::Avx2(proof) => run!(Avx2, Ymm, proof),
            Self::Avx2Gfni(proof) => run!(Avx2Gfni, GfniYmm, proof),
            Self::Avx512(proof) => run!(Avx512, Zmm, proof),
            Self::Avx512Gfni(proof) => run!(Avx512Gfni, GfniZmm, proof),
        }
    }
}
