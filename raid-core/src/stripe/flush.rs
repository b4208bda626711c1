//! Flush: every live member makes its writes durable. A member that cannot is lost: what its cache
//! held is unknown.

use super::{Ending, Next, Ports, Record, Stripe, Trouble};
use crate::array::{Array, Fate};
use crate::batch::{Batch, Round};
use crate::host::{Blocked, Command, Host};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flush {
    /// How the operation ends if all goes well.
    pub(super) ending: Ending,
    pub(super) io: Batch,
}

impl Flush {
    pub(crate) fn enter(ending: Ending, array: &Array<'_>) -> Stripe {
        Stripe::Flush(Self { ending, io: Batch::of(array.present()) })
    }

    pub(super) fn step<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let mut refused = None;
        let round = self.io.offer(ports.array.absent(), |member| {
            let command = Command::Flush { device: ports.array.device(member) };
            ports.submit(member, command).inspect_err(|_| refused = Some(Blocked::by(&command)))
        });
        match round {
            Round::Waiting(io) => Next::Wait(Stripe::Flush(Self { io, ..self })),
            Round::Refused(io, _) => match refused {
                Some(by) => Next::Refused(Stripe::Flush(Self { io, ..self }), by),
                None => Next::Wait(Stripe::Flush(Self { io, ..self })),
            },
            Round::Quiet(results) => {
                ports.array.lose(results.members, results.member_fault, ports.host);
                ports.array.lose(results.blocks, results.block_fault, ports.host);
                let ending = match ports.array.fate() {
                    Fate::Failed => self.ending.but(Trouble::ArrayFailed),
                    Fate::Serving if results.rejected.is_empty() => self.ending,
                    Fate::Serving => self.ending.but(Trouble::Rejected(results.rejected_fault)),
                };
                Record::enter(ending, ports.array)
            }
        }
    }
}
