//! `fail`: a member is not to be used again.

use crate::array::Assembled;
use crate::cli::{self, Absence};
use crate::exit::{Error, warn};
use crate::images::Purpose;
use raid_core::blocking;
use raid_core::engine::{Access, Refusal};
use raid_core::members::MemberSet;
use raid_core::units::MemberIndex;

pub(super) fn run(arguments: &cli::Fail) -> Result<(), Error> {
    let member = MemberIndex(arguments.member);
    let assembled = Assembled::open(&arguments.members.images, Purpose::Write)?;
    let members = assembled.assembly.geometry.members();
    if member.0 >= members {
        let last = members.saturating_sub(1);
        return Err(Error::Usage(format!(
            "--member {}: the array has members 0 to {last}",
            member.0
        )));
    }
    if !assembled.listed().contains(member) {
        warn(&format!("member {} is on record as failed already", member.0));
        return Ok(());
    }
    // That this one is not there is what is to be recorded; any other is to be named.
    let absent = match assembled.unnamed().difference(MemberSet::only(member)).is_empty() {
        true => Absence::Record,
        false => Absence::Refuse,
    };
    let dirty = arguments.force.dirty;
    let mut workshop = assembled.into_writable(absent, dirty)?;
    let (mut array, _) = workshop.start(Access::ReadWrite, dirty)?;
    let Err(error) = array.fail(member) else { return Ok(()) };
    if error == blocking::Error::Refused(Refusal::Indispensable { member }) {
        let text = format!("without member {} blocks of the array would be lost", member.0);
        return Err(Error::Refused(text));
    }
    if error == blocking::Error::Refused(Refusal::ParityUnsure { member }) {
        return Err(Error::Refused(format!(
            "the array was not stopped cleanly or not resynced, so its parity may not stand in for member {}; resync it \
             first, or insist with --force-dirty-degraded",
            member.0
        )));
    }
    Err(Error::engine(&format!("fail member {}", member.0), &error))
}
