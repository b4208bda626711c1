//! What can be wrong with the arguments of a call.

use core::fmt;

use crate::Exponent;

/// The arguments of a call do not fit together: a mistake of the caller, never of the data.
///
/// Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeError {
    /// Two slices of the call have different lengths.
    LengthsDiffer,
    /// Two blocks, present or missing, have this same exponent.
    ExponentRepeated(Exponent),
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LengthsDiffer => f.write_str("the blocks have different lengths"),
            Self::ExponentRepeated(exponent) => {
                write!(f, "two blocks have the exponent {}", exponent.get())
            }
        }
    }
}

impl core::error::Error for ShapeError {}
