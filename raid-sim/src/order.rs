//! Whose turn it is among the commands in flight.

/// Random numbers from a seed (splitmix64): the same seed gives the same run.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not zero.
    pub const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Fills memory.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.next().to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }
}

/// Which of the commands in flight ends next.
#[derive(Clone, Debug)]
pub enum Order {
    /// The one that was submitted first.
    Fifo,
    /// The one that was submitted last.
    Lifo,
    /// Any.
    Random(Random),
    /// As chosen.
    Chosen(Choices),
}

impl Order {
    /// The place in the queue of the command that ends next.
    pub(crate) fn pick(&mut self, queued: usize) -> usize {
        match self {
            Self::Fifo => 0,
            Self::Lifo => queued - 1,
            Self::Random(random) => {
                crate::medium::index(random.below(u64::try_from(queued).unwrap_or(1)))
            }
            Self::Chosen(choices) => choices.choose(queued),
        }
    }
}

/// A path through the tree of all choices: run, then take [`Choices::next`], until there is none.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// Each choice made, and out of how many.
    made: Vec<(usize, usize)>,
    /// How many of them this run has come by.
    passed: usize,
}

impl Choices {
    fn choose(&mut self, out_of: usize) -> usize {
        if self.passed == self.made.len() {
            self.made.push((0, out_of));
        }
        let (choice, branches) = self.made[self.passed];
        assert_eq!(branches, out_of, "the same choices lead to the same state");
        self.passed += 1;
        choice
    }

    /// The next path, depth first; `None` when every path was taken.
    #[must_use]
    pub fn next(mut self) -> Option<Self> {
        while let Some((choice, branches)) = self.made.pop() {
            if choice + 1 < branches {
                self.made.push((choice + 1, branches));
                return Some(Self { made: self.made, passed: 0 });
            }
        }
        None
    }
}
