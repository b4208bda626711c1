# Guest script: the kernel goes on with reshapes that raidctl has parked, and judges those that raidctl has finished.
# reshapes.py appends one line for each array:
#
#   finish NAME LEVEL FIRST SECTORS MEMBERS BYTES   assemble it, let what is on record come to its end, compare, and read
#                                                   so many bytes from its start
#
# It prints SAW name=.. at=POSITION degraded=.. members=.. chunk=.. layout=.. mismatch=.. md5=.. where `at` is the position
# that the kernel found on record.

finish() { # name level first sectors members bytes
  name=$1 level=$2; carve "$1" "$3" "$4" "$5" || return; members=$carved
  quiet mdadm --assemble --readonly --run $array $members || { echo "SAW name=$name started=no"; uncarve; return; }
  saw="SAW name=$name started=ok at=$(cat $md/reshape_position)"
  quiet mdadm --readwrite $array
  tries=0
  until [ "$(cat $md/reshape_position)" = none ] && [ "$(cat $md/sync_action)" = idle ]; do
    tries=$((tries + 1)); [ $tries -lt 600 ] || { cat /proc/mdstat; break; }
    sleep 0.05
  done
  verify; fresh
  content=$(dd if=$array bs=4k count=$(($6 / 4096)) 2>/dev/null | md5sum | cut -d' ' -f1)
  echo "$saw degraded=$(cat $md/degraded) members=$(cat $md/raid_disks) chunk=$(cat $md/chunk_size) layout=$(cat $md/layout)" \
    "size=$(bytes $array) mismatch=$mismatch md5=$content"
  stop; carved=$members; uncarve
}
