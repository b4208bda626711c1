//! Image files and block devices as the engine's devices.

use crate::exit::Error;
use raid_core::blocking::BlockDevice;
use raid_core::host::{Durability, Fault};
use raid_core::io_limits::IoLimits;
use raid_core::units::{DeviceSector, SECTOR_BYTES, Sectors};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What an image is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be read. Others may read it too.
    Read,
    /// To be written. Nobody else may use it.
    Write,
}

/// An image file or a block device, open and locked for as long as it lives.
#[derive(Debug)]
pub(crate) struct Image {
    path: PathBuf,
    file: File,
    size: Sectors,
    limits: IoLimits,
    cache: Cache,
}

/// Whether everything that was written to an image is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cache {
    Durable,
    Volatile,
}

/// Opens each of these images once.
pub(crate) fn open_all(paths: &[PathBuf], purpose: Purpose) -> Result<Vec<Image>, Error> {
    distinct(paths)?;
    paths.iter().map(|path| Image::open(path, purpose)).collect()
}

/// Refuses images of which one is another, whatever they are called.
pub(crate) fn distinct(paths: &[PathBuf]) -> Result<(), Error> {
    let mut known: HashMap<(u64, u64), &PathBuf> = HashMap::new();
    for path in paths {
        let metadata =
            storage(path, std::fs::metadata(path).map_err(|error| failed(path, error))?)?;
        if let Some(first) = known.insert(identity(&metadata), path) {
            return Err(Error::NamedTwice { first: first.clone(), second: path.clone() });
        }
    }
    Ok(())
}

/// What tells files apart whatever they are called. Block devices are known by their number: several nodes may lead
/// to one.
fn identity(metadata: &Metadata) -> (u64, u64) {
    match metadata.file_type().is_block_device() {
        true => (u64::MAX, metadata.rdev()),
        false => (metadata.dev(), metadata.ino()),
    }
}

/// Refuses a stream that leads to or from one of the images: it would meet the array in the middle of its work.
pub(crate) fn none_is(images: &[Image], stream: &File, name: &'static str) -> Result<(), Error> {
    let of = |file: &File| file.metadata().map(|metadata| identity(&metadata)).ok();
    let known = of(stream);
    match images.iter().find(|image| known.is_some() && of(&image.file) == known) {
        Some(image) => Err(Error::Stream { image: image.path.clone(), name }),
        None => Ok(()),
    }
}

impl Image {
    fn open(path: &Path, purpose: Purpose) -> Result<Self, Error> {
        let metadata = std::fs::metadata(path).map_err(|error| failed(path, error))?;
        let is_device = metadata.file_type().is_block_device();
        let mut options = OpenOptions::new();
        options.read(true);
        match purpose {
            Purpose::Read => {}
            Purpose::Write => {
                options.write(true);
                if is_device {
                    options.custom_flags(OFlags::EXCL.bits().cast_signed());
                }
            }
        }
        let mut file = options.open(path).map_err(|error| failed(path, error))?;
        // What was looked at by name may have been another file.
        storage(path, file.metadata().map_err(|error| failed(path, error))?)?;
        let locked = match purpose {
            Purpose::Read => file.try_lock_shared(),
            Purpose::Write => file.try_lock(),
        };
        let image = path.to_path_buf();
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { image }),
            Err(TryLockError::Error(source)) => return Err(Error::Lock { image, source }),
        }
        let size = file.seek(SeekFrom::End(0)).map_err(|error| failed(path, error))?;
        let logical_block_bytes = match is_device {
            true => rustix::fs::ioctl_blksszget(&file)
                .map_err(|errno| failed(path, io::Error::from(errno)))?,
            false => SECTOR_BYTES,
        };
        Ok(Self {
            path: image,
            file,
            size: Sectors(size.checked_div(SECTOR_BYTES.into()).unwrap_or(0)),
            limits: IoLimits { logical_block_bytes, ..IoLimits::RELAXED },
            cache: Cache::Durable,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn size(&self) -> Sectors {
        self.size
    }

    /// Fills `into` from `at`.
    pub(crate) fn read_at(&self, at: DeviceSector, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, byte_offset(at)?)
    }

    /// Writes `from` at `at`, to be durable with the next flush.
    pub(crate) fn write_at(&mut self, at: DeviceSector, from: &[u8]) -> io::Result<()> {
        self.cache = Cache::Volatile;
        self.file.write_all_at(from, byte_offset(at)?)
    }

    /// Makes durable what was written.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        match self.cache {
            Cache::Durable => Ok(()),
            Cache::Volatile => {
                self.file.sync_data()?;
                self.cache = Cache::Durable;
                Ok(())
            }
        }
    }
}

impl BlockDevice for Image {
    fn read(&mut self, at: DeviceSector, into: &mut [u8]) -> Result<(), Fault> {
        self.read_at(at, into).map_err(|error| fault(&error))
    }

    fn write(
        &mut self,
        at: DeviceSector,
        from: &[u8],
        durability: Durability,
    ) -> Result<(), Fault> {
        self.write_at(at, from).map_err(|error| fault(&error))?;
        match durability {
            Durability::Cached => Ok(()),
            Durability::Durable => self.flush(),
        }
    }

    fn flush(&mut self) -> Result<(), Fault> {
        self.sync().map_err(|error| fault(&error))
    }

    fn limits(&self) -> IoLimits {
        self.limits
    }
}

fn byte_offset(at: DeviceSector) -> io::Result<u64> {
    Sectors(at.0).bytes().ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))
}

/// Who is to blame for an error of the operating system.
fn fault(error: &io::Error) -> Fault {
    if error.kind() == ErrorKind::UnexpectedEof {
        // The file became shorter: these sectors are gone, and can be written again.
        return Fault::Media;
    }
    if error.kind() == ErrorKind::InvalidInput {
        return Fault::InvalidRequest;
    }
    match Errno::from_io_error(error) {
        Some(Errno::IO | Errno::NODATA) => Fault::Media,
        Some(Errno::ILSEQ | Errno::BADMSG) => Fault::Integrity,
        Some(Errno::NXIO | Errno::NODEV | Errno::NOMEDIUM) => Fault::Gone,
        Some(Errno::INVAL) => Fault::InvalidRequest,
        // A full file system is no member's fault: all images may lie on it.
        Some(
            Errno::OPNOTSUPP
            | Errno::NOSYS
            | Errno::NOSPC
            | Errno::DQUOT
            | Errno::FBIG
            | Errno::NOMEM,
        ) => Fault::Unsupported,
        Some(_) | None => Fault::Transport,
    }
}

/// Nothing but files and block devices can be a member; opening others may wait forever.
fn storage(path: &Path, metadata: Metadata) -> Result<Metadata, Error> {
    let kind = metadata.file_type();
    let what = if kind.is_file() || kind.is_block_device() {
        return Ok(metadata);
    } else if kind.is_dir() {
        "this is a directory"
    } else {
        "this is neither a file nor a block device"
    };
    Err(Error::NotStorage { image: path.to_path_buf(), what })
}

fn failed(path: &Path, source: io::Error) -> Error {
    let image = path.to_path_buf();
    if source.kind() == ErrorKind::ResourceBusy {
        Error::InUse { image }
    } else {
        Error::Open { image, source }
    }
}
