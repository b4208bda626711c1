//! Parity kernels.
#![no_std]
