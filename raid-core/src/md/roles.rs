//! The list of roles in a superblock: what the array thinks of each device, by device number.

use super::bytes::{self, Block};
use super::error::SuperblockError;
use crate::limits::MEMBERS_MAX;
use crate::members::MemberSet;
use crate::units::MemberIndex;

/// How many device numbers a build keeps apart. md gives a new device the lowest free number, so
/// numbers stay close to the count of devices; keeping all 1920 of the format would cost 4 KiB for
/// each candidate.
pub const ROLES_MAX: usize = 2 * MEMBERS_MAX + 64;

/// How many device numbers a new superblock has. md's tools use the same.
const NEW_COUNT: u16 = 128;

const SLOT_END: u16 = 0xff00;
const JOURNAL: u16 = 0xfffd;
const FAULTY: u16 = 0xfffe;
const SPARE: u16 = 0xffff;

/// What a superblock says of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceRole {
    /// A member, at this place.
    Slot(u16),
    /// In the array, without a place. Also what md writes for a number that no device has.
    Spare,
    /// Failed: not to be used.
    Faulty,
    /// The write journal.
    Journal,
}

impl DeviceRole {
    const fn from_number(number: u16) -> Option<Self> {
        match number {
            0..SLOT_END => Some(Self::Slot(number)),
            SLOT_END..JOURNAL => None,
            JOURNAL => Some(Self::Journal),
            FAULTY => Some(Self::Faulty),
            SPARE => Some(Self::Spare),
        }
    }
}

/// The roles of all device numbers.
///
/// A list ends in a long run of one role, so only what comes before that run is kept, and the run's
/// role and length.
#[derive(Clone, Debug)]
pub struct Roles {
    head: heapless::Vec<u16, ROLES_MAX>,
    tail: u16,
    count: u16,
}

/// A device number that a list of roles has no place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberBeyondRoles {
    /// The number.
    pub number: u32,
    /// How many the list has.
    pub count: u16,
}

impl core::fmt::Display for NumberBeyondRoles {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { number, count } = self;
        let kept = usize::from(*count).min(ROLES_MAX);
        write!(f, "no role can be kept for device number {number}; give one below {kept}")
    }
}

impl core::error::Error for NumberBeyondRoles {}

impl Roles {
    /// The roles of a new array: the device of each number is the member at the place of that number.
    #[must_use]
    pub fn of_new_array(members: u8) -> Self {
        let members = u16::from(members);
        let head = (0..members).take(ROLES_MAX).collect();
        Self { head, tail: SPARE, count: NEW_COUNT.max(members) }
    }

    /// The same of an array whose device of this number is its journal.
    #[must_use]
    pub fn with_journal(mut self, number: u32) -> Self {
        // A new list has numbers to spare.
        self.say(number, JOURNAL).unwrap_or_default();
        self
    }

    /// What is said of a device number. A number beyond the list is a spare's, as md has it.
    #[must_use]
    pub fn role(&self, number: u32) -> DeviceRole {
        let raw = match usize::try_from(number) {
            Ok(index) if number < u32::from(self.count) => {
                *self.head.get(index).unwrap_or(&self.tail)
            }
            Ok(_) | Err(_) => SPARE,
        };
        // Parsing let no other number in.
        DeviceRole::from_number(raw).unwrap_or(DeviceRole::Spare)
    }

    /// How many device numbers the list has (md's `max_dev`).
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// The roles in the order of device numbers.
    pub fn iter(&self) -> impl Iterator<Item = DeviceRole> + '_ {
        (0..u32::from(self.count)).map(|number| self.role(number))
    }

    /// Gives a place to a device number. Whatever else was said to sit there does not any more.
    ///
    /// # Errors
    /// The list, or what a build keeps apart of it, ends before that number. Nothing has changed.
    pub fn seat(&mut self, number: u32, place: MemberIndex) -> Result<(), NumberBeyondRoles> {
        let raw = u16::from(place.0);
        self.kept(number)?;
        for other in self.head.iter_mut().chain([&mut self.tail]) {
            if *other == raw {
                *other = FAULTY;
            }
        }
        self.say(number, raw)
    }

    /// Gives a place to a device number beside the one that has it: to a replacement.
    ///
    /// # Errors
    /// As for [`seat`](Self::seat).
    pub fn seat_beside(
        &mut self,
        number: u32,
        place: MemberIndex,
    ) -> Result<(), NumberBeyondRoles> {
        self.say(number, place.0.into())
    }

    /// Calls the device of this number faulty. One that the list ends before has no role to lose.
    pub fn call_faulty(&mut self, number: u32) {
        self.say(number, FAULTY).unwrap_or_default();
    }

    /// A number that this build keeps apart, as an index.
    fn kept(&self, number: u32) -> Result<usize, NumberBeyondRoles> {
        let beyond = NumberBeyondRoles { number, count: self.count };
        match usize::try_from(number) {
            Ok(number) if number < ROLES_MAX && number < usize::from(self.count) => Ok(number),
            Ok(_) | Err(_) => Err(beyond),
        }
    }

    fn say(&mut self, number: u32, raw: u16) -> Result<(), NumberBeyondRoles> {
        let beyond = NumberBeyondRoles { number, count: self.count };
        let number = self.kept(number)?;
        // Each round lengthens the list by one; it has room for `ROLES_MAX`.
        while self.head.len() <= number {
            self.head.push(self.tail).map_err(|_| beyond)?;
        }
        *self.head.get_mut(number).ok_or(beyond)? = raw;
        Ok(())
    }

    /// Calls every device at one of these places faulty.
    pub fn fail(&mut self, places: &MemberSet) {
        for raw in self.head.iter_mut().chain([&mut self.tail]) {
            if u8::try_from(*raw).is_ok_and(|place| places.contains(MemberIndex(place))) {
                *raw = FAULTY;
            }
        }
    }

    /// Makes spares of the devices at a place from this one on: the shape ends there.
    pub fn release_from(&mut self, end: u8) {
        for raw in self.head.iter_mut().chain([&mut self.tail]) {
            if *raw < SLOT_END && *raw >= u16::from(end) {
                *raw = SPARE;
            }
        }
    }

    /// Calls the journal's device faulty.
    pub fn fail_journal(&mut self) {
        for raw in self.head.iter_mut().chain([&mut self.tail]) {
            if *raw == JOURNAL {
                *raw = FAULTY;
            }
        }
    }

    pub(super) fn parse(block: &Block) -> Result<Self, SuperblockError> {
        let mut tail = SPARE;
        let mut count = 0_u16;
        let mut head_count = 0_u16;
        for raw in bytes::roles_of(block) {
            if DeviceRole::from_number(raw).is_none() {
                return Err(SuperblockError::BadField { field: "dev_roles", value: raw.into() });
            }
            if raw != tail {
                head_count = count;
                tail = raw;
            }
            count = count.saturating_add(1);
        }
        let needed = usize::from(head_count);
        if needed > ROLES_MAX {
            return Err(SuperblockError::RolesBeyondBuild { needed: head_count });
        }
        let head = bytes::roles_of(block).take(needed).collect();
        Ok(Self { head, tail, count })
    }

    pub(super) fn encode(&self, block: &mut Block) {
        let tail = core::iter::repeat(self.tail);
        let numbers = self.head.iter().copied().chain(tail).take(usize::from(self.count));
        bytes::put_roles(block, numbers);
    }
}

impl PartialEq for Roles {
    /// By what is said of each number, however it is kept.
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.iter().eq(other.iter())
    }
}

impl Eq for Roles {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_number_s_even_where_the_list_ends_in_it() {
        // As read from a list without numbers to spare.
        let head = [0, FAULTY].into_iter().collect();
        let mut roles = Roles { head, tail: 2, count: 3 };
        assert_eq!(roles.seat(1, MemberIndex(2)), Ok(()));
        let expected = [DeviceRole::Slot(0), DeviceRole::Slot(2), DeviceRole::Faulty];
        assert!(roles.iter().eq(expected), "{roles:?}");
        // And back, where it was.
        assert_eq!(roles.seat(2, MemberIndex(2)), Ok(()));
        let expected = [DeviceRole::Slot(0), DeviceRole::Faulty, DeviceRole::Slot(2)];
        assert!(roles.iter().eq(expected), "{roles:?}");
    }
}
