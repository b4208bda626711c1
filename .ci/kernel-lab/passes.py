#!/usr/bin/env python3
"""Host side of the passes in `.ci/kernel`: what one side interrupts, loses or breaks, the other puts in order.

    passes.py prepare WORK             WORK/passes-1.sh and disks for the kernel to leave arrays on
    passes.py work RAIDCTL WORK LOG    raidctl puts those in order and leaves some of its own; WORK/passes-2.sh
    passes.py judge WORK LOG           compare what the kernel saw with what it should; exits 1 if anything differs
"""

import hashlib
import json
import random
import re
import subprocess
import sys
from pathlib import Path

SECTOR = 512
SECTORS = 8192  # of each member
SPARES = 2  # room behind each array's members

# Name -> how the kernel leaves it, level, members.
FROM_KERNEL = {
    "kernel-failed-r1": ("failed", 1, 2),
    "kernel-failed-r4": ("failed", 4, 3),
    "kernel-failed-r5": ("failed", 5, 4),
    "kernel-failed-r6": ("failed", 6, 5),
    "kernel-failed-r10": ("failed", 10, 4),
    "kernel-recovering-r1": ("recovering", 1, 2),
    "kernel-recovering-r5": ("recovering", 5, 4),
    "kernel-recovering-r6": ("recovering", 6, 5),
    "kernel-replacing-r1": ("replacing", 1, 3),
    "kernel-replacing-r5": ("replacing", 5, 5),
    "kernel-replacing-r6": ("replacing", 6, 6),
    "kernel-replacing-r10": ("replacing", 10, 5),
    "kernel-away-r1": ("away", 1, 2),
    "kernel-away-r4": ("away", 4, 3),
    "kernel-away-r5": ("away", 5, 4),
    "kernel-away-r6": ("away", 6, 5),
    "kernel-away-r10": ("away", 10, 4),
    "kernel-readd-r1": ("readd", 1, 2),
    "kernel-readd-r4": ("readd", 4, 3),
    "kernel-readd-r5": ("readd", 5, 4),
    "kernel-readd-r6": ("readd", 6, 5),
    "kernel-readd-r10": ("readd", 10, 4),
    "kernel-marked-r1": ("marked", 1, 2),
    "kernel-marked-r5": ("marked", 5, 4),
    "kernel-silent-r6": ("silent", 6, 5),
    "kernel-dirty-r1": ("dirty", 1, 2),
    "kernel-dirty-r5": ("dirty", 5, 4),
    "kernel-dirty-r6": ("dirty", 6, 5),
}

# Name -> what is done, options of create, members, those lost. Of what is replaced the first is that, the others are lost.
FROM_RAIDCTL = {
    "rebuilt-r1": ("rebuilt", "--level 1", 2, [0]),
    "rebuilt-r4": ("rebuilt", "--level 4 --chunk 16K", 3, [1]),
    "rebuilt-r5-v10": ("rebuilt", "--level 5 --metadata 1.0 --chunk 16K", 4, [2]),
    "rebuilt-r5-ppl": ("rebuilt", "--level 5 --chunk 16K --ppl", 4, [3]),
    "rebuilt-r6-one-v11": ("rebuilt", "--level 6 --metadata 1.1 --chunk 16K", 5, [4]),
    "rebuilt-r6-two": ("rebuilt", "--level 6 --chunk 16K", 5, [0, 3]),
    "rebuilt-r6-ddf": ("rebuilt", "--level 6 --layout ddf-N-restart --chunk 16K", 5, [1, 2]),
    "rebuilt-r10-n2": ("rebuilt", "--level 10 --layout n2 --chunk 16K", 4, [1]),
    "rebuilt-r10-f2": ("rebuilt", "--level 10 --layout f2 --chunk 16K", 3, [2]),
    "rebuilt-r10-o2": ("rebuilt", "--level 10 --layout o2 --chunk 16K", 4, [0]),
    "readded-r5": ("readded", "--level 5 --chunk 16K", 3, [1]),
    "marked-r1": ("readd", "--level 1 --bitmap", 2, [1]),
    "marked-r4-v11": ("readd", "--level 4 --metadata 1.1 --chunk 16K --bitmap", 3, [2]),
    "marked-r5-v10": ("readd", "--level 5 --metadata 1.0 --chunk 16K --bitmap", 4, [1]),
    "marked-r6": ("readd", "--level 6 --chunk 16K --bitmap", 5, [0]),
    "marked-r10": ("readd", "--level 10 --chunk 16K --bitmap", 4, [3]),
    "replaced-r1": ("replaced", "--level 1", 2, [0]),
    "replaced-r4-v11": ("replaced", "--level 4 --metadata 1.1 --chunk 16K", 3, [2]),
    "replaced-r5-v10": ("replaced", "--level 5 --metadata 1.0 --chunk 16K", 4, [1]),
    "replaced-r5-bitmap": ("replaced", "--level 5 --chunk 16K --bitmap", 4, [2]),
    "replaced-r6-degraded": ("replaced", "--level 6 --chunk 16K", 5, [3, 0]),
    "replaced-r10-f2": ("replaced", "--level 10 --layout f2 --chunk 16K", 4, [2]),
    "replacing-r1": ("replacing", "--level 1", 2, [1]),
    "replacing-r5": ("replacing", "--level 5 --chunk 16K", 4, [0]),
    "replacing-r6": ("replacing", "--level 6 --chunk 16K", 5, [4]),
    "replacing-r10": ("replacing", "--level 10 --chunk 16K", 4, [2]),
    "parked-r1": ("parked", "--level 1", 2, [1]),
    "parked-r5": ("parked", "--level 5 --chunk 16K", 4, [1]),
    "parked-r6-two": ("parked", "--level 6 --chunk 16K", 5, [1, 4]),
    "parked-r10-f2": ("parked", "--level 10 --layout f2 --chunk 16K", 4, [3]),
}


class Failure(Exception):
    """One array went wrong; the others go on."""


def places():
    """First sector on the disk, and sectors for members and spares, of each array the kernel leaves."""
    first = 0
    for name, (kind, level, members) in FROM_KERNEL.items():
        yield name, kind, level, first, members
        first += SECTORS * members


def prepare(work):
    script = (Path(__file__).parent / "passes.guest.sh").read_text()
    rows = sorted(places(), key=lambda row: row[1] in ("dirty", "marked"))  # those are still up when the power goes
    for name, kind, level, first, members in rows:
        script += f"leave {kind} {name} {level} {first} {SECTORS} {members}\n"
    script += "sync; power_cut\n"
    (work / "passes-1.sh").write_text(script)
    total = sum(members for _, _, members in FROM_KERNEL.values()) * SECTORS * SECTOR
    with open(work / "passes-1.disk", "wb") as disk:
        disk.truncate(total)
    (work / "pattern").write_bytes(random.Random("passes").randbytes(24 << 20))


def run(raidctl, *arguments, stdin=b"", code=0):
    done = subprocess.run([raidctl, *map(str, arguments)], input=stdin, capture_output=True, timeout=120, check=False)
    if done.returncode != code:
        says = done.stderr.decode(errors="replace").strip().splitlines()
        what = f"raidctl {arguments[0]}: exit {done.returncode}, not {code}"
        raise Failure(f"{what}: {says[-1] if says else 'no message'}")
    return done.stdout


def positions(raidctl, images):
    """How far members under recovery are, as the kernel prints it in the guest."""
    found = {one["recovery_offset"] for one in json.loads(run(raidctl, "examine", "--json", *images)) if one["feature_map"] & 2}
    return "".join(f"{offset}," for offset in sorted(found)) or "none"


def blank(path):
    with open(path, "wb") as image:
        image.truncate(SECTORS * SECTOR)
    return path


def whole(raidctl, images, name):
    status = json.loads(run(raidctl, "status", "--json", *images))
    if (status["state"], status["dirty"], status["action"]) != ("clean", False, "idle"):
        raise Failure(f"{name}: {status['state']}, dirty {status['dirty']}, {status['action']}")
    run(raidctl, "check", *images)


def after_kernel(raidctl, name, kind, images, left):
    """raidctl puts in order what the kernel left; the images and the digest that the kernel is to see."""
    new = blank(images[0].with_name("new"))
    match kind:
        case "failed":
            images = images[:-1]
            run(raidctl, "rebuild", "--new", new, *images)
            images = [*images, new]
        case "recovering":
            offsets = [one["recovery_offset"] for one in json.loads(run(raidctl, "examine", "--json", *images))]
            if not 0 < offsets[-1] < SECTORS:
                raise Failure(f"{name}: the kernel recorded no position, but {offsets}")
            run(raidctl, "resume", *images)
        case "replacing":
            offset = json.loads(run(raidctl, "examine", "--json", images[-1]))[0]["recovery_offset"]
            if not 0 < offset < SECTORS:
                raise Failure(f"{name}: the kernel recorded no position, but {offset}")
            run(raidctl, "resume", *images)
            images = [images[-1], *images[1:-1]]
        case "silent":
            found = json.loads(run(raidctl, "repair", "--locate", "--json", *images))
            wanted = {"mismatch_sectors": 8, "repaired_sectors": 8, "located": [{"member": 1, "sector": 69 * 8}]}
            if found != wanted:
                raise Failure(f"{name}: {found}")
        case "away":
            said = run(raidctl, "readd", images[-1], *images[:-1]).decode()
            told = re.match(r"the bitmap tells what .* missed: something in (\d+) of (\d+) bytes", said)
            if told is None or int(told[1]) * 2 > int(told[2]):
                raise Failure(f"{name}: {said.strip()}")
        case "readd":
            run(raidctl, "write", "--degraded", "--offset", "700001", *images[:-1], stdin=random.Random(name).randbytes(150_000))
            return images, hashlib.md5(run(raidctl, "read", *images[:-1])).hexdigest()
        case "marked":
            if not json.loads(run(raidctl, "status", "--json", *images))["dirty"]:
                raise Failure(f"{name}: not dirty")
            said = run(raidctl, "resync", *images).decode()
            if not re.match(r"resynced: parity or copies of 8 sectors", said):
                raise Failure(f"{name}: {said.strip()}")
        case "dirty":
            if not json.loads(run(raidctl, "status", "--json", *images))["dirty"]:
                raise Failure(f"{name}: not dirty")
            run(raidctl, "resync", *images)
    whole(raidctl, images, name)
    content = hashlib.md5(run(raidctl, "read", *images)).hexdigest()
    if left not in ("-", content):
        raise Failure(f"{name}: raidctl reads something else than the kernel left")
    return images, content


def by_raidctl(raidctl, name, directory):
    """An array that raidctl makes, loses members of and rebuilds."""
    kind, options, members, lost = FROM_RAIDCTL[name]
    images = [blank(directory / f"member{slot}") for slot in range(members)]
    run(raidctl, "create", "--assume-clean", *options.split(), *images)
    size = json.loads(run(raidctl, "status", "--json", *images))["size_bytes"]
    rng = random.Random(name)
    model = bytearray(rng.randbytes(size))
    run(raidctl, "write", *images, stdin=bytes(model))
    if kind in ("replaced", "replacing"):
        return replaced(raidctl, kind, images, lost, directory, model, rng)
    for slot in lost:
        run(raidctl, "fail", "--member", slot, *images)
    present = [image for slot, image in enumerate(images) if slot not in lost]
    at, change = size // 3 + 5, rng.randbytes(size // 5)
    run(raidctl, "write", "--offset", at, *present, stdin=change)
    model[at : at + len(change)] = change
    new = [blank(directory / f"new{slot}") for slot in lost]
    options = [word for image in new for word in ("--new", image)]
    match kind:
        case "rebuilt":
            run(raidctl, "rebuild", *options, *present)
        case "readded":
            new = [images[lost[0]]]
            run(raidctl, "readd", *new, *present)
        case "readd":
            new = [images[lost[0]]]
        case "parked":
            run(raidctl, "rebuild", *options, "--stop-after", "1M", *present)
            action = json.loads(run(raidctl, "status", "--json", *present, *new))["action"]
            if action != "recovery":
                raise Failure(f"{name}: {action}, not parked")
    images = [*present, *new]
    if kind not in ("parked", "readd"):
        whole(raidctl, images, name)
    return images, hashlib.md5(model).hexdigest()


def replaced(raidctl, kind, images, slots, directory, model, rng):
    """A live member of this array is replaced, some others having failed; or the kernel is left to finish that."""
    slot, *lost = slots
    for other in lost:
        run(raidctl, "fail", "--member", other, *images)
    present = [image for other, image in enumerate(images) if other not in lost]
    new = blank(directory / "new")
    some = ["--stop-after", "1M"]
    run(raidctl, "replace", "--member", slot, "--with", new, *some, *present)
    at, change = len(model) // 3 + 5, rng.randbytes(len(model) // 5)
    run(raidctl, "write", "--offset", at, *present, new, stdin=change)
    model[at : at + len(change)] = change
    if kind == "replacing":
        return [*present, new], hashlib.md5(model).hexdigest()
    run(raidctl, "resume", *present, new)
    present[present.index(images[slot])] = new
    more = [blank(directory / f"new{other}") for other in lost]
    if more:
        run(raidctl, "rebuild", *(word for image in more for word in ("--new", image)), *present)
    whole(raidctl, [*present, *more], slot)
    return [*present, *more], hashlib.md5(model).hexdigest()


def work_all(raidctl, work, log):
    left = {}
    for line in Path(log).read_text().splitlines():
        if found := re.fullmatch(r"LEFT name=(\S+) md5=(\S+)", line):
            left[found[1]] = found[2]
        elif line.strip() and not line.startswith("["):
            print(f"guest: {line}")
    script = (Path(__file__).parent / "passes.guest.sh").read_text()
    expected, failures, first = {}, {}, 0
    source = open(work / "passes-1.disk", "rb")
    with source, open(work / "passes-2.disk", "wb") as disk:
        rows = [(name, kind, level, start, members) for name, kind, level, start, members in places()]
        rows += [(name, None, int(row[1].split()[1]), 0, row[2]) for name, row in FROM_RAIDCTL.items()]
        for name, kind, level, start, members in rows:
            directory = work / name
            directory.mkdir()
            try:
                if kind is None:
                    images, digest = by_raidctl(raidctl, name, directory)
                elif name not in left:
                    raise Failure("the kernel left nothing")
                else:
                    images = [directory / f"member{slot}" for slot in range(members)]
                    source.seek(start * SECTOR)
                    for image in images:
                        image.write_bytes(source.read(SECTORS * SECTOR))
                    images, digest = after_kernel(raidctl, name, kind, images, left[name])
            except (Failure, subprocess.TimeoutExpired) as failure:
                failures[name] = str(failure)
                continue
            for image in images:
                disk.write(image.read_bytes())
            how, lost = (kind, [0]) if kind else (FROM_RAIDCTL[name][0], FROM_RAIDCTL[name][3])
            missing = len(lost) if how in ("parked", "readd") else 0
            expected[name] = {"md5": digest, "degraded": missing, "from": positions(raidctl, images)}
            script += f"{'readd' if how == 'readd' else 'judge'} {name} {level} {first} {SECTORS} {len(images)}\n"
            first += SECTORS * len(images)
        disk.truncate(max(first * SECTOR, 1 << 20))
    (work / "passes-2.sh").write_text(script)
    (work / "passes.json").write_text(json.dumps({"expected": expected, "failures": failures}))


def judge(work, log):
    plan = json.loads((work / "passes.json").read_text())
    saw = {}
    for line in Path(log).read_text().splitlines():
        if line.startswith("SAW "):
            fields = dict(part.split("=", 1) for part in line.split()[1:])
            saw[fields["name"]] = fields
        elif line.strip() and not line.startswith("["):
            print(f"guest: {line}")
    good = []
    for name in [*FROM_KERNEL, *FROM_RAIDCTL]:
        wanted, line = plan["expected"].get(name), saw.get(name, {})
        why = None
        if wanted is None:
            why = plan["failures"].get(name, "nothing was done")
        elif line.get("started") != "ok":
            why = "the kernel did not start it"
        else:
            looks = {"degraded": str(wanted["degraded"]), "resync": "none", "from": wanted["from"], "after": "0", "mismatch": "0", "md5": wanted["md5"]}
            differs = [f"{key} {line.get(key)}, not {value}" for key, value in looks.items() if line.get(key) != value]
            why = "; ".join(differs) or None
        content = "ok" if why is None else "FAILED"
        print(f"KERNEL name={name} mode=pass mismatch={line.get('mismatch', '-')} content={content}" + (f" why={why}" if why else ""))
        good.append(why is None)
    print(f"{good.count(True)} passed, {good.count(False)} failed")
    return 0 if all(good) else 1


def main(arguments):
    match arguments:
        case ["prepare", work]:
            return prepare(Path(work))
        case ["work", raidctl, work, log]:
            return work_all(raidctl, Path(work), log)
        case ["judge", work, log]:
            return judge(Path(work), log)
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
