#!/usr/bin/env python3
"""Host side of the reshapes in `.ci/kernel`: the kernel finishes what raidctl has begun, and raidctl what the kernel has.

    reshapes.py prepare RAIDCTL FIXTURES WORK   raidctl begins and parks, and finishes the golden ones; WORK/reshapes.sh
    reshapes.py judge RAIDCTL WORK LOG          compare what the kernel saw, and what it left; exits 1 if anything differs
"""

import hashlib
import json
import lzma
import random
import subprocess
import sys
from pathlib import Path

SECTOR = 512
SECTORS = 16384  # of each member
COUNTED = 4 << 20  # bytes from the start of the array that are compared

# Name -> options of create, members, new members, options of reshape. Each is parked twice on the way, with writes between;
# those called finished raidctl ends itself. Those called started have their start on record and nothing moved.
BEGUN = {
    "grow-r5": ("--level 5 --chunk 16K", 3, 1, "--members 4"),
    "grow-r6-two": ("--level 6 --chunk 16K", 4, 2, "--members 6"),
    "grow-r4-v11": ("--level 4 --chunk 16K --metadata 1.1", 3, 1, "--members 4"),
    "grow-r10": ("--level 10 --chunk 16K", 4, 2, "--members 6"),
    "shrink-r5": ("--level 5 --chunk 16K --size 6M", 5, 0, "--members 4 --array-size 4M"),
    "shrink-r6": ("--level 6 --chunk 16K --size 6M", 6, 0, "--members 4 --array-size 4M"),
    "shrink-r5-v10": ("--level 5 --chunk 16K --size 6M --metadata 1.0", 4, 0, "--members 3 --array-size 4M"),
    "chunk-up-r5": ("--level 5 --chunk 16K --size 6M", 4, 0, "--chunk 64K"),
    "chunk-down-r5": ("--level 5 --chunk 64K --size 6M", 4, 0, "--chunk 16K"),
    "chunk-down-r6-v10": ("--level 6 --chunk 64K --size 6M --metadata 1.0", 5, 0, "--chunk 8K"),
    "layout-r5": ("--level 5 --chunk 16K --size 6M", 4, 0, "--layout ra"),
    "layout-r6": ("--level 6 --chunk 16K --size 6M", 5, 0, "--layout ddf-N-continue"),
    "all-r6": ("--level 6 --chunk 16K --size 6M", 4, 1, "--members 5 --chunk 32K --layout rs"),
    "started-grow-r5": ("--level 5 --chunk 16K", 3, 1, "--members 4"),
    "started-shrink-r6": ("--level 6 --chunk 16K --size 6M", 5, 0, "--members 4 --array-size 4M"),
    "started-chunk-r5": ("--level 5 --chunk 16K --size 6M", 4, 0, "--chunk 64K"),
    "finished-grow-r5": ("--level 5 --chunk 16K", 3, 1, "--members 4"),
    "finished-shrink-r6": ("--level 6 --chunk 16K --size 6M", 5, 0, "--members 4 --array-size 4M"),
    "finished-all-r6": ("--level 6 --chunk 16K --size 6M", 4, 1, "--members 5 --chunk 32K --layout rs"),
    "finished-grow-r10": ("--level 10 --chunk 16K", 4, 2, "--members 6"),
}

# Begun by the kernel, finished by raidctl.
GOLDEN = ["grow-r5-3to4", "grow-r6-4to6", "chunk-r5-16to32"]


class Failure(Exception):
    """One array went wrong; the others go on."""


def run(raidctl, *arguments, stdin=b"", code=0):
    done = subprocess.run([raidctl, *map(str, arguments)], input=stdin, capture_output=True, timeout=120, check=False)
    if done.returncode != code:
        says = done.stderr.decode(errors="replace").strip().splitlines()
        what = f"raidctl {arguments[0]}: exit {done.returncode}, not {code}"
        raise Failure(f"{what}: {says[-1] if says else 'no message'}")
    return done.stdout


def status(raidctl, images):
    return json.loads(run(raidctl, "status", "--json", *images))


def blank(path):
    with open(path, "wb") as image:
        image.truncate(SECTORS * SECTOR)
    return path


def reads(raidctl, images, model, when):
    if run(raidctl, "read", "--length", len(model), *images) != model:
        raise Failure(f"raidctl reads something else {when}")


def begun(raidctl, name, directory):
    create, members, new, reshape = BEGUN[name]
    images = [blank(directory / f"member{slot}") for slot in range(members)]
    run(raidctl, "create", "--assume-clean", *create.split(), *images)
    rng = random.Random(name)
    model = bytearray(rng.randbytes(COUNTED))
    run(raidctl, "write", *images, stdin=bytes(model))
    blanks = [blank(directory / f"new{slot}") for slot in range(new)]
    options = [word for image in blanks for word in ("--new", image)]
    stop = ["--stop-after", "0" if name.startswith("started") else "512K"]
    run(raidctl, "reshape", *reshape.split(), *options, *stop, *images)
    images += blanks
    for turn in range(2):
        if status(raidctl, images)["action"] != "reshape":
            raise Failure("it did not park")
        at, change = rng.randrange(COUNTED // 2), rng.randbytes(COUNTED // 5)
        run(raidctl, "write", "--offset", at, *images, stdin=change)
        model[at : at + len(change)] = change
        reads(raidctl, images, model, f"where it parked ({turn})")
        if turn == 0 and not name.startswith("started"):
            run(raidctl, "resume", *stop, *images)
    if name.startswith("finished"):
        run(raidctl, "resume", *images)
    return images, bytes(model)


def golden(raidctl, row, fixtures, directory):
    members, sectors = int(row["members"]), int(row["sectors"])
    packed = lzma.decompress((fixtures / f"{row['name']}.img.xz").read_bytes())
    images = [directory / f"member{slot}" for slot in range(members)]
    for slot, image in enumerate(images):
        image.write_bytes(packed[slot * sectors * SECTOR : (slot + 1) * sectors * SECTOR])
    run(raidctl, "resume", *images)
    model = run(raidctl, "read", "--length", row["size"], *images)
    if hashlib.md5(model).hexdigest() != row["md5"]:
        raise Failure("raidctl reads something else than the kernel wrote")
    return images, model


def manifest(fixtures):
    lines = (fixtures / "manifest.tsv").read_text().splitlines()
    rows = [dict(zip(lines[1].split("\t"), line.split("\t"))) for line in lines[2:]]
    return {row["name"]: row for row in rows}


def prepare(raidctl, fixtures, work):
    rows = manifest(fixtures)
    script = (Path(__file__).parent / "reshapes.guest.sh").read_text()
    expected, failures, first = {}, {}, 0
    with open(work / "reshapes.disk", "wb") as disk:
        for name in [*BEGUN, *GOLDEN]:
            directory = work / f"reshape-{name}"
            directory.mkdir()
            try:
                if name in BEGUN:
                    images, model = begun(raidctl, name, directory)
                else:
                    images, model = golden(raidctl, rows[name], fixtures, directory)
                found = status(raidctl, images)
            except (Failure, subprocess.TimeoutExpired) as failure:
                failures[name] = str(failure)
                continue
            reshape = found["reshape"]
            shape = reshape["to"] if reshape else found
            position = str(reshape["position_bytes"] // SECTOR) if reshape else "none"
            sectors = images[0].stat().st_size // SECTOR
            expected[name] = {
                "saw": {
                    "started": "ok",
                    "at": position,
                    "degraded": "0",
                    "members": str(shape["raid_members"]),
                    "chunk": str(shape["chunk_bytes"]),
                    "mismatch": "0",
                    "md5": hashlib.md5(model).hexdigest(),
                },
                "layout": shape["layout"],
                "first": first,
                "sectors": sectors,
                "images": len(images),
                "bytes": len(model),
            }
            for image in images:
                disk.write(image.read_bytes())
            script += f"finish {name} {found['level']} {first} {sectors} {len(images)} {len(model)}\n"
            first += sectors * len(images)
        disk.truncate(max(first * SECTOR, 1 << 20))
    (work / "reshapes.sh").write_text(script)
    (work / "reshapes.json").write_text(json.dumps({"expected": expected, "failures": failures}))


def left_by_the_kernel(raidctl, work, name, wanted):
    """raidctl finds the array as the kernel left it whole, and in the new shape."""
    images = [work / f"left-{name}-{number}" for number in range(wanted["images"])]
    with open(work / "reshapes.disk", "rb") as disk:
        disk.seek(wanted["first"] * SECTOR)
        for image in images:
            image.write_bytes(disk.read(wanted["sectors"] * SECTOR))
    found = status(raidctl, images)
    looks = (found["state"], found["dirty"], found["action"], found["layout"])
    if looks != ("clean", False, "idle", wanted["layout"]):
        raise Failure(f"the kernel left it {looks}")
    run(raidctl, "check", *images)
    content = run(raidctl, "read", "--length", wanted["bytes"], *images)
    if hashlib.md5(content).hexdigest() != wanted["saw"]["md5"]:
        raise Failure("raidctl reads something else after the kernel")


def judge_one(raidctl, work, name, wanted, line):
    looks = wanted["saw"]
    differs = [f"{key} {line.get(key)}, not {value}" for key, value in looks.items() if line.get(key) != value]
    if differs:
        raise Failure("; ".join(differs))
    left_by_the_kernel(raidctl, work, name, wanted)


def judge(raidctl, work, log):
    plan = json.loads((work / "reshapes.json").read_text())
    saw = {}
    for line in Path(log).read_text().splitlines():
        if line.startswith("SAW "):
            fields = dict(part.split("=", 1) for part in line.split()[1:])
            saw[fields["name"]] = fields
        elif line.strip() and not line.startswith("["):
            print(f"guest: {line}")
    good = []
    for name in [*BEGUN, *GOLDEN]:
        wanted, line, why = plan["expected"].get(name), saw.get(name, {}), None
        try:
            if wanted is None:
                raise Failure(plan["failures"].get(name, "nothing was done"))
            judge_one(raidctl, work, name, wanted, line)
        except (Failure, subprocess.TimeoutExpired) as failure:
            why = str(failure)
        content = "ok" if why is None else "FAILED"
        seen = f"mode=reshape at={line.get('at', '-')} mismatch={line.get('mismatch', '-')}"
        print(f"KERNEL name={name} {seen} content={content}" + (f" why={why}" if why else ""))
        good.append(why is None)
    print(f"{good.count(True)} passed, {good.count(False)} failed")
    return 0 if all(good) else 1


def main(arguments):
    match arguments:
        case ["prepare", raidctl, fixtures, work]:
            return prepare(raidctl, Path(fixtures), Path(work))
        case ["judge", raidctl, work, log]:
            return judge(raidctl, Path(work), log)
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
