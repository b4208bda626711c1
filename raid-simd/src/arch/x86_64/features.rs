//! What the CPU is asked. Bits from the Intel SDM, volume 1, 14.3, 14.7.1 and 15.2, and volume 2,
//! CPUID.

#[cfg(not(feature = "std"))]
use core::arch::x86_64::{__cpuid_count, _xgetbv, CpuidResult};

/// Instruction sets that may run: the CPU has them and the system saves their registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Features(u8);

impl Features {
    pub(super) const SSSE3: Self = Self(1);
    pub(super) const AVX2: Self = Self(2);
    /// F, BW and VL.
    pub(super) const AVX512: Self = Self(4);
    pub(super) const GFNI: Self = Self(8);

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    #[cfg(feature = "std")]
    pub(super) fn ask() -> Self {
        let mut features = Self(0);
        if std::is_x86_feature_detected!("ssse3") {
            features = features.and(Self::SSSE3);
        }
        if std::is_x86_feature_detected!("avx2") {
            features = features.and(Self::AVX2);
        }
        if std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512vl")
        {
            features = features.and(Self::AVX512);
        }
        if std::is_x86_feature_detected!("gfni") {
            features = features.and(Self::GFNI);
        }
        features
    }

    #[cfg(not(feature = "std"))]
    pub(super) fn ask() -> Self {
        const LEAF1_ECX_SSSE3: u32 = 1 << 9;
        const LEAF1_ECX_OSXSAVE_AVX: u32 = 1 << 27 | 1 << 28;
        const LEAF7_EBX_AVX2: u32 = 1 << 5;
        const LEAF7_EBX_AVX512_F_BW_VL: u32 = 1 << 16 | 1 << 30 | 1 << 31;
        const LEAF7_ECX_GFNI: u32 = 1 << 8;
        const XCR0_SSE_AVX: u64 = 1 << 1 | 1 << 2;
        const XCR0_OPMASK_ZMM: u64 = 1 << 5 | 1 << 6 | 1 << 7;

        let mut features = Self(0);
        let leaf1 = cpuid(1);
        if leaf1.ecx & LEAF1_ECX_SSSE3 != 0 {
            features = features.and(Self::SSSE3);
        }
        if cpuid(0).eax < 7 || leaf1.ecx & LEAF1_ECX_OSXSAVE_AVX != LEAF1_ECX_OSXSAVE_AVX {
            return features;
        }
        let leaf7 = cpuid(7);
        // SAFETY: OSXSAVE says that the instruction exists and that the system has enabled it.
        let saved = unsafe { saved_state() };
        if saved & XCR0_SSE_AVX != XCR0_SSE_AVX {
            return features;
        }
        if leaf7.ecx & LEAF7_ECX_GFNI != 0 {
            features = features.and(Self::GFNI);
        }
        if leaf7.ebx & LEAF7_EBX_AVX2 != 0 {
            features = features.and(Self::AVX2);
        }
        if saved & XCR0_OPMASK_ZMM == XCR0_OPMASK_ZMM
            && leaf7.ebx & LEAF7_EBX_AVX512_F_BW_VL == LEAF7_EBX_AVX512_F_BW_VL
        {
            features = features.and(Self::AVX512);
        }
        features
    }
}

#[cfg(not(feature = "std"))]
#[target_feature(enable = "xsave")]
fn saved_state() -> u64 {
    // SAFETY: register 0 exists wherever the instruction does.
    unsafe { _xgetbv(0) }
}

/// The CPU's answer to `leaf`, sub-leaf 0.
#[cfg(not(feature = "std"))]
#[allow(unused_unsafe, reason = "the intrinsic became a safe function after our oldest Rust")]
fn cpuid(leaf: u32) -> CpuidResult {
    // SAFETY: every x86-64 CPU has the instruction.
    unsafe { __cpuid_count(leaf, 0) }
}
