//! What else may lie on an image: magic numbers at known places, so that a new array does not bury somebody's data
//! unasked.

use crate::exit::Error;
use crate::images::Image;
use raid_core::md::Minor;
use raid_core::units::{DeviceSector, SECTOR_BYTES, Sectors};
use std::io;
use std::path::PathBuf;

/// A magic number, and whose it is.
#[derive(Debug)]
struct Signature {
    name: &'static str,
    place: Place,
    /// Bytes from the start of the sector.
    offset: usize,
    magic: &'static [u8],
}

/// The sector that has the magic number.
#[derive(Clone, Copy, Debug)]
enum Place {
    FromStart(u64),
    /// So many sectors before the end; 1 is the last.
    FromEnd(u64),
    /// Where the superblock of md 0.90 lies.
    Md0_90,
    /// Where the superblock of md 1.0 lies.
    Md1_0,
}

const MD: [u8; 4] = 0xa92b_4efc_u32.to_le_bytes();
const MD_BIG: &[u8] = &[0xa9, 0x2b, 0x4e, 0xfc];
const GPT: &[u8] = b"EFI PART";
const LVM: &[u8] = b"LABELONE";
const LUKS: &[u8] = b"LUKS\xba\xbe";
const SWAP: &[u8] = b"SWAPSPACE2";
const SWAP_OLD: &[u8] = b"SWAP-SPACE";
const SWAP_HIBERNATED: &[u8] = b"S1SUSPEND";
/// Where a swap signature lies in the last sector of its first page.
const SWAP_OFFSET: usize = 512 - 10;

const fn at(name: &'static str, place: Place, offset: usize, magic: &'static [u8]) -> Signature {
    Signature { name, place, offset, magic }
}

use Place::{FromEnd, FromStart, Md0_90, Md1_0};

static SIGNATURES: [Signature; 29] = [
    at("md 1.1 superblock", FromStart(0), 0, &MD),
    at("md 1.2 superblock", FromStart(8), 0, &MD),
    at("md 1.0 superblock", Md1_0, 0, &MD),
    at("md 0.90 superblock", Md0_90, 0, &MD),
    at("md 0.90 superblock", Md0_90, 0, MD_BIG),
    at("Intel RAID metadata", FromEnd(2), 0, b"Intel Raid ISM Cfg Sig. "),
    at("DDF RAID metadata", FromEnd(1), 0, b"\xde\x11\xde\x11"),
    at("ext2, ext3 or ext4 file system", FromStart(2), 56, b"\x53\xef"),
    at("XFS file system", FromStart(0), 0, b"XFSB"),
    at("btrfs file system", FromStart(128), 64, b"_BHRfS_M"),
    at("squashfs file system", FromStart(0), 0, b"hsqs"),
    at("LUKS volume", FromStart(0), 0, LUKS),
    at("LVM physical volume", FromStart(0), 0, LVM),
    at("LVM physical volume", FromStart(1), 0, LVM),
    at("LVM physical volume", FromStart(2), 0, LVM),
    at("LVM physical volume", FromStart(3), 0, LVM),
    // For pages of 4, 8, 16 and 64 KiB.
    at("swap space", FromStart(7), SWAP_OFFSET, SWAP),
    at("swap space", FromStart(15), SWAP_OFFSET, SWAP),
    at("swap space", FromStart(31), SWAP_OFFSET, SWAP),
    at("swap space", FromStart(127), SWAP_OFFSET, SWAP),
    at("swap space", FromStart(7), SWAP_OFFSET, SWAP_OLD),
    at("hibernated system", FromStart(7), SWAP_OFFSET, SWAP_HIBERNATED),
    // With logical blocks of 512 and of 4096 bytes.
    at("GPT partition table", FromStart(1), 0, GPT),
    at("GPT partition table", FromStart(8), 0, GPT),
    at("GPT partition table at the end", FromEnd(1), 0, GPT),
    at("GPT partition table at the end", FromEnd(8), 0, GPT),
    at("bcache device", FromStart(8), 24, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca"),
    at("NTFS file system", FromStart(0), 3, b"NTFS    "),
    at("MBR partition table or boot sector", FromStart(0), 510, b"\x55\xaa"),
];

/// A signature that was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    signature: &'static Signature,
    sector: DeviceSector,
}

/// Every signature on an image.
pub(crate) fn find(image: &Image) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for signature in &SIGNATURES {
        let Some(sector) = signature.place.sector(image.size()) else { continue };
        let sector_bytes = read(image, sector)?;
        let bytes = sector_bytes.get(signature.offset..).unwrap_or_default();
        if bytes.starts_with(signature.magic) {
            found.push(Found { signature, sector });
        }
    }
    Ok(found)
}

/// As [`find`], in the words of whoever named the image.
pub(crate) fn of(image: &Image) -> Result<Vec<Found>, Error> {
    let found = find(image);
    found.map_err(|source| Error::Open { image: image.path().to_path_buf(), source })
}

/// Refuses images that bear a signature.
pub(crate) fn refuse_occupied(paths: &[PathBuf], found: &[&[Found]]) -> Result<(), Error> {
    let mut all = paths
        .iter()
        .zip(found)
        .flat_map(|(path, found)| found.iter().map(move |found| (path, found)));
    let Some((path, first)) = all.next() else { return Ok(()) };
    let more = match all.count() {
        0 => String::new(),
        more => format!(", and {more} more were found"),
    };
    Err(Error::Refused(format!(
        "{} bears the signature of: {}, at byte {}{more}; use another image, or insist with --overwrite",
        path.display(),
        first.name(),
        first.byte(),
    )))
}

impl Found {
    pub(crate) const fn name(&self) -> &'static str {
        self.signature.name
    }

    /// Where it starts.
    pub(crate) fn byte(&self) -> u64 {
        let offset = u64::try_from(self.signature.offset).unwrap_or(0);
        Sectors(self.sector.0).bytes().unwrap_or(u64::MAX).saturating_add(offset)
    }

    pub(crate) const fn sector(&self) -> DeviceSector {
        self.sector
    }

    /// Whether it is md's: such a one would compete with a new superblock wherever it lies.
    pub(crate) fn is_md(&self) -> bool {
        self.signature.magic == MD || self.signature.magic == MD_BIG
    }

    /// Overwrites the magic number with zeroes.
    pub(crate) fn wipe(&self, image: &mut Image) -> io::Result<()> {
        let mut bytes = read(image, self.sector)?;
        let magic = bytes.iter_mut().skip(self.signature.offset).take(self.signature.magic.len());
        magic.for_each(|byte| *byte = 0);
        image.write_at(self.sector, &bytes)
    }
}

impl Place {
    /// `None` if the image is too short to have this place.
    fn sector(self, size: Sectors) -> Option<DeviceSector> {
        let sector = match self {
            FromStart(sector) => sector,
            FromEnd(before) => size.0.checked_sub(before)?,
            // The last 64 KiB that begin at a multiple of 64 KiB and are whole.
            Md0_90 => (size.0 & !127).checked_sub(128)?,
            Md1_0 => Minor::V1_0.position(size)?.0,
        };
        Some(DeviceSector(sector)).filter(|sector| sector.0 < size.0)
    }
}

#[expect(clippy::as_conversions, reason = "in const")]
const SECTOR_LENGTH: usize = SECTOR_BYTES as usize;

fn read(image: &Image, sector: DeviceSector) -> io::Result<[u8; SECTOR_LENGTH]> {
    let mut bytes = [0; SECTOR_LENGTH];
    image.read_at(sector, &mut bytes)?;
    Ok(bytes)
}
