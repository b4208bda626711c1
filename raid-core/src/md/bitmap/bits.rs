//! A set of bits over lent bytes, in the order in which they lie on the medium.

/// Bits that follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BitRange {
    /// The first.
    pub first: u64,
    /// The one behind the last.
    pub end: u64,
}

impl BitRange {
    /// No bits.
    pub const EMPTY: Self = Self { first: 0, end: 0 };

    /// How many.
    #[must_use]
    pub const fn count(self) -> u64 {
        self.end.saturating_sub(self.first)
    }

    fn within(self, other: Self) -> Self {
        Self { first: self.first.max(other.first), end: self.end.min(other.end) }
    }
}

/// The bits of a bitmap, or of a page of it, over the bytes that hold them: `&[u8]` to look at,
/// `&mut [u8]` to change. What is in the bytes is what goes to the medium.
///
/// Bits outside the range read as clear, and setting them does nothing: they may be padding, or
/// another page's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirtyBits<B> {
    range: BitRange,
    /// Bit `range.first` is the lowest of the first.
    bytes: B,
}

/// Which bits are looked for.
#[derive(Clone, Copy)]
enum Kind {
    Set,
    Clear,
}

/// Which bits of a byte are changed, and to what.
type Change = fn(byte: &mut u8, mask: u8);

const ALL: u8 = 0xff;

impl<B: AsRef<[u8]>> DirtyBits<B> {
    /// These bits over these bytes, the first of them in the lowest bit of the first byte; `None`
    /// if there are too few bytes.
    #[must_use]
    pub fn new(range: BitRange, bytes: B) -> Option<Self> {
        let needed = usize::try_from(range.count().div_ceil(8)).ok()?;
        (bytes.as_ref().len() >= needed).then_some(Self { range, bytes })
    }

    /// As many of these bits as there are bytes for.
    pub(super) fn clipped(range: BitRange, bytes: B) -> Self {
        let room = u64::try_from(bytes.as_ref().len()).unwrap_or(u64::MAX).saturating_mul(8);
        let end = range.end.min(range.first.saturating_add(room));
        Self { range: BitRange { end, ..range }, bytes }
    }

    /// Which bits it holds.
    #[must_use]
    pub fn range(&self) -> BitRange {
        self.range
    }

    /// Whether this bit is set.
    #[must_use]
    pub fn is_set(&self, bit: u64) -> bool {
        self.find(bit, Kind::Set) == Some(bit)
    }

    /// How many bits are set.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ranges(self.range).fold(0, |sum, range| sum.saturating_add(range.count()))
    }

    /// The set bits among these, as ranges with clear bits between them.
    pub fn ranges(&self, among: BitRange) -> impl Iterator<Item = BitRange> + '_ {
        let among = among.within(self.range);
        let mut from = among.first;
        core::iter::from_fn(move || {
            let first = self.find(from, Kind::Set).filter(|first| *first < among.end)?;
            let end = self.find(first, Kind::Clear).unwrap_or(among.end).min(among.end);
            from = end;
            Some(BitRange { first, end })
        })
    }

    /// The first bit of this kind at or behind `from`.
    fn find(&self, from: u64, kind: Kind) -> Option<u64> {
        let BitRange { first, end } = self.range;
        let from = from.max(first);
        let (at, bit) = self.place(from)?;
        let skip = match kind {
            Kind::Set => 0,
            Kind::Clear => ALL,
        };
        let bytes = self.bytes.as_ref().get(at..)?;
        let (head, rest) = bytes.split_first()?;
        let head = (head ^ skip) & ALL.wrapping_shl(bit);
        // Where the byte begins in which the bit is found, and that byte with only such bits set.
        let (base, found) = if head == 0 {
            let further = rest.iter().position(|byte| *byte != skip)?;
            let found = rest.get(further)? ^ skip;
            let bytes = u64::try_from(further).ok()?.checked_add(1)?;
            (from.checked_sub(bit.into())?.checked_add(bytes.checked_mul(8)?)?, found)
        } else {
            (from.checked_sub(bit.into())?, head)
        };
        let found = base.checked_add(found.trailing_zeros().into())?;
        (found < end).then_some(found)
    }

    /// The byte of a bit, and its place there, lowest first.
    fn place(&self, bit: u64) -> Option<(usize, u32)> {
        let within = bit.checked_sub(self.range.first)?;
        let [low, ..] = (within & 7).to_le_bytes();
        (bit < self.range.end)
            .then(|| usize::try_from(within.wrapping_shr(3)).ok())
            .flatten()
            .map(|byte| (byte, low.into()))
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> DirtyBits<B> {
    /// Sets these bits.
    pub fn set(&mut self, bits: BitRange) {
        self.change(bits, |byte, mask| *byte |= mask);
    }

    /// Clears these bits.
    pub fn clear(&mut self, bits: BitRange) {
        self.change(bits, |byte, mask| *byte &= !mask);
    }

    fn change(&mut self, bits: BitRange, change: Change) {
        let BitRange { first, end } = bits.within(self.range);
        let last = end.saturating_sub(1);
        if first > last || end == 0 {
            return;
        }
        let (Some((from, low)), Some((to, high))) = (self.place(first), self.place(last)) else {
            return;
        };
        let head = ALL.wrapping_shl(low);
        let tail = ALL.wrapping_shr(7_u32.saturating_sub(high));
        match self.bytes.as_mut().get_mut(from..=to).unwrap_or_default() {
            [] => {}
            [only] => change(only, head & tail),
            [start, middle @ .., end] => {
                change(start, head);
                middle.iter_mut().for_each(|byte| change(byte, ALL));
                change(end, tail);
            }
        }
    }
}
