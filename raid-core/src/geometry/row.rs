//! The roles that the members play in one row.
//!
//! In every layout the parity blocks of a row leave the data blocks in at most two runs of
//! neighbouring members, each in the order of array addresses. A row is those two runs.

use core::num::{NonZeroU8, NonZeroU64};

use super::layout::{Raid5Layout, Raid6Layout};
use crate::members::MemberSet;
use crate::units::{DataIndex, MemberIndex, StripeRow, SyndromeIndex};

/// What a member holds in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A data block.
    Data(DataIndex),
    /// The sum of the data blocks.
    P,
    /// The sum of the data blocks, each times 2 to the power of its exponent.
    Q,
}

/// The roles of the members in one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    members: u8,
    p: u8,
    q: Option<QPlace>,
    runs: Runs,
}

/// Data blocks below `turn` lie on members from `first` up, the others on members from `second` up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Runs {
    first: u8,
    turn: u8,
    second: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct QPlace {
    member: u8,
    order: QOrder,
}

/// How data blocks get their exponents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum QOrder {
    /// Counted over the data members, from the one after Q around to it again.
    AfterQ,
    /// The number of the member: the DDF standard takes P and Q as data blocks of zeroes.
    Member,
}

impl Row {
    /// What a member holds, or `None` if there is no such member.
    #[inline]
    #[must_use]
    pub fn role(&self, member: MemberIndex) -> Option<Role> {
        let MemberIndex(member) = member;
        if member >= self.members {
            return None;
        }
        if member == self.p {
            return Some(Role::P);
        }
        if self.q.is_some_and(|q| q.member == member) {
            return Some(Role::Q);
        }
        let Runs { first, turn, second } = self.runs;
        let data = match member.checked_sub(first) {
            Some(data) if data < turn => data,
            Some(_) | None => turn.saturating_add(member.saturating_sub(second)),
        };
        Some(Role::Data(DataIndex(data)))
    }

    /// The member that holds a data block, or `None` if there is no such block.
    #[inline]
    #[must_use]
    pub fn member(&self, data: DataIndex) -> Option<MemberIndex> {
        let DataIndex(data) = data;
        if data >= self.data_members() {
            return None;
        }
        let Runs { first, turn, second } = self.runs;
        Some(MemberIndex(match data.checked_sub(turn) {
            None => first.saturating_add(data),
            Some(data) => second.saturating_add(data),
        }))
    }

    /// The member that holds P.
    #[inline]
    #[must_use]
    pub fn p(&self) -> MemberIndex {
        MemberIndex(self.p)
    }

    /// The member that holds Q, if the level has Q.
    #[inline]
    #[must_use]
    pub fn q(&self) -> Option<MemberIndex> {
        self.q.map(|q| MemberIndex(q.member))
    }

    /// The exponent with which a data block enters Q, or `None` if there is no such block or no Q.
    #[inline]
    #[must_use]
    pub fn exponent(&self, data: DataIndex) -> Option<SyndromeIndex> {
        let q = self.q?;
        let MemberIndex(member) = self.member(data)?;
        Some(SyndromeIndex(match q.order {
            QOrder::Member => member,
            QOrder::AfterQ => {
                let steps = self.steps_after(q, member);
                let passed_p = u8::from(self.steps_after(q, self.p) < steps);
                steps.saturating_sub(passed_p)
            }
        }))
    }

    /// The data block that enters Q with an exponent, or `None` if none does.
    #[inline]
    #[must_use]
    pub fn by_exponent(&self, exponent: SyndromeIndex) -> Option<DataIndex> {
        let q = self.q?;
        let SyndromeIndex(exponent) = exponent;
        let member = match q.order {
            QOrder::Member => exponent,
            QOrder::AfterQ if exponent < self.data_members() => {
                let passed_p = u8::from(self.steps_after(q, self.p) <= exponent);
                let steps = exponent.saturating_add(passed_p);
                match steps.checked_sub(self.above(q)) {
                    None => q.member.saturating_add(1).saturating_add(steps),
                    Some(around) => around,
                }
            }
            QOrder::AfterQ => return None,
        };
        match self.role(MemberIndex(member))? {
            Role::Data(data) => Some(data),
            Role::P | Role::Q => None,
        }
    }

    /// How many data blocks there are.
    #[inline]
    #[must_use]
    pub fn data_members(&self) -> u8 {
        self.members.saturating_sub(if self.q.is_some() { 2 } else { 1 })
    }

    /// How many members there are.
    #[inline]
    #[must_use]
    pub fn members(&self) -> u8 {
        self.members
    }

    /// The members that hold P and Q.
    #[inline]
    #[must_use]
    pub fn parity_places(&self) -> MemberSet {
        let mut places = MemberSet::only(self.p());
        if let Some(q) = self.q() {
            places.insert(q);
        }
        places
    }

    /// The members that hold data.
    #[inline]
    #[must_use]
    pub fn data_places(&self) -> MemberSet {
        MemberSet::first(self.members).difference(self.parity_places())
    }

    /// How many members there are above Q.
    #[inline]
    fn above(&self, q: QPlace) -> u8 {
        self.members.saturating_sub(q.member).saturating_sub(1)
    }

    /// How many members lie between Q and this one, going up and around.
    #[inline]
    fn steps_after(&self, q: QPlace, member: u8) -> u8 {
        match member.checked_sub(q.member) {
            Some(distance) => distance.saturating_sub(1),
            None => self.above(q).saturating_add(member),
        }
    }
}

/// How the roles move from row to row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rotation {
    members: u8,
    /// The members that take part in the rotation: all, or all but a Q that stays.
    ring: NonZeroU8,
    p: Turn,
    q: QRule,
    deal: Deal,
}

/// Where P lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Turn {
    Fixed(u8),
    /// From the first member to the last.
    Up,
    /// From the last member to the first.
    Down,
    /// As `Down`, one row ahead.
    DownAhead,
}

/// Where Q lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum QRule {
    Absent,
    /// On the member after P, around.
    AfterP(QOrder),
    /// On the member before P, around.
    BeforeP(QOrder),
    /// On the last member, which is outside of the ring.
    Last,
}

/// Where the data blocks begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Deal {
    /// At the first member, parity left out.
    Asymmetric,
    /// After the parity, around.
    Symmetric,
}

impl Rotation {
    /// A level 5 layout, or `None` for fewer than two members.
    pub(super) fn raid5(layout: Raid5Layout, members: u8) -> Option<Self> {
        Self::single(layout, members, members, QRule::Absent)
    }

    /// A level 6 layout, or `None` for fewer than three members.
    pub(super) fn raid6(layout: Raid6Layout, members: u8) -> Option<Self> {
        const MD: QRule = QRule::AfterP(QOrder::AfterQ);
        const DDF: QRule = QRule::AfterP(QOrder::Member);
        const DDF_BEFORE: QRule = QRule::BeforeP(QOrder::Member);
        let before_last = members.checked_sub(2)?;
        let beside = |layout| Self::single(layout, members, members.checked_sub(1)?, QRule::Last);
        let (p, q, deal) = match layout {
            Raid6Layout::LeftAsymmetric => (Turn::Down, MD, Deal::Asymmetric),
            Raid6Layout::RightAsymmetric => (Turn::Up, MD, Deal::Asymmetric),
            Raid6Layout::LeftSymmetric => (Turn::Down, MD, Deal::Symmetric),
            Raid6Layout::RightSymmetric => (Turn::Up, MD, Deal::Symmetric),
            Raid6Layout::ParityFirst => (Turn::Fixed(0), MD, Deal::Asymmetric),
            Raid6Layout::ParityLast => (Turn::Fixed(before_last), MD, Deal::Asymmetric),
            Raid6Layout::DdfZeroRestart => (Turn::Up, DDF, Deal::Asymmetric),
            Raid6Layout::DdfNRestart => (Turn::DownAhead, DDF, Deal::Asymmetric),
            Raid6Layout::DdfNContinue => (Turn::Down, DDF_BEFORE, Deal::Symmetric),
            Raid6Layout::LeftAsymmetric6 => return beside(Raid5Layout::LeftAsymmetric),
            Raid6Layout::RightAsymmetric6 => return beside(Raid5Layout::RightAsymmetric),
            Raid6Layout::LeftSymmetric6 => return beside(Raid5Layout::LeftSymmetric),
            Raid6Layout::RightSymmetric6 => return beside(Raid5Layout::RightSymmetric),
            Raid6Layout::ParityFirst6 => return beside(Raid5Layout::ParityFirst),
        };
        (members >= 3).then_some(Self { members, ring: NonZeroU8::new(members)?, p, q, deal })
    }

    /// One parity block that a level 5 layout moves over the members of the ring.
    fn single(layout: Raid5Layout, members: u8, ring: u8, q: QRule) -> Option<Self> {
        let last = ring.checked_sub(1)?;
        let (p, deal) = match layout {
            Raid5Layout::LeftAsymmetric => (Turn::Down, Deal::Asymmetric),
            Raid5Layout::RightAsymmetric => (Turn::Up, Deal::Asymmetric),
            Raid5Layout::LeftSymmetric => (Turn::Down, Deal::Symmetric),
            Raid5Layout::RightSymmetric => (Turn::Up, Deal::Symmetric),
            Raid5Layout::ParityFirst => (Turn::Fixed(0), Deal::Asymmetric),
            Raid5Layout::ParityLast => (Turn::Fixed(last), Deal::Asymmetric),
        };
        (ring >= 2).then_some(Self { members, ring: NonZeroU8::new(ring)?, p, q, deal })
    }

    /// The roles of a row.
    #[inline]
    pub(super) fn row(self, row: StripeRow) -> Row {
        let ring = self.ring.get();
        let last = ring.saturating_sub(1);
        let p = self.p(row);
        // The parity blocks in the ring lie side by side: `width` of them from `head` on, around.
        let (head, width, q) = match self.q {
            QRule::Absent => (p, 1, None),
            QRule::Last => (p, 1, Some(QPlace { member: ring, order: QOrder::AfterQ })),
            QRule::AfterP(order) => {
                let member = if p == last { 0 } else { p.saturating_add(1) };
                (p, 2, Some(QPlace { member, order }))
            }
            QRule::BeforeP(order) => {
                let member = if p == 0 { last } else { p.saturating_sub(1) };
                (member, 2, Some(QPlace { member, order }))
            }
        };
        let runs = Self::runs(self.deal, ring, head, width);
        Row { members: self.members, p, q, runs }
    }

    #[inline]
    fn p(self, row: StripeRow) -> u8 {
        let last = self.ring.get().saturating_sub(1);
        match self.p {
            Turn::Fixed(p) => p,
            Turn::Up => self.step(row),
            Turn::Down => last.saturating_sub(self.step(row)),
            Turn::DownAhead => match last.saturating_sub(self.step(row)) {
                0 => last,
                p => p.saturating_sub(1),
            },
        }
    }

    /// The row's number in the period of the rotation.
    #[inline]
    fn step(self, row: StripeRow) -> u8 {
        let [step, ..] = (row.0 % NonZeroU64::from(self.ring)).to_le_bytes();
        step
    }

    #[inline]
    fn runs(deal: Deal, ring: u8, head: u8, width: u8) -> Runs {
        let room = ring.saturating_sub(head);
        if let Some(around @ 1..) = width.checked_sub(room) {
            // The parity reaches around to the first members: one run lies between its two ends.
            return Runs { first: around, turn: ring.saturating_sub(width), second: 0 };
        }
        let tail = head.saturating_add(width);
        match deal {
            Deal::Asymmetric => Runs { first: 0, turn: head, second: tail },
            Deal::Symmetric => Runs { first: tail, turn: room.saturating_sub(width), second: 0 },
        }
    }
}
