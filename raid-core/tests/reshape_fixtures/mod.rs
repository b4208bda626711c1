//! Arrays that the Linux kernel was reshaping when it was stopped, and a reader that goes by
//! [`Progress`] alone.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use md5::{Digest, Md5};
use raid_core::geometry::{Geometry, Role};
use raid_core::md::{
    Block, Candidate, HalfDone, HalfDoneError, SUPERBLOCK_BYTES, Superblock, assemble_reshape,
};
use raid_core::reshape::{Progress, Side};
use raid_core::units::{DeviceIndex, DeviceSector, Lba, MemberIndex, Sectors};

const SECTOR: usize = 512;
const SUPERBLOCK_AT: usize = 8;
/// What is read at a time: no border of any shape lies inside.
const STEP: u64 = 8;

#[derive(Clone)]
pub(crate) struct Golden {
    pub(crate) name: String,
    pub(crate) images: Vec<Vec<u8>>,
    pub(crate) superblocks: Vec<Superblock>,
    pub(crate) size: Sectors,
    pub(crate) md5: String,
}

pub(crate) fn all() -> Vec<Golden> {
    static UNPACKED: LazyLock<Vec<Golden>> = LazyLock::new(unpack);
    UNPACKED.clone()
}

fn unpack() -> Vec<Golden> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reshape");
    let table = fs::read_to_string(directory.join("manifest.tsv")).unwrap();
    let rows = table.lines().filter(|line| !line.starts_with('#')).skip(1);
    let load = |row: &str| {
        let row: Vec<&str> = row.split('\t').collect();
        let packed = fs::read(directory.join(format!("{}.img.xz", row[0]))).unwrap();
        let mut bytes = Vec::new();
        lzma_rs::xz_decompress(&mut packed.as_slice(), &mut bytes).unwrap();
        let length = row[4].parse::<usize>().unwrap() * SECTOR;
        let images: Vec<Vec<u8>> = bytes.chunks(length).map(<[u8]>::to_vec).collect();
        let superblocks = images.iter().map(|image| superblock(image)).collect();
        let size = Sectors::from_bytes(row[5].parse().unwrap()).unwrap();
        Golden { name: row[0].into(), images, superblocks, size, md5: row[6].into() }
    };
    rows.map(load).collect()
}

pub(crate) fn block(image: &[u8]) -> &Block {
    let start = SUPERBLOCK_AT * SECTOR;
    image[start..start + SUPERBLOCK_BYTES].try_into().unwrap()
}

fn superblock(image: &[u8]) -> Superblock {
    Superblock::parse(block(image), DeviceSector(8)).unwrap()
}

impl Golden {
    pub(crate) fn device_size(&self) -> Sectors {
        Sectors::from_bytes(self.images[0].len().try_into().unwrap()).unwrap()
    }

    /// The array without some of its devices.
    pub(crate) fn without(&self, missing: &[u8]) -> Result<HalfDone, HalfDoneError> {
        let device_size = self.device_size();
        let candidates: Vec<Candidate<'_>> = (0..=u8::MAX)
            .zip(&self.superblocks)
            .filter(|(number, _)| !missing.contains(number))
            .map(|(n, superblock)| Candidate { superblock, device: DeviceIndex(n), device_size })
            .collect();
        assemble_reshape(&candidates)
    }

    /// The digest of the array's content, every block read in the shape that it is in.
    pub(crate) fn digest(&self, array: &HalfDone) -> String {
        let mut digest = Md5::new();
        for at in (0..self.size.0).step_by(usize::try_from(STEP).unwrap()) {
            digest.update(self.read(array, &array.progress, Lba(at)));
        }
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn read(&self, array: &HalfDone, progress: &Progress, at: Lba) -> Vec<u8> {
        let routed = progress.route(at, Sectors(STEP));
        assert_eq!(routed.sectors, Sectors(STEP), "{at:?} straddles a border");
        let Some(Geometry::Parity(geometry)) = progress.geometry(routed.side) else {
            panic!("{at:?} is in a window, or not a level with parity");
        };
        let address = geometry.map(at).unwrap();
        let row = geometry.row(address.row);
        let sector = geometry.member_sector(address.row, address.offset).unwrap();
        let piece = |member: MemberIndex| {
            let seat = array.assembly.places[member.index()].as_ref()?;
            let start = match routed.side {
                Side::Done => array.new_data[member.index()]?,
                Side::ToDo | Side::Window => seat.data_offset,
            };
            let first = usize::try_from(start.0 + sector.0).unwrap() * SECTOR;
            let length = usize::try_from(STEP).unwrap() * SECTOR;
            Some(self.images[seat.device.index()][first..first + length].to_vec())
        };
        let wanted = row.member(address.data).unwrap();
        piece(wanted).unwrap_or_else(|| {
            let others = row.data_places().into_iter().filter(|member| *member != wanted);
            others.chain([row.p()]).fold(vec![0; 4096], |mut sum, member| {
                assert!(row.role(member).is_some_and(|role| role != Role::Q));
                let bytes = piece(member).expect("one member missing, no more");
                sum.iter_mut().zip(bytes).for_each(|(sum, byte)| *sum ^= byte);
                sum
            })
        })
    }
}
