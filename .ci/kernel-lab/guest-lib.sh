# Functions for scripts that run in the guest (busybox sh). The array at work is always /dev/md0.
md=/sys/block/md0/md
echo 100000 >/proc/sys/dev/raid/speed_limit_min # small arrays: let resync and recovery run at once

# carve NAME FIRST SECTORS COUNT: COUNT members of SECTORS 512-byte sectors each, one after the other from sector
# FIRST of /dev/vda, as /dev/mapper/NAME.0 and so on. Their exact size matters: metadata 1.0 is found from the end.
# Leaves their names in $carved.
carve() {
  carved="" carve_at=$2 carve_i=0
  while [ $carve_i -lt "$4" ]; do
    dmsetup create "$1.$carve_i" --table "0 $3 linear /dev/vda $carve_at" || return 1
    carved="$carved /dev/mapper/$1.$carve_i" carve_at=$((carve_at + $3)) carve_i=$((carve_i + 1))
  done
}
uncarve() { for carve_i in $carved; do dmsetup remove "${carve_i##*/}"; done; }

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
  until mdadm --stop /dev/md0 >/tmp/stop.log 2>&1; do
    stop_tries=$((stop_tries + 1))
    [ $stop_tries -lt 20 ] || { cat /tmp/stop.log; return 1; }
    sleep 0.1
  done
}
# quiet COMMAND...: say nothing unless it fails.
quiet() { "$@" </dev/null >/tmp/quiet.log 2>&1 || { echo "FAILED: $*"; cat /tmp/quiet.log; return 1; }; }

# power_cut: end the guest at once, as a power failure does: no clean stop, no superblock update, no cache flush
# by the guest. The script counts as having ended well.
power_cut() {
  echo 1 >/proc/sys/kernel/sysrq
  echo "LAB-END 0"; sleep 0.3 # the console must have said so; the array's own timers are the caller's business
  echo o >/proc/sysrq-trigger
  sleep 60
}
