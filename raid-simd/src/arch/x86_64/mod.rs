//! x86-64: what the CPU is asked, and the backends.

mod avx2;

pub(crate) use avx2::Avx2;

#[cfg(not(feature = "std"))]
use core::arch::x86_64::{__cpuid_count, _xgetbv, CpuidResult};

/// Whether AVX2 may run: the CPU has it and the system saves the wide registers.
#[cfg(feature = "std")]
fn has_avx2() -> Option<()> {
    std::is_x86_feature_detected!("avx2").then_some(())
}

/// Whether AVX2 may run: the CPU has it and the system saves the wide registers.
///
/// Bits from the Intel SDM, volume 1, 14.3 and 14.7.1.
#[cfg(not(feature = "std"))]
fn has_avx2() -> Option<()> {
    const LEAF1_ECX_OSXSAVE_AVX: u32 = 1 << 27 | 1 << 28;
    const LEAF7_EBX_AVX2: u32 = 1 << 5;
    const XCR0_SSE_AVX: u64 = 1 << 1 | 1 << 2;

    #[target_feature(enable = "xsave")]
    fn saved_state() -> u64 {
        // SAFETY: register 0 exists wherever the instruction does.
        unsafe { _xgetbv(0) }
    }

    if cpuid(0).eax < 7 {
        return None;
    }
    if cpuid(1).ecx & LEAF1_ECX_OSXSAVE_AVX != LEAF1_ECX_OSXSAVE_AVX {
        return None;
    }
    // SAFETY: OSXSAVE says that the instruction exists and that the system has enabled it.
    let saved = unsafe { saved_state() };
    if saved & XCR0_SSE_AVX != XCR0_SSE_AVX {
        return None;
    }
    (cpuid(7).ebx & LEAF7_EBX_AVX2 != 0).then_some(())
}

/// The CPU's answer to `leaf`, sub-leaf 0.
#[cfg(not(feature = "std"))]
#[allow(unused_unsafe, reason = "the intrinsic became a safe function after our oldest Rust")]
fn cpuid(leaf: u32) -> CpuidResult {
    // SAFETY: every x86-64 CPU has the instruction.
    unsafe { __cpuid_count(leaf, 0) }
}
