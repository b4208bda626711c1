//! Flush: every live member makes its writes durable. A member that cannot is lost: what its cache
//! held is unknown.

use super::{Ending, Next, Ports, Record, Stripe};
use crate::batch::{Batch, Round};
use crate::engine::{Array, Fate};
use crate::host::{Command, Failure, Host, RequestId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flush {
    request: RequestId,
    pub(super) io: Batch,
}

impl Flush {
    pub(crate) fn enter(request: RequestId, array: &Array) -> Stripe {
        Stripe::Flush(Self { request, io: Batch::of(array.present()) })
    }

    pub(super) fn step<H: Host>(self, ports: &mut Ports<'_, H>) -> Next {
        let mut refused = None;
        let round = self.io.offer(ports.array.absent(), |member| {
            let command = Command::Flush { device: ports.array.device(member) };
            ports.submit(member, command).inspect_err(|_| refused = Some(command))
        });
        match round {
            Round::Waiting(io) => Next::Wait(Stripe::Flush(Self { io, ..self })),
            Round::Refused(io, _) => match refused {
                Some(command) => Next::Refused(Stripe::Flush(Self { io, ..self }), command),
                None => Next::Wait(Stripe::Flush(Self { io, ..self })),
            },
            Round::Quiet(results) => {
                ports.array.lose(results.members, results.member_fault, ports.host);
                ports.array.lose(results.blocks, results.block_fault, ports.host);
                let result = match ports.array.fate() {
                    Fate::Failed => Err(Failure::ArrayFailed),
                    Fate::Serving if results.rejected.is_empty() => Ok(()),
                    Fate::Serving => Err(Failure::Rejected { fault: results.rejected_fault }),
                };
                Record::enter(Ending::Barrier(self.request, result), ports.array)
            }
        }
    }
}
