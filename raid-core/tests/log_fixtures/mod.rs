//! Arrays whose power was cut while they were written to, and what the kernel makes of them.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs;
use std::path::PathBuf;

use md5::{Digest, Md5};
use raid_core::geometry::{Geometry, Layout, ParityGeometry, Role, RowAddress, Shape};
use raid_core::md::{Block, SUPERBLOCK_BYTES, Superblock};
use raid_core::units::{DataIndex, DeviceSector, Lba, MemberIndex, Sectors, StripeRow};

const SECTOR: usize = 512;

/// An array as it was found: the images of its members and, behind them, of its journal.
#[derive(Clone)]
pub(crate) struct Crashed {
    pub(crate) name: String,
    pub(crate) images: Vec<Vec<u8>>,
    pub(crate) superblocks: Vec<Superblock>,
    pub(crate) geometry: ParityGeometry,
    /// The member whose data area missed all the writes.
    pub(crate) held: usize,
}

/// What the kernel makes of it.
pub(crate) struct Outcome {
    pub(crate) missing: Vec<usize>,
    pub(crate) content: String,
    pub(crate) areas: Vec<String>,
    pub(crate) logs: Vec<String>,
    pub(crate) resync: String,
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/log")
}

fn table(file: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(directory().join(file)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines.map(|line| line.split('\t').map(String::from).collect()).collect()
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn crashed(log: &str) -> Vec<Crashed> {
    let rows = table("manifest.tsv").into_iter().filter(|row| row[9] == log);
    let all: Vec<_> = rows.map(|row| Crashed::load(&row)).collect();
    assert!(!all.is_empty(), "fixtures with {log}");
    all
}

impl Crashed {
    fn load(row: &[String]) -> Self {
        let name = row[0].clone();
        let packed = fs::read(directory().join(format!("{name}.img.xz"))).unwrap();
        let mut all = Vec::new();
        lzma_rs::xz_decompress(&mut packed.as_slice(), &mut all).unwrap();
        let length = row[6].parse::<usize>().unwrap() * SECTOR;
        let images: Vec<_> = all.chunks(length).map(<[u8]>::to_vec).collect();
        assert_eq!(images.len(), row[10].parse().unwrap(), "{name}");
        let superblocks: Vec<_> = images
            .iter()
            .map(|image| {
                let block: &Block = image[4096..4096 + SUPERBLOCK_BYTES].try_into().unwrap();
                Superblock::parse(block, DeviceSector(8)).unwrap()
            })
            .collect();
        let first = &superblocks[0];
        let shape = Shape {
            layout: Layout::from_md(first.level, first.layout).unwrap(),
            members: first.members.try_into().unwrap(),
            chunk: first.chunk(),
            member_size: first.member_size,
        };
        let Geometry::Parity(geometry) = Geometry::new(shape).unwrap() else {
            panic!("{name} has parity")
        };
        Self { name, images, superblocks, geometry, held: row[11].parse().unwrap() }
    }

    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        let list = |text: &str| -> Vec<String> {
            text.split(',').filter(|part| *part != "-").map(String::from).collect()
        };
        let of_this = table("outcomes.tsv").into_iter().filter(|row| row[0] == self.name);
        of_this
            .map(|row| Outcome {
                missing: list(&row[1]).iter().map(|member| member.parse().unwrap()).collect(),
                resync: row[3].clone(),
                content: row[4].clone(),
                areas: list(&row[5]),
                logs: list(&row[6]),
            })
            .collect()
    }

    pub(crate) fn members(&self) -> usize {
        self.geometry.members().into()
    }

    pub(crate) fn data_start(&self, device: usize) -> usize {
        self.superblocks[device].data_offset.0 as usize * SECTOR
    }

    /// The bytes of a member from a sector of its data area on.
    pub(crate) fn at(&mut self, member: MemberIndex, sector: u64, length: Sectors) -> &mut [u8] {
        let from = self.data_start(member.index()) + sector as usize * SECTOR;
        &mut self.images[member.index()][from..from + length.memory_bytes().unwrap()]
    }

    pub(crate) fn block(&self, device: usize, sector: DeviceSector) -> &Block {
        let from = sector.0 as usize * SECTOR;
        self.images[device][from..from + 4096].try_into().unwrap()
    }

    fn chunk(&self, row: StripeRow, member: MemberIndex) -> &[u8] {
        let sector = self.geometry.member_sector(row, Sectors::ZERO).unwrap();
        let from = self.data_start(member.index()) + sector.0 as usize * SECTOR;
        &self.images[member.index()][from..from + self.geometry.chunk().memory_bytes().unwrap()]
    }

    /// The content, with the blocks of one missing member computed from P.
    pub(crate) fn content(&self, missing: Option<usize>) -> Vec<u8> {
        let chunks = self.geometry.size().0 / self.geometry.chunk().0;
        let starts = (0..chunks).map(|number| Lba(number * self.geometry.chunk().0));
        let chunk_of = |lba| {
            let RowAddress { row, data, .. } = self.geometry.map(lba).unwrap();
            let roles = self.geometry.row(row);
            let member = roles.member(data).unwrap();
            if missing != Some(member.index()) {
                return self.chunk(row, member).to_vec();
            }
            let others = (0..self.geometry.members())
                .map(MemberIndex)
                .filter(|other| *other != member && roles.role(*other) != Some(Role::Q));
            xor(others.map(|other| self.chunk(row, other)))
        };
        starts.flat_map(chunk_of).collect()
    }

    /// The rows whose P or Q is not that of their data.
    pub(crate) fn inconsistent_rows(&self) -> Vec<u64> {
        (0..self.geometry.rows())
            .filter(|row| {
                let row = StripeRow(*row);
                let roles = self.geometry.row(row);
                let data: Vec<_> = (0..roles.data_members()).map(DataIndex).collect();
                let chunk = |data: &DataIndex| self.chunk(row, roles.member(*data).unwrap());
                let p = xor(data.iter().map(chunk));
                let q = roles.q().map(|member| {
                    let weighted: Vec<_> = data
                        .iter()
                        .map(|data| weigh(chunk(data), roles.exponent(*data).unwrap().0))
                        .collect();
                    (member, xor(weighted.iter().map(Vec::as_slice)))
                });
                p != self.chunk(row, roles.p())
                    || q.is_some_and(|(member, q)| q != self.chunk(row, member))
            })
            .collect()
    }

    /// The digest of everything from the data area on, as the kernel lab takes it.
    pub(crate) fn area(&self, device: usize) -> String {
        digest(&self.images[device][self.data_start(device)..])
    }
}

pub(crate) fn xor<'a>(blocks: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    blocks.fold(Vec::new(), |mut sum, block| {
        sum.resize(block.len(), 0);
        sum.iter_mut().zip(block).for_each(|(to, from)| *to ^= from);
        sum
    })
}

/// Times 2 to the power of `exponent` in GF(2^8), the slow way.
fn weigh(block: &[u8], exponent: u8) -> Vec<u8> {
    let double = |byte: u8| (byte << 1) ^ if byte & 0x80 == 0 { 0 } else { 0x1d };
    block.iter().map(|byte| (0..exponent).fold(*byte, |byte, _| double(byte))).collect()
}
