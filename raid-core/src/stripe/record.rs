//! Record: a write that survived the loss of a member is answered once that loss is on record.

use super::{Next, Outcome, Ports, Stripe, Trouble, Work};
use crate::array::{Array, Fate};
use crate::host::{Host, RequestId};
use crate::plan::Operation;
use crate::units::Generation;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    pub(super) ending: Ending,
    pub(super) until: Generation,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
    /// Work on a rectangle, or on one fault unit of it.
    Work(Work, Outcome),
    /// A flush, or the clean mark.
    Barrier(RequestId, Result<(), Trouble>),
}

impl Ending {
    /// The same ending, but for what went wrong after all. What had gone wrong before stands.
    pub(super) const fn but(self, trouble: Trouble) -> Self {
        match self {
            Self::Work(
                work,
                Outcome::Done { .. }
                | Outcome::GivenUp { .. }
                | Outcome::Unwritten { .. }
                | Outcome::Compared { .. }
                | Outcome::Located(_),
            ) => Self::Work(work, Outcome::Failed(trouble)),
            Self::Barrier(request, Ok(())) => Self::Barrier(request, Err(trouble)),
            Self::Work(_, Outcome::Failed(_)) | Self::Barrier(_, Err(_)) => self,
        }
    }

    pub(super) const fn work(&self) -> Option<&Work> {
        match self {
            Self::Work(work, _) => Some(work),
            Self::Barrier(..) => None,
        }
    }
}

impl Record {
    /// To Record, or to the end where nothing is to be recorded. What a read brought depends on no
    /// record.
    pub(super) fn enter(ending: Ending, array: &Array<'_>) -> Next {
        let waits = match ending {
            Ending::Work(work, _) => match work.operation {
                // A pass waits for the record of its own end.
                Operation::Read(_) | Operation::Check | Operation::Sync(_) => None,
                Operation::Write(..) => array.unrecorded(),
            },
            Ending::Barrier(..) => array.unrecorded(),
        };
        match waits {
            None => Next::Done(ending),
            Some(until) => Next::Wait(Stripe::Record(Self { ending, until })),
        }
    }

    /// An operation that only waits for a generation.
    pub(crate) const fn of(ending: Ending, until: Generation) -> Stripe {
        Stripe::Record(Self { ending, until })
    }

    pub(super) fn step<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        match ports.array.fate() {
            Fate::Serving if ports.array.recorded() >= self.until => Next::Done(self.ending),
            Fate::Serving => Next::Wait(Stripe::Record(self)),
            Fate::Failed => Next::Done(self.ending.but(Trouble::ArrayFailed)),
        }
    }
}
