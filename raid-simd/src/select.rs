//! Which backend runs.

use crate::arch::Avx2;
use crate::operations::Operation;

/// The operations, bound to one backend. Small, `Copy`, free to keep and to share.
///
/// Asking the CPU takes microseconds: call [`detect`](Self::detect) once and keep the answer. A
/// value for a backend exists only if the CPU has its instructions and the system saves its
/// registers, so every call is safe.
///
/// Code that may not touch vector registers, such as parts of a kernel, takes
/// [`scalar`](Self::scalar).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels {
    backend: Backend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    Scalar,
    Avx2(Avx2),
}

impl Backend {
    /// What the CPU has and the build allows, the slowest first.
    fn available() -> [Option<Self>; 2] {
        if cfg!(raid_backend = "scalar") {
            [Some(Self::Scalar), None]
        } else if cfg!(raid_backend = "avx2") {
            [None, Avx2::detect().map(Self::Avx2)]
        } else {
            [Some(Self::Scalar), Avx2::detect().map(Self::Avx2)]
        }
    }
}

#[cfg(all(raid_backend = "avx2", not(target_feature = "avx2")))]
compile_error!("raid_backend=\"avx2\" needs a build with -C target-feature=+avx2");

impl Kernels {
    /// The fastest backend that this CPU has.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().last().unwrap_or(Self::scalar())
    }

    /// The reference: plain Rust, on every CPU.
    #[must_use]
    pub const fn scalar() -> Self {
        Self { backend: Backend::Scalar }
    }

    /// Every backend that this CPU has and that the build allows, the slowest first.
    pub fn available() -> impl Iterator<Item = Self> + Clone {
        Backend::available().into_iter().flatten().map(|backend| Self { backend })
    }

    /// The backend's name, the same that `--cfg raid_backend` takes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.backend {
            Backend::Scalar => "scalar",
            Backend::Avx2(_) => "avx2",
        }
    }

    /// Runs an operation. The only place where backends part.
    pub(crate) fn run<O: Operation>(self, operation: O) -> O::Answer {
        match self.backend {
            Backend::Scalar => operation.by_bytes(),
            Backend::Avx2(avx2) => avx2.run(operation),
        }
    }
}
