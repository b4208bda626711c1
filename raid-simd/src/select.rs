//! Which backend runs.

use crate::arch::Native;
use crate::arch::lanes::run_in_extent;
use crate::arch::swar::Word;
use crate::error::ShapeError;
use crate::gather::MOST_BLOCKS;
use crate::operations::Operation;
use crate::placement::Placement;

/// The operations, bound to one backend. Small, `Copy`, free to keep and to share.
///
/// Asking the CPU takes microseconds: call [`detect`](Self::detect) once and keep the answer. A
/// value for a backend exists only if the CPU has its instructions and the system saves its
/// registers, so every call is safe.
///
/// Code that may not touch vector registers, such as parts of a kernel, takes
/// [`swar`](Self::swar).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels {
    chosen: Chosen,
    placement: Placement,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chosen {
    Scalar,
    Swar,
    Native(Native),
}

/// The name of a backend. Those of other architectures than the target's are never available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// The reference, byte by byte.
    Scalar,
    /// Eight bytes in a general register, on every CPU.
    Swar,
    /// x86-64: SSSE3, 16 bytes.
    Ssse3,
    /// x86-64: AVX2, 32 bytes.
    Avx2,
    /// x86-64: AVX2 and GFNI, 32 bytes.
    Avx2Gfni,
    /// x86-64: AVX-512 F, BW and VL, 64 bytes.
    Avx512,
    /// x86-64: AVX-512 F, BW, VL and GFNI, 64 bytes.
    Avx512Gfni,
    /// `AArch64`: Advanced SIMD, 16 bytes.
    Neon,
    /// `AArch64`: Advanced SIMD and the exclusive or of three that comes with SHA-3, 16 bytes.
    NeonSha3,
}

impl Backend {
    /// All, the slowest first.
    const ALL: [Self; 9] = [
        Self::Scalar,
        Self::Swar,
        Self::Ssse3,
        Self::Avx2,
        Self::Avx2Gfni,
        Self::Avx512,
        Self::Avx512Gfni,
        Self::Neon,
        Self::NeonSha3,
    ];

    /// The name that `--cfg raid_backend` takes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Swar => "swar",
            Self::Ssse3 => "ssse3",
            Self::Avx2 => "avx2",
            Self::Avx2Gfni => "avx2_gfni",
            Self::Avx512 => "avx512",
            Self::Avx512Gfni => "avx512_gfni",
            Self::Neon => "neon",
            Self::NeonSha3 => "neon_sha3",
        }
    }

    /// The one that the build asks for.
    const fn forced() -> Option<Self> {
        if cfg!(raid_backend = "scalar") {
            Some(Self::Scalar)
        } else if cfg!(raid_backend = "swar") {
            Some(Self::Swar)
        } else if cfg!(raid_backend = "ssse3") {
            Some(Self::Ssse3)
        } else if cfg!(raid_backend = "avx2") {
            Some(Self::Avx2)
        } else if cfg!(raid_backend = "avx2_gfni") {
            Some(Self::Avx2Gfni)
        } else if cfg!(raid_backend = "avx512") {
            Some(Self::Avx512)
        } else if cfg!(raid_backend = "avx512_gfni") {
            Some(Self::Avx512Gfni)
        } else if cfg!(raid_backend = "neon") {
            Some(Self::Neon)
        } else if cfg!(raid_backend = "neon_sha3") {
            Some(Self::NeonSha3)
        } else {
            None
        }
    }

    /// Whether the build offers it.
    pub(crate) const fn is_allowed(self) -> bool {
        match Self::forced() {
            None => true,
            Some(forced) => forced.number() == self.number(),
        }
    }

    /// For comparing where the compiler does: `==` cannot be constant yet.
    #[expect(clippy::as_conversions, reason = "the discriminant, which nothing narrows")]
    const fn number(self) -> u8 {
        self as u8
    }
}

impl Kernels {
    /// The fastest backend that this CPU has and the build allows.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().last().unwrap_or(Self::scalar())
    }

    /// The reference: plain Rust, on every CPU, slow.
    #[must_use]
    pub const fn scalar() -> Self {
        Self { chosen: Chosen::Scalar, placement: Placement::BySize }
    }

    /// Eight bytes at a time in general registers, on every CPU.
    #[must_use]
    pub const fn swar() -> Self {
        Self { chosen: Chosen::Swar, placement: Placement::BySize }
    }

    /// Every backend that this CPU has and that the build allows, the slowest first.
    pub fn available() -> impl Iterator<Item = Self> + Clone {
        Backend::ALL.into_iter().filter(|backend| backend.is_allowed()).filter_map(Self::with)
    }

    /// The kernels on one backend, if this CPU has it.
    #[must_use]
    pub fn with(backend: Backend) -> Option<Self> {
        let chosen = match backend {
            Backend::Scalar => Chosen::Scalar,
            Backend::Swar => Chosen::Swar,
            Backend::Ssse3
            | Backend::Avx2
            | Backend::Avx2Gfni
            | Backend::Avx512
            | Backend::Avx512Gfni
            | Backend::Neon
            | Backend::NeonSha3 => Chosen::Native(Native::detect(backend)?),
        };
        Some(Self { chosen, placement: Placement::BySize })
    }

    pub(crate) const fn of(native: Native) -> Self {
        Self { chosen: Chosen::Native(native), placement: Placement::BySize }
    }

    /// The same kernels, with results put where `placement` says.
    #[must_use]
    pub const fn placed(self, placement: Placement) -> Self {
        Self { chosen: self.chosen, placement }
    }

    /// Where results are put: [`Placement::BySize`] unless [`placed`](Self::placed) said otherwise.
    #[must_use]
    pub const fn placement(self) -> Placement {
        self.placement
    }

    /// The backend.
    #[must_use]
    pub const fn backend(self) -> Backend {
        match self.chosen {
            Chosen::Scalar => Backend::Scalar,
            Chosen::Swar => Backend::Swar,
            Chosen::Native(native) => native.backend(),
        }
    }

    /// The backend's name, the same that `--cfg raid_backend` takes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.backend().name()
    }

    /// Runs an operation whose arguments were checked.
    #[inline]
    pub(crate) fn run<O: Operation>(self, operation: O) -> Result<O::Answer, ShapeError> {
        if operation.count() > MOST_BLOCKS {
            return Ok(operation.by_bytes());
        }
        match self.chosen {
            Chosen::Scalar => Some(operation.by_bytes()),
            Chosen::Swar => run_in_extent::<Word, O>((), operation),
            Chosen::Native(native) => native.run(operation),
        }
        .ok_or(ShapeError::LengthsDiffer)
    }

    /// Runs an operation whose loops check its arguments. `None` where there are no such loops, or
    /// if an argument is not what it was taken for.
    #[inline(always)]
    pub(crate) fn run_usual<O: Operation>(self, operation: O) -> Option<O::Answer> {
        match self.chosen {
            Chosen::Scalar | Chosen::Swar => None,
            Chosen::Native(native) => native.run(operation),
        }
    }
}
