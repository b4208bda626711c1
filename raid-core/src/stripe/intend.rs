//! Intend: before the first member write the bits of its chunks are durable in the write-intent
//! bitmap.

use super::log::array_failed;
use super::{Commit, Next, Ports, Stripe, Work};
use crate::array::{Array, Fate};
use crate::host::Host;
use crate::intent::Announced;
use crate::plan::Plan;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Intend {
    pub(super) work: Work,
    pub(super) plan: Plan,
}

impl Intend {
    /// To Intend, or past it where the bits are there already.
    #[inline]
    pub(super) fn enter(work: Work, plan: Plan, array: &mut Array<'_>) -> Next {
        match array.announce(work.whole()) {
            Announced::Durable => Next::Enter(Commit::enter(work, plan)),
            Announced::Waits => Next::Wait(Stripe::Intend(Self { work, plan })),
        }
    }

    pub(super) fn step<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let Self { work, plan } = self;
        match ports.array.fate() {
            Fate::Failed => array_failed(work, &plan),
            Fate::Serving => Self::enter(work, plan, ports.array),
        }
    }
}
