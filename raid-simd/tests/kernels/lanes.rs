//! Lanes to test with: at a chosen alignment between bytes that nobody may change, or next to a page
//! that nobody may touch.

#[cfg(unix)]
use super::walls::Walled;

/// Where a lane lies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// So many bytes after a multiple of 64.
    Offset(usize),
    /// Its first byte follows a page that nobody may touch.
    #[cfg(unix)]
    AfterWall,
    /// Its last byte precedes a page that nobody may touch.
    #[cfg(unix)]
    BeforeWall,
}

impl Place {
    /// Further from alignment by so many bytes. Walls stay where they are.
    pub(crate) fn moved(self, bytes: usize) -> Self {
        match self {
            Self::Offset(offset) => Self::Offset((offset + bytes) % ALIGNMENT),
            #[cfg(unix)]
            Self::AfterWall | Self::BeforeWall => self,
        }
    }
}

/// Bytes at a place.
#[derive(Debug)]
pub(crate) struct Lane {
    memory: Memory,
    start: usize,
    length: usize,
}

#[derive(Debug)]
enum Memory {
    Heap(Vec<u8>),
    #[cfg(unix)]
    Walled(Walled),
}

const GUARD: u8 = 0xa5;
const ALIGNMENT: usize = 64;

impl Lane {
    pub(crate) fn new(content: &[u8], place: Place) -> Self {
        let length = content.len();
        let (memory, start) = match place {
            Place::Offset(offset) => {
                let memory = vec![GUARD; length + 3 * ALIGNMENT];
                let aligned = memory.as_ptr().align_offset(ALIGNMENT);
                (Memory::Heap(memory), aligned + offset)
            }
            #[cfg(unix)]
            Place::AfterWall => (Memory::Walled(Walled::new(length, GUARD)), 0),
            #[cfg(unix)]
            Place::BeforeWall => {
                let walled = Walled::new(length, GUARD);
                let start = walled.bytes().len() - length;
                (Memory::Walled(walled), start)
            }
        };
        let mut lane = Self { memory, start, length };
        lane.bytes_mut().copy_from_slice(content);
        lane
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.all()[self.start..self.start + self.length]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let range = self.start..self.start + self.length;
        match &mut self.memory {
            Memory::Heap(bytes) => &mut bytes[range],
            #[cfg(unix)]
            Memory::Walled(walled) => &mut walled.bytes_mut()[range],
        }
    }

    fn all(&self) -> &[u8] {
        match &self.memory {
            Memory::Heap(bytes) => bytes,
            #[cfg(unix)]
            Memory::Walled(walled) => walled.bytes(),
        }
    }

    /// The content, once it is sure that nothing around it was written.
    pub(crate) fn checked(&self) -> &[u8] {
        let (before, rest) = self.all().split_at(self.start);
        let (bytes, after) = rest.split_at(self.length);
        assert!(before.iter().chain(after).all(|byte| *byte == GUARD), "wrote outside the target");
        bytes
    }
}

/// Two lanes to write to, and what is in them before each call.
#[derive(Debug)]
pub(crate) struct Targets {
    before: Vec<u8>,
    lanes: [Lane; 2],
}

impl Targets {
    pub(crate) fn new(length: usize, place: Place) -> Self {
        let before: Vec<u8> = (0..length).map(|at| 0x5a ^ at.to_le_bytes()[0]).collect();
        let lanes = [11, 13].map(|step| Lane::new(&before, place.moved(step)));
        Self { before, lanes }
    }

    /// What a call writes.
    pub(crate) fn written(&mut self, call: impl FnOnce(&mut [u8], &mut [u8])) -> [&[u8]; 2] {
        let [first, second] = &mut self.lanes;
        first.bytes_mut().copy_from_slice(&self.before);
        second.bytes_mut().copy_from_slice(&self.before);
        call(first.bytes_mut(), second.bytes_mut());
        [first.checked(), second.checked()]
    }
}
