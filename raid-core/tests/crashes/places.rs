//! Which sector of the array lies where. A sector of a stripe is one sector of each member, all at
//! the same distance from the start of the data: parity covers those, and the arrays here keep
//! copies at the same distance too.

use raid_core::geometry::{Geometry, RowAddress};
use raid_core::metadata::Consistency;
use raid_core::units::{DataIndex, MemberIndex, MemberSector, Sectors, StripeRow};
use raid_sim::sim::Blueprint;

use crate::arrays::CHUNK;

/// For each sector of each member's data area the sector of the array there; `None` for parity.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    of_member: Vec<Vec<Option<usize>>>,
    of_array: Vec<usize>,
    marks: Marks,
}

/// What a resync mark counts.
#[derive(Clone, Copy, Debug)]
enum Marks {
    OfMembers,
    OfArray,
}

impl Places {
    pub(crate) fn of(blueprint: &Blueprint) -> Self {
        let geometry = &blueprint.geometry;
        let members = 0..geometry.members();
        let of_member: Vec<Vec<_>> = members
            .map(|member| {
                let sectors = 0..blueprint.member_sectors;
                sectors.map(|sector| array_sector(geometry, MemberIndex(member), sector)).collect()
            })
            .collect();
        let mut of_array = vec![usize::MAX; usize::try_from(geometry.size().0).unwrap()];
        for sectors in &of_member {
            for (sector, lba) in sectors.iter().enumerate() {
                if let Some(lba) = lba {
                    of_array[*lba] = sector;
                }
            }
        }
        assert!(of_array.iter().all(|sector| *sector != usize::MAX), "every sector lies somewhere");
        let marks = match geometry {
            Geometry::Copies(_) => Marks::OfArray,
            Geometry::Parity(_) => Marks::OfMembers,
        };
        Self { of_member, of_array, marks }
    }

    /// The sector of the array in this one of a member; `None` if it is parity.
    pub(crate) fn lba(&self, member: MemberIndex, sector: usize) -> Option<usize> {
        self.of_member[member.index()][sector]
    }

    /// In which sector of the stripes this one of the array is.
    pub(crate) fn sector(&self, lba: usize) -> usize {
        self.of_array[lba]
    }

    /// The sectors under the bits of a write-intent bitmap that cover a sector of the stripes.
    pub(crate) fn under_bits(&self, sector: usize) -> Vec<u64> {
        let wide = |sector: usize| u64::try_from(sector).unwrap();
        match self.marks {
            Marks::OfMembers => vec![wide(sector)],
            Marks::OfArray => {
                let here = self.of_member.iter().filter_map(|sectors| sectors[sector]);
                here.map(wide).collect()
            }
        }
    }

    /// Whether a record that says this vouches for a sector of the stripes.
    pub(crate) fn vouches(&self, consistency: Consistency, sector: usize) -> bool {
        let Consistency::InSyncTo(Sectors(mark)) = consistency else { return true };
        let mark = usize::try_from(mark).unwrap();
        match self.marks {
            Marks::OfMembers => sector < mark,
            Marks::OfArray => {
                let mut here = self.of_member.iter().filter_map(|sectors| sectors[sector]);
                here.all(|lba| lba < mark)
            }
        }
    }
}

fn array_sector(geometry: &Geometry, member: MemberIndex, sector: u64) -> Option<usize> {
    let lba = match geometry {
        Geometry::Copies(geometry) => {
            geometry.unmap(geometry.chunk_at(member, MemberSector(sector))?)?
        }
        Geometry::Parity(geometry) => {
            let row = StripeRow(sector / CHUNK);
            let roles = geometry.row(row);
            let data = (0..roles.data_members()).map(DataIndex);
            let data = data.into_iter().find(|data| roles.member(*data) == Some(member))?;
            geometry.unmap(RowAddress { row, data, offset: Sectors(sector % CHUNK) })?
        }
    };
    Some(usize::try_from(lba.0).unwrap())
}
