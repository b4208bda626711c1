//! P and Q parity kernels over byte slices, as Linux md defines them: generate, update, recover,
//! check and locate. No allocation, no panic, no `std`.
//!
//! A row of a RAID 5 or 6 array holds `k` data blocks `D`, each with an [`Exponent`] `e`. Then
//! `P = Σ D` and `Q = Σ 2^e · D`, where sums are exclusive or and products are those of
//! [GF(2⁸)](gf256) over the polynomial 0x11d.
//!
//! ```
//! use raid_simd::{Exponent, Kernels, Source, Target};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let kernels = Kernels::detect();
//! let exponents = [Exponent::new(0), Exponent::new(1), Exponent::new(2)];
//! let [Some(e0), Some(e1), Some(e2)] = exponents else { return Err("above 254".into()) };
//!
//! let data = [[1_u8; 512], [2; 512], [3; 512]];
//! let sources = [
//!     Source { exponent: e0, bytes: &data[0] },
//!     Source { exponent: e1, bytes: &data[1] },
//!     Source { exponent: e2, bytes: &data[2] },
//! ];
//! let (mut p, mut q) = ([0; 512], [0; 512]);
//! kernels.gen_pq(&sources, &mut p, &mut q)?;
//!
//! // The members with the blocks 0 and 2 are lost.
//! let (mut first, mut third) = ([0; 512], [0; 512]);
//! kernels.recover_two(
//!     &sources[1..2],
//!     &p,
//!     &q,
//!     Target { exponent: e0, bytes: &mut first },
//!     Target { exponent: e2, bytes: &mut third },
//! )?;
//! assert_eq!((first, third), (data[0], data[2]));
//! # Ok(())
//! # }
//! ```
//!
//! # The rules of every operation
//!
//! - All slices of a call are equally long, from 0 bytes up and at any alignment; otherwise it
//!   answers [`ShapeError::LengthsDiffer`].
//! - Blocks may come in any order. Where Q takes part their exponents, those of the missing blocks
//!   included, are distinct; otherwise it answers [`ShapeError::ExponentRepeated`]. So there are at
//!   most 255 of them. Ascending exponents, best from 0 without a gap, are the fastest.
//! - After an error every target is as it was.
//! - A target overlaps no source: the borrow checker sees to it. Sources may overlap each other.
//! - No blocks at all is a sum like any other: zero.
//! - Answers come by *unit* of [`UNIT_BYTES`], counted from the start of the slices; the last one
//!   may be short.
//!
//! # The map
//!
//! | file | holds |
//! |---|---|
//! | `select.rs` | [`Kernels`]: which backend runs, and how it is chosen |
//! | `operations/` | the methods of [`Kernels`], and what each does with the sums of a tile |
//! | `rows.rs` | which loop runs for the exponents of a row |
//! | `makings.rs` | what the blocks of a row become in a list |
//! | `pass.rs` | one pass over all blocks of a call, written once for any backend |
//! | `groups.rs`, `units.rs` | passes by groups of blocks, and by units that are looked at |
//! | `fold.rs` | the inner loops: the P and Q sums of a tile |
//! | `vector.rs` | `Vector`, the private trait that a backend implements; tiles |
//! | `gather.rs`, `placement.rs` | which loop runs for how many blocks, and where results go |
//! | `scalar.rs` | the reference: each operation by single bytes. The oracle of the tests |
//! | `arch/` | one file an instruction set, and `lanes.rs`, through which loops meet memory. The only room with `unsafe` |
//! | `blocks.rs`, `verdict.rs`, `error.rs`, `shape.rs` | arguments, answers, errors, checks |
//! | [`gf256`] | the field, with tables computed at compile time |
//!
//! # Backends
//!
//! [`Kernels::detect`] asks the CPU, with or without `std`, and takes the fastest [`Backend`] that
//! it has. A build with `--cfg raid_backend="..."`, the name of one of them, offers that one and
//! no other; where the CPU does not have it, the reference. Where the CPU cannot be asked, on bare
//! metal, [`Kernels::assume`] takes the integrator's word.
//!
//! More than 256 blocks in a call, which only P can have, are summed in several passes; to check or
//! to compare so many is left to the reference.
#![no_std]
#![deny(unsafe_code)]
#![cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    allow(
        dead_code,
        unused_imports,
        unused_macros,
        reason = "what backends with vectors alone need"
    )
)]

#[cfg(feature = "std")]
extern crate std;

#[allow(unsafe_code, reason = "intrinsics, loads and stores: each block gives its proof")]
mod arch;
mod blocks;
mod error;
mod fold;
mod gather;
pub mod gf256;
mod groups;
mod makings;
mod operations;
mod pass;
mod placement;
mod rows;
mod scalar;
mod select;
mod shape;
mod units;
mod vector;
mod verdict;

pub use blocks::{Change, Exponent, Source, Target};
pub use error::ShapeError;
pub use placement::Placement;
pub use select::{Backend, Kernels};
pub use verdict::{Mismatch, Suspect, UNIT_BYTES};
