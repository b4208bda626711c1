//! What goes over the border between engine and host, and how the host behaves there.

use raid_core::host::{Answer, Command, Completion, Event, Failure, Loan, RequestId, Token};
use raid_core::units::DeviceIndex;

/// When the host is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refuses {
    /// Never.
    Nothing,
    /// At every k-th command that it is offered, k being 2 or more.
    Every(u64),
    /// At each command once: it is taken when it is offered again.
    EachOnce,
    /// While so many commands to the same device are in flight.
    Beyond(usize),
    /// At those of the first 64 commands offered whose bits are set.
    First(u64),
    /// At all commands but those of these machines, by bits: the metadata writer is 0, and slots
    /// count from 1.
    AllBut(u64),
    /// At each command to a device until so many commands to others were taken.
    Until(DeviceIndex, usize),
}

/// Something that went over the border between engine and host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The engine issued a command and the host took it.
    Taken(Token, Command),
    /// The engine issued a command and the host was busy.
    Refused(Token, Command),
    /// A command ended.
    Ended(Token, Completion),
    /// The engine answered a request.
    Answered(RequestId, Result<Answer, Failure>),
    /// The engine gave the memory of an answered request back.
    Returned(RequestId),
    /// The engine noted an event.
    Noted(Event),
}

/// What an answered write has to have waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// The record of every loss before the answer. Right while one request is under way.
    ForEveryLoss,
    /// The record of losses that the request itself survived. The host cannot tell these and checks
    /// nothing.
    ForItsOwn,
}

/// A command that was taken and has not ended.
#[derive(Clone, Copy, Debug)]
pub struct InFlight {
    /// Its name.
    pub token: Token,
    /// What it is.
    pub command: Command,
}

/// An answer, and the requester's memory with it.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Which request.
    pub request: RequestId,
    /// How it came out.
    pub result: Result<Answer, Failure>,
    /// Whether the memory is the requester's again.
    pub loan: Loan,
    /// The memory, as it is now.
    pub memory: Vec<u8>,
}

/// What a requester's memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Source,
    Target,
    /// There is none, but something is written or made durable.
    WithoutMemory,
    /// There is none, and nothing of the array is written.
    Nothing,
}

#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) bytes: Vec<u8>,
    pub(crate) purpose: Purpose,
    /// Where each segment would lie in memory, and how long it is.
    pub(crate) segments: Vec<(usize, usize)>,
}
