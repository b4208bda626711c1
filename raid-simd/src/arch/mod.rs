//! The backends: a proof type for each, which is also its entry.

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86_64;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub(crate) use x86_64::Avx2;

// Without SSE2 the target keeps vector registers out of its ABI, as kernels and boot code do.
#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
mod absent;
#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
pub(crate) use absent::Avx2;
