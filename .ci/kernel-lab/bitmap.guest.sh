# Guest script: arrays with bits set in their bitmaps, and with bad blocks in their logs. make-fixtures runs it and cuts
# the images. /dev/vdb, vdc and vdd hold the content pattern with three seeds, as in assembly.guest.sh.
#
# The note of an array says what mdadm makes of each member: events/events_cleared/bits/dirty bits of its bitmap, or the
# ranges of its bad-block log, in the log's order. _ stands for a blank.

member() { echo "/dev/mapper/$name.$1"; }
create() { # name level count option...: an array full of the first pattern
  name=$1 level=$2 count=$3 metadata=1.2 chunk=4 layout=left-symmetric
  shift 3
  case $level in
    1) chunk=0 layout=- ;;
    10) layout=n2 ;;
  esac
  [ "$level" = 1 ] || set -- "$@" --chunk=$chunk --layout=$layout
  quiet mdadm --create $array --run --level="$level" --raid-devices="$count" --metadata=$metadata --assume-clean "$@" $carved
}
small() { members "$1" "$3"; create "$@" --data-offset=128K; overwrite /dev/vdb 0 512; }
overwrite() { # pattern first count: in blocks of 4 KiB
  dd if="$1" of=$array bs=4k skip="$2" seek="$2" count="$3" conv=notrunc,fsync 2>/tmp/dd.log ||
    grep -q "No space left" /tmp/dd.log || cat /tmp/dd.log
}
lose() { quiet mdadm $array --fail "$(member "$1")"; sleep 0.2; quiet mdadm $array --remove "$(member "$1")"; }
bitmap_of() {
  mdadm --examine-bitmap "$1" | awk -F' : ' '/Events :/ {e = $2} /Cleared/ {c = $2}
    / Bitmap :/ {split($2, b, " "); print e "/" c "/" b[1] "/" b[4]}'
}
log_of() { mdadm --examine-badblocks "$1" | awk '/ for / {printf "%s%s+%s", comma, $1, $3; comma = ","}'; }
each() { # what: of all members, with a blank between
  said="" i=0
  while [ $i -lt $count ]; do said="$said${said:+_}$i:$("$1" "$(member $i)")" i=$((i + 1)); done
  echo "$said"
}

use 1; small bitmap-r5 5 3 --bitmap=internal --bitmap-chunk=4K
use 2; small bitmap-r10 10 4 --bitmap=internal --bitmap-chunk=4K
# Large enough for a bitmap of ten pages. Behind the first MiB, all of it lies at the same place.
use 3; sectors=2048
name=bitmap-r1-large places=$free,$((free + sectors)) carved="" scratch=131072
for i in 0 1; do
  at=$sectors
  echo "0 $sectors linear /dev/vda $((free + i * sectors))" >/tmp/table
  while [ $at -lt $((9 << 21)) ]; do echo "$at 32768 linear /dev/vda $scratch" >>/tmp/table; at=$((at + 32768)); done
  dmsetup create $name.$i </tmp/table
  carved="$carved /dev/mapper/$name.$i"
done
free=$((free + 2 * sectors))
create $name 1 2 --bitmap=internal --bitmap-chunk=32K --data-offset=512K
large_places=$places large=$sectors sectors=1280
sleep 18 # until no bit is left from the time when all members were there

use 1; name=bitmap-r5 count=3
lose 1; overwrite /dev/vdc 0 1; overwrite /dev/vdc 17 40; overwrite /dev/vdc 200 3
use 2; name=bitmap-r10 count=4
lose 2; overwrite /dev/vdc 1 3; overwrite /dev/vdc 90 7
use 3; name=bitmap-r1-large count=2
lose 1
for at in 0 245760 1000000 2000000; do
  dd if=/dev/vdc of=$array bs=4k seek=$at count=20 conv=notrunc,fsync 2>/dev/null
done

places=""
show() { # number name level layout count first
  use "$1"; name=$2 level=$3 layout=$4 count=$5 places=$6
  fresh; size=$(bytes $array) content=-
  [ "$name" = bitmap-r1-large ] || content=$(digest $array)
  stop
  echo "ARRAY name=$name level=$level layout=$layout chunk_kib=$chunk members=$count metadata=$metadata" \
    "sectors=$sectors size=$size md5=$content at=$places note=$(each bitmap_of)"
}
chunk=4
show 1 bitmap-r5 5 left-symmetric 3 0,1280,2560
show 2 bitmap-r10 10 n2 4 3840,5120,6400,7680
sectors=$large chunk=0
show 3 bitmap-r1-large 1 - 2 $large_places
sectors=1280

use 4; small bad-blocks-r5 5 3 --bitmap=none
fresh; size=$(bytes $array) content=$(digest $array) # reading bad blocks would mend them
for range in "290 3" "300 8" "308 8" "400 1" "402 1"; do echo "$range" >$md/rd1/bad_blocks; done
echo "600 600" >$md/rd2/bad_blocks # longer than an entry
stop
echo "ARRAY name=$name level=$level layout=$layout chunk_kib=$chunk members=$count metadata=$metadata" \
  "sectors=$sectors size=$size md5=$content at=$places note=$(each log_of)"
