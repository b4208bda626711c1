//! Arrays of the fixtures, unpacked into image files.

use md5::{Digest, Md5};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A line of a manifest, and the directory that its packed array lies in.
#[derive(Clone, Debug)]
pub(crate) struct Fixture {
    directory: PathBuf,
    pub(crate) name: String,
    pub(crate) level: u8,
    pub(crate) layout: String,
    pub(crate) chunk: usize,
    pub(crate) members: usize,
    pub(crate) metadata: String,
    sectors: usize,
    pub(crate) size: usize,
    pub(crate) md5: String,
    /// The last column.
    pub(crate) note: String,
}

/// An array in image files of its own.
#[derive(Debug)]
pub(crate) struct Array {
    _directory: TempDir,
    pub(crate) images: Vec<PathBuf>,
}

fn fixtures(kind: &str) -> Vec<Fixture> {
    fixtures_in(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind))
}

fn fixtures_in(directory: PathBuf) -> Vec<Fixture> {
    let manifest = fs::read_to_string(directory.join("manifest.tsv")).unwrap();
    let lines = manifest.lines().skip(2);
    lines
        .map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            Fixture {
                directory: directory.clone(),
                name: fields[0].into(),
                level: fields[1].parse().unwrap(),
                layout: fields[2].into(),
                chunk: fields[3].parse::<usize>().unwrap() * 1024,
                members: fields[4].parse().unwrap(),
                metadata: fields[5].into(),
                sectors: fields[6].parse().unwrap(),
                size: fields[7].parse().unwrap(),
                md5: fields[8].into(),
                note: fields[9].into(),
            }
        })
        .collect()
}

/// Arrays that the kernel made, one of each layout.
pub(crate) fn golden() -> Vec<Fixture> {
    let fixtures = fixtures("golden");
    assert_eq!(fixtures.len(), 28);
    fixtures
}

/// Arrays that crashed, lost members or were stopped half way.
pub(crate) fn special() -> Vec<Fixture> {
    fixtures("assembly")
}

/// Arrays with bitmaps and with bad blocks.
pub(crate) fn bitmaps() -> Vec<Fixture> {
    fixtures("bitmap")
}

/// Arrays whose power was cut while they were written by way of a log.
pub(crate) fn logs() -> Vec<Fixture> {
    fixtures_in(Path::new(env!("CARGO_MANIFEST_DIR")).join("../raid-core/tests/fixtures/log"))
}

/// Arrays that the kernel was reshaping when it was stopped.
pub(crate) fn reshapes() -> Vec<Fixture> {
    let directory =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../raid-core/tests/fixtures/reshape");
    let manifest = fs::read_to_string(directory.join("manifest.tsv")).unwrap();
    let lines = manifest.lines().skip(2);
    lines
        .map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            Fixture {
                directory: directory.clone(),
                name: fields[0].into(),
                level: if fields[0].contains("r6") { 6 } else { 5 },
                layout: "left-symmetric".into(),
                chunk: 16 * 1024,
                members: fields[3].parse().unwrap(),
                metadata: "1.2".into(),
                sectors: fields[4].parse().unwrap(),
                size: fields[5].parse().unwrap(),
                md5: fields[6].into(),
                note: fields[2].into(),
            }
        })
        .collect()
}

pub(crate) fn find(fixtures: Vec<Fixture>, name: &str) -> Fixture {
    fixtures.into_iter().find(|fixture| fixture.name == name).unwrap()
}

pub(crate) fn golden_array(name: &str) -> (Fixture, Array) {
    let fixture = find(golden(), name);
    let array = fixture.unpack();
    (fixture, array)
}

/// Runs `work` for each fixture, on all processors.
pub(crate) fn for_each(fixtures: &[Fixture], work: impl Fn(&Fixture) + Sync) {
    let next = core::sync::atomic::AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
                    let Some(fixture) = fixtures.get(at) else { break };
                    work(fixture);
                }
            });
        }
    });
}

impl Fixture {
    pub(crate) fn unpack(&self) -> Array {
        let packed = fs::read(self.directory.join(format!("{}.img.xz", self.name))).unwrap();
        let mut all = Vec::new();
        lzma_rs::xz_decompress(&mut packed.as_slice(), &mut all).unwrap();
        let length = self.sectors * 512;
        let devices = self.members + usize::from(self.note == "journal");
        assert_eq!(all.len(), length * devices, "{}", self.name);
        let directory = tempfile::tempdir().unwrap();
        let images = (0..devices).map(|slot| directory.path().join(format!("m{slot}")));
        let images: Vec<_> = images.collect();
        for (image, bytes) in images.iter().zip(all.chunks(length)) {
            fs::write(image, bytes).unwrap();
        }
        Array { _directory: directory, images }
    }

    /// How many members can be lost, whichever they are.
    pub(crate) fn redundancy(&self) -> usize {
        match self.level {
            0 => 0,
            6 => 2,
            _ => 1,
        }
    }

    /// Every set of members that can be lost, none included.
    pub(crate) fn losses(&self) -> Vec<Vec<usize>> {
        let mut losses = vec![vec![]];
        if self.redundancy() > 0 {
            losses.extend((0..self.members).map(|one| vec![one]));
        }
        if self.redundancy() > 1 {
            let pairs =
                (0..self.members).flat_map(|a| (a + 1..self.members).map(move |b| vec![a, b]));
            losses.extend(pairs);
        }
        losses
    }

    /// The bytes of each member's data area that hold content, copies or parity.
    pub(crate) fn used_bytes(&self) -> usize {
        match self.level {
            0 => self.size / self.members,
            1 => self.size,
            10 => self.size * 2 / self.members,
            level => self.size / (self.members - usize::from(level / 6 + 1)),
        }
    }
}

impl Array {
    /// The images but for those of these slots.
    pub(crate) fn without(&self, lost: &[usize]) -> Vec<&PathBuf> {
        let images = self.images.iter().enumerate();
        images.filter(|(slot, _)| !lost.contains(slot)).map(|(_, image)| image).collect()
    }
}

pub(crate) fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What every golden array holds: each word of eight bytes says where it lies.
pub(crate) fn pattern(size: usize) -> Vec<u8> {
    (0..size as u64 / 8).flat_map(|word| ((0x5EED << 32) | word).to_le_bytes()).collect()
}
