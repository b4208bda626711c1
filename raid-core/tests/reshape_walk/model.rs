//! An array of numbers: one for each 4 KiB block of each member, with parity that tells whether its
//! row is whole. Writes are durable after a flush; a crash keeps any subset of those before it.

use alloc::collections::BTreeSet;

use raid_core::geometry::{ChunkAddress, Geometry, RowAddress};
use raid_core::reshape::{Change, Progress, Side};
use raid_core::units::{ChunkIndex, DataIndex, Lba, MemberIndex, Sectors, StripeRow};

/// Sectors in a block of the model: the smallest chunk.
pub(crate) const BLOCK: u64 = 8;

/// A block of a member.
pub(crate) type Place = (usize, usize);

/// Blocks that are written and lost together: a slice of a row, or a block and its copies.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    /// Data: the number of the block, where its copies lie, its exponent.
    data: Vec<(usize, Vec<Place>, u64)>,
    p: Option<Place>,
    q: Option<Place>,
}

/// Where every block of a shape lies.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    slices: Vec<Slice>,
    /// The slice of each block.
    of: Vec<usize>,
}

impl Map {
    /// `base` is where the data areas start, in sectors.
    pub(crate) fn new(geometry: &Geometry, base: u64) -> Self {
        let place = |member: MemberIndex, at: u64| (member.index(), index((base + at) / BLOCK));
        let mut slices = Vec::new();
        match geometry {
            Geometry::Parity(parity) => {
                for number in 0..parity.rows() {
                    let row = StripeRow(number);
                    let roles = parity.row(row);
                    for offset in (0..parity.chunk().0).step_by(8) {
                        let offset = Sectors(offset);
                        let at = parity.member_sector(row, offset).unwrap().0;
                        let data = (0..parity.data_members()).map(DataIndex).map(|data| {
                            let lba = parity.unmap(RowAddress { row, data, offset }).unwrap();
                            let exponent = roles.exponent(data).map_or(0, |e| u64::from(e.0));
                            let copies = vec![place(roles.member(data).unwrap(), at)];
                            (index(lba.0 / BLOCK), copies, exponent)
                        });
                        let data = data.collect();
                        let p = Some(place(roles.p(), at));
                        let q = roles.q().map(|q| place(q, at));
                        slices.push(Slice { data, p, q });
                    }
                }
            }
            Geometry::Copies(copies) => {
                for number in 0..copies.chunks() {
                    let chunk = ChunkIndex(number);
                    for offset in (0..copies.chunk().0).step_by(8) {
                        let lba = copies.unmap(ChunkAddress { chunk, offset: Sectors(offset) });
                        let places = copies.copy_places(chunk).into_iter().map(|member| {
                            let start = copies.member_sector(chunk, member).unwrap();
                            place(member, start.0 + offset)
                        });
                        let data = vec![(index(lba.unwrap().0 / BLOCK), places.collect(), 0)];
                        slices.push(Slice { data, p: None, q: None });
                    }
                }
            }
        }
        let mut of = vec![0; index(geometry.size().0 / BLOCK)];
        for (number, slice) in slices.iter().enumerate() {
            for (block, ..) in &slice.data {
                of[*block] = number;
            }
        }
        Self { slices, of }
    }
}

pub(crate) fn index(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

fn mix(value: u64, salt: u64) -> u64 {
    let mut z = value.wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A stream of numbers that a seed names.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        let end = u64::try_from(end.max(1)).unwrap();
        index(mix(self.0, 77) % end)
    }
}

/// What lies on the members.
pub(crate) type Image = Vec<Vec<u64>>;

/// What a backup holds.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    pub(crate) start: Lba,
    pub(crate) sectors: Sectors,
    pub(crate) content: Vec<u64>,
}

/// What a crash leaves.
#[derive(Clone, Debug)]
pub(crate) struct Wreck {
    pub(crate) image: Image,
    pub(crate) position: Lba,
    pub(crate) saved: Option<Saved>,
}

#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) change: Change,
    old: Map,
    new: Map,
    /// Members that are gone.
    pub(crate) missing: BTreeSet<usize>,
    now: Image,
    pub(crate) durable: Image,
    pub(crate) pending: Vec<(Place, u64)>,
    /// What each block holds, for whoever uses the array.
    expected: Vec<u64>,
    /// What each block held in the old shape last.
    old_values: Vec<u64>,
    pub(crate) position: Lba,
    pub(crate) saved: Option<Saved>,
    versions: u64,
}

impl Model {
    pub(crate) fn new(change: Change, missing: BTreeSet<usize>) -> Self {
        let shift = change.shift().0;
        let base = shift.unsigned_abs();
        let old = Map::new(change.before(), base);
        let new = Map::new(change.after(), base.checked_add_signed(shift).unwrap());
        let length = index((change.before().shape().member_size.0 + 2 * base) / BLOCK) + 1;
        let image = vec![vec![u64::MAX; length]; usize::from(change.members_max())];
        let mut expected = vec![0; old.of.len().max(new.of.len())];
        for (block, value) in expected.iter_mut().enumerate().take(old.of.len()) {
            *value = mix(u64::try_from(block).unwrap(), 1);
        }
        let mut model = Self {
            change,
            old,
            new,
            missing,
            now: image.clone(),
            durable: image,
            pending: Vec::new(),
            old_values: expected.clone(),
            expected,
            position: change.start(),
            saved: None,
            versions: 1,
        };
        for slice in model.old.slices.clone() {
            let values: Vec<u64> = slice.data.iter().map(|(b, ..)| model.expected[*b]).collect();
            model.write_slice(&slice, &values);
        }
        model.flush();
        model
    }

    /// The same array as a crash left it.
    pub(crate) fn after(&self, wreck: &Wreck) -> Self {
        Self {
            now: wreck.image.clone(),
            durable: wreck.image.clone(),
            pending: Vec::new(),
            position: wreck.position,
            saved: wreck.saved.clone(),
            ..self.clone()
        }
    }

    fn put(&mut self, place: Place, value: u64) {
        if !self.missing.contains(&place.0) {
            self.now[place.0][place.1] = value;
            self.pending.push((place, value));
        }
    }

    fn write_slice(&mut self, slice: &Slice, values: &[u64]) {
        for ((_, copies, _), value) in slice.data.iter().zip(values) {
            for copy in copies {
                self.put(*copy, *value);
            }
        }
        if let Some(p) = slice.p {
            self.put(p, p_of(values));
        }
        if let Some(q) = slice.q {
            self.put(q, q_of(slice, values));
        }
    }

    pub(crate) fn flush(&mut self) {
        for ((member, at), value) in self.pending.drain(..) {
            self.durable[member][at] = value;
        }
    }

    /// What a crash now leaves that keeps these of the writes since the last flush.
    pub(crate) fn wreck(&self, kept: impl Fn(usize) -> bool) -> Wreck {
        let mut image = self.durable.clone();
        for (number, ((member, at), value)) in self.pending.iter().enumerate() {
            if kept(number) {
                image[*member][*at] = *value;
            }
        }
        Wreck { image, position: self.position, saved: self.saved.clone() }
    }

    /// A block as it lies in the old shape, by parity if its member is gone.
    fn old_block(&self, block: usize) -> Result<u64, String> {
        let slice = &self.old.slices[self.old.of[block]];
        whole(slice, &self.now, &self.missing, |b| self.old_values[b])?;
        let (_, copies, _) = slice.data.iter().find(|(b, ..)| *b == block).unwrap();
        match copies.iter().find(|copy| !self.missing.contains(&copy.0)) {
            Some(copy) => Ok(self.now[copy.0][copy.1]),
            None => Ok(self.old_values[block]),
        }
    }

    pub(crate) fn save(&self, start: Lba, sectors: Sectors) -> Result<Saved, String> {
        let first = index(start.0 / BLOCK);
        let blocks = first..first + index(sectors.0 / BLOCK);
        let content = blocks.map(|block| self.source(block)).collect::<Result<_, _>>()?;
        Ok(Saved { start, sectors, content })
    }

    fn source(&self, block: usize) -> Result<u64, String> {
        match block < self.old.of.len() {
            true => self.old_block(block),
            false => Ok(0),
        }
    }

    /// Writes a range in the new shape, rows in any order.
    pub(crate) fn relocate(
        &mut self,
        start: Lba,
        sectors: Sectors,
        dice: &mut Dice,
        from_backup: bool,
    ) -> Result<(), String> {
        let first = index(start.0 / BLOCK);
        let end = first + index(sectors.0 / BLOCK);
        let slices: BTreeSet<usize> = (first..end).map(|block| self.new.of[block]).collect();
        let mut slices: Vec<usize> = slices.into_iter().collect();
        while !slices.is_empty() {
            let slice = self.new.slices[slices.swap_remove(dice.below(slices.len()))].clone();
            let mut values = Vec::new();
            for (block, ..) in &slice.data {
                if !(first..end).contains(block) {
                    return Err(format!("block {block} shares a row with {start:?}"));
                }
                values.push(match (&self.saved, from_backup) {
                    (Some(saved), true) => saved.content[block - first],
                    _ => self.source(*block)?,
                });
            }
            self.write_slice(&slice, &values);
        }
        Ok(())
    }

    /// A requester writes a block, durably. Held if it lies in the window.
    pub(crate) fn user_write(&mut self, progress: &Progress, block: usize) {
        if block >= index(self.change.size_meanwhile().0 / BLOCK) {
            return;
        }
        let side = progress.route(lba(block), Sectors(BLOCK)).side;
        let map = match side {
            Side::Window => return,
            Side::Done => &self.new,
            Side::ToDo => &self.old,
        };
        self.versions += 1;
        let value = mix(u64::try_from(block).unwrap(), self.versions);
        self.expected[block] = value;
        let slice = map.slices[map.of[block]].clone();
        if side == Side::ToDo {
            self.old_values[block] = value;
        }
        let values: Vec<u64> = slice
            .data
            .iter()
            .map(|(b, copies, _)| match (*b == block, copies.first()) {
                (true, _) => value,
                (false, Some(copy)) if !self.missing.contains(&copy.0) => self.now[copy.0][copy.1],
                (false, _) if side == Side::ToDo => self.old_values[*b],
                (false, _) => self.expected[*b],
            })
            .collect();
        let before = core::mem::take(&mut self.pending);
        self.write_slice(&slice, &values);
        self.flush();
        self.pending = before;
    }

    /// Everything that a restart from the wreck would read is there and whole.
    pub(crate) fn check(&self, wreck: &Wreck) -> Result<(), String> {
        let progress = Progress::at(self.change, wreck.position).map_err(|e| e.to_string())?;
        let restored = wreck
            .saved
            .as_ref()
            .and_then(|saved| Some((progress.restored(saved.start, saved.sectors)?.0, saved)));
        let progress = restored.map_or(progress, |(progress, _)| progress);
        let size = index(self.change.size_meanwhile().0 / BLOCK);
        let mut old_slices = BTreeSet::new();
        let mut new_slices = BTreeSet::new();
        for block in 0..self.expected.len() {
            let side = progress.route(lba(block), Sectors(BLOCK)).side;
            match side {
                Side::Window => {
                    let (_, saved) = restored.as_ref().ok_or("a window after a restart")?;
                    let content = saved.content[block - index(saved.start.0 / BLOCK)];
                    if content != self.expected[block] {
                        return Err(format!("block {block} is not in the backup"));
                    }
                }
                Side::ToDo if block < size => {
                    old_slices.insert(self.old.of[block]);
                }
                Side::Done if block < self.new.of.len() => {
                    new_slices.insert(self.new.of[block]);
                }
                Side::ToDo | Side::Done => {}
            }
        }
        for number in old_slices {
            let slice = &self.old.slices[number];
            whole(slice, &wreck.image, &self.missing, |b| self.old_values[b])
                .map_err(|e| format!("old row {number} at {:?}: {e}", wreck.position))?;
            for (block, copies, _) in &slice.data {
                let side = progress.route(lba(*block), Sectors(BLOCK)).side;
                let here = copies.iter().filter(|copy| !self.missing.contains(&copy.0));
                let wrong = |copy: &Place| wreck.image[copy.0][copy.1] != self.expected[*block];
                if side == Side::ToDo && *block < size && here.clone().any(wrong) {
                    return Err(format!("block {block} lost before {:?}", wreck.position));
                }
            }
        }
        for number in new_slices {
            let slice = &self.new.slices[number];
            whole(slice, &wreck.image, &self.missing, |b| self.expected[b])
                .map_err(|e| format!("new row {number} at {:?}: {e}", wreck.position))?;
            for (block, copies, _) in &slice.data {
                let here = copies.iter().filter(|copy| !self.missing.contains(&copy.0));
                let wrong = |copy: &Place| wreck.image[copy.0][copy.1] != self.expected[*block];
                if here.clone().any(wrong) {
                    return Err(format!("block {block} is not at {:?}", wreck.position));
                }
            }
        }
        Ok(())
    }

    /// All is in the new shape.
    pub(crate) fn check_finished(&self) -> Result<(), String> {
        let end = Wreck { image: self.durable.clone(), position: self.change.end(), saved: None };
        self.check(&end)
    }

    pub(crate) fn blocks(&self) -> usize {
        index(self.change.size_meanwhile().0 / BLOCK)
    }
}

fn lba(block: usize) -> Lba {
    Lba(u64::try_from(block).unwrap() * BLOCK)
}

fn p_of(values: &[u64]) -> u64 {
    values.iter().fold(0, |sum, value| sum ^ mix(*value, 2))
}

fn q_of(slice: &Slice, values: &[u64]) -> u64 {
    let terms = slice.data.iter().zip(values);
    terms.fold(0, |sum, ((.., exponent), value)| sum ^ mix(*value, 3 + exponent))
}

/// Whether what is there of a slice agrees, and is enough for what is not. What is gone is known to
/// the model: parity that agrees with it would give it back.
fn whole(
    slice: &Slice,
    image: &Image,
    missing: &BTreeSet<usize>,
    gone: impl Fn(usize) -> u64,
) -> Result<(), String> {
    let at = |place: &Place| image[place.0][place.1];
    let mut lost = 0;
    let mut values = Vec::new();
    for (block, copies, _) in &slice.data {
        let here: Vec<u64> =
            copies.iter().filter(|copy| !missing.contains(&copy.0)).map(at).collect();
        if here.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(format!("copies of block {block} differ"));
        }
        match here.first() {
            Some(value) => values.push(*value),
            None => {
                lost += 1;
                values.push(gone(*block));
            }
        }
    }
    let mut parities = 0;
    for (place, sum) in [(slice.p, p_of(&values)), (slice.q, q_of(slice, &values))] {
        let Some(place) = place.filter(|place| !missing.contains(&place.0)) else { continue };
        parities += 1;
        if at(&place) != sum {
            return Err(format!("parity of the row of block {} is wrong", slice.data[0].0));
        }
    }
    match lost <= parities {
        true => Ok(()),
        false => Err("more is missing than parity has room for".into()),
    }
}
