//! `examine`: what each superblock says.

mod areas;
mod fields;

use crate::cli;
use crate::exit::Error;
use crate::images::{Purpose, open_all};
use crate::report;
use crate::superblocks::{Found, Unusable, find};
use areas::Areas;
use core::fmt::{self, Display};
use core::slice::from_ref;
use raid_core::geometry::Layout;
use raid_core::md::{DeviceRole, Superblock};
use raid_core::metadata::Consistency;
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;

pub(super) fn run(arguments: &cli::Examine) -> Result<(), Error> {
    let images = &arguments.members.images;
    // Each image for itself: one that is no member does not hide what the others say.
    let examined: Vec<_> = images.iter().map(examine).collect();
    let examination = Examination(images.iter().zip(&examined).collect());
    report::print(&examination, arguments.output.format)?;
    let mut errors = examined.into_iter().filter_map(Result::err);
    match (errors.next(), errors.count()) {
        (None, _) => Ok(()),
        (Some(error), 0) => Err(error),
        (Some(error), more) => Err(Error::Several { first: Box::new(error), more }),
    }
}

/// What one image says.
struct Member {
    found: Box<Found>,
    areas: Areas,
}

fn examine(path: &PathBuf) -> Result<Member, Error> {
    let images = open_all(from_ref(path), Purpose::Read)?;
    let image = images.first().ok_or_else(|| Error::Usage(String::from("name an image")))?;
    let found = find(image).map_err(|error| match error {
        Unusable::Superblock(error) => Error::NotMember { image: path.clone(), error },
        Unusable::Read(source) => Error::Open { image: path.clone(), source },
    })?;
    let areas = Areas::read(image, &found.superblock);
    Ok(Member { found, areas })
}

type Examined<'e> = (&'e PathBuf, &'e Result<Member, Error>);

struct Examination<'e>(Vec<Examined<'e>>);

impl Serialize for Examination<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(path, examined)| {
            let mut object = match examined {
                Ok(member) => {
                    let mut object = fields::all(&member.found);
                    object.extend(member.areas.fields());
                    object
                }
                Err(error) => {
                    [(String::from("error"), Value::from(error.to_string()))].into_iter().collect()
                }
            };
            object.insert(String::from("image"), Value::from(path.display().to_string()));
            object
        }))
    }
}

impl Display for Examination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (path, examined)) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            match examined {
                Ok(member) => {
                    write!(f, "{}:", path.display())?;
                    describe(&member.found.superblock, f)?;
                    member.areas.describe(f)?;
                }
                Err(error) => error.fmt(f)?,
            }
        }
        Ok(())
    }
}

/// One fact a line, the array's first, then the device's.
fn describe(superblock: &Superblock, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut line = |name: &str, value: &dyn Display| write!(f, "\n  {name:<12} {value}");
    let kib = |sectors: u64| format!("{sectors} sectors ({} KiB)", sectors / 2);
    line("version", &superblock.minor())?;
    line("array", &superblock.array_uuid)?;
    line("name", &superblock.name)?;
    match Layout::from_md(superblock.level, superblock.layout) {
        Ok(layout) => line("level", &format!("{} {layout}", layout.md_level()))?,
        Err(error) => line("level", &format!("{} ({error})", superblock.level))?,
    }
    line("members", &superblock.members)?;
    line("chunk", &kib(superblock.chunk_sectors.into()))?;
    line("member size", &kib(superblock.member_size.0))?;
    line("events", &superblock.events)?;
    match superblock.consistency {
        Consistency::Clean => line("state", &"clean")?,
        Consistency::InSyncTo(mark) => line("state", &format!("in sync below sector {}", mark.0))?,
    }
    line("features", &format!("{:#x}", superblock.features().bits()))?;
    if let Some(reshape) = superblock.reshape {
        let from = superblock.members.wrapping_sub(reshape.delta_members.cast_unsigned());
        let layout = Layout::from_md(reshape.level, reshape.layout);
        let layout = layout.map_or_else(|error| format!("({error})"), |layout| layout.to_string());
        line("reshape", &format!("{}, at array sector {}", reshape.direction, reshape.position.0))?;
        let members = format!("from {from} members to {}", superblock.members);
        let chunk = kib(reshape.chunk_sectors.into());
        line("", &format!("{members}, level {} {layout}, chunk {chunk}", reshape.level))?;
        if let Some(offset) = reshape.new_offset {
            line("", &format!("data moves by {offset} sectors"))?;
        }
    }
    line("device", &superblock.device_uuid)?;
    line("role", &role(superblock.own_role()))?;
    line(
        "data",
        &format!("{} from sector {}", kib(superblock.data_size.0), superblock.data_offset.0),
    )?;
    line("roles", &roles(superblock))
}

fn role(role: DeviceRole) -> String {
    match role {
        DeviceRole::Slot(place) => format!("member {place}"),
        DeviceRole::Spare => String::from("spare"),
        DeviceRole::Faulty => String::from("faulty"),
        DeviceRole::Journal => String::from("journal"),
    }
}

/// The roles of all devices, but for those at the end that nobody has.
fn roles(superblock: &Superblock) -> String {
    let mut roles: Vec<_> = superblock.roles.iter().collect();
    while roles.last().is_some_and(|role| *role == DeviceRole::Spare) {
        roles.pop();
    }
    roles.into_iter().map(role).collect::<Vec<_>>().join(", ")
}
