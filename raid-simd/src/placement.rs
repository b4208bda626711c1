//! Where results go: into the cache or past it.

/// Where the results of an operation are put.
///
/// A result that is soon read again, such as the parity of a stripe whose checksum comes next,
/// belongs into the cache. One that only a disk will read, of data that came from memory, need not
/// push other data out of it: stores past the cache also spare reading the old content of the lines
/// they fill. Inside the cache they cost a lot: a fixed tenth of a microsecond, and the memory's
/// speed instead of the cache's.
///
/// A call sees its own blocks, not the rows before and after it. Whoever goes through more rows
/// than the cache holds, to resync an array for instance, should say
/// [`Streaming`](Self::Streaming): from memory it is faster by a tenth (1 KiB blocks) to a half,
/// also for operations that only look, whose loops then take the order that memory likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Placement {
    /// In the cache.
    Cached,
    /// Past the cache, where the CPU can.
    Streaming,
    /// Past the cache if the blocks of the call together are larger than
    /// [`STREAMING_BYTES`](Self::STREAMING_BYTES).
    #[default]
    BySize,
}

/// The way that a pass takes through its lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// All lanes fit into the cache nearest to the CPU.
    Nearest,
    /// For the cache.
    Cached,
    /// For memory.
    Streaming,
}

impl Placement {
    /// From this size of all blocks of a call together, [`BySize`](Self::BySize) bypasses the
    /// cache. Measured with a last-level cache of 32 MiB: 18 MiB were a fifth slower past it, 20 MiB
    /// a tenth faster, 36 MiB a third.
    pub const STREAMING_BYTES: usize = 24 << 20;

    /// The way for this many lanes of this length, two more to write included.
    #[inline]
    pub(crate) fn path(self, lanes: usize, length: usize) -> Path {
        /// Of the usual 32 KiB some is left for all else.
        const NEAREST_BYTES: usize = 28 << 10;
        let bytes = lanes.saturating_add(2).saturating_mul(length);
        match self {
            Self::Streaming => Path::Streaming,
            Self::BySize if bytes >= Self::STREAMING_BYTES => Path::Streaming,
            Self::Cached | Self::BySize => {
                if bytes <= NEAREST_BYTES {
                    Path::Nearest
                } else {
                    Path::Cached
                }
            }
        }
    }
}
