//! The plan is total and right: every cover, every state of every member, every source, parity
//! known to fit or not.
//!
//! Blocks are linear forms over the old data, the new data and, where parity is not known to fit,
//! two blocks of nobody knows what. Tasks run over these forms, so "right" means right for all
//! bytes. What can be done at all is said by the rank of a matrix, which knows nothing of the ways
//! that the plan has.

use super::*;
use crate::geometry::{Geometry, Layout, Raid5Layout, Raid6Layout, Role, Shape};
use crate::plan::Listing;
use crate::plan::Redundancy::{InSync, Unknown};
use crate::units::{DataIndex, Sectors, StripeRow};
use raid_sim::reference::{inverse, multiply, power};

/// Most data blocks in a row here.
const DATA: usize = 4;

/// Old data, new data, and what stands in P and Q where that is not known.
const TERMS: usize = 2 * DATA + 2;

type Form = [u8; TERMS];

const ZERO: Form = [0; TERMS];

fn unit(term: usize) -> Form {
    let mut form = ZERO;
    form[term] = 1;
    form
}

fn plus(a: Form, b: Form) -> Form {
    core::array::from_fn(|term| a[term] ^ b[term])
}

fn times(a: u8, form: Form) -> Form {
    form.map(|term| multiply(a, term))
}

/// What a member is to the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Valid,
    /// Its block was found unreadable.
    Faulted,
    /// Its block is known to be bad.
    Bad,
    /// It is being rebuilt and not valid here.
    Stale,
    Lost,
}

const STATES: [Is; 5] = [Is::Valid, Is::Faulted, Is::Bad, Is::Stale, Is::Lost];

/// One case: a row, who is what, and the cover.
struct Case {
    row: Row,
    states: [Is; DATA + 2],
    /// A bit for each data block, in the order of addresses.
    cover: u8,
    redundancy: Redundancy,
    logging: Logging,
}

impl Case {
    fn members(&self) -> impl Iterator<Item = MemberIndex> + use<> {
        (0..self.row.members()).map(MemberIndex)
    }

    fn places(&self, which: impl Fn(Is) -> bool) -> MemberSet {
        self.members().filter(|member| which(self.states[member.index()])).collect()
    }

    fn covered(&self) -> MemberSet {
        let covered = |data: &u8| self.cover & (1 << data) != 0;
        let data = (0..self.row.data_members()).filter(covered);
        data.filter_map(|data| self.row.member(DataIndex(data))).collect()
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            unreadable: self.places(|is| is != Is::Valid),
            unwritable: self.places(|is| is == Is::Lost),
            bad: self.places(|is| is == Is::Bad),
            listing: Listing::NotKept,
            faulted: self.places(|is| is == Is::Faulted),
            preferred: None,
            logging: self.logging,
            redundancy: self.redundancy,
        }
    }

    fn plan(&self) -> RowPlan {
        RowPlan {
            row: self.row,
            covered: self.covered(),
            data: self.row.data_places(),
            parity: self.row.parity_places(),
            at: self.snapshot(),
        }
    }

    fn plan_with_a_list(&self) -> RowPlan {
        let at = Snapshot { listing: Listing::Kept, ..self.snapshot() };
        RowPlan { at, ..self.plan() }
    }

    fn weight(&self, data: DataIndex) -> u8 {
        self.row.exponent(data).map_or(0, |exponent| power(exponent.0))
    }

    /// The parity of these data blocks.
    fn parity(&self, role: Role, block: impl Fn(DataIndex) -> Form) -> Form {
        (0..self.row.data_members()).map(DataIndex).fold(ZERO, |sum, data| match role {
            Role::P => plus(sum, block(data)),
            Role::Q => plus(sum, times(self.weight(data), block(data))),
            Role::Data(_) => panic!("data is no parity"),
        })
    }

    /// What is on a member before the operation.
    fn old(&self, member: MemberIndex) -> Form {
        let data = |data: DataIndex| unit(usize::from(data.0));
        match (self.row.role(member).unwrap(), self.redundancy) {
            (Role::Data(number), _) => data(number),
            (role @ (Role::P | Role::Q), InSync) => self.parity(role, data),
            (Role::P, Unknown) => unit(2 * DATA),
            (Role::Q, Unknown) => unit(2 * DATA + 1),
        }
    }

    /// What is to be there after a write.
    fn wanted(&self, source: Source, member: MemberIndex) -> Form {
        let data = |data: DataIndex| match (self.cover & (1 << data.0) != 0, source) {
            (false, _) => unit(usize::from(data.0)),
            (true, Source::Direct | Source::Staged) => unit(DATA + usize::from(data.0)),
            (true, Source::Zeroes) => ZERO,
        };
        match self.row.role(member).unwrap() {
            Role::Data(number) => data(number),
            role @ (Role::P | Role::Q) => self.parity(role, data),
        }
    }

    /// Whether a sum of old data blocks can be had from what can be read.
    fn can_be_known(&self, wanted: Form) -> bool {
        let parity = self.row.parity_places();
        let mut known: Vec<Form> = self
            .places(|is| is == Is::Valid)
            .into_iter()
            .filter(|member| self.redundancy == InSync || !parity.contains(*member))
            .map(|member| self.old(member))
            .collect();
        let rank_before = rank(known.clone());
        known.push(wanted);
        rank(known) == rank_before
    }
}

extern crate alloc;
use alloc::vec::Vec;

/// The rank of a matrix over GF(2^8), by elimination.
fn rank(mut rows: Vec<Form>) -> usize {
    let mut rank = 0;
    for term in 0..TERMS {
        let Some(pivot) = (rank..rows.len()).find(|row| rows[*row][term] != 0) else { continue };
        rows.swap(rank, pivot);
        let scaled = times(inverse(rows[rank][term]), rows[rank]);
        for (number, row) in rows.iter_mut().enumerate() {
            if number != rank {
                *row = plus(*row, times(row[term], scaled));
            }
        }
        rank += 1;
    }
    rank
}

/// Buffers by place. A buffer that holds nothing of worth is `None`, and taking from it is a failed
/// test.
struct Buffers<'c> {
    case: &'c Case,
    operation: Operation,
    unserved: MemberSet,
    lanes: [Option<Form>; DATA + 2],
    caller: [Option<Form>; DATA + 2],
    partial: Option<Form>,
}

use crate::host::Durability;
use crate::plan::{Operation, Sync};

impl Buffers<'_> {
    fn before(&mut self, member: MemberIndex) -> &mut Option<Form> {
        match self.operation {
            Operation::Read(Transfer::Direct) if self.case.covered().contains(member) => {
                &mut self.caller[member.index()]
            }
            Operation::Read(_) | Operation::Write(..) | Operation::Check | Operation::Sync(_) => {
                &mut self.lanes[member.index()]
            }
        }
    }

    fn after(&self, member: MemberIndex) -> Form {
        let buffer = match self.operation {
            Operation::Write(Source::Direct, _) if self.case.covered().contains(member) => {
                self.caller[member.index()]
            }
            Operation::Read(Transfer::Direct) if self.case.covered().contains(member) => {
                self.caller[member.index()]
            }
            Operation::Read(_) | Operation::Write(..) | Operation::Check | Operation::Sync(_) => {
                self.lanes[member.index()]
            }
        };
        buffer.expect("the buffer of a block that is written holds it")
    }

    fn lane(&self, member: MemberIndex) -> Form {
        self.lanes[member.index()].expect("the lane holds a block")
    }

    fn parities(&self, parities: Parities) -> Vec<(Role, MemberIndex)> {
        let row = self.case.row;
        match parities {
            Parities::P => Vec::from([(Role::P, row.p())]),
            Parities::Q => Vec::from([(Role::Q, row.q().unwrap())]),
            Parities::Both => Vec::from([(Role::P, row.p()), (Role::Q, row.q().unwrap())]),
        }
    }

    /// Adds blocks of these places to parity lanes.
    fn accumulate(
        &mut self,
        parities: Parities,
        places: MemberSet,
        block: impl Fn(&Self, MemberIndex) -> Form,
    ) {
        for (role, place) in self.parities(parities) {
            let mut sum = self.lane(place);
            for member in places {
                let Some(Role::Data(data)) = self.case.row.role(member) else { panic!("data") };
                let weight = match role {
                    Role::P => 1,
                    Role::Q => self.case.weight(data),
                    Role::Data(_) => panic!("parity"),
                };
                sum = plus(sum, times(weight, block(self, member)));
            }
            self.lanes[place.index()] = Some(sum);
        }
    }

    fn run(&mut self, task: Task) {
        let covered = self.case.covered().difference(self.unserved);
        let row = self.case.row;
        match task {
            Task::Stage => {
                for member in covered {
                    self.lanes[member.index()] = match self.operation {
                        Operation::Write(Source::Zeroes, _) => Some(ZERO),
                        Operation::Read(_)
                        | Operation::Write(..)
                        | Operation::Check
                        | Operation::Sync(_) => self.caller[member.index()],
                    };
                }
            }
            Task::Deliver => {
                for member in covered {
                    self.caller[member.index()] = Some(self.lane(member));
                }
            }
            Task::Generate(parities) => {
                for (role, place) in self.parities(parities) {
                    let block = |data| self.after(row.member(data).unwrap());
                    self.lanes[place.index()] = Some(self.case.parity(role, block));
                }
            }
            Task::Update(parities) => self.accumulate(parities, covered, |buffers, member| {
                plus(buffers.lane(member), buffers.after(member))
            }),
            Task::Subtract(parities) | Task::Add(parities) => {
                self.accumulate(parities, covered, Self::lane);
            }
            Task::PartialParity(way) => {
                let PartialParity::XorOf(members) = PartialParity::of(&row, covered, way) else {
                    panic!("a write to a whole row has no partial parity")
                };
                self.partial =
                    Some(members.into_iter().fold(ZERO, |sum, it| plus(sum, self.lane(it))));
            }
            Task::Recover(recovery) => self.recover(recovery),
            Task::Check | Task::Locate => {}
        }
    }

    fn recover(&mut self, recovery: Recovery) {
        let row = self.case.row;
        let lost: Vec<MemberIndex> = match recovery {
            Recovery::FromP { lost } | Recovery::FromQ { lost } | Recovery::WithPFromQ { lost } => {
                Vec::from([lost])
            }
            Recovery::Two { first, second } => Vec::from([first, second]),
        };
        let mut p = ZERO;
        let mut q = ZERO;
        for data in (0..row.data_members()).map(DataIndex) {
            let member = row.member(data).unwrap();
            if !lost.contains(&member) {
                let block = self.before(member).expect("a survivor holds its block");
                p = plus(p, block);
                q = plus(q, times(self.case.weight(data), block));
            }
        }
        let weight_of = |member: MemberIndex| match row.role(member) {
            Some(Role::Data(data)) => self.case.weight(data),
            Some(Role::P | Role::Q) | None => panic!("only data is recovered"),
        };
        match recovery {
            Recovery::FromP { lost } => *self.before(lost) = Some(plus(p, self.lane(row.p()))),
            Recovery::FromQ { lost } | Recovery::WithPFromQ { lost } => {
                let rest = plus(q, self.lane(row.q().unwrap()));
                let block = times(inverse(weight_of(lost)), rest);
                *self.before(lost) = Some(block);
                if let Recovery::WithPFromQ { .. } = recovery {
                    self.lanes[row.p().index()] = Some(plus(p, block));
                }
            }
            Recovery::Two { first, second } => {
                let (p, q) = (plus(p, self.lane(row.p())), plus(q, self.lane(row.q().unwrap())));
                let (x, y) = (weight_of(first), weight_of(second));
                let block = times(inverse(x ^ y), plus(times(y, p), q));
                *self.before(first) = Some(block);
                *self.before(second) = Some(plus(p, block));
            }
        }
    }
}

/// Reads what the plan reads and runs its tasks.
fn carry_out<'c>(case: &'c Case, operation: Operation, plan: &Plan) -> Buffers<'c> {
    let caller = core::array::from_fn(|member| {
        let member = MemberIndex(u8::try_from(member).unwrap());
        match operation {
            Operation::Write(Source::Direct | Source::Staged, _)
                if case.covered().contains(member) =>
            {
                Some(case.wanted(Source::Direct, member))
            }
            Operation::Read(_) | Operation::Write(..) | Operation::Check | Operation::Sync(_) => {
                None
            }
        }
    });
    let unserved = plan.unserved;
    let lanes = [None; DATA + 2];
    let mut buffers = Buffers { case, operation, unserved, lanes, caller, partial: None };
    for member in plan.reads {
        assert_eq!(case.states[member.index()], Is::Valid, "an invalid block is an input");
        *buffers.before(member) = Some(case.old(member));
    }
    for task in plan.tasks.iter() {
        buffers.run(task);
    }
    buffers
}

fn judge_write(case: &Case, source: Source) {
    let planned = case.plan().write(source);
    let parity = case.row.parity_places();
    let live = parity.difference(case.snapshot().unwritable);
    let uncovered = |data: DataIndex| match case.cover & (1 << data.0) {
        0 => unit(usize::from(data.0)),
        _ => ZERO,
    };
    let can_be_made = |places: MemberSet| {
        places.into_iter().all(|place| {
            let role = case.row.role(place).unwrap();
            case.can_be_known(case.parity(role, uncovered))
        })
    };
    // What is written has to be there to be read afterwards.
    let bad = case.places(|is| is == Is::Bad);
    let void = case.places(|is| matches!(is, Is::Stale | Is::Lost));
    let void = void.union(bad.difference(case.covered().union(live)));
    let kept = void.count() <= parity.count() || case.covered().intersection(void).is_empty();
    // Parity that is bad may stay so where it cannot be made.
    let live = if can_be_made(live) { live } else { live.difference(bad) };
    let possible =
        kept && case.places(|is| is == Is::Lost).count() <= parity.count() && can_be_made(live);
    let Ok(plan) = planned else {
        assert!(!possible, "this write could be done");
        return;
    };
    assert!(possible, "this write cannot be done, and yet there is a plan: {plan:?}");
    let operation = Operation::Write(source, Durability::Cached);
    let buffers = carry_out(case, operation, &plan);
    for member in case.members() {
        let is = case.states[member.index()];
        let due = case.covered().union(live).contains(member);
        if is == Is::Lost {
            assert!(!plan.writes.contains(member), "a lost member is written");
        } else if plan.writes.contains(member) {
            assert_eq!(buffers.after(member), case.wanted(source, member), "{member:?} is written");
            assert!(due || is == Is::Faulted, "{member:?} is written without need");
        } else {
            assert!(!due, "{member:?} is not written");
        }
    }
    let p = case.row.p();
    let holds = case.states[p.index()] != Is::Stale && plan.writes.contains(p);
    match case.logging {
        Logging::PartialParity if holds => {
            assert_eq!(plan.logged, Logged::At(p));
            let whole = case.covered() == case.row.data_places();
            let wanted = Some(case.parity(Role::P, uncovered)).filter(|_| !whole);
            assert_eq!(buffers.partial, wanted, "what is not written: {plan:?}");
        }
        Logging::PartialParity | Logging::No => assert_eq!(plan.logged, Logged::No),
        Logging::NotYet => assert_eq!(plan.logged, Logged::NotYet),
        Logging::Journal => {
            assert_eq!(plan.logged, Logged::ToJournal);
            // Also that of a member that is lost: it may be back after a crash.
            for member in parity.into_iter().filter(|_| can_be_made(parity)) {
                let wanted = case.wanted(source, member);
                assert_eq!(buffers.after(member), wanted, "{member:?} is logged: {plan:?}");
            }
        }
    }
}

fn judge_read(case: &Case, transfer: Transfer) {
    let plan = case.plan().read(transfer);
    let buffers = carry_out(case, Operation::Read(transfer), &plan);
    for member in case.covered() {
        let known = case.can_be_known(case.old(member));
        assert_eq!(known, !plan.unserved.contains(member), "{member:?} of {plan:?}");
        if known {
            assert_eq!(buffers.caller[member.index()], Some(case.old(member)), "{plan:?}");
        }
    }
    assert!(plan.unserved.difference(case.covered()).is_empty());
    for member in plan.writes {
        assert_eq!(case.states[member.index()], Is::Faulted, "only what is faulted is mended");
        assert_eq!(buffers.after(member), case.old(member), "mended with what belongs there");
    }
    for member in case.covered() {
        let mendable = case.states[member.index()] == Is::Faulted;
        let served = !plan.unserved.contains(member);
        assert_eq!(plan.writes.contains(member), mendable && served, "{member:?} is mended");
    }
}

fn judge_check(case: &Case) {
    let all_valid = case.members().all(|member| case.states[member.index()] == Is::Valid);
    match case.plan().check() {
        Ok(plan) => {
            assert!(all_valid && plan.writes.is_empty());
            assert_eq!(plan.reads, MemberSet::first(case.row.members()));
        }
        Err(error) => {
            let unreadable =
                |member: MemberIndex| matches!(case.states[member.index()], Is::Faulted | Is::Bad);
            let other = |member: MemberIndex| {
                !unreadable(member) && case.states[member.index()] != Is::Valid
            };
            let expected = match case.members().any(other) {
                true => NoPlan::NothingToCompare,
                false => NoPlan::NotCompared,
            };
            assert!(!all_valid && error == expected, "{error:?}");
        }
    }
}

fn judge_rebuild(case: &Case) {
    let data = |data: DataIndex| unit(usize::from(data.0));
    let wanted = |member| match case.row.role(member).unwrap() {
        Role::Data(number) => data(number),
        role @ (Role::P | Role::Q) => case.parity(role, data),
    };
    let targets = case.places(|is| matches!(is, Is::Stale | Is::Faulted | Is::Bad));
    let stale = case.places(|is| is == Is::Stale);
    let Ok(plan) = case.plan().rebuild() else {
        let bad = case.places(|is| matches!(is, Is::Stale | Is::Bad));
        assert_eq!(case.plan_with_a_list().rebuild(), Ok(given_up(bad)));
        let known = targets.into_iter().all(|member| case.can_be_known(wanted(member)));
        assert!(!stale.is_empty() && !known, "this row could be rebuilt");
        return;
    };
    if stale.is_empty() {
        assert_eq!(plan, Plan::NOTHING);
        return;
    }
    assert_eq!(plan.writes, targets);
    let buffers = carry_out(case, Operation::Sync(Sync::Rebuild), &plan);
    for member in targets {
        assert_eq!(buffers.after(member), wanted(member), "{member:?} of {plan:?}");
    }
}

/// Nothing is to be done but to put these blocks on the list.
fn given_up(blocks: MemberSet) -> Plan {
    Plan { unserved: blocks, ..Plan::NOTHING }
}

fn judge_rewrite(case: &Case) {
    let data = |data: DataIndex| unit(usize::from(data.0));
    let live = case.row.parity_places().difference(case.snapshot().unwritable);
    let known =
        case.row.data_places().into_iter().all(|member| case.can_be_known(case.old(member)));
    let Ok(plan) = case.plan().rewrite() else {
        let unread = case.places(|is| matches!(is, Is::Faulted | Is::Bad));
        let bad = if case.redundancy == InSync { unread } else { unread.union(live) };
        let expected = if bad.is_empty() { Err(NoPlan::Unrecoverable) } else { Ok(given_up(bad)) };
        assert_eq!(case.plan_with_a_list().rewrite(), expected);
        assert!(!live.is_empty() && !known, "this row could be rewritten");
        return;
    };
    if live.is_empty() {
        assert_eq!(plan, Plan::NOTHING);
        return;
    }
    assert!(known, "made up: {plan:?}");
    let buffers = carry_out(case, Operation::Sync(Sync::Rewrite), &plan);
    for member in plan.writes {
        match case.row.role(member).unwrap() {
            Role::Data(number) => {
                assert!(matches!(case.states[member.index()], Is::Faulted | Is::Bad));
                assert_eq!(buffers.after(member), data(number));
            }
            role @ (Role::P | Role::Q) => {
                assert_eq!(buffers.after(member), case.parity(role, data));
            }
        }
    }
    assert!(live.difference(plan.writes).is_empty(), "all parity is written");
}

/// A log is used where parity is known to agree, in rows with one parity.
fn log_cases(row: &Row) -> Vec<(Redundancy, Logging)> {
    let mut cases = Vec::from([
        (InSync, Logging::No),
        (Unknown, Logging::No),
        (InSync, Logging::Journal),
        (Unknown, Logging::Journal),
    ]);
    if row.q().is_none() {
        cases.extend([(InSync, Logging::PartialParity), (Unknown, Logging::NotYet)]);
    }
    cases
}

/// Every case of one row. How many there were.
fn every_case(layout: Layout, members: u8, row: u64) -> u64 {
    let shape =
        Shape { layout, members, chunk: Sectors(8), member_size: Sectors(8 * u64::from(members)) };
    let Ok(Geometry::Parity(geometry)) = Geometry::new(shape) else { panic!("a shape of parity") };
    let row = geometry.row(StripeRow(row));
    let mut cases = 0;
    for number in 0..5_u32.pow(u32::from(members)) {
        let states = core::array::from_fn(|member| {
            let digit = number / 5_u32.pow(u32::try_from(member).unwrap()) % 5;
            STATES[usize::try_from(digit).unwrap()]
        });
        for cover in 1..1_u8 << row.data_members() {
            for (redundancy, logging) in log_cases(&row) {
                let case = Case { row, states, cover, redundancy, logging };
                for source in [Source::Direct, Source::Staged, Source::Zeroes] {
                    judge_write(&case, source);
                }
                for transfer in [Transfer::Direct, Transfer::Staged] {
                    judge_read(&case, transfer);
                }
                judge_check(&case);
                cases += 6;
                if cover == 1 {
                    judge_rebuild(&case);
                    judge_rewrite(&case);
                    cases += 2;
                }
            }
        }
    }
    cases
}

const LEFT: Layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
const LEFT6: Layout = Layout::Raid6(Raid6Layout::LeftSymmetric);

#[test]
fn every_plan_for_one_parity_is_right() {
    let cases = every_case(LEFT, 3, 0) + every_case(LEFT, 4, 1) + every_case(LEFT, 5, 3);
    assert_eq!(cases + every_case(Layout::Raid4, 4, 0), 2_070_000);
}

#[test]
fn every_plan_for_two_parities_is_right() {
    let cases = every_case(LEFT6, 4, 0) + every_case(LEFT6, 5, 2);
    let others = every_case(Layout::Raid6(Raid6Layout::RightAsymmetric), 5, 4)
        + every_case(Layout::Raid6(Raid6Layout::DdfNContinue), 5, 1);
    assert_eq!(cases + others, 1_700_000);
}
