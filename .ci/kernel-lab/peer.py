#!/usr/bin/env python3
"""Host side of `.ci/kernel`: raidctl makes arrays and writes to them, the kernel judges.

    peer.py write RAIDCTL GOLDEN WORK [ARRAY...]
        unpack golden arrays into WORK, write to them with raidctl and to a model of their content by hand; leaves
        WORK/disk and WORK/guest.sh for the guest
    peer.py judge RAIDCTL WORK LOG
        compare the kernel's findings in LOG, and the images that it has touched, with the models; exits 1 if
        anything differs

The model is a plain file of the array's content and knows nothing of RAID.
"""

import hashlib
import json
import lzma
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

SECTOR = 512

# Golden array -> slots left out in the degraded run. One array at least of each level, and of each kind of layout
# whose arithmetic is its own: rotating and fixed parity, DDF's order of Q, the three forms of RAID 10, the three
# places of a superblock.
ARRAYS = {
    "r0": [],
    "r1": [0],
    "r4": [0],
    "r5-left-symmetric": [1],
    "r5-left-asymmetric": [2],
    "r6-left-symmetric": [1, 3],
    "r6-left-symmetric-6": [1, 4],
    "r6-ddf-N-continue": [0, 2],
    "r10-n2": [1],
    "r10-f2": [2],
    "r10-o2": [0],
    "r5-v10": [2],
    "r6-v11": [0, 3],
}


MIB = 2048

# New array -> what it is to be, the sizes of its members in sectors, and what is done with it: `new` is made of zeroes
# that agree, `resynced` of noise that raidctl makes agree, `degraded` has a member failed by raidctl.
CREATED = {
    "new-r0": ("--level 0 --chunk 64K", [2 * MIB] * 3, "new", []),
    "new-r1-v10": ("--level 1 --metadata 1.0", [MIB] * 2, "resynced", []),
    "new-r4": ("--level 4 --chunk 16K", [2 * MIB] * 3, "resynced", []),
    "new-r5-la-v11": ("--level 5 --layout la --metadata 1.1 --chunk 64K", [2 * MIB] * 4, "resynced", []),
    "new-r5-sizes-v10": ("--level 5 --metadata 1.0 --chunk 32K", [MIB, 2501, 2 * MIB], "new", []),
    "new-r5-ppl": ("--level 5 --chunk 16K --ppl", [2 * MIB] * 4, "resynced", []),
    "new-r5-ppl-v10": ("--level 5 --metadata 1.0 --chunk 16K --ppl", [2 * MIB] * 3, "new", []),
    "new-r6": ("--level 6 --chunk 16K", [2 * MIB] * 4, "resynced", []),
    "new-r6-ddf-v10": ("--level 6 --layout ddf-zero-restart --metadata 1.0 --chunk 16K", [MIB] * 5, "new", []),
    "new-r10-n2-v11": ("--level 10 --metadata 1.1 --chunk 64K", [2 * MIB] * 4, "resynced", []),
    "new-r10-f2": ("--level 10 --layout f2 --chunk 32K", [2 * MIB] * 3, "new", []),
    "new-r10-o2-v10": ("--level 10 --layout o2 --metadata 1.0 --chunk 16K", [MIB] * 4, "new", []),
    "failed-r1": ("--level 1 --write-mostly 1", [2 * MIB] * 2, "degraded", [0]),
    "failed-r5-v10": ("--level 5 --metadata 1.0 --chunk 16K", [MIB] * 4, "degraded", [1]),
    "failed-r6-v11": ("--level 6 --metadata 1.1 --chunk 16K", [2 * MIB] * 4, "degraded", [2]),
}


class Failure(Exception):
    """One array went wrong; the others go on."""


class Case:
    """One golden array in one mode: its member images and the model of its content."""

    def __init__(self, work, row, missing):
        self.name = row["name"]
        self.mode = "degraded" if missing else "whole"
        self.level = int(row["level"])
        self.members = int(row["members"])
        self.sizes = [int(row["sectors"])] * self.members
        self.size = int(row["size"])
        self.chunk = int(row["chunk_kib"]) * 1024 or 4096
        self.golden_md5 = row["md5"]
        self.missing = missing
        self.dir = work / f"{self.name}-{self.mode}"
        self.model = self.dir / "model"
        self.images = [self.dir / f"member{slot}" for slot in range(self.members)]

    @property
    def present(self):
        return [image for slot, image in enumerate(self.images) if slot not in self.missing]

    @property
    def row_bytes(self):
        members = self.members
        return self.chunk * {0: members, 1: 1, 4: members - 1, 5: members - 1, 6: members - 2, 10: members // 2}[self.level]

    def make(self, _raidctl, golden, seed):
        self.dir.mkdir()
        packed = lzma.decompress((golden / f"{self.name}.img.xz").read_bytes())
        length = self.sizes[0] * SECTOR
        for slot, image in enumerate(self.images):
            image.write_bytes(packed[slot * length : (slot + 1) * length])
        content = b"".join(struct.pack("<Q", seed << 32 | word) for word in range(self.size // 8))
        if hashlib.md5(content).hexdigest() != self.golden_md5:
            raise Failure("the manifest's md5 is not that of the pattern")
        self.model.write_bytes(content)

    def writes(self):
        """Offsets and lengths that meet every kind of edge: bytes, sectors, 4 KiB blocks, chunks, rows, the end."""
        chunk, row, size = self.chunk, self.row_bytes, self.size
        wanted = [
            (0, 4096),
            (13, 1),
            (row + 777, 511),
            (chunk - 3, 7),
            (7 * 4096, 4096),
            (2 * chunk + 512, chunk),
            (3 * row, row),
            (5 * row - 100, 200),
            (6 * row, 2 * row),
            (123_457, 100_003),
            (size - 70_001, 65_536),
            (size - 5_000, 4_999),
            (size - 1, 1),
        ]
        rng = random.Random(f"{self.name} {self.mode}")
        for _ in range(4):
            length = rng.choice([3, 600, 5_000, 40_000])
            wanted.append((rng.randrange(size - length), length))
        for offset, length in wanted:
            if offset + length > size:
                raise Failure(f"the plan leaves the array: {offset}+{length} > {size}")
            yield offset, rng.randbytes(length)


class Created(Case):
    """An array that raidctl makes."""

    def __init__(self, work, name):
        self.name = name
        self.options, self.sizes, self.mode, self.missing = CREATED[name]
        self.level, self.members = int(self.options.split()[1]), len(self.sizes)
        self.dir = work / name
        self.model = self.dir / "model"
        self.images = [self.dir / f"member{slot}" for slot in range(self.members)]

    @property
    def is_noise(self):
        return self.mode == "resynced"

    def make(self, raidctl, _golden, _seed):
        self.dir.mkdir()
        rng = random.Random(self.name)
        for image, sectors in zip(self.images, self.sizes):
            image.write_bytes(rng.randbytes(sectors * SECTOR) if self.is_noise else bytes(sectors * SECTOR))
        flags = [] if self.is_noise else ["--assume-clean"]
        expect(run(raidctl, "create", *self.options.split(), *flags, *self.images), 0, "raidctl create")
        status = json.loads(run(raidctl, "status", "--json", *self.images).stdout)
        self.size, self.chunk = status["size_bytes"], status["chunk_bytes"] or 4096
        # What is there is data, be it noise; nothing else says what it is.
        content = run(raidctl, "read", *self.images).stdout if self.is_noise else bytes(self.size)
        if self.missing:
            content = rng.randbytes(self.size)
            expect(run(raidctl, "write", *self.images, stdin=content), 0, "raidctl write of everything")
            for slot in self.missing:
                expect(run(raidctl, "fail", "--member", slot, *self.images), 0, "raidctl fail")
        self.model.write_bytes(content)

    def copy_as_the_guest(self):
        content = bytearray(self.model.read_bytes())
        at = len(content) // 8192 * 4096
        content[at : at + 64 * 4096] = content[3 * 4096 : 67 * 4096]
        self.model.write_bytes(content)


def run(raidctl, *arguments, stdin=b""):
    return subprocess.run([raidctl, *map(str, arguments)], input=stdin, capture_output=True, timeout=120, check=False)


def expect(done, code, what):
    if done.returncode != code:
        says = done.stderr.decode(errors="replace").strip().splitlines()
        raise Failure(f"{what}: exit {done.returncode}, not {code}: {says[-1] if says else 'no message'}")


def read_agrees(raidctl, case, images, when):
    done = run(raidctl, "read", *images)
    expect(done, 0, f"raidctl read {when}")
    model = case.model.read_bytes()
    if done.stdout != model:
        if len(done.stdout) != len(model):
            raise Failure(f"raidctl read {when}: {len(done.stdout)} bytes of {len(model)}")
        first = next(at for at, (a, b) in enumerate(zip(done.stdout, model)) if a != b)
        raise Failure(f"raidctl read {when} differs from the model, first at byte {first}")


def check_agrees(raidctl, case, images, when):
    comparable = case.level != 0 and len(images) == case.members
    done = run(raidctl, "check", "--json", *images)
    expect(done, 0 if comparable else 3, f"raidctl check {when}")
    if comparable and json.loads(done.stdout)["mismatch_sectors"] != 0:
        raise Failure(f"raidctl check {when}: exit 0, but {done.stdout.decode().strip()}")


def write_all(raidctl, case):
    recorded = isinstance(case, Created)
    if case.missing and not recorded:
        before = [image.read_bytes() for image in case.images]
        done = run(raidctl, "write", *case.present, stdin=b"refused")
        expect(done, 3, "raidctl write without a member and without --degraded")
        if before != [image.read_bytes() for image in case.images]:
            raise Failure("a refused write changed an image")
    absent = [case.images[slot].read_bytes() for slot in case.missing]
    flag = ["--degraded"] if case.missing and not recorded else []
    with open(case.model, "r+b") as model:
        for turn, (offset, data) in enumerate(case.writes()):
            order = case.present[turn % len(case.present) :] + case.present[: turn % len(case.present)]
            done = run(raidctl, "write", "--offset", offset, *flag, *order, stdin=data)
            expect(done, 0, f"raidctl write of {len(data)} bytes at {offset}")
            flag = []  # the first write has recorded the absence
            model.seek(offset)
            model.write(data)
    if absent != [case.images[slot].read_bytes() for slot in case.missing]:
        raise Failure("a member that was not named was changed")
    read_agrees(raidctl, case, case.present, "after the writes")
    check_agrees(raidctl, case, case.present, "after the writes")


def manifest(golden):
    lines = (golden / "manifest.tsv").read_text().splitlines()
    seed = int(lines[0].partition("seed=")[2], 0)
    keys = lines[1].split("\t")
    rows = [dict(zip(keys, line.split("\t"))) for line in lines[2:]]
    return seed, {row["name"]: row for row in rows}


def cases(golden, work, names):
    _, rows = manifest(golden)
    for name in names:
        if name in CREATED:
            yield Created(work, name)
            continue
        yield Case(work, rows[name], [])
        if ARRAYS[name]:
            yield Case(work, rows[name], ARRAYS[name])


def report(case, mode, mismatch, why):
    content = "ok" if why is None else "FAILED"
    print(f"KERNEL name={case.name} mode={mode} mismatch={mismatch} content={content}" + (f" why={why}" if why else ""))
    return why is None


def command_write(raidctl, golden, work, names):
    unknown = set(names) - set(ARRAYS) - set(CREATED)
    if unknown:
        sys.exit(f"not in the table: {' '.join(sorted(unknown))}")
    names = names or [*ARRAYS, *CREATED]
    seed, _ = manifest(golden)
    plan = (Path(__file__).parent / "peer.guest.sh").read_text()
    failures, first = {}, 0
    with open(work / "disk", "wb") as disk:
        for case in cases(golden, work, names):
            try:
                case.make(raidctl, golden, seed)
                write_all(raidctl, case)
            except (Failure, subprocess.TimeoutExpired) as failure:
                failures[f"{case.name} {case.mode}"] = str(failure)
                continue
            for image in case.images:
                with open(image, "rb") as source:
                    shutil.copyfileobj(source, disk)
            sizes = ",".join(map(str, case.sizes))
            parts = [case.name, case.mode, case.level, first, sizes, case.members, *case.missing]
            plan += "examine " + " ".join(map(str, parts)) + "\n"
            first += sum(case.sizes)
        disk.truncate(max(first * SECTOR, 1 << 20))
    (work / "guest.sh").write_text(plan)
    (work / "plan.json").write_text(json.dumps({"golden": str(golden), "names": names, "failures": failures}))
    return 0


def judge_stage(case, saw, stage):
    """What is wrong with one line of the kernel's, or None."""
    line = saw.get((case.name, case.mode, stage))
    if line is None:
        return "-", "the kernel said nothing"
    if line["started"] != "ok":
        return "-", "the kernel did not start it"
    mismatch = line["mismatch"]
    degraded = len(case.missing) if stage == "written" else 0
    compared = case.level != 0 and degraded == 0
    if line["resync"] != "none":
        return mismatch, f"left dirty: resync from {line['resync']}"
    if int(line["degraded"]) != degraded:
        return mismatch, f"{line['degraded']} members missing to the kernel, {degraded} in truth"
    if mismatch != ("0" if compared else "-"):
        return mismatch, "parity or copies disagree"
    if line["md5"] != hashlib.md5(case.model.read_bytes()).hexdigest():
        return mismatch, "the kernel reads something else than was written"
    return mismatch, None


def read_back(case, disk, first):
    disk.seek(first * SECTOR)
    for image, sectors in zip(case.images, case.sizes):
        image.write_bytes(disk.read(sectors * SECTOR))


def command_judge(raidctl, work, log):
    plan = json.loads((work / "plan.json").read_text())
    saw = {}
    for line in Path(log).read_text().splitlines():
        if line.startswith("SAW "):
            fields = dict(part.split("=", 1) for part in line.split()[1:])
            saw[fields["name"], fields["mode"], fields["stage"]] = fields
        elif line.strip():
            print(f"guest: {line}")
    good, first = [], 0
    with open(work / "disk", "rb") as disk:
        for case in cases(Path(plan["golden"]), work, plan["names"]):
            early = plan["failures"].get(f"{case.name} {case.mode}")
            if early is not None:
                good.append(report(case, case.mode, "-", early))
                continue
            mismatch, why = judge_stage(case, saw, "written")
            good.append(report(case, case.mode, mismatch, why))
            mode = "recovered" if case.missing else "returned"
            if case.missing:
                mismatch, why = judge_stage(case, saw, "recovered")
            elif isinstance(case, Created):
                case.copy_as_the_guest()
                mismatch, why = judge_stage(case, saw, "returned")
            read_back(case, disk, first)
            first += sum(case.sizes)
            try:
                read_agrees(raidctl, case, case.images, "after the kernel")
                check_agrees(raidctl, case, case.images, "after the kernel")
            except (Failure, subprocess.TimeoutExpired) as failure:
                why = why or str(failure)
            good.append(report(case, mode, mismatch, why))
    print(f"{good.count(True)} passed, {good.count(False)} failed")
    return 0 if all(good) else 1


def main(arguments):
    match arguments:
        case ["write", raidctl, golden, work, *names]:
            return command_write(raidctl, Path(golden), Path(work), names)
        case ["judge", raidctl, work, log]:
            return command_judge(raidctl, Path(work), log)
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
