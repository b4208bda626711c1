# Functions for scripts that run in the guest (busybox sh).

# use N: the array at work is /dev/mdN. Sets $array, and $md, where its attributes are.
use() { array=/dev/md$1 md=/sys/block/md$1/md; }
use 0
echo 100000 >/proc/sys/dev/raid/speed_limit_min # small arrays: let resync and recovery run at once

# carve NAME FIRST SECTORS COUNT: COUNT members of SECTORS 512-byte sectors each, one after the other from sector
# FIRST of /dev/vda, as /dev/mapper/NAME.0 and so on. SECTORS can be a list with commas, where they are not alike. Their
# exact size matters: metadata 1.0 is found from the end. Leaves their names in $carved.
carve() {
  carved="" carve_at=$2 carve_i=0 carve_rest=$3
  while [ $carve_i -lt "$4" ]; do
    carve_sectors=${carve_rest%%,*} carve_rest=${carve_rest#*,}
    dmsetup create "$1.$carve_i" --table "0 $carve_sectors linear /dev/vda $carve_at" || return 1
    carved="$carved /dev/mapper/$1.$carve_i" carve_at=$((carve_at + carve_sectors)) carve_i=$((carve_i + 1))
  done
}
uncarve() { for carve_i in $carved; do dmsetup remove "${carve_i##*/}"; done; }

# members NAME COUNT: the next COUNT free members of $sectors sectors each. Leaves $carved, and their first sectors on
# /dev/vda in $places.
sectors=1280 free=0
members() {
  carve "$1" $free $sectors "$2"
  places="" free_i=0
  while [ $free_i -lt "$2" ]; do
    places="$places${places:+,}$free" free=$((free + sectors)) free_i=$((free_i + 1))
  done
}
# made KEY=VALUE...: print the line by which make-fixtures cuts the array at work, from the variables that describe it.
# The array must hold still.
made() {
  fresh
  echo "ARRAY name=$name level=$level layout=$layout chunk_kib=$chunk members=$count metadata=$metadata" \
    "sectors=$sectors size=$(bytes $array) md5=$(digest $array) at=$places $*"
}
# fresh: what is read next comes from the disks.
fresh() { echo 3 >/proc/sys/vm/drop_caches; }

# settle: wait until no resync, recovery or check runs.
settle() {
  while [ "$(cat $md/sync_action)" != idle ]; do sleep 0.05; done
}
# verify: read everything and compare; leaves the count of mismatched sectors in $mismatch.
verify() {
  settle; echo check >$md/sync_action; settle
  mismatch=$(cat $md/mismatch_cnt)
}
# repair: make every parity agree, then verify.
repair() { settle; echo repair >$md/sync_action; verify; }

digest() { md5sum <"$1" | cut -d' ' -f1; }
bytes() { blockdev --getsize64 "$1"; }

# stop: stop the array; a holder that has only just closed it may need a moment.
stop() {
  stop_tries=0
  until mdadm --stop $array >/tmp/stop.log 2>&1; do
    stop_tries=$((stop_tries + 1))
    [ $stop_tries -lt 20 ] || { cat /tmp/stop.log; return 1; }
    sleep 0.1
  done
}
# quiet COMMAND...: say nothing unless it fails.
quiet() { "$@" </dev/null >/tmp/quiet.log 2>&1 || { echo "FAILED: $*"; cat /tmp/quiet.log; return 1; }; }

# power_cut: end the guest at once, as a power failure does. It is a reset and not a power-off, which would let md mark
# its arrays clean first. The script counts as having ended well.
power_cut() {
  echo 1 >/proc/sys/kernel/sysrq
  echo "LAB-END 0"; sleep 0.3 # until the console has said so
  echo b >/proc/sysrq-trigger
  sleep 60
}
